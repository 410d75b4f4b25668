/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps: reports of memory that the guest has, has not, or is about to unplug,
 * and what the driver keeps in its boot memory meanwhile.
 */
#include "fuzz.h"

#define REPORTQ 2
/* Away from what requests and figures use */
#define BUFFER (MHP_REQ_ADDR + 0x20000)
#define ANSWER (MHP_REQ_ADDR + 0x22000)
#define NB_RANGES_MAX (VIRTIO_MHP_REPORT_MAX + 2)
/* Cells are in different pages, and at different places of these. */
#define CELL_STRIDE (3 * MHP_MIB / 4 - 8)

static uint64_t fuzz_cell_addr(unsigned cell)
{
    return MODEL_BOOT + cell * CELL_STRIDE;
}

void fuzz_step_cells(Fuzz *fuzz)
{
    for (unsigned n = 1 + fuzz_pick(fuzz, 8); n; n--) {
        unsigned cell = fuzz_pick(fuzz, MODEL_NB_CELLS);

        fuzz_tell(fuzz, "write cell %u of the boot memory", cell);
        fuzz->model.cells[cell] = fuzz_number(fuzz);
        qtest_write(fuzz->mhp->qtest, fuzz_cell_addr(cell),
                    &fuzz->model.cells[cell], sizeof(uint64_t));
    }
}

static void fuzz_check_cell(Fuzz *fuzz, unsigned cell)
{
    uint64_t wanted = fuzz->model.cells[cell], got;

    qtest_read(fuzz->mhp->qtest, fuzz_cell_addr(cell), &got, sizeof(got));
    if (got != wanted) {
        g_error("step %u: wanted 0x%" G_GINT64_MODIFIER
                "x in cell %u of boot memory, got 0x%" G_GINT64_MODIFIER "x",
                fuzz->step, wanted, cell, got);
    }
}

/* DEV-REPORT-5; all of them take as long as some steps */
void fuzz_check_cells(Fuzz *fuzz, bool all)
{
    fuzz_check_cell(fuzz, fuzz_pick(fuzz, MODEL_NB_CELLS));
    for (unsigned i = 0; all && i < MODEL_NB_CELLS; i++) {
        fuzz_check_cell(fuzz, i);
    }
}

static uint64_t fuzz_pick_pages(Fuzz *fuzz, unsigned n)
{
    return fuzz_pick(fuzz, n) * MODEL_PAGE;
}

/* Of one block, and not beyond it */
static ModelRange fuzz_pick_in_block(Fuzz *fuzz)
{
    unsigned block = fuzz_pick(fuzz, MHP_NB_BLOCKS);
    uint64_t offset = fuzz_one_in(fuzz, 2)
                          ? 0
                          : fuzz_pick_pages(fuzz, MHP_BLOCK_SIZE / MODEL_PAGE);
    uint64_t rest = MHP_BLOCK_SIZE - offset;

    return (ModelRange){
        mhp_block_addr(fuzz->mhp, block) + offset,
        fuzz_one_in(fuzz, 2)
            ? rest
            : MODEL_PAGE + fuzz_pick_pages(fuzz, rest / MODEL_PAGE),
    };
}

static ModelRange fuzz_pick_in_boot(Fuzz *fuzz)
{
    return (ModelRange){
        MODEL_BOOT +
            fuzz_pick_pages(fuzz, (MODEL_BOOT_END - MODEL_BOOT) / MODEL_PAGE),
        MODEL_PAGE + fuzz_pick_pages(fuzz, 2 * MHP_MIB / MODEL_PAGE),
    };
}

/* Wrong, or of what there is not; nothing that is right begins below */
static ModelRange fuzz_pick_odd(Fuzz *fuzz)
{
    ModelRange range = fuzz_one_in(fuzz, 2) ? fuzz_pick_in_block(fuzz)
                                            : fuzz_pick_in_boot(fuzz);

    switch (fuzz_pick(fuzz, 6)) {
    case 0:
        range.size = 0;
        break;
    case 1:
        range.addr += 1 + fuzz_pick(fuzz, 4095);
        break;
    case 2:
        range.size += 1 + fuzz_pick(fuzz, 4095);
        break;
    case 3: /* beyond the region or the boot memory, and perhaps too far */
        range.size <<= fuzz_pick(fuzz, 50);
        break;
    case 4:
        range.size = -range.addr + fuzz_pick_pages(fuzz, 0x4000);
        break;
    default:
        range.addr = (fuzz_number(fuzz) | UINT64_C(1) << 36) & -MODEL_PAGE;
        break;
    }
    return range;
}

static ModelRange fuzz_pick_range(Fuzz *fuzz, bool in_block)
{
    if (in_block || fuzz_one_in(fuzz, 2)) {
        return fuzz_pick_in_block(fuzz);
    }
    return fuzz_one_in(fuzz, 4) ? fuzz_pick_odd(fuzz) : fuzz_pick_in_boot(fuzz);
}

static void fuzz_write_ranges(Fuzz *fuzz, const ModelRange *ranges, unsigned nb)
{
    struct virtio_mhp_report wire[NB_RANGES_MAX];

    for (unsigned i = 0; i < nb; i++) {
        fuzz_tell(fuzz,
                  "range of 0x%" G_GINT64_MODIFIER
                  "x bytes at 0x%" G_GINT64_MODIFIER "x",
                  ranges[i].size, ranges[i].addr);
        wire[i] = (struct virtio_mhp_report){
            .addr = GUINT64_TO_LE(ranges[i].addr),
            .size = GUINT64_TO_LE(ranges[i].size),
        };
    }
    qtest_write(fuzz->mhp->qtest, BUFFER, wire, nb * sizeof(wire[0]));
}

