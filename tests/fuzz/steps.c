/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which step comes next, and the steps of a driver that does something to
 * registers instead of sending requests.
 */
#include "fuzz.h"

static void fuzz_step_restart_driver(Fuzz *fuzz)
{
    uint64_t features = MHP_FEATURES;

    if (fuzz_one_in(fuzz, 4)) {
        features &= ~(UINT64_C(1) << VIRTIO_MHP_F_MEMMAP_ON_BLOCK);
    }
    if (fuzz_one_in(fuzz, 4)) {
        features &= ~(UINT64_C(1) << VIRTIO_MHP_F_STATUS);
    }
    if (fuzz_one_in(fuzz, 4)) {
        features &= ~(UINT64_C(1) << VIRTIO_MHP_F_STATS);
    }
    if (fuzz_one_in(fuzz, 4)) {
        features &= ~(UINT64_C(1) << VIRTIO_MHP_F_REPORTING);
    }
    if (fuzz_one_in(fuzz, 4)) {
        features &= ~(UINT64_C(1) << VIRTIO_MHP_F_PRESSURE);
    }
    fuzz_tell(fuzz, "restart the driver with other features");
    for (unsigned n = fuzz_pick(fuzz, 3); n; n--) {
        virtio_pci_reset(fuzz->mhp->pci);
    }
    mhp_restart_driver(fuzz->mhp, features);
    model_restart_driver(&fuzz->model, features);
}

/* DEV-CFG-4 */
static void fuzz_step_config(Fuzz *fuzz)
{
    fuzz_tell(fuzz, "write to the configuration");
    for (unsigned n = 1 + fuzz_pick(fuzz, 16); n; n--) {
        unsigned size = 1u << fuzz_pick(fuzz, 4);
        unsigned offset = fuzz_pick(fuzz, 2 * sizeof(struct virtio_mhp_config));

        virtio_pci_write_config(fuzz->mhp->pci, offset, size,
                                fuzz_number(fuzz));
    }
}

/* Any write to any register, then a driver that starts from there */
static void fuzz_step_registers(Fuzz *fuzz)
{
    uint64_t registers = virtio_pci_registers(fuzz->mhp->pci);

    fuzz_tell(fuzz, "write to registers");
    for (unsigned n = 1 + fuzz_pick(fuzz, 8); n; n--) {
        unsigned size = 1u << fuzz_pick(fuzz, 3);
        unsigned offset = fuzz_pick(fuzz, 64);
        uint64_t value = fuzz_one_in(fuzz, 2) ? fuzz_pick(fuzz, 4)
                                              : fuzz_number(fuzz);

        qtest_write_reg(fuzz->mhp->qtest, registers + offset, size,
                        value & (UINT64_MAX >> (64 - 8 * size)));
    }
    mhp_restart_driver(fuzz->mhp, fuzz->model.features);
    model_restart_driver(&fuzz->model, fuzz->model.features);
}

static const struct {
    void (*step)(Fuzz *fuzz);
    unsigned weight;
} fuzz_steps[] = {
    {fuzz_step_requests, 600},
    {fuzz_step_mark, 200},
    {fuzz_step_report, 80},
    {fuzz_step_stats, 80},
    {fuzz_step_requested_size, 60},
    {fuzz_step_pressure_size, 40},
    {fuzz_step_ask, 40},
    {fuzz_step_cells, 40},
    {fuzz_step_touch_unplugged, 40},
    {fuzz_step_restart_driver, 30},
    {fuzz_step_requests_in_block, 30},
    {fuzz_step_config, 20},
    {fuzz_step_registers, 20},
    {fuzz_step_query, 20},
    {fuzz_step_listen, 10},
    {fuzz_step_requests_nowhere, 10},
    {fuzz_step_system_reset, 10},
    {fuzz_step_eject, 6},
    {fuzz_step_remove, 6},
    /* These take as long as hundreds of the others */
    {fuzz_step_migrate, 2},
    {fuzz_step_snapshot, 3},
};

void fuzz_do_step(Fuzz *fuzz)
{
    unsigned total = 0, i;
    int chance;

    for (i = 0; i < G_N_ELEMENTS(fuzz_steps); i++) {
        total += fuzz_steps[i].weight;
    }
    chance = (int)fuzz_pick(fuzz, total);
    for (i = 0; chance >= (int)fuzz_steps[i].weight; i++) {
        chance -= (int)fuzz_steps[i].weight;
    }
    fuzz_steps[i].step(fuzz);
}
