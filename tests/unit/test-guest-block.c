/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver's bookkeeping of memory blocks: where they are, which states they
 * may move between, and in which order units are used.
 *
 * The driver's own block.c is compiled, against the headers in shim/; no kernel
 * takes part.
 */
#include <errno.h>
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define MB_SIZE (128 * MIB)
#define ADDR (4 * GIB)
#define NR_MBS 16

typedef struct {
    struct virtio_mhp_blocks blocks;
    u8 states[NR_MBS];
} Fixture;

unsigned int shim_warnings;

/* 16 memory blocks; data is the size of a device block */
static void setup(Fixture *f, gconstpointer data)
{
    const u64 block_size = GPOINTER_TO_SIZE(data);

    shim_warnings = 0;
    g_assert_cmpint(virtio_mhp_blocks_lay_out(&f->blocks, ADDR,
                                              NR_MBS * MB_SIZE, block_size,
                                              MB_SIZE, 0, UINT64_MAX),
                    ==, 0);
    virtio_mhp_blocks_reset(&f->blocks, f->states);
}

static void assert_counts(const struct virtio_mhp_blocks *blocks)
{
    unsigned int count[VIRTIO_MHP_MB_STATES] = {0};
    unsigned int i;

    for (i = 0; i < blocks->nr_mbs; i++) {
        count[blocks->states[i]]++;
    }
    for (i = 0; i < VIRTIO_MHP_MB_STATES; i++) {
        g_assert_cmpuint(blocks->count[i], ==, count[i]);
    }
}

static void teardown(Fixture *f, gconstpointer data)
{
    (void)data;
    assert_counts(&f->blocks);
    g_assert_cmpuint(shim_warnings, ==, 0);
}

typedef struct {
    u64 addr, size, block_size, mb_size;
    int rc;
    u64 first;
    unsigned int nr_mbs, nr_units;
    u64 lowest, highest; /* no limit if 0 */
} Layout;

static const Layout layouts[] = {
    /* all of a region that is made of units */
    {ADDR, 96 * GIB, 2 * MIB, MB_SIZE, 0, ADDR, 768, 768, 0, 0},
    /* the larger of the two sizes is the unit */
    {ADDR, 4 * GIB, GIB, MB_SIZE, 0, ADDR, 32, 4, 0, 0},
    {ADDR, 4 * GIB, 2 * MIB, 2 * GIB, 0, ADDR, 2, 2, 0, 0},
    /* parts of units at either end stay unused */
    {ADDR + 2 * MIB, GIB, 2 * MIB, MB_SIZE, 0, ADDR + MB_SIZE, 7, 7, 0, 0},
    {ADDR, 640 * MIB, 512 * MIB, MB_SIZE, 0, ADDR, 4, 1, 0, 0},
    /* no whole unit */
    {ADDR, MB_SIZE - 2 * MIB, 2 * MIB, MB_SIZE, -ENOSPC, 0, 0, 0, 0, 0},
    {ADDR + 2 * MIB, 2 * (MB_SIZE - 2 * MIB), 2 * MIB, MB_SIZE, -ENOSPC, 0, 0,
     0, 0, 0},
    /* rounding up would leave the address space */
    {UINT64_MAX - 4 * MIB + 1, 2 * MIB, 2 * MIB, MB_SIZE, -ENOSPC, 0, 0, 0, 0,
     0},
    /* the very end of it is usable */
    {UINT64_MAX - 2 * MB_SIZE + 1, 2 * MB_SIZE - 2 * MIB, 2 * MIB, MB_SIZE, 0,
     UINT64_MAX - 2 * MB_SIZE + 1, 1, 1, 0, 0},
    /* more memory blocks than can be counted */
    {0, UINT64_C(1) << 63, 2 * MIB, 2 * MIB, -E2BIG, 0, 0, 0, 0, 0},
    /* what the kernel can map is what counts: the rest takes no tables */
    {ADDR, UINT64_C(1) << 53, 2 * MIB, MB_SIZE, 0, ADDR, 524256, 524256, 0,
     (UINT64_C(1) << 46) - 1},
    {ADDR, UINT64_C(1) << 57, 2 * MIB, 2 * GIB, 0, ADDR, 32766, 32766, 0,
     (UINT64_C(1) << 46) - 1},
    {ADDR, GIB, 2 * MIB, MB_SIZE, 0, ADDR, 3, 3, 0, ADDR + 4 * MB_SIZE - 2},
    {ADDR, GIB, 2 * MIB, MB_SIZE, 0, ADDR + MB_SIZE, 7, 7, ADDR + 1,
     UINT64_MAX},
    {ADDR, GIB, 2 * MIB, MB_SIZE, -ENOSPC, 0, 0, 0, ADDR + GIB, UINT64_MAX},
    {ADDR, GIB, 2 * MIB, MB_SIZE, -ENOSPC, 0, 0, 0, 0, ADDR - 1},
    {ADDR, GIB, 2 * MIB, MB_SIZE, -ENOSPC, 0, 0, 0, UINT64_MAX, UINT64_MAX},
};