static void fuzz_submit(Fuzz *fuzz, uint32_t size, uint32_t room)
{
    const struct vring_desc descs[] = {
        {BUFFER, size, room ? VRING_DESC_F_NEXT : 0, 1},
        {ANSWER, room, VRING_DESC_F_WRITE, 0},
    };

    virtio_pci_select(fuzz->mhp->pci, REPORTQ);
    virtio_pci_submit(fuzz->mhp->pci, descs, room ? 2 : 1);
    virtio_pci_select(fuzz->mhp->pci, 0);
}

static uint64_t fuzz_finish(Fuzz *fuzz)
{
    uint64_t zero_size;
    uint32_t len = 0;

    virtio_pci_select(fuzz->mhp->pci, REPORTQ);
    g_assert_cmpint(virtio_pci_wait(fuzz->mhp->pci, &len), ==, VIRTIO_PCI_USED);
    virtio_pci_select(fuzz->mhp->pci, 0);
    g_assert_cmpuint(len, ==, sizeof(struct virtio_mhp_report_resp));
    qtest_read(fuzz->mhp->qtest, ANSWER, &zero_size, sizeof(zero_size));
    return GUINT64_FROM_LE(zero_size);
}

static void fuzz_forget_reported(Fuzz *fuzz, const ModelRange *ranges,
                                 unsigned nb)
{
    for (unsigned i = 0; i < MODEL_NB_CELLS; i++) {
        if (model_discards(&fuzz->model, ranges, nb, fuzz_cell_addr(i))) {
            fuzz->model.cells[i] = 0;
        }
    }
    fuzz_forget_marks(fuzz, ranges, nb);
}

/* A driver that unplugs a block of which it reports memory */
static void fuzz_unplug_meanwhile(Fuzz *fuzz, const ModelRange *range)
{
    unsigned block = (unsigned)((range->addr - fuzz->model.addr) /
                                MHP_BLOCK_SIZE);
    const struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(VIRTIO_MHP_REQ_UNPLUG),
        .u.unplug.addr = GUINT64_TO_LE(mhp_block_addr(fuzz->mhp, block)),
        .u.unplug.nb_blocks = GUINT16_TO_LE(1),
    };
    struct virtio_mhp_resp wanted = model_request(&fuzz->model, &req);

    fuzz_tell(fuzz, "meanwhile, unplug block %u", block);
    g_assert_cmpuint(mhp_unplug(fuzz->mhp, block, 1), ==,
                     GUINT16_FROM_LE(wanted.type));
}

static void fuzz_report(Fuzz *fuzz, const ModelRange *ranges, unsigned nb,
                        bool unplugs)
{
    uint64_t wanted = model_zero_size(&fuzz->model, ranges, nb), got;

    fuzz_submit(fuzz, nb * (uint32_t)sizeof(struct virtio_mhp_report),
                sizeof(struct virtio_mhp_report_resp));
    if (unplugs) {
        fuzz_unplug_meanwhile(fuzz, &ranges[nb - 1]);
    }
    got = fuzz_finish(fuzz);
    fuzz_forget_reported(fuzz, ranges, nb);
    if (unplugs ? got > wanted : got != wanted) {
        g_error("step %u: wanted a zero_size of 0x%" G_GINT64_MODIFIER
                "x, got 0x%" G_GINT64_MODIFIER "x",
                fuzz->step, wanted, got);
    }
}

static void fuzz_report_wrongly(Fuzz *fuzz, uint32_t size, uint32_t room)
{
    fuzz_submit(fuzz, size, room);
    virtio_pci_select(fuzz->mhp->pci, REPORTQ);
    g_assert_cmpint(virtio_pci_wait(fuzz->mhp->pci, NULL), ==,
                    VIRTIO_PCI_BROKEN);
    mhp_restart_driver(fuzz->mhp, fuzz->model.features);
    model_restart_driver(&fuzz->model, fuzz->model.features);
}

void fuzz_step_report(Fuzz *fuzz)
{
    ModelRange ranges[NB_RANGES_MAX] = {0};
    unsigned nb = 1 + fuzz_pick(fuzz, fuzz_one_in(fuzz, 8) ? NB_RANGES_MAX : 6);
    bool unplugs = fuzz_one_in(fuzz, 4);
    uint32_t size = nb * (uint32_t)sizeof(struct virtio_mhp_report);
    uint32_t room = sizeof(struct virtio_mhp_report_resp);

    for (unsigned i = 0; i < nb; i++) {
        ranges[i] = fuzz_pick_range(fuzz, unplugs);
    }
    if (fuzz_one_in(fuzz, 20)) {
        size -= fuzz_pick(fuzz, size);
    }
    if (fuzz_one_in(fuzz, 20)) {
        room = fuzz_pick(fuzz, 8);
    }
    fuzz_write_ranges(fuzz, ranges, nb);
    if (model_takes_report(&fuzz->model, size, room)) {
        nb = size / (uint32_t)sizeof(struct virtio_mhp_report);
        fuzz_report(fuzz, ranges, nb, unplugs);
    } else {
        fuzz_tell(fuzz, "in %u bytes, with room for %u: wrong", size, room);
        fuzz_report_wrongly(fuzz, size, room);
    }
}
