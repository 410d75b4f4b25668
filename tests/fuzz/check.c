/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must hold after each step: the state of each block as STATE tells it,
 * the sizes and reports as host and driver see them, and what memory holds and
 * costs.
 */
#include <unistd.h>

#include "fuzz.h"

/* DEV-CFG-1, DEV-CFG-2, DEV-CFG-5 */
static void fuzz_check_config(Fuzz *fuzz)
{
    struct virtio_mhp_config config = mhp_config(fuzz->mhp);

    g_assert_cmpuint(config.block_size, ==, MHP_BLOCK_SIZE);
    g_assert_cmpuint(config.addr, ==, fuzz->model.addr);
    g_assert_cmpuint(config.region_size, ==, MHP_REGION_SIZE);
    g_assert_cmpuint(config.usable_region_size, ==, MHP_REGION_SIZE);
    g_assert_cmpuint(config.plugged_size, ==,
                     model_nb_plugged(&fuzz->model) * MHP_BLOCK_SIZE);
    g_assert_cmpuint(config.requested_size, ==, fuzz->model.requested_size);
    g_assert_cmpuint(config.pressure_size, ==, fuzz->model.pressure_size);
}

/* One STATE request for each block, all at once: the device's own table */
static void fuzz_check_states(Fuzz *fuzz)
{
    struct virtio_mhp_req reqs[MHP_NB_BLOCKS] = {0};
    struct vring_desc descs[2 * MHP_NB_BLOCKS];
    uint16_t heads[MHP_NB_BLOCKS];
    struct vring_used_elem elems[MHP_NB_BLOCKS];
    struct virtio_mhp_resp resps[MHP_NB_BLOCKS];
    Mhp *mhp = fuzz->mhp;

    for (unsigned i = 0; i < MHP_NB_BLOCKS; i++) {
        reqs[i].type = GUINT16_TO_LE(VIRTIO_MHP_REQ_STATE);
        reqs[i].u.state.addr = GUINT64_TO_LE(mhp_block_addr(mhp, i));
        reqs[i].u.state.nb_blocks = GUINT16_TO_LE(1);
        descs[2 * i] = (struct vring_desc){
            MHP_REQ_ADDR + i * sizeof(reqs[i]),
            sizeof(reqs[i]),
            VRING_DESC_F_NEXT,
            (uint16_t)(2 * i + 1),
        };
        descs[2 * i + 1] = (struct vring_desc){
            MHP_RESP_ADDR + i * sizeof(resps[i]),
            sizeof(resps[i]),
            VRING_DESC_F_WRITE,
            0,
        };
        heads[i] = (uint16_t)(2 * i);
    }
    qtest_write(mhp->qtest, MHP_REQ_ADDR, reqs, sizeof(reqs));
    virtio_pci_submit_heads(mhp->pci, descs, G_N_ELEMENTS(descs), heads,
                            MHP_NB_BLOCKS);
    g_assert_cmpuint(virtio_pci_wait_heads(mhp->pci, elems, MHP_NB_BLOCKS), ==,
                     MHP_NB_BLOCKS);
    qtest_read(mhp->qtest, MHP_RESP_ADDR, resps, sizeof(resps));
    for (unsigned i = 0; i < MHP_NB_BLOCKS; i++) {
        uint16_t wanted = fuzz->model.blocks[i].plugged
                              ? VIRTIO_MHP_STATE_PLUGGED
                              : VIRTIO_MHP_STATE_UNPLUGGED;

        g_assert_cmpuint(resps[i].type, ==, 0);
        if (GUINT16_FROM_LE(resps[i].u.state.state) != wanted) {
            g_error("step %u: wanted state %u of block %u, got %u", fuzz->step,
                    wanted, i, GUINT16_FROM_LE(resps[i].u.state.state));
        }
    }
}

/* DEV-UNPLUG-3: what is unplugged costs the host nothing */
static void fuzz_check_holes(Fuzz *fuzz)
{
    mhp_wait_discarded(fuzz->mhp);
    for (unsigned i = 0; i < MHP_NB_BLOCKS; i++) {
        const ModelBlock *block = &fuzz->model.blocks[i];
        off_t start = (off_t)(i * MHP_BLOCK_SIZE), data;

        if (block->plugged || block->touched) {
            continue;
        }
        data = lseek(fuzz->mhp->memory, start, SEEK_DATA);
        if (data >= 0 && data < start + (off_t)MHP_BLOCK_SIZE) {
            g_error("step %u: unplugged block %u has memory of the host",
                    fuzz->step, i);
        }
    }
}

static void fuzz_check_size(Fuzz *fuzz)
{
    uint64_t wanted = model_nb_plugged(&fuzz->model) * MHP_BLOCK_SIZE;
    uint64_t got = mhp_size(fuzz->mhp);

    if (got != wanted) {
        g_error("step %u: wanted property 'size' to be %" G_GINT64_MODIFIER
                "u, got %" G_GINT64_MODIFIER "u",
                fuzz->step, wanted, got);
    }
}

/* DEV-PRESSURE-1 */
static void fuzz_check_pressure(Fuzz *fuzz)
{
    uint64_t wanted = model_on_pressure(&fuzz->model);
    uint64_t got = mhp_pressure_plugged(fuzz->mhp);

    if (got != wanted) {
        g_error("step %u: wanted property 'pressure-plugged' to be "
                "%" G_GINT64_MODIFIER "u, got %" G_GINT64_MODIFIER "u",
                fuzz->step, wanted, got);
    }
}

void fuzz_check(Fuzz *fuzz, bool thorough)
{
    g_autofree char *reports = model_reports(&fuzz->model);

    fuzz_check_config(fuzz);
    fuzz_check_size(fuzz);
    fuzz_check_pressure(fuzz);
    mhp_assert_reports(fuzz->mhp, model_nb_stuck(&fuzz->model), reports);
    fuzz_check_states(fuzz);
    fuzz_check_marks(fuzz, thorough);
    fuzz_check_holes(fuzz);
    fuzz_check_listener(fuzz);
    fuzz_check_stats(fuzz);
    fuzz_check_cells(fuzz, thorough);
}
