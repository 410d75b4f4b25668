/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP over a Channel. Each message is one line of JSON; what arrives while a
 * command waits for its answer is an event and goes into a queue.
 */
#include "qmp.h"

#include <inttypes.h>
#include <string.h>

/* Long enough for any command under TCG on a busy machine */
#define QMP_TIMEOUT_MS 60000

struct Qmp {
    Channel *channel;
    GQueue events;
};

G_DEFINE_QUARK(mhp - qmp - error, qmp_error)

static void qmp_free_event(gpointer event)
{
    json_node_unref(event);
}

void qmp_free(Qmp *qmp)
{
    if (!qmp) {
        return;
    }
    g_queue_clear_full(&qmp->events, qmp_free_event);
    channel_free(qmp->channel);
    g_free(qmp);
}

static JsonNode *qmp_read(Qmp *qmp, unsigned timeout_ms, GError **error)
{
    g_autofree char *line = channel_read_line(qmp->channel, timeout_ms, error);
    g_autoptr(JsonNode) node = NULL;

    if (!line) {
        g_prefix_error(error, "QMP: ");
        return NULL;
    }
    node = json_from_string(line, NULL);
    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                    "QMP: want a JSON object, got '%s'", line);
        return NULL;
    }
    return g_steal_pointer(&node);
}

Qmp *qmp_new(Channel *channel, GError **error)
{
    g_autoptr(Qmp) qmp = g_new0(Qmp, 1);
    g_autoptr(JsonNode) greeting = NULL;
    g_autoptr(JsonNode) result = NULL;

    qmp->channel = channel;
    g_queue_init(&qmp->events);
    greeting = qmp_read(qmp, QMP_TIMEOUT_MS, error);
    if (!greeting) {
        return NULL;
    }
    if (!json_object_has_member(json_node_get_object(greeting), "QMP")) {
        g_set_error_literal(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                            "QMP: want a greeting, got something else");
        return NULL;
    }
    result = qmp_execute(qmp, "qmp_capabilities", NULL, error);
    return result ? g_steal_pointer(&qmp) : NULL;
}

static bool qmp_send(Qmp *qmp, const char *command, JsonNode *arguments,
                     GError **error)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;

    json_object_set_string_member(object, "execute", command);
    if (arguments) {
        json_object_set_member(object, "arguments", arguments);
    }
    json_node_take_object(root, object);
    text = json_to_string(root, FALSE);
    line = g_strconcat(text, "\n", NULL);
    return channel_write(qmp->channel, line, strlen(line), QMP_TIMEOUT_MS,
                         error);
}

/* The answer's "return", or its "error" as a GError */
static JsonNode *qmp_result(JsonNode *answer, const char *command,
                            GError **error)
{
    JsonObject *object = json_node_get_object(answer);
    JsonObject *refusal;

    if (json_object_has_member(object, "return")) {
        return json_object_dup_member(object, "return");
    }
    if (!json_object_has_member(object, "error")) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                    "QMP: %s got neither a result nor an error", command);
        return NULL;
    }
    refusal = json_object_get_object_member(object, "error");
    g_set_error_literal(error, QMP_ERROR, QMP_ERROR_REFUSED,
                        json_object_get_string_member(refusal, "desc"));
    return NULL;
}

JsonNode *qmp_execute(Qmp *qmp, const char *command, JsonNode *arguments,
                      GError **error)
{
    if (!qmp_send(qmp, command, arguments, error)) {
        return NULL;
    }
    for (;;) {
        g_autoptr(JsonNode) node = qmp_read(qmp, QMP_TIMEOUT_MS, error);

        if (!node) {
            return NULL;
        }
        if (!json_object_has_member(json_node_get_object(node), "event")) {
            return qmp_result(node, command, error);
        }
        g_queue_push_tail(&qmp->events, g_steal_pointer(&node));
    }
}

JsonNode *qmp_executef(Qmp *qmp, GError **error, const char *command,
                       const char *format, ...)
{
    g_autofree char *text = NULL;
    JsonNode *arguments = NULL;
    va_list ap;

    if (format) {
        va_start(ap, format);
        text = g_strdup_vprintf(format, ap);
        va_end(ap);
        g_strdelimit(text, "'", '"');
        arguments = json_from_string(text, error);
        if (!arguments) {
            return NULL;
        }
    }
    return qmp_execute(qmp, command, arguments, error);
}

static const char *qmp_event_name(JsonNode *event)
{
    return json_object_get_string_member(json_node_get_object(event), "event");
}

static JsonNode *qmp_take_event(Qmp *qmp, const char *name)
{
    for (GList *l = qmp->events.head; l; l = l->next) {
        JsonNode *event = l->data;

        if (g_str_equal(qmp_event_name(event), name)) {
            g_queue_delete_link(&qmp->events, l);
            return event;
        }
    }
    return NULL;
}

JsonNode *qmp_wait_event(Qmp *qmp, const char *name, unsigned timeout_ms,
                         GError **error)
{
    int64_t deadline = g_get_monotonic_time() + timeout_ms * 1000LL;
    JsonNode *event;

    while (!(event = qmp_take_event(qmp, name))) {
        int64_t left = MAX(deadline - g_get_monotonic_time(), 0);
        JsonNode *node = qmp_read(qmp, left / 1000, error);

        if (!node) {
            g_prefix_error(error, "event %s did not come: ", name);
            return NULL;
        }
        if (json_object_has_member(json_node_get_object(node), "event")) {
            g_queue_push_tail(&qmp->events, node);
        } else {
            json_node_unref(node);
        }
    }
    return event;
}

bool qmp_get_uint(Qmp *qmp, const char *path, const char *property,
                  uint64_t *value, GError **error)
{
    g_autoptr(JsonNode) node = NULL;

    node = qmp_executef(qmp, error, "qom-get",
                        "{'path': '%s', 'property': '%s'}", path, property);
    if (!node) {
        return false;
    }
    if (!JSON_NODE_HOLDS_VALUE(node) ||
        json_node_get_value_type(node) != G_TYPE_INT64) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                    "QMP: property '%s' is no integer", property);
        return false;
    }
    *value = (uint64_t)json_node_get_int(node);
    return true;
}

bool qmp_set_uint(Qmp *qmp, const char *path, const char *property,
                  uint64_t value, GError **error)
{
    g_autoptr(JsonNode) node = NULL;

    node = qmp_executef(qmp, error, "qom-set",
                        "{'path': '%s', 'property': '%s', 'value': %" PRIu64
                        "}",
                        path, property, value);
    return node != NULL;
}
