/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Migrations and snapshots: see migration.h.
 */
#include "migration.h"

#include <inttypes.h>
#include <string.h>

#include "wait.h"

/* Large enough for the snapshots of a small guest, and mostly holes */
#define MIGRATION_DISK_SIZE (UINT64_C(1) << 30)

static void migration_execute(Vm *vm, const char *command, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(vm_qmp(vm), &error, command, text ? "%s" : NULL,
                          text);
    g_assert_no_error(error);
}

G_GNUC_PRINTF(3, 4)
static void migration_executef(Vm *vm, const char *command, const char *format,
                               ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    migration_execute(vm, command, text);
}

static void migration_switch(Vm *vm, const char *capability, bool on)
{
    migration_executef(vm, "migrate-set-capabilities",
                       "{'capabilities': [{'capability': '%s', 'state': %s}]}",
                       capability, on ? "true" : "false");
}

void migration_enable(Vm *vm, const char *capability)
{
    migration_switch(vm, capability, true);
}

void migration_disable(Vm *vm, const char *capability)
{
    migration_switch(vm, capability, false);
}

void migration_set(Vm *vm, const char *parameter, uint64_t value)
{
    migration_executef(vm, "migrate-set-parameters", "{'%s': %" PRIu64 "}",
                       parameter, value);
}

void migration_listen(Vm *vm, const char *uri)
{
    migration_executef(vm, "migrate-incoming", "{'uri': '%s'}", uri);
}

void migration_start(Vm *vm, const char *uri)
{
    migration_executef(vm, "migrate", "{'uri': '%s'}", uri);
}

void migration_set_mode(Vm *vm, const char *mode)
{
    migration_executef(vm, "migrate-set-parameters", "{'mode': '%s'}", mode);
}

#define MIGRATION_UNIX \
    "'addr': {'transport': 'socket', 'type': 'unix', 'path': '%s'}"

void migration_add_cpr(Vm *vm, const char *cpr)
{
    vm_add_opt(vm, "incoming",
               "cpr,addr.transport=socket,addr.type=unix,addr.path=%s", cpr);
}

/* The kernel's flag of a socket that somebody listens on */
#define MIGRATION_LISTENS " 00010000 "

/* That it is there is not enough: before listen() it refuses */
static bool migration_has_listener(void *opaque, GError **error)
{
    g_autofree char *path = g_strdup_printf(" %s", (const char *)opaque);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents("/proc/net/unix", &text, NULL, error)) {
        return false;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (g_str_has_suffix(*line, path) && strstr(*line, MIGRATION_LISTENS)) {
            return true;
        }
    }
    return false;
}

void migration_start_cpr(Vm *vm, const char *uri, const char *cpr)
{
    g_autoptr(GError) error = NULL;

    wait_until(migration_has_listener, (void *)cpr, MIGRATION_TIMEOUT_MS,
               "a listener for the first part", &error);
    g_assert_no_error(error);
    migration_set_mode(vm, "cpr-transfer");
    migration_executef(vm, "migrate",
                       "{'channels': ["
                       "{'channel-type': 'main', " MIGRATION_UNIX "},"
                       "{'channel-type': 'cpr', " MIGRATION_UNIX "}]}",
                       strchr(uri, ':') + 1, cpr);
}

void migration_start_postcopy(Vm *vm)
{
    migration_execute(vm, "migrate-start-postcopy", NULL);
}

void migration_cancel(Vm *vm)
{
    migration_execute(vm, "migrate_cancel", NULL);
}

void migration_go_on(Vm *vm)
{
    migration_execute(vm, "migrate-continue", "{'state': 'pre-switchover'}");
}

static JsonNode *migration_query(Vm *vm, const char *command)
{
    g_autoptr(GError) error = NULL;
    JsonNode *result = qmp_executef(vm_qmp(vm), &error, command, NULL);

    g_assert_no_error(error);
    return result;
}

static const char *migration_status(JsonNode *info)
{
    return json_object_get_string_member_with_default(
        json_node_get_object(info), "status", "none");
}

typedef struct MigrationWait {
    Vm *vm;
    const char *status;
} MigrationWait;

static bool migration_has_status(void *opaque, GError **error)
{
    const MigrationWait *wait = opaque;
    g_autoptr(JsonNode) info = migration_query(wait->vm, "query-migrate");
    const char *got = migration_status(info);

    if (g_str_equal(got, wait->status)) {
        return true;
    }
    if (g_str_equal(got, "failed") || g_str_equal(got, "cancelled") ||
        g_str_equal(got, "completed")) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_REFUSED,
                    "want a migration that is %s, got one that is %s: %s",
                    wait->status, got,
                    json_object_get_string_member_with_default(
                        json_node_get_object(info), "error-desc", "no reason"));
    }
    return false;
}

