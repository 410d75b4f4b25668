/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Marks: what the driver writes to a plugged block, at its start, its end and
 * somewhere between. All else in the block stays zero. A block whose mark is 0
 * was never written to since it was plugged.
 */
#include <unistd.h>

#include "fuzz.h"

#define NB_PLACES 3

static uint64_t mark_place(uint64_t mark, unsigned i)
{
    const uint64_t places[NB_PLACES] = {
        0,
        mark % (MHP_BLOCK_SIZE / 8) * 8,
        MHP_BLOCK_SIZE - sizeof(mark),
    };

    return places[i];
}

static void fuzz_write_mark(Fuzz *fuzz, unsigned block, uint64_t mark)
{
    uint64_t old = fuzz->model.blocks[block].mark;
    uint64_t addr = mhp_block_addr(fuzz->mhp, block);

    qtest_memset(fuzz->mhp->qtest, addr + mark_place(old, 1), 0, sizeof(old));
    for (unsigned i = 0; i < NB_PLACES; i++) {
        qtest_write(fuzz->mhp->qtest, addr + mark_place(mark, i), &mark,
                    sizeof(mark));
    }
    fuzz->model.blocks[block].mark = mark;
    fuzz->model.blocks[block].gone = 0;
}

void fuzz_step_mark(Fuzz *fuzz)
{
    for (unsigned n = 1 + fuzz_pick(fuzz, 8); n; n--) {
        unsigned block = fuzz_pick(fuzz, MHP_NB_BLOCKS);
        uint64_t mark = fuzz_number(fuzz) | 1;

        if (fuzz->model.blocks[block].plugged) {
            fuzz_tell(fuzz, "mark block %u", block);
            fuzz_write_mark(fuzz, block, mark);
        }
    }
}

/* DRV-PLUG-3 broken, as a hostile driver would */
void fuzz_step_touch_unplugged(Fuzz *fuzz)
{
    unsigned block = fuzz_pick(fuzz, MHP_NB_BLOCKS);
    uint64_t offset = fuzz_pick(fuzz, MHP_BLOCK_SIZE / 8) * UINT64_C(8);
    uint64_t value = fuzz_number(fuzz);

    if (fuzz->model.blocks[block].plugged) {
        return;
    }
    fuzz_tell(fuzz, "write to unplugged block %u", block);
    qtest_write(fuzz->mhp->qtest, mhp_block_addr(fuzz->mhp, block) + offset,
                &value, sizeof(value));
    fuzz->model.blocks[block].touched = true;
}

/* What the device discards of a block, by places */
static void fuzz_forget_mark(Fuzz *fuzz, unsigned block,
                             const ModelRange *ranges, unsigned nb)
{
    ModelBlock *state = &fuzz->model.blocks[block];
    uint64_t addr = mhp_block_addr(fuzz->mhp, block);

    for (unsigned i = 0; i < NB_PLACES; i++) {
        if (model_discards(&fuzz->model, ranges, nb,
                           addr + mark_place(state->mark, i))) {
            state->gone |= 1u << i;
        }
    }
}

void fuzz_forget_marks(Fuzz *fuzz, const ModelRange *ranges, unsigned nb)
{
    for (unsigned i = 0; i < MHP_NB_BLOCKS; i++) {
        fuzz_forget_mark(fuzz, i, ranges, nb);
    }
}

static void fuzz_check_bytes(Fuzz *fuzz, unsigned block, unsigned place,
                             uint64_t got, const char *view)
{
    const ModelBlock *state = &fuzz->model.blocks[block];
    uint64_t offset = mark_place(state->mark, place);
    uint64_t wanted = state->gone >> place & 1 ? 0 : state->mark;

    if (got != wanted) {
        g_error("step %u: wanted 0x%" G_GINT64_MODIFIER
                "x at 0x%" G_GINT64_MODIFIER
                "x of plugged block %u, got 0x%" G_GINT64_MODIFIER
                "x (the %s's view)",
                fuzz->step, wanted, offset, block, got, view);
    }
}

static void fuzz_check_mark(Fuzz *fuzz, unsigned block, bool by_guest)
{
    for (unsigned i = 0; i < NB_PLACES; i++) {
        uint64_t offset = mark_place(fuzz->model.blocks[block].mark, i), got;

        if (by_guest) {
            qtest_read(fuzz->mhp->qtest,
                       mhp_block_addr(fuzz->mhp, block) + offset, &got,
                       sizeof(got));
        } else {
            g_assert_cmpint(pread(fuzz->mhp->memory, &got, sizeof(got),
                                  (off_t)(block * MHP_BLOCK_SIZE + offset)),
                            ==, sizeof(got));
        }
        fuzz_check_bytes(fuzz, block, i, got, by_guest ? "guest" : "host");
    }
}

/* A block holds its mark and nothing else */
static void fuzz_check_whole(Fuzz *fuzz, unsigned block)
{
    uint64_t mark = fuzz->model.blocks[block].mark;
    g_autofree uint64_t *data = g_malloc(MHP_BLOCK_SIZE);

    g_assert_cmpint(pread(fuzz->mhp->memory, data, MHP_BLOCK_SIZE,
                          (off_t)(block * MHP_BLOCK_SIZE)),
                    ==, (ssize_t)MHP_BLOCK_SIZE);
    for (unsigned i = 0; i < NB_PLACES; i++) {
        uint64_t *place = &data[mark_place(mark, i) / 8];

        *place = *place == mark ? 0 : *place;
    }
    for (unsigned i = 0; i < MHP_BLOCK_SIZE / 8; i++) {
        if (data[i]) {
            g_error(
                "step %u: wanted zero at 0x%x of plugged block %u, got 0x%" G_GINT64_MODIFIER
                "x",
                fuzz->step, i * 8, block, data[i]);
        }
    }
}

void fuzz_check_marks(Fuzz *fuzz, bool whole)
{
    unsigned by_guest = fuzz_pick(fuzz, MHP_NB_BLOCKS);

    for (unsigned i = 0; i < MHP_NB_BLOCKS; i++) {
        if (!fuzz->model.blocks[i].plugged) {
            continue;
        }
        fuzz_check_mark(fuzz, i, false);
        if (whole || i == by_guest) {
            fuzz_check_mark(fuzz, i, true);
        }
        if (whole) {
            fuzz_check_whole(fuzz, i);
        }
    }
}