static void test_layout(void)
{
    for (unsigned int i = 0; i < G_N_ELEMENTS(layouts); i++) {
        const Layout *l = &layouts[i];
        struct virtio_mhp_blocks blocks = {0};

        g_test_message("row %u", i);
        g_assert_cmpint(virtio_mhp_blocks_lay_out(
                            &blocks, l->addr, l->size, l->block_size,
                            l->mb_size, l->lowest, l->highest ?: UINT64_MAX),
                        ==, l->rc);
        g_assert_cmphex(blocks.addr, ==, l->first);
        g_assert_cmpuint(blocks.nr_mbs, ==, l->nr_mbs);
        g_assert_cmpuint(blocks.nr_units, ==, l->nr_units);
    }
}

#define KIB (UINT64_C(1) << 10)

static void test_memmaps_that_fit(void)
{
    static const struct {
        const char *what;
        u64 mb_size, page_size, entry_size, pageblock_size, mapping_size;
        const char *misfit; /* a part of it, NULL if none */
    } rows[] = {
        {"x86", MB_SIZE, 4 * KIB, 64, 2 * MIB, 2 * MIB, NULL},
        {"large x86", 2 * GIB, 4 * KIB, 64, 2 * MIB, 2 * MIB, NULL},
        {"arm64 with pages of 16 KiB", MB_SIZE, 16 * KIB, 64, 32 * MIB,
         32 * MIB, "pages of this size"},
        {"arm64 with pages of 64 KiB", 512 * MIB, 64 * KIB, 64, 512 * MIB,
         512 * MIB, "pages of this size"},
        {"pageblocks of the largest order", MB_SIZE, 4 * KIB, 64, 4 * MIB,
         2 * MIB, "pages of this size"},
        {"a larger struct page", MB_SIZE, 4 * KIB, 128, 2 * MIB, 2 * MIB,
         "not of 64 bytes"},
        {"a smaller struct page", MB_SIZE, 4 * KIB, 56, 2 * MIB, 2 * MIB,
         "not of 64 bytes"},
    };

    for (unsigned int i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *misfit = virtio_mhp_memmap_misfit(
            rows[i].mb_size, rows[i].page_size, rows[i].entry_size,
            rows[i].pageblock_size, rows[i].mapping_size);

        g_test_message("%s: %s", rows[i].what, misfit ?: "fits");
        g_assert_cmpint(!misfit, ==, !rows[i].misfit);
        g_assert_true(!misfit || strstr(misfit, rows[i].misfit));
    }
}

static void test_starts_unplugged(Fixture *f, gconstpointer data)
{
    (void)data;
    g_assert_cmpuint(f->blocks.count[VIRTIO_MHP_MB_UNPLUGGED], ==, NR_MBS);
}

static void test_usable_units(Fixture *f, gconstpointer data)
{
    const struct virtio_mhp_blocks *b = &f->blocks;

    (void)data;
    g_assert_cmpuint(virtio_mhp_blocks_usable_units(b, 0), ==, 0);
    g_assert_cmpuint(virtio_mhp_blocks_usable_units(b, ADDR), ==, 0);
    g_assert_cmpuint(virtio_mhp_blocks_usable_units(b, ADDR + MB_SIZE - 1), ==,
                     0);
    g_assert_cmpuint(virtio_mhp_blocks_usable_units(b, ADDR + MB_SIZE), ==, 1);
    g_assert_cmpuint(virtio_mhp_blocks_usable_units(b, UINT64_MAX), ==, NR_MBS);
}

