/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Features and configuration of the device, as the driver sees them, and their
 * other side, the properties and QMP commands of the host.
 */
#include <inttypes.h>

#include "mhp.h"

#define BIT(n) (UINT64_C(1) << (n))

/* DEV-FEAT-1, DEV-FEAT-2, DEV-FEAT-4 */
static void test_features_offered(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    uint64_t features = virtio_pci_features(mhp->pci);

    g_assert_cmphex(features & MHP_FEATURES, ==, MHP_FEATURES);
}

/* DEV-FEAT-4, DEV-REQ-2; machine types turn features off as -global does */
static void test_features_turned_off(void)
{
    static const struct {
        const char *args[3];
        unsigned feature;
        const char *memmap;
        const char *status;
    } rows[] = {
        {{"-set", "device.mhp0.memmap-on-block=off"},
         VIRTIO_MHP_F_MEMMAP_ON_BLOCK,
         "ERROR",
         "ACK"},
        {{"-global", "virtio-mhp.status=off"},
         VIRTIO_MHP_F_STATUS,
         "ACK",
         "ERROR"},
        {{"-set", "device.mhp0.stats=off"}, VIRTIO_MHP_F_STATS, "ACK", "ACK"},
        {{"-set", "device.mhp0.free-page-reporting=off"},
         VIRTIO_MHP_F_REPORTING,
         "ACK",
         "ACK"},
        {{"-set", "device.mhp0.pressure=off"},
         VIRTIO_MHP_F_PRESSURE,
         "ACK",
         "ACK"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Mhp) mhp = mhp_new_with_args(rows[i].args);

        g_assert_cmphex(virtio_pci_features(mhp->pci) & MHP_FEATURES, ==,
                        MHP_FEATURES & ~BIT(rows[i].feature));
        g_assert_cmpstr(
            mhp_response_name(mhp_memmap(mhp, MHP_BLOCK_SIZE, 4096)), ==,
            rows[i].memmap);
        g_assert_cmpstr(
            mhp_response_name(mhp_status(mhp, 0, 1, VIRTIO_MHP_REASON_BUSY)),
            ==, rows[i].status);
        mhp_expect(mhp_plug(mhp, 0, 1), ACK);
    }
}

/* DEV-FEAT-3; a machine as young as q35 makes itself a node if it has none */
static void test_node_is_not_told_without_numa(void)
{
    static const char *const args[] = {"-M", "pc-q35-2.9", NULL};
    g_autoptr(Mhp) mhp = mhp_new_with_args(args);

    g_assert_cmphex(virtio_pci_features(mhp->pci) & BIT(VIRTIO_MHP_F_ACPI_PXM),
                    ==, 0);
    g_assert_cmpuint(mhp_config(mhp).node_id, ==, 0);
}

/* DEV-FEAT-3 */
static void test_node_is_told_on_a_numa_machine(void)
{
    static const char *const args[] = {
        "-object", "memory-backend-ram,id=ram0,size=64M",
        "-numa",   "node,nodeid=0,memdev=ram0",
        "-numa",   "node,nodeid=1",
        "-set",    "device.mhp0.node=1",
        NULL,
    };
    g_autoptr(Mhp) mhp = mhp_new_with_args(args);

    g_assert_cmphex(virtio_pci_features(mhp->pci) & BIT(VIRTIO_MHP_F_ACPI_PXM),
                    !=, 0);
    g_assert_cmpuint(mhp_config(mhp).node_id, ==, 1);
}

/* Whoever takes the device for a DIMM, as libvirt does, sets it */
static void test_slot_of_a_dimm_is_accepted(void)
{
    static const char *const args[] = {"-set", "device.mhp0.slot=0", NULL};
    g_autoptr(Mhp) mhp = mhp_new_with_args(args);

    g_assert_cmpuint(mhp_config(mhp).region_size, ==, MHP_REGION_SIZE);
    mhp_expect(mhp_plug(mhp, 0, 1), ACK);
}

