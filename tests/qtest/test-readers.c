/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What looks at memory from the host and backs none by that: what asks the
 * device which blocks are plugged, and what tells of memory without reading
 * it. In each test nothing is plugged. Other readers: test-blind-readers.c
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "mhp.h"
#include "migrate.h"

/* Errors are answers, too: what was backed tells whether something was read */
static void ask(Mhp *mhp, const char *command)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode)
        result = qmp_executef(vm_qmp(mhp->vm), &error, command, NULL);

    g_assert_true(result ||
                  g_error_matches(error, QMP_ERROR, QMP_ERROR_REFUSED));
}

/* All queries, also those that a later QEMU may have */
static void test_queries_back_nothing(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode)
        result = qmp_executef(vm_qmp(mhp->vm), &error, "query-commands", NULL);
    JsonArray *array;
    unsigned nb_queries = 0;

    g_assert_no_error(error);
    array = json_node_get_array(result);
    for (unsigned i = 0; i < json_array_get_length(array); i++) {
        const char *name = json_object_get_string_member(
            json_array_get_object_element(array, i), "name");

        if (g_str_has_prefix(name, "query-") ||
            g_str_has_prefix(name, "x-query-")) {
            ask(mhp, name);
            g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
            nb_queries++;
        }
    }
    g_assert_cmpuint(nb_queries, >, 50);
}

/* The same for the monitor for people */
static void test_infos_back_nothing(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    g_autofree char *help = mhp_hmp(mhp, "help info");
    g_auto(GStrv) lines = g_strsplit(help, "\n", -1);
    unsigned nb_infos = 0;

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", 3);
        g_autofree char *command = NULL, *answer = NULL;

        if (g_strv_length(words) == 3 && g_str_equal(words[0], "info")) {
            command = g_strdup_printf("info %s", words[1]);
            answer = mhp_hmp(mhp, command);
            g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
            nb_infos++;
        }
    }
    g_assert_cmpuint(nb_infos, >, 40);
}

/* Read all properties below @path; how many there are */
static unsigned read_properties(Mhp *mhp, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) list = NULL;
    JsonArray *array;
    unsigned nb_properties = 0;

    list = qmp_executef(vm_qmp(mhp->vm), &error, "qom-list", "{'path': '%s'}",
                        path);
    g_assert_no_error(error);
    array = json_node_get_array(list);
    for (unsigned i = 0; i < json_array_get_length(array); i++) {
        JsonObject *object = json_array_get_object_element(array, i);
        const char *name = json_object_get_string_member(object, "name");
        g_autofree char *child = g_strdup_printf("%s/%s", path, name);
        g_autoptr(JsonNode) value = NULL;

        value = qmp_executef(vm_qmp(mhp->vm), NULL, "qom-get",
                             "{'path': '%s', 'property': '%s'}", path, name);
        nb_properties++;
        if (g_str_has_prefix(json_object_get_string_member(object, "type"),
                             "child<")) {
            nb_properties += read_properties(mhp, child);
        }
    }
    return nb_properties;
}

static void test_properties_back_nothing(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    g_assert_cmpuint(read_properties(mhp, "/objects"), >, 10);
    g_assert_cmpuint(read_properties(mhp, MHP_QOM_PATH), >, 50);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

static void dump(Mhp *mhp, const char *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(vm_qmp(mhp->vm), &error, "dump-guest-memory",
                          "{'protocol': 'file:/dev/null', %s}", options);
    /* One wants a guest with Windows */
    g_assert_true(result || strstr(options, "win-dmp"));
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

static void test_dumps_back_nothing(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;
    g_autofree char *part = NULL;
    JsonArray *formats;

    result = qmp_executef(vm_qmp(mhp->vm), &error,
                          "query-dump-guest-memory-capability", NULL);
    g_assert_no_error(error);
    formats = json_object_get_array_member(json_node_get_object(result),
                                           "formats");
    for (unsigned i = 0; i < json_array_get_length(formats); i++) {
        g_autofree char *options = g_strdup_printf(
            "'paging': false, 'format': '%s'",
            json_array_get_string_element(formats, i));

        dump(mhp, options);
    }
    dump(mhp, "'paging': true");
    part = g_strdup_printf("'paging': false, 'begin': 0, 'length': %" PRIu64,
                           mhp_block_addr(mhp, 1));
    dump(mhp, part);
}

/* What a migration or snapshot reads is where the guest's memory goes to */
static void test_migrations_back_nothing(void)
{
    static const char *const kinds[][2] = {
        {NULL, NULL},
        {"mapped-ram", NULL},
        {"mapped-ram", "multifd"},
        {"x-ignore-shared", NULL},
        {"xbzrle", NULL},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        char *uri = migrate_new_uri("file");
        g_autoptr(Mhp) mhp = mhp_new();

        for (unsigned k = 0; k < 2 && kinds[i][k]; k++) {
            migration_enable(mhp->vm, kinds[i][k]);
        }
        migration_start(mhp->vm, uri);
        migration_wait(mhp->vm, "completed");
        g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
        migrate_free_uri(uri);
    }
}

static void execute(Mhp *mhp, const char *command)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode)
        result = qmp_executef(vm_qmp(mhp->vm), &error, command, NULL);

    g_assert_no_error(error);
}

/* False if the host has not what it takes, which is for QEMU to say */
static bool enable_background_snapshot(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = qmp_executef(
        vm_qmp(mhp->vm), &error, "migrate-set-capabilities",
        "{'capabilities': [{'capability': 'background-snapshot',"
        " 'state': true}]}");

    if (error) {
        g_test_message("not tried: %s", error->message);
    }
    return result;
}

/* This one reads each page before it starts, to notice who writes to it */
static void test_background_snapshot_backs_nothing(void)
{
    int bios = mhp_bios_file();
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", getpid(), bios);
    const char *const args[] = {"-bios", path, NULL};
    char *uri = migrate_new_uri("file");
    {
        g_autoptr(Mhp) mhp = mhp_new_with_args(args);

        close(bios);
        execute(mhp, "cont");
        if (enable_background_snapshot(mhp)) {
            migration_start(mhp->vm, uri);
            migration_wait(mhp->vm, "completed");
        }
        g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
    }
    migrate_free_uri(uri);
}

static void test_snapshot_backs_nothing(void)
{
    char *uri = migrate_new_uri("file");
    {
        g_autoptr(Mhp) mhp = mhp_new();

        migration_add_disk(mhp->vm, strchr(uri, ':') + 1);
        migration_save(mhp->vm, "one");
        g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
        mhp_load_snapshot(mhp, "one");
        g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
    }
    migrate_free_uri(uri);
}

#define ADD(test) g_test_add_func("/virtio-mhp/readers/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(queries_back_nothing);
    ADD(infos_back_nothing);
    ADD(properties_back_nothing);
    ADD(dumps_back_nothing);
    ADD(migrations_back_nothing);
    ADD(background_snapshot_backs_nothing);
    ADD(snapshot_backs_nothing);
    return g_test_run();
}
