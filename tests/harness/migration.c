/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Migrations and snapshots: see migration.h.
 */
#include "migration.h"

#include <inttypes.h>

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

/* Wait until a job is over, and that it did not fail */
static void migration_finish_job(Vm *vm)
{
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

        g_assert_cmpstr(
            json_object_get_string_member_with_default(job, "error", NULL), ==,
            NULL);
    }
    migration_execute(vm, "job-dismiss", "{'id': 'job0'}");
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

static void migration_snapshot(Vm *vm, const char *command, const char *tag)
{
    migration_executef(vm, command,
                       "{'job-id': 'job0', 'tag': '%s', 'vmstate': 'disk',"
                       " 'devices': ['disk']}",
                       tag);
    migration_finish_job(vm);
}

void migration_save(Vm *vm, const char *tag)
{
    migration_snapshot(vm, "snapshot-save", tag);
}

void migration_load(Vm *vm, const char *tag)
{
    migration_snapshot(vm, "snapshot-load", tag);
}