/* DEV-FEAT-1, DEV-FEAT-2 */
static void test_features_that_must_be_accepted(void)
{
    static const struct {
        uint64_t accepted;
        bool confirmed;
    } rows[] = {
        {MHP_FEATURES, true},
        {BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE),
         true},
        {MHP_FEATURES & ~BIT(VIRTIO_F_VERSION_1), false},
        {MHP_FEATURES & ~BIT(VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE), false},
        {0, false},
    };
    g_autoptr(Mhp) mhp = mhp_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("accept 0x%" G_GINT64_MODIFIER "x", rows[i].accepted);
        g_assert_cmpint(virtio_pci_negotiate(mhp->pci, rows[i].accepted), ==,
                        rows[i].confirmed);
    }
}

/* DEV-CFG-1, DEV-CFG-2 */
static void test_configuration_at_start(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    struct virtio_mhp_config config = mhp_config(mhp);

    g_assert_cmpuint(config.block_size, ==, MHP_BLOCK_SIZE);
    g_assert_cmpuint(config.addr, !=, 0);
    g_assert_cmpuint(config.addr % MHP_BLOCK_SIZE, ==, 0);
    g_assert_cmpuint(config.region_size, ==, MHP_REGION_SIZE);
    g_assert_cmpuint(config.usable_region_size, ==, MHP_REGION_SIZE);
    g_assert_cmpuint(config.plugged_size, ==, 0);
    g_assert_cmpuint(config.requested_size, ==, MHP_REQUESTED_SIZE);
    for (unsigned i = 0; i < G_N_ELEMENTS(config.padding); i++) {
        g_assert_cmpuint(config.padding[i], ==, 0);
    }
}

/* DEV-CFG-5 */
static void test_geometry_never_changes(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    struct virtio_mhp_config old = mhp_config(mhp), new;

    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    mhp_set_requested_size(mhp, MHP_REGION_SIZE);
    mhp_restart_driver(mhp, MHP_FEATURES);
    mhp_system_reset(mhp);

    new = mhp_config(mhp);
    g_assert_cmpuint(new.block_size, ==, old.block_size);
    g_assert_cmpuint(new.node_id, ==, old.node_id);
    g_assert_cmpuint(new.addr, ==, old.addr);
    g_assert_cmpuint(new.region_size, ==, old.region_size);
}

/* DEV-CFG-3 */
static void test_requested_size_notifies(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    uint8_t generation = virtio_pci_generation(mhp->pci);

    virtio_pci_isr(mhp->pci);
    mhp_set_requested_size(mhp, 3 * MHP_BLOCK_SIZE);
    g_assert_cmphex(virtio_pci_isr(mhp->pci) & VIRTIO_PCI_ISR_CONFIG, !=, 0);
    g_assert_cmpuint(virtio_pci_generation(mhp->pci), !=, generation);
    g_assert_cmpuint(mhp_config(mhp).requested_size, ==, 3 * MHP_BLOCK_SIZE);
}

/* DEV-CFG-6, DEV-CFG-2 */
static void test_requests_do_not_notify(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    virtio_pci_isr(mhp->pci);
    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    g_assert_cmpuint(mhp_config(mhp).plugged_size, ==, 4 * MHP_BLOCK_SIZE);
    mhp_expect(mhp_unplug(mhp, 1, 1), ACK);
    g_assert_cmpuint(mhp_config(mhp).plugged_size, ==, 3 * MHP_BLOCK_SIZE);
    mhp_expect(mhp_unplug_all(mhp), ACK);
    g_assert_cmpuint(mhp_config(mhp).plugged_size, ==, 0);
    g_assert_cmphex(virtio_pci_isr(mhp->pci) & VIRTIO_PCI_ISR_CONFIG, ==, 0);
}

/* DEV-CFG-2 */
static void test_requested_size_is_validated(void)
{
    static const struct {
        int64_t size;
        const char *message;
    } rows[] = {
        {MHP_BLOCK_SIZE + 1,
         "property 'requested-size' wants a multiple of 2 MiB "
         "('block-size'), got 2097153 bytes"},
        {MHP_REGION_SIZE + MHP_BLOCK_SIZE,
         "property 'requested-size' wants at most 128 MiB "
         "(the size of backend 'mem0'), got 130 MiB"},
        /* The highest that json-glib can say */
        {INT64_MAX - MHP_BLOCK_SIZE + 1,
         "property 'requested-size' wants at most 128 MiB "
         "(the size of backend 'mem0'), got 8796093022206 MiB"},
        {-4 * 1024, "property 'requested-size' wants a multiple of 2 MiB "
                    "('block-size'), got -4 KiB"},
        {-(int64_t)MHP_BLOCK_SIZE,
         "property 'requested-size' wants at most 128 MiB "
         "(the size of backend 'mem0'), got -2 MiB"},
    };
    g_autoptr(Mhp) mhp = mhp_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) result = qmp_executef(
            vm_qmp(mhp->vm), &error, "qom-set",
            "{'path': '%s', 'property': 'requested-size', 'value': %" PRId64
            "}",
            MHP_QOM_PATH, rows[i].size);

        g_assert_null(result);
        g_assert_cmpstr(error->message, ==, rows[i].message);
        g_assert_cmpuint(mhp_config(mhp).requested_size, ==,
                         MHP_REQUESTED_SIZE);
    }
}