static void test_contains_only_within_one_block(Fixture *f, gconstpointer data)
{
    const struct virtio_mhp_blocks *b = &f->blocks;
    const u64 end = ADDR + NR_MBS * MB_SIZE;

    (void)data;
    g_assert_true(virtio_mhp_blocks_contain(b, ADDR, MB_SIZE));
    g_assert_true(
        virtio_mhp_blocks_contain(b, ADDR + 2 * MIB, MB_SIZE - 2 * MIB));
    g_assert_true(virtio_mhp_blocks_contain(b, end - MB_SIZE, MB_SIZE));
    g_assert_false(virtio_mhp_blocks_contain(b, ADDR - MB_SIZE, MB_SIZE));
    g_assert_false(virtio_mhp_blocks_contain(b, end, MB_SIZE));
    g_assert_false(virtio_mhp_blocks_contain(b, ADDR + 2 * MIB, MB_SIZE));
    g_assert_false(virtio_mhp_blocks_contain(b, ADDR, MB_SIZE + 1));
    g_assert_false(virtio_mhp_blocks_contain(b, ADDR, 0));
    g_assert_false(virtio_mhp_blocks_contain(b, ADDR + 1, UINT64_MAX));
}

static void test_addresses_and_ids_agree(Fixture *f, gconstpointer data)
{
    const struct virtio_mhp_blocks *b = &f->blocks;

    (void)data;
    for (unsigned int mb = 0; mb < NR_MBS; mb++) {
        const u64 addr = ADDR + mb * MB_SIZE;

        g_assert_cmphex(virtio_mhp_mb_addr(b, mb), ==, addr);
        g_assert_cmpuint(virtio_mhp_mb_at(b, addr), ==, mb);
        g_assert_cmpuint(virtio_mhp_mb_at(b, addr + MB_SIZE - 1), ==, mb);
        g_assert_cmpuint(virtio_mhp_mb_id(b, mb), ==, 32 + mb);
    }
}

/* Takes a memory block to a state along the picture's arrows. */
static void walk_to(struct virtio_mhp_blocks *b, unsigned int mb,
                    enum virtio_mhp_mb_state state)
{
    while (b->states[mb] < state) {
        g_assert_true(virtio_mhp_mb_set_state(b, mb, b->states[mb] + 1));
    }
    while (b->states[mb] > state) {
        g_assert_true(virtio_mhp_mb_set_state(b, mb, b->states[mb] - 1));
    }
}

static void test_moves_only_along_arrows(Fixture *f, gconstpointer data)
{
    struct virtio_mhp_blocks *b = &f->blocks;

    (void)data;
    for (int from = 0; from < VIRTIO_MHP_MB_STATES; from++) {
        for (int to = 0; to < VIRTIO_MHP_MB_STATES; to++) {
            const bool is_arrow = abs(from - to) == 1;

            walk_to(b, 3, from);
            g_assert_cmpint(virtio_mhp_mb_set_state(b, 3, to), ==, is_arrow);
            g_assert_cmpint(b->states[3], ==, is_arrow ? to : from);
            g_assert_cmpuint(shim_warnings, ==, !is_arrow);
            shim_warnings = 0;
            assert_counts(b);
        }
    }
}

static void test_refuses_blocks_that_are_none(Fixture *f, gconstpointer data)
{
    (void)data;
    g_assert_false(
        virtio_mhp_mb_set_state(&f->blocks, NR_MBS, VIRTIO_MHP_MB_PLUGGED));
    g_assert_cmpuint(shim_warnings, ==, 1);
    shim_warnings = 0;
}

static void test_states_have_names(void)
{
    g_assert_cmpstr(virtio_mhp_mb_state_name(VIRTIO_MHP_MB_UNPLUGGED), ==,
                    "UNPLUGGED");
    g_assert_cmpstr(virtio_mhp_mb_state_name(VIRTIO_MHP_MB_PLUGGED), ==,
                    "PLUGGED");
    g_assert_cmpstr(virtio_mhp_mb_state_name(VIRTIO_MHP_MB_OFFLINE), ==,
                    "OFFLINE");
    g_assert_cmpstr(virtio_mhp_mb_state_name(VIRTIO_MHP_MB_ONLINE), ==,
                    "ONLINE");
    g_assert_cmpstr(virtio_mhp_mb_state_name(VIRTIO_MHP_MB_STATES), ==,
                    "invalid");
}

