/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices come and go while the guest runs: by ACPI on both PC machines, and
 * by PCI Express's own hotplug. A device whose memory is in use stays, and
 * says why. Several devices and NUMA nodes are told apart.
 */
#include <string.h>

#include "klog.h"
#include "memdev.h"

#define REGION (512 * MiB)
#define STALL_MS 60000
#define EVENT_MS 60000

/* A way to plug devices into a running machine */
typedef struct Slot {
    const char *name;
    const char *machine;
    const char *args[5]; /* more arguments for QEMU */
    const char *bus;     /* where device_add puts devices */
} Slot;

static const Slot slots[] = {
    {"pc-acpi", "pc", {NULL}, "pci.0"},
    {"q35-acpi", "q35", {"-device", "pcie-root-port,id=port0", NULL}, "port0"},
    {"q35-native",
     "q35",
     {"-device", "pcie-root-port,id=port0", "-global",
      "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off", NULL},
     "port0"},
};

static void load_driver(Guest *guest)
{
    g_autoptr(GError) error = NULL;

    memdev_load_driver(guest, "", &error);
    g_assert_no_error(error);
}

static void boot(Guest *guest)
{
    g_autoptr(GError) error = NULL;

    guest_boot(guest, &error);
    g_assert_no_error(error);
    load_driver(guest);
}

static Guest *new_guest(const char *machine, const char *const *args)
{
    const GuestConfig config = {
        .kver = g_getenv("MHP_KVER") ? g_getenv("MHP_KVER") : "6.12",
        .machine = machine,
        .hotplug_max = 2 * REGION,
        .cmdline = "memory_hotplug.memmap_on_memory=1",
    };
    Guest *guest = guest_new(&config);

    vm_add_plugin(guest_vm(guest));
    for (; *args; args++) {
        vm_add_args(guest_vm(guest), *args, NULL);
    }
    return guest;
}

/* End the guest, whose kernel must have nothing to complain of */
static void end(Guest *guest)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *log = guest_klog(guest, &error), *trouble = NULL;

    g_assert_no_error(error);
    trouble = klog_trouble(log);
    if (trouble) {
        g_printerr("%s\n", log);
    }
    g_assert_cmpstr(trouble, ==, NULL);
    guest_free(guest);
}

static void execute(Guest *guest, const char *command, const char *arguments)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(guest_qmp(guest), &error, command, "%s", arguments);
    g_assert_no_error(error);
}

static void assert_refused(Guest *guest, const char *command,
                           const char *arguments, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(guest_qmp(guest), &error, command, "%s", arguments);
    g_assert_null(result);
    g_assert_cmpstr(error->message, ==, why);
}

static void add_device(Guest *guest, const char *bus)
{
    g_autofree char *backend = g_strdup_printf(
        "{'qom-type': 'memory-backend-ram', 'id': 'm0', 'reserve': false,"
        " 'size': %" G_GUINT64_FORMAT "}",
        (guint64)REGION);
    g_autofree char *device = g_strdup_printf(
        "{'driver': 'mhp-vmemmap-mem', 'id': 'hp0', 'memdev': 'm0',"
        " 'bus': '%s'}",
        bus);

    execute(guest, "object-add", backend);
    execute(guest, "device_add", device);
}

static void remove_device(Guest *guest)
{
    /* First comes the virtio device in it, which has no name */
    for (;;) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) event = NULL;
        JsonObject *data;

        event = qmp_wait_event(guest_qmp(guest), "DEVICE_DELETED", EVENT_MS,
                               &error);
        g_assert_no_error(error);
        data = json_object_get_object_member(json_node_get_object(event),
                                             "data");
        if (json_object_has_member(data, "device")) {
            break;
        }
    }
    execute(guest, "object-del", "{'id': 'm0'}");
}

static void resize(Guest *guest, uint64_t size)
{
    g_autoptr(GError) error = NULL;

    memdev_resize(guest, size, STALL_MS, &error);
    g_assert_no_error(error);
}

static void test_comes_and_goes(const void *data)
{
    const Slot *slot = data;
    Guest *guest = new_guest(slot->machine, slot->args);
    g_autoptr(GError) error = NULL;

    boot(guest);
    for (unsigned i = 0; i < 2; i++) {
        add_device(guest, slot->bus);
        resize(guest, 256 * MiB);
        assert_refused(
            guest, "device_del", "{'id': 'hp0'}",
            "mhp-vmemmap-mem can be removed when 'size', 'requested-size' and 'pressure-size' are 0, got 256 MiB, 256 MiB and 0 bytes");
        resize(guest, 0);
        execute(guest, "device_del", "{'id': 'hp0'}");
        remove_device(guest);
    }
    end(guest);
}

