/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps: what the operator and the machine do to the device. */
#include "fuzz.h"

/* A size that may be set, or one that must be refused */
static uint64_t fuzz_pick_size(Fuzz *fuzz)
{
    switch (fuzz_pick(fuzz, 8)) {
    case 0:
        return fuzz_number(fuzz) >> fuzz_pick(fuzz, 64);
    case 1:
        return MHP_REGION_SIZE + fuzz_pick(fuzz, 3) * MHP_BLOCK_SIZE;
    default:
        return fuzz_pick(fuzz, MHP_NB_BLOCKS + 1) * MHP_BLOCK_SIZE;
    }
}

/* DEV-CFG-2, DEV-CFG-3 */
static void fuzz_set_size(Fuzz *fuzz, const char *property, uint64_t *model)
{
    uint64_t size = fuzz_pick_size(fuzz);
    bool is_right = size % MHP_BLOCK_SIZE == 0 && size <= MHP_REGION_SIZE;
    g_autoptr(GError) error = NULL;
    bool is_set;

    fuzz_tell(fuzz, "%s 0x%" G_GINT64_MODIFIER "x", property, size);
    virtio_pci_isr(fuzz->mhp->pci);
    is_set = qmp_set_uint(vm_qmp(fuzz->mhp->vm), MHP_QOM_PATH, property, size,
                          &error);
    g_assert_cmpint(is_set, ==, is_right);
    if (is_set) {
        *model = size;
        g_assert_cmphex(virtio_pci_isr(fuzz->mhp->pci) & VIRTIO_PCI_ISR_CONFIG,
                        !=, 0);
    }
}

void fuzz_step_requested_size(Fuzz *fuzz)
{
    fuzz_set_size(fuzz, "requested-size", &fuzz->model.requested_size);
}

void fuzz_step_pressure_size(Fuzz *fuzz)
{
    fuzz_set_size(fuzz, "pressure-size", &fuzz->model.pressure_size);
}

void fuzz_step_query(Fuzz *fuzz)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;
    JsonObject *device, *data;

    fuzz_tell(fuzz, "query-memory-devices");
    result = qmp_executef(vm_qmp(fuzz->mhp->vm), &error, "query-memory-devices",
                          NULL);
    g_assert_no_error(error);
    device = json_array_get_object_element(json_node_get_array(result), 0);
    data = json_object_get_object_member(device, "data");
    g_assert_cmpuint(json_object_get_int_member(data, "size"), ==,
                     model_nb_plugged(&fuzz->model) * MHP_BLOCK_SIZE);
    g_assert_cmpuint(json_object_get_int_member(data, "requested-size"), ==,
                     fuzz->model.requested_size);
}

void fuzz_step_system_reset(Fuzz *fuzz)
{
    fuzz_tell(fuzz, "system reset");
    mhp_system_reset(fuzz->mhp);
    model_system_reset(&fuzz->model);
}