static void test_units_of_several_blocks(Fixture *f, gconstpointer data)
{
    struct virtio_mhp_blocks *b = &f->blocks;

    (void)data;
    g_assert_cmpuint(b->nr_units, ==, 4);
    g_assert_cmpuint(virtio_mhp_unit_nr_mbs(b), ==, 4);
    g_assert_cmpuint(virtio_mhp_unit_first_mb(b, 2), ==, 8);
    g_assert_cmpuint(virtio_mhp_unit_of_mb(b, 11), ==, 2);
    g_assert_cmphex(virtio_mhp_unit_addr(b, 2), ==, ADDR + 8 * MB_SIZE);

    walk_to(b, 11, VIRTIO_MHP_MB_ONLINE);
    g_assert_true(virtio_mhp_unit_has(b, 2, VIRTIO_MHP_MB_ONLINE));
    g_assert_true(virtio_mhp_unit_has(b, 2, VIRTIO_MHP_MB_UNPLUGGED));
    g_assert_false(virtio_mhp_unit_is(b, 2, VIRTIO_MHP_MB_ONLINE));
    g_assert_false(virtio_mhp_unit_has(b, 3, VIRTIO_MHP_MB_ONLINE));
    g_assert_true(virtio_mhp_unit_is(b, 3, VIRTIO_MHP_MB_UNPLUGGED));
}

static void test_plugs_each_unit_once_and_the_moat_last(void)
{
    for (unsigned int nr = 1; nr < 100; nr++) {
        g_autofree bool *seen = g_new0(bool, nr);

        for (unsigned int i = 0; i < nr; i++) {
            const unsigned int unit = virtio_mhp_unit_in_plug_order(nr, i);

            g_assert_cmpuint(unit, <, nr);
            g_assert_false(seen[unit]);
            seen[unit] = true;
        }
        g_assert_cmpuint(virtio_mhp_unit_in_plug_order(nr, 0), ==, 0);
        if (nr > 1) {
            g_assert_cmpuint(virtio_mhp_unit_in_plug_order(nr, nr - 1), ==, 1);
        }
    }
}

/* What is to be vacated first stands first. */
static void test_vacates_the_moat_first_and_the_lowest_last(void)
{
    static const struct virtio_mhp_candidate sorted[] = {
        {1, 30000}, {7, 0}, {3, 0}, {0, 0}, {9, 12}, {2, 13}, {0, 1},
    };
    const int nr = G_N_ELEMENTS(sorted);

    for (int i = 0; i < nr; i++) {
        for (int j = 0; j < nr; j++) {
            const int order = virtio_mhp_candidate_cmp(&sorted[i], &sorted[j]);

            g_assert_cmpint((order > 0) - (order < 0), ==, (i > j) - (i < j));
        }
    }
}

#define ADD(path, block_size, function)                  \
    g_test_add("/virtio-mhp/guest-block/" path, Fixture, \
               GSIZE_TO_POINTER(block_size), setup, function, teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mhp/guest-block/layout", test_layout);
    g_test_add_func("/virtio-mhp/guest-block/memmaps-that-fit",
                    test_memmaps_that_fit);
    g_test_add_func("/virtio-mhp/guest-block/states-have-names",
                    test_states_have_names);
    g_test_add_func("/virtio-mhp/guest-block/moat-is-plugged-last",
                    test_plugs_each_unit_once_and_the_moat_last);
    g_test_add_func("/virtio-mhp/guest-block/moat-is-vacated-first",
                    test_vacates_the_moat_first_and_the_lowest_last);
    ADD("starts-unplugged", 2 * MIB, test_starts_unplugged);
    ADD("usable-units", 2 * MIB, test_usable_units);
    ADD("contains-only-within-one-block", 2 * MIB,
        test_contains_only_within_one_block);
    ADD("addresses-and-ids-agree", 2 * MIB, test_addresses_and_ids_agree);
    ADD("moves-only-along-arrows", 2 * MIB, test_moves_only_along_arrows);
    ADD("refuses-blocks-that-are-none", 2 * MIB,
        test_refuses_blocks_that_are_none);
    ADD("units-of-several-blocks", 512 * MIB, test_units_of_several_blocks);
    return g_test_run();
}