/* Scripts rely on the property, libvirt on the command */
static void test_size_is_what_is_plugged(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    mhp_expect(mhp_plug(mhp, 8, 5), ACK);
    g_assert_cmpuint(mhp_size(mhp), ==, 5 * MHP_BLOCK_SIZE);
    mhp_expect(mhp_unplug(mhp, 9, 2), ACK);
    g_assert_cmpuint(mhp_size(mhp), ==, 3 * MHP_BLOCK_SIZE);
}

static void test_query_memory_devices(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;
    JsonObject *device, *data;

    mhp_expect(mhp_plug(mhp, 0, 5), ACK);
    result = qmp_executef(vm_qmp(mhp->vm), &error, "query-memory-devices",
                          NULL);
    g_assert_no_error(error);
    g_assert_cmpuint(json_array_get_length(json_node_get_array(result)), ==, 1);
    device = json_array_get_object_element(json_node_get_array(result), 0);
    /* QAPI has no other kind that fits */
    g_assert_cmpstr(json_object_get_string_member(device, "type"), ==,
                    "virtio-mem");
    data = json_object_get_object_member(device, "data");
    g_assert_cmpstr(json_object_get_string_member(data, "id"), ==, "mhp0");
    g_assert_cmpstr(json_object_get_string_member(data, "memdev"), ==,
                    "/objects/mem0");
    g_assert_cmpint(json_object_get_int_member(data, "memaddr"), ==, mhp->addr);
    g_assert_cmpint(json_object_get_int_member(data, "size"), ==,
                    5 * MHP_BLOCK_SIZE);
    g_assert_cmpint(json_object_get_int_member(data, "requested-size"), ==,
                    MHP_REQUESTED_SIZE);
    g_assert_cmpint(json_object_get_int_member(data, "max-size"), ==,
                    MHP_REGION_SIZE);
    g_assert_cmpint(json_object_get_int_member(data, "block-size"), ==,
                    MHP_BLOCK_SIZE);
    g_assert_cmpint(json_object_get_int_member(data, "node"), ==, 0);
}

/* When it is not sent: test-balloon.c */
static void test_size_change_event(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) event = NULL;
    JsonObject *data;

    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    event = qmp_wait_event(vm_qmp(mhp->vm), "MEMORY_DEVICE_SIZE_CHANGE", 10000,
                           &error);
    g_assert_no_error(error);
    data = json_object_get_object_member(json_node_get_object(event), "data");
    g_assert_cmpstr(json_object_get_string_member(data, "id"), ==, "mhp0");
    g_assert_cmpstr(json_object_get_string_member(data, "qom-path"), ==,
                    MHP_QOM_PATH);
    g_assert_cmpint(json_object_get_int_member(data, "size"), ==,
                    2 * MHP_BLOCK_SIZE);
}

#define ADD(test) g_test_add_func("/virtio-mhp/config/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(features_offered);
    ADD(features_turned_off);
    ADD(node_is_not_told_without_numa);
    ADD(node_is_told_on_a_numa_machine);
    ADD(slot_of_a_dimm_is_accepted);
    ADD(features_that_must_be_accepted);
    ADD(configuration_at_start);
    ADD(geometry_never_changes);
    ADD(requested_size_notifies);
    ADD(requests_do_not_notify);
    ADD(requested_size_is_validated);
    ADD(size_is_what_is_plugged);
    ADD(query_memory_devices);
    ADD(size_change_event);
    return g_test_run();
}
