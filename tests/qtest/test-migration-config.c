/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A destination whose device differs says in what, before it has taken any of
 * the guest's memory, and the source goes on.
 */
#include <inttypes.h>
#include <string.h>

#include "migrate.h"

#define PLAIN "block-size=2M,memaddr=0x140000000"

typedef struct Difference {
    const char *name;
    const char *source; /* properties of its device */
    const char *backend_size;
    const char *device;  /* more properties */
    const char *message; /* with asterisks where anything may be */
} Difference;

static const Difference differences[] = {
    {"region-size", PLAIN, "64M", "block-size=2M,memaddr=0x140000000",
     "mhp-vmemmap-mem: property 'size' of 'memdev' wants 128 MiB as on the migration's source, got 64 MiB"},
    {"block-size", PLAIN, "128M", "block-size=4M,memaddr=0x140000000",
     "mhp-vmemmap-mem: property 'block-size' wants 2 MiB as on the migration's source, got 4 MiB"},
    {"memaddr", PLAIN, "128M", "block-size=2M,memaddr=0x148000000",
     "mhp-vmemmap-mem: property 'memaddr' wants 0x140000000 as on the migration's source, got 0x148000000"},
    {"node", PLAIN, "128M", PLAIN ",node=1",
     "mhp-vmemmap-mem: property 'node' wants 0 as on the migration's source, got 1"},
    {"features", PLAIN, "128M", PLAIN ",event_idx=off",
     "mhp-vmemmap-mem: wanted all virtio features of the migration's source, *, got *, which lacks 0x20000000"},
    {"own-features", PLAIN, "128M", PLAIN ",status=off",
     "mhp-vmemmap-mem: wanted all virtio features of the migration's source, *, got *, which lacks 0x200"},
    {"compat", PLAIN, "128M", PLAIN ",compat=virtio-mem",
     "mhp-vmemmap-mem: property 'compat' wants virtio device 63 as on the migration's source, got 24"},
    {"pressure", PLAIN, "128M", PLAIN ",pressure=off",
     "mhp-vmemmap-mem: wanted all virtio features of the migration's source, *, got *, which lacks 0x1000"},
    {"stats", PLAIN ",stats=off", "128M", PLAIN,
     "mhp-vmemmap-mem: property 'stats' wants 'off' as on the migration's source, got 'on'"},
    {"free-page-reporting", PLAIN ",free-page-reporting=off", "128M", PLAIN,
     "mhp-vmemmap-mem: property 'free-page-reporting' wants 'off' as on the migration's source, got 'auto'"},
};

static Vm *new_vm(const char *backend_size, const char *device)
{
    Vm *vm = vm_new();

    vm_add_plugin(vm);
    vm_add_args(vm, "-S", "-accel", "tcg", "-M", "q35", "-m", "64M,maxmem=2G",
                "-smp", "2", "-object", "memory-backend-ram,id=boot0,size=32M",
                "-object", "memory-backend-ram,id=boot1,size=32M", "-numa",
                "node,memdev=boot0,cpus=0", "-numa", "node,memdev=boot1,cpus=1",
                NULL);
    vm_add_opt(vm, "object", "memory-backend-ram,id=mem0,size=%s",
               backend_size);
    vm_add_opt(vm, "device", "mhp-vmemmap-mem,id=mhp0,memdev=mem0,%s", device);
    return vm;
}

/* All but the first line of what QEMU said names this file's own work */
static void assert_said_first(Vm *vm, const char *message)
{
    g_autofree char *said = vm_stderr(vm);
    g_auto(GStrv) lines = g_strsplit(said, "\n", 2);
    const char *colon = strstr(lines[0], ": ");

    g_assert_nonnull(colon);
    if (!g_pattern_match_simple(message, colon + strlen(": "))) {
        g_assert_cmpstr(colon + strlen(": "), ==, message);
    }
}

static void start_pair(Vm *source, Vm *target)
{
    g_autoptr(GError) error = NULL;

    vm_add_args(target, "-incoming", "defer", NULL);
    vm_start(source, &error);
    g_assert_no_error(error);
    vm_start(target, &error);
    g_assert_no_error(error);
}

static void test_difference(const void *data)
{
    const Difference *row = data;
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(GError) error = NULL;
        g_autoptr(Vm) source = new_vm("128M", row->source);
        g_autoptr(Vm) target = new_vm(row->backend_size, row->device);
        g_autofree char *state = NULL;
        int exit_status;

        start_pair(source, target);
        migration_listen(target, uri);
        migration_start(source, uri);
        vm_wait_exit(target, 30000, &exit_status, &error);
        g_assert_no_error(error);
        g_assert_cmpint(exit_status, ==, 1);
        assert_said_first(target, row->message);
        migration_wait(source, "failed");
        state = migration_run_state(source);
        g_assert_cmpstr(state, ==, "prelaunch");
        g_assert_true(qmp_set_uint(vm_qmp(source), MHP_QOM_PATH,
                                   "requested-size", MHP_BLOCK_SIZE, &error));
    }
    migrate_free_uri(uri);
}

/* What the source's driver cannot have accepted does no harm, but a queue */
static void migrate_features(const char *from, const char *to)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Vm) source = new_vm("128M", from);
        g_autoptr(Vm) target = new_vm("128M", to);

        start_pair(source, target);
        migration_listen(target, uri);
        migration_start(source, uri);
        migration_wait(source, "completed");
        migration_wait_incoming(target);
    }
    migrate_free_uri(uri);
}

static void test_more_features(const void *data)
{
    migrate_features(data, PLAIN);
}

/* A device from before there were these queues is as one without them */
static void test_features_of_an_older_plugin(void)
{
    const char *with_stats = PLAIN ",free-page-reporting=off";
    const char *without = PLAIN ",free-page-reporting=off,stats=off";

    migrate_features(PLAIN ",free-page-reporting=off,pressure=off", with_stats);
    migrate_features(PLAIN ",free-page-reporting=off,pressure=off,vectors=3",
                     with_stats);
    migrate_features(PLAIN ",free-page-reporting=off,stats=off,pressure=off",
                     without);
    migrate_features(
        PLAIN ",free-page-reporting=off,stats=off,pressure=off,vectors=2",
        without);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(differences); i++) {
        g_autofree char *name = g_strdup_printf(
            "/virtio-mhp/migration-config/%s", differences[i].name);

        g_test_add_data_func(name, &differences[i], test_difference);
    }
    g_test_add_data_func("/virtio-mhp/migration-config/more features",
                         PLAIN ",event_idx=off", test_more_features);
    g_test_add_data_func(
        "/virtio-mhp/migration-config/more features of its own",
        PLAIN ",status=off,memmap-on-block=off", test_more_features);
    g_test_add_func("/virtio-mhp/migration-config/features of an older plugin",
                    test_features_of_an_older_plugin);
    return g_test_run();
}
