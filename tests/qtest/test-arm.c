/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same plugin in QEMU for Arm: machine virt maps the device, gives it a
 * place for hotplug, and is migrated with it. No guest and no driver takes
 * part.
 */
#include <glib/gstdio.h>

#include "mhp.h"
#include "migration.h"

#define ARM_QEMU "qemu-system-aarch64"
#define ARM_MEMORY "size=64M,slots=2,maxmem=1G"
/* Where machine virt's own memory starts; memory devices come behind it */
#define ARM_MEMORY_START (UINT64_C(1) << 30)

static Vm *new_vm(const char *memory)
{
    Vm *vm = vm_new();

    vm_add_plugin(vm);
    vm_add_args(vm, "-M", "virt", "-cpu", "max", "-S", "-m", memory, "-object",
                "memory-backend-ram,id=mem0,size=128M", "-object",
                "memory-backend-ram,id=mem1,size=128M", "-device",
                "pcie-root-port,id=port0", NULL);
    return vm;
}

static void add_device(Vm *vm)
{
    vm_add_args(vm, "-device",
                "mhp-vmemmap-mem,id=mhp0,memdev=mem0,block-size=2M", NULL);
}

static void start(Vm *vm)
{
    g_autoptr(GError) error = NULL;

    vm_start(vm, &error);
    g_assert_no_error(error);
}

static JsonNode *execute(Vm *vm, const char *command, const char *arguments)
{
    g_autoptr(GError) error = NULL;
    JsonNode *result = qmp_executef(vm_qmp(vm), &error, command,
                                    arguments ? "%s" : NULL, arguments);

    g_assert_no_error(error);
    return result;
}

static void assert_devices(Vm *vm, unsigned nb_devices)
{
    g_autoptr(JsonNode) list = execute(vm, "query-memory-devices", NULL);
    JsonArray *array = json_node_get_array(list);
    uint64_t last_end = ARM_MEMORY_START;

    g_assert_cmpuint(json_array_get_length(array), ==, nb_devices);
    for (unsigned i = 0; i < nb_devices; i++) {
        JsonObject *data = json_object_get_object_member(
            json_array_get_object_element(array, i), "data");
        uint64_t addr = (uint64_t)json_object_get_int_member(data, "memaddr");

        g_assert_cmpuint(addr, >=, last_end);
        g_assert_cmpuint(addr % (2 * MHP_MIB), ==, 0);
        last_end = addr +
                   (uint64_t)json_object_get_int_member(data, "max-size");
    }
}

static void set_requested_size(Vm *vm, const char *path, uint64_t size)
{
    g_autoptr(GError) error = NULL;

    qmp_set_uint(vm_qmp(vm), path, "requested-size", size, &error);
    g_assert_no_error(error);
}

static void test_is_mapped(void)
{
    g_autoptr(Vm) vm = new_vm(ARM_MEMORY);

    add_device(vm);
    start(vm);
    assert_devices(vm, 1);
    set_requested_size(vm, MHP_QOM_PATH, 64 * MHP_MIB);
}

static void test_hotplug(void)
{
    g_autoptr(Vm) vm = new_vm(ARM_MEMORY);
    g_autoptr(JsonNode) added = NULL, removed = NULL;
    g_autoptr(GError) error = NULL;

    add_device(vm);
    start(vm);
    added = execute(
        vm, "device_add",
        "{'driver': 'mhp-vmemmap-mem', 'id': 'mhp1',"
        " 'memdev': 'mem1', 'bus': 'port0', 'block-size': 2097152}");
    assert_devices(vm, 2);
    set_requested_size(vm, "/machine/peripheral/mhp1", 64 * MHP_MIB);
    removed = qmp_executef(vm_qmp(vm), &error, "device_del", "{'id': 'mhp1'}");
    g_assert_null(removed);
    g_assert_cmpstr(
        error->message, ==,
        "mhp-vmemmap-mem can be removed when 'size', 'requested-size' and 'pressure-size' are 0, got 0 bytes, 64 MiB and 0 bytes");
}

static void test_needs_device_memory(void)
{
    g_autoptr(Vm) vm = new_vm("64M");
    g_autofree char *said = NULL;
    g_autoptr(GError) error = NULL;
    int exit_status;

    add_device(vm);
    vm_run(vm, 30000, &exit_status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(exit_status, ==, 1);
    said = vm_stderr(vm);
    g_assert_true(g_pattern_match_simple("*maxmem*", said));
}

static void test_migration(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("mhp-XXXXXX", &error);
    g_autofree char *path = g_build_filename(folder, "socket", NULL);
    g_autofree char *uri = g_strdup_printf("unix:%s", path);
    g_autoptr(Vm) source = new_vm(ARM_MEMORY), target = new_vm(ARM_MEMORY);
    uint64_t size = 0;

    g_assert_no_error(error);
    add_device(source);
    add_device(target);
    vm_add_args(target, "-incoming", "defer", NULL);
    start(source);
    start(target);
    set_requested_size(source, MHP_QOM_PATH, 64 * MHP_MIB);
    migration_listen(target, uri);
    migration_start(source, uri);
    migration_wait(source, "completed");
    migration_wait_incoming(target);
    qmp_get_uint(vm_qmp(target), MHP_QOM_PATH, "requested-size", &size, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(size, ==, 64 * MHP_MIB);
    g_unlink(path);
    g_assert_no_errno(g_rmdir(folder));
}

#define ADD(test) g_test_add_func("/virtio-mhp/arm/" #test, test_##test)

int main(int argc, char **argv)
{
    g_autofree char *qemu = g_find_program_in_path(ARM_QEMU);

    g_test_init(&argc, &argv, NULL);
    if (!qemu) {
        g_printerr("skipped: " ARM_QEMU
                   " is missing, ./mhp test arm installs it\n");
        return 77;
    }
    g_setenv("MHP_QEMU", qemu, TRUE);
    ADD(is_mapped);
    ADD(hotplug);
    ADD(needs_device_memory);
    ADD(migration);
    return g_test_run();
}