/* Nobody can ask for memory of a device that the guest is letting go of */
static void test_refuses_to_grow_while_it_goes(void)
{
    static const char *const args[] = {NULL};
    Guest *guest = new_guest("pc", args);
    g_autoptr(GError) error = NULL;

    boot(guest);
    add_device(guest, "pci.0");
    resize(guest, 128 * MiB);
    resize(guest, 0);
    /* A stopped guest does not let go */
    execute(guest, "stop", "{}");
    execute(guest, "device_del", "{'id': 'hp0'}");
    g_assert_false(memdev_request(guest, 128 * MiB, &error));
    g_assert_cmpstr(
        error->message, ==,
        "property 'requested-size' cannot be changed while the device is being removed");
    execute(guest, "cont", "{}");
    remove_device(guest);
    end(guest);
}

static uint64_t node_size(Guest *guest, unsigned node)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = guest_runf(
        guest, &error,
        "awk '/MemTotal/ { print $4 }' /sys/devices/system/node/node%u/meminfo",
        node);

    g_assert_no_error(error);
    return g_ascii_strtoull(text, NULL, 10) * KiB;
}

static void resize_other(Guest *guest, const char *id, uint64_t size)
{
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", id);
    g_autoptr(GError) error = NULL;
    uint64_t got;
    gint64 deadline = g_get_monotonic_time() + STALL_MS * 1000LL;

    g_assert_true(
        qmp_set_uint(guest_qmp(guest), path, "requested-size", size, &error));
    do {
        g_assert_true(
            qmp_get_uint(guest_qmp(guest), path, "size", &got, &error));
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
    } while (got != size);
}

/* The last block is plugged before the guest has it online */
static void wait_node_grown(Guest *guest, unsigned node, uint64_t size)
{
    gint64 deadline = g_get_monotonic_time() + STALL_MS * 1000LL;

    while (node_size(guest, node) < size) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
    }
}

/* One device for each node, each with its own size */
static void test_two_devices_on_two_nodes(void)
{
    static const char *const args[] = {
        "-object", "memory-backend-ram,id=b0,size=512M",
        "-object", "memory-backend-ram,id=b1,size=512M",
        "-smp",    "sockets=2",
        "-numa",   "node,nodeid=0,memdev=b0,cpus=0",
        "-numa",   "node,nodeid=1,memdev=b1,cpus=1",
        "-object", "memory-backend-ram,id=m0,size=512M,reserve=off",
        "-object", "memory-backend-ram,id=m1,size=512M,reserve=off",
        "-device", "mhp-vmemmap-mem,id=hp0,memdev=m0,node=0",
        "-device", "mhp-vmemmap-mem,id=hp1,memdev=m1,node=1",
        NULL,
    };
    Guest *guest = new_guest("q35", args);
    uint64_t boot0, boot1;

    boot(guest);
    boot0 = node_size(guest, 0);
    boot1 = node_size(guest, 1);
    resize_other(guest, "hp1", 384 * MiB);
    wait_node_grown(guest, 1, boot1 + 360 * MiB);
    g_assert_cmpuint(node_size(guest, 0), ==, boot0);
    resize_other(guest, "hp0", 128 * MiB);
    wait_node_grown(guest, 0, boot0 + 120 * MiB);
    resize_other(guest, "hp1", 0);
    g_assert_cmpuint(node_size(guest, 0), >, boot0 + 100 * MiB);
    g_assert_cmpuint(node_size(guest, 1), ==, boot1);
    end(guest);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(slots); i++) {
        g_autofree char *name = g_strdup_printf("/system/plugging/%s",
                                                slots[i].name);

        g_test_add_data_func(name, &slots[i], test_comes_and_goes);
    }
    g_test_add_func("/system/plugging/refuses-to-grow-while-it-goes",
                    test_refuses_to_grow_while_it_goes);
    g_test_add_func("/system/plugging/two-devices-on-two-nodes",
                    test_two_devices_on_two_nodes);
    return g_test_run();
}