void migration_wait(Vm *vm, const char *status)
{
    MigrationWait wait = {.vm = vm, .status = status};
    g_autoptr(GError) error = NULL;

    wait_until(migration_has_status, &wait, MIGRATION_TIMEOUT_MS,
               "a state of the migration", &error);
    g_assert_no_error(error);
}

char *migration_run_state(Vm *vm)
{
    g_autoptr(JsonNode) info = migration_query(vm, "query-status");

    return g_strdup(
        json_object_get_string_member(json_node_get_object(info), "status"));
}

static bool migration_has_arrived(void *opaque, GError **error)
{
    g_autoptr(JsonNode) info = migration_query(opaque, "query-migrate");
    g_autofree char *state = migration_run_state(opaque);

    if (g_str_equal(migration_status(info), "failed")) {
        g_set_error_literal(error, QMP_ERROR, QMP_ERROR_REFUSED,
                            "the migration failed at its destination");
        return false;
    }
    return g_str_equal(migration_status(info), "completed") &&
           !g_str_equal(state, "inmigrate");
}

void migration_wait_incoming(Vm *vm)
{
    g_autoptr(GError) error = NULL;

    wait_until(migration_has_arrived, vm, MIGRATION_TIMEOUT_MS,
               "the end of the migration", &error);
    g_assert_no_error(error);
}

uint64_t migration_bytes(Vm *vm)
{
    g_autoptr(JsonNode) info = migration_query(vm, "query-migrate");
    JsonObject *object = json_node_get_object(info);

    if (!json_object_has_member(object, "ram")) {
        return 0;
    }
    return (uint64_t)json_object_get_int_member(
        json_object_get_object_member(object, "ram"), "transferred");
}

/* Wait until a job is over; why it failed, or NULL */
static char *migration_end_job(Vm *vm)
{
    char *message;

    for (;;) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) event = NULL;
        JsonObject *data;

        event = qmp_wait_event(vm_qmp(vm), "JOB_STATUS_CHANGE",
                               MIGRATION_TIMEOUT_MS, &error);
        g_assert_no_error(error);
        data = json_object_get_object_member(json_node_get_object(event),
                                             "data");
        if (g_str_equal(json_object_get_string_member(data, "status"),
                        "concluded")) {
            break;
        }
    }
    {
        g_autoptr(JsonNode) jobs = migration_query(vm, "query-jobs");
        JsonObject *job = json_array_get_object_element(
            json_node_get_array(jobs), 0);

        message = g_strdup(
            json_object_get_string_member_with_default(job, "error", NULL));
    }
    migration_execute(vm, "job-dismiss", "{'id': 'job0'}");
    return message;
}

static void migration_finish_job(Vm *vm)
{
    g_autofree char *message = migration_end_job(vm);

    g_assert_cmpstr(message, ==, NULL);
}

void migration_add_disk(Vm *vm, const char *path)
{
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, "", 0, &error);
    g_assert_no_error(error);
    migration_executef(vm, "blockdev-add",
                       "{'driver': 'file', 'node-name': 'file',"
                       " 'filename': '%s'}",
                       path);
    migration_executef(vm, "blockdev-create",
                       "{'job-id': 'job0', 'options': {'driver': 'qcow2',"
                       " 'file': 'file', 'size': %" PRIu64 "}}",
                       MIGRATION_DISK_SIZE);
    migration_finish_job(vm);
    migration_execute(vm, "blockdev-add",
                      "{'driver': 'qcow2', 'node-name': 'disk',"
                      " 'file': 'file'}");
}

static char *migration_snapshot(Vm *vm, const char *command, const char *tag)
{
    migration_executef(vm, command,
                       "{'job-id': 'job0', 'tag': '%s', 'vmstate': 'disk',"
                       " 'devices': ['disk']}",
                       tag);
    return migration_end_job(vm);
}

void migration_save(Vm *vm, const char *tag)
{
    g_autofree char *message = migration_snapshot(vm, "snapshot-save", tag);

    g_assert_cmpstr(message, ==, NULL);
}

char *migration_try_load(Vm *vm, const char *tag)
{
    return migration_snapshot(vm, "snapshot-load", tag);
}

void migration_load(Vm *vm, const char *tag)
{
    g_autofree char *message = migration_try_load(vm, tag);

    g_assert_cmpstr(message, ==, NULL);
}
