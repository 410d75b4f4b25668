/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps: the device goes and comes again. The guest can take it out by itself,
 * whatever is plugged, by a register of the machine pc; what the operator asked
 * for ends at the next reset of the machine if the guest does not react.
 */
#include "fuzz.h"

/* Ports of ACPI's PCI hotplug: which bus, and which of its slots is to go */
#define ACPI_BUS 0xae10
#define ACPI_EJECT 0xae08

static void fuzz_qmp(Fuzz *fuzz, const char *command, const char *arguments)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(vm_qmp(fuzz->mhp->vm), &error, command,
                          arguments ? "%s" : NULL, arguments);
    g_assert_no_error(error);
    g_assert_nonnull(result);
}

/* The event about the virtio device behind it, which has no id, comes first */
static void fuzz_wait_deleted(Fuzz *fuzz)
{
    const char *id = NULL;

    while (!id) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) event = qmp_wait_event(
            vm_qmp(fuzz->mhp->vm), "DEVICE_DELETED", 10000, &error);
        JsonObject *data;

        g_assert_no_error(error);
        data = json_object_get_object_member(json_node_get_object(event),
                                             "data");
        id = json_object_get_string_member_with_default(data, "device", NULL);
    }
}

static void fuzz_eject(Fuzz *fuzz)
{
    qtest_outl(fuzz->mhp->qtest, ACPI_BUS, 0);
    qtest_outl(fuzz->mhp->qtest, ACPI_EJECT, 1u << FUZZ_SLOT);
}

static void fuzz_add_device(Fuzz *fuzz)
{
    g_autofree char *arguments = g_strdup_printf(
        "{'driver': 'mhp-vmemmap-mem', 'id': 'mhp0', 'memdev': 'mem0',"
        " 'addr': '0x%x', 'block-size': %" G_GUINT64_FORMAT
        ", 'requested-size': %" G_GUINT64_FORMAT "}",
        FUZZ_SLOT, MHP_BLOCK_SIZE, MHP_REQUESTED_SIZE);

    fuzz_qmp(fuzz, "device_add", arguments);
    virtio_pci_map(fuzz->mhp->pci);
    mhp_restart_driver(fuzz->mhp, MHP_FEATURES);
    model_new_device(&fuzz->model);
}

/* VFIO's listener goes when the region is no longer mapped; ours is told to. */
static bool fuzz_stop_listening(Fuzz *fuzz)
{
    bool was_listening = fuzz->is_listening;

    fuzz_listen(fuzz, false);
    fuzz_check_listener(fuzz);
    return was_listening;
}

/* A request that the device may still be at when it is taken out */
static void fuzz_submit_request(Fuzz *fuzz)
{
    static const uint16_t types[] = {VIRTIO_MHP_REQ_PLUG, VIRTIO_MHP_REQ_UNPLUG,
                                     VIRTIO_MHP_REQ_UNPLUG_ALL};
    const struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(types[fuzz_pick(fuzz, G_N_ELEMENTS(types))]),
        .u.plug.addr = GUINT64_TO_LE(
            mhp_block_addr(fuzz->mhp, fuzz_pick(fuzz, MHP_NB_BLOCKS))),
        .u.plug.nb_blocks = GUINT16_TO_LE(1),
    };
    const struct vring_desc descs[] = {
        {MHP_REQ_ADDR, sizeof(req), VRING_DESC_F_NEXT, 1},
        {MHP_RESP_ADDR, sizeof(struct virtio_mhp_resp), VRING_DESC_F_WRITE, 0},
    };

    qtest_write(fuzz->mhp->qtest, MHP_REQ_ADDR, &req, sizeof(req));
    virtio_pci_submit(fuzz->mhp->pci, descs, G_N_ELEMENTS(descs));
}

void fuzz_step_eject(Fuzz *fuzz)
{
    bool was_listening = fuzz_stop_listening(fuzz);

    fuzz_tell(fuzz, "take the device out, and add it again");
    if (fuzz_one_in(fuzz, 2)) {
        fuzz_submit_request(fuzz);
    }
    fuzz_eject(fuzz);
    fuzz_wait_deleted(fuzz);
    fuzz_add_device(fuzz);
    fuzz_listen(fuzz, was_listening);
}

static void fuzz_reset_machine(Fuzz *fuzz)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) event = NULL;

    fuzz_qmp(fuzz, "system_reset", NULL);
    event = qmp_wait_event(vm_qmp(fuzz->mhp->vm), "RESET", 10000, &error);
    g_assert_no_error(error);
}

void fuzz_step_remove(Fuzz *fuzz)
{
    bool was_listening = fuzz_stop_listening(fuzz);
    bool by_guest = fuzz_one_in(fuzz, 2);

    fuzz_tell(fuzz, "remove the device by %s, and add it again",
              by_guest ? "the guest" : "a reset");
    mhp_expect(mhp_unplug_all(fuzz->mhp), ACK);
    mhp_set_requested_size(fuzz->mhp, 0);
    mhp_set_pressure_size(fuzz->mhp, 0);
    fuzz_qmp(fuzz, "device_del", "{'id': 'mhp0'}");
    if (by_guest) {
        fuzz_eject(fuzz);
    } else {
        fuzz_reset_machine(fuzz);
    }
    fuzz_wait_deleted(fuzz);
    fuzz_add_device(fuzz);
    fuzz_listen(fuzz, was_listening);
}
