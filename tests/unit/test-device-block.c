/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's bookkeeping of blocks: what of a guest's requests is a range,
 * which state blocks have, and what was reported of them.
 *
 * The real source is compiled; no QEMU takes part.
 */
#include <glib.h>
#include <uapi/linux/virtio_mhp.h>

#include "virtio-mhp-block.h"

#define BLOCK_SIZE (UINT64_C(128) << 20)
#define NB_BLOCKS 16
#define REGION_SIZE (NB_BLOCKS * BLOCK_SIZE)
#define ADDR (UINT64_C(5) << 30)

static void setup(VirtIOMHPBlocks *blocks, gconstpointer data)
{
    (void)data;
    virtio_mhp_blocks_init(blocks, ADDR, BLOCK_SIZE, REGION_SIZE);
}

static void teardown(VirtIOMHPBlocks *blocks, gconstpointer data)
{
    (void)data;
    virtio_mhp_blocks_free(blocks);
}

static void set(VirtIOMHPBlocks *blocks, uint64_t first, uint64_t nb_blocks,
                bool plugged)
{
    const VirtIOMHPRange range = {first, nb_blocks};

    virtio_mhp_blocks_set_plugged(blocks, &range, plugged);
}

static void report(VirtIOMHPBlocks *blocks, uint64_t first, uint64_t nb_blocks,
                   uint16_t reason)
{
    const VirtIOMHPRange range = {first, nb_blocks};

    virtio_mhp_blocks_set_reason(blocks, &range, reason);
}

static uint16_t state(const VirtIOMHPBlocks *blocks, uint64_t first,
                      uint64_t nb_blocks)
{
    const VirtIOMHPRange range = {first, nb_blocks};

    return virtio_mhp_blocks_state(blocks, &range);
}

static void test_starts_unplugged(VirtIOMHPBlocks *blocks, gconstpointer data)
{
    VirtIOMHPRange range = {0};

    (void)data;
    g_assert_cmpuint(blocks->nb_blocks, ==, NB_BLOCKS);
    g_assert_cmpuint(state(blocks, 0, NB_BLOCKS), ==,
                     VIRTIO_MHP_STATE_UNPLUGGED);
    g_assert_cmpuint(virtio_mhp_blocks_plugged_size(blocks), ==, 0);
    g_assert_false(virtio_mhp_blocks_next_stuck(blocks, &range));
}

static void test_range_is_accepted(VirtIOMHPBlocks *blocks, gconstpointer data)
{
    static const VirtIOMHPRange ranges[] = {
        {0, 1},
        {0, NB_BLOCKS},
        {7, 3},
        {NB_BLOCKS - 1, 1},
    };

    (void)data;
    for (unsigned i = 0; i < G_N_ELEMENTS(ranges); i++) {
        const VirtIOMHPRange *want = &ranges[i];
        VirtIOMHPRange got;

        g_assert_true(virtio_mhp_blocks_range(blocks,
                                              ADDR + want->first * BLOCK_SIZE,
                                              (uint16_t)want->nb_blocks, &got));
        g_assert_cmpuint(got.first, ==, want->first);
        g_assert_cmpuint(got.nb_blocks, ==, want->nb_blocks);
        g_assert_cmpuint(virtio_mhp_blocks_offset(blocks, &got), ==,
                         want->first * BLOCK_SIZE);
        g_assert_cmpuint(virtio_mhp_blocks_size(blocks, &got), ==,
                         want->nb_blocks * BLOCK_SIZE);
    }
}

/* DEV-REQ-3 */
static void test_range_is_refused(VirtIOMHPBlocks *blocks, gconstpointer data)
{
    static const struct {
        const char *why;
        uint64_t addr;
        uint16_t nb_blocks;
    } ranges[] = {
        {"no block", ADDR, 0},
        {"no block at the end", ADDR + REGION_SIZE, 0},
        {"address in a block", ADDR + BLOCK_SIZE / 2, 1},
        {"address one too high", ADDR + 1, 1},
        {"address 0", 0, 1},
        {"from below into the region", ADDR - BLOCK_SIZE, 2},
        {"behind the region", ADDR + REGION_SIZE, 1},
        {"out of the region", ADDR + REGION_SIZE - BLOCK_SIZE, 2},
        {"one block too many", ADDR, NB_BLOCKS + 1},
        {"as many as fit into the field", ADDR, UINT16_MAX},
        {"highest address", -BLOCK_SIZE, 1},
        {"end wraps into the region",
         -((UINT64_C(65535) - NB_BLOCKS) * BLOCK_SIZE), UINT16_MAX},
    };

    (void)data;
    for (unsigned i = 0; i < G_N_ELEMENTS(ranges); i++) {
        VirtIOMHPRange range = {42, 42};

        g_test_message("%s", ranges[i].why);
        g_assert_false(virtio_mhp_blocks_range(blocks, ranges[i].addr,
                                               ranges[i].nb_blocks, &range));
        g_assert_cmpuint(range.first, ==, 42);
    }
}

static void test_range_at_the_end_of_addresses(void)
{
    VirtIOMHPBlocks blocks;
    VirtIOMHPRange range;

    virtio_mhp_blocks_init(&blocks, -REGION_SIZE, BLOCK_SIZE, REGION_SIZE);
    g_assert_true(
        virtio_mhp_blocks_range(&blocks, -REGION_SIZE, NB_BLOCKS, &range));
    g_assert_true(virtio_mhp_blocks_range(&blocks, -BLOCK_SIZE, 1, &range));
    g_assert_false(virtio_mhp_blocks_range(&blocks, -BLOCK_SIZE, 2, &range));
    g_assert_false(virtio_mhp_blocks_range(&blocks, 0, 1, &range));
    virtio_mhp_blocks_free(&blocks);
}

/* DEV-STATE-1 */
static void test_state_is_of_all_blocks(VirtIOMHPBlocks *blocks,
                                        gconstpointer data)
{
    (void)data;
    set(blocks, 4, 4, true);
    g_assert_cmpuint(state(blocks, 4, 4), ==, VIRTIO_MHP_STATE_PLUGGED);
    g_assert_cmpuint(state(blocks, 7, 1), ==, VIRTIO_MHP_STATE_PLUGGED);
    g_assert_cmpuint(state(blocks, 0, 4), ==, VIRTIO_MHP_STATE_UNPLUGGED);
    g_assert_cmpuint(state(blocks, 8, 8), ==, VIRTIO_MHP_STATE_UNPLUGGED);
    g_assert_cmpuint(state(blocks, 3, 2), ==, VIRTIO_MHP_STATE_MIXED);
    g_assert_cmpuint(state(blocks, 7, 2), ==, VIRTIO_MHP_STATE_MIXED);
    g_assert_cmpuint(state(blocks, 0, NB_BLOCKS), ==, VIRTIO_MHP_STATE_MIXED);
}

static void test_plugged_size_counts_blocks(VirtIOMHPBlocks *blocks,
                                            gconstpointer data)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(blocks);

    (void)data;
    set(blocks, 0, 3, true);
    g_assert_cmpuint(virtio_mhp_blocks_plugged_size(blocks), ==,
                     3 * BLOCK_SIZE);
    set(blocks, 2, 3, true); /* one of them already is */
    g_assert_cmpuint(virtio_mhp_blocks_plugged_size(blocks), ==,
                     5 * BLOCK_SIZE);
    set(blocks, 1, 1, false);
    g_assert_cmpuint(virtio_mhp_blocks_plugged_size(blocks), ==,
                     4 * BLOCK_SIZE);
    virtio_mhp_blocks_set_plugged(blocks, &all, true);
    g_assert_cmpuint(virtio_mhp_blocks_plugged_size(blocks), ==, REGION_SIZE);
    virtio_mhp_blocks_set_plugged(blocks, &all, false);
    g_assert_cmpuint(virtio_mhp_blocks_plugged_size(blocks), ==, 0);
}

/* DEV-STATUS-1 */
static void test_reasons_of_the_header_have_names(void)
{
    for (uint16_t i = 0; i <= VIRTIO_MHP_REASON_WRITEBACK; i++) {
        g_assert_nonnull(virtio_mhp_reason_name(i));
    }
    g_assert_null(virtio_mhp_reason_name(VIRTIO_MHP_REASON_WRITEBACK + 1));
    g_assert_null(virtio_mhp_reason_name(UINT16_MAX));
    g_assert_cmpstr(virtio_mhp_reason_name(VIRTIO_MHP_REASON_PINNED), ==,
                    "pinned");
}

static void assert_next_stuck(const VirtIOMHPBlocks *blocks,
                              VirtIOMHPRange *range, uint64_t first,
                              uint64_t nb_blocks)
{
    g_assert_true(virtio_mhp_blocks_next_stuck(blocks, range));
    g_assert_cmpuint(range->first, ==, first);
    g_assert_cmpuint(range->nb_blocks, ==, nb_blocks);
}

static void test_stuck_blocks_come_in_runs(VirtIOMHPBlocks *blocks,
                                           gconstpointer data)
{
    VirtIOMHPRange range = {0};

    (void)data;
    report(blocks, 0, 2, VIRTIO_MHP_REASON_BUSY);
    report(blocks, 2, 1, VIRTIO_MHP_REASON_PINNED);
    report(blocks, 8, 1, VIRTIO_MHP_REASON_PINNED);
    report(blocks, NB_BLOCKS - 2, 2, VIRTIO_MHP_REASON_BUSY);
    g_assert_cmpuint(blocks->nb_stuck, ==, 6);
    assert_next_stuck(blocks, &range, 0, 2);
    assert_next_stuck(blocks, &range, 2, 1);
    assert_next_stuck(blocks, &range, 8, 1);
    assert_next_stuck(blocks, &range, NB_BLOCKS - 2, 2);
    g_assert_false(virtio_mhp_blocks_next_stuck(blocks, &range));
}

static void test_later_report_replaces_earlier(VirtIOMHPBlocks *blocks,
                                               gconstpointer data)
{
    VirtIOMHPRange range = {0};

    (void)data;
    report(blocks, 4, 4, VIRTIO_MHP_REASON_BUSY);
    report(blocks, 4, 4, VIRTIO_MHP_REASON_NO_ROOM);
    report(blocks, 5, 3, VIRTIO_MHP_REASON_NONE);
    g_assert_cmpuint(blocks->nb_stuck, ==, 1);
    assert_next_stuck(blocks, &range, 4, 1);
    g_assert_cmpuint(blocks->reasons[4], ==, VIRTIO_MHP_REASON_NO_ROOM);
}

/* DEV-STATUS-2 */
static void test_plug_and_unplug_drop_reports(VirtIOMHPBlocks *blocks,
                                              gconstpointer data)
{
    (void)data;
    report(blocks, 0, NB_BLOCKS, VIRTIO_MHP_REASON_BUSY);
    set(blocks, 0, 2, true);
    g_assert_cmpuint(blocks->nb_stuck, ==, NB_BLOCKS - 2);
    set(blocks, 2, 2, false);
    g_assert_cmpuint(blocks->nb_stuck, ==, NB_BLOCKS - 4);
    virtio_mhp_blocks_clear_reasons(blocks);
    g_assert_cmpuint(blocks->nb_stuck, ==, 0);
    g_assert_cmpuint(virtio_mhp_blocks_plugged_size(blocks), ==,
                     2 * BLOCK_SIZE);
}

static void assert_next_run(const VirtIOMHPBlocks *blocks, bool plugged,
                            VirtIOMHPRange *range, uint64_t first,
                            uint64_t nb_blocks)
{
    g_assert_true(virtio_mhp_blocks_next_run(blocks, plugged, range));
    g_assert_cmpuint(range->first, ==, first);
    g_assert_cmpuint(range->nb_blocks, ==, nb_blocks);
}

static void test_blocks_come_in_runs(VirtIOMHPBlocks *blocks,
                                     gconstpointer data)
{
    VirtIOMHPRange plugged = {0}, unplugged = {0}, inside = {4, 0};

    (void)data;
    set(blocks, 0, 1, true);
    set(blocks, 3, 3, true);
    set(blocks, NB_BLOCKS - 1, 1, true);
    assert_next_run(blocks, true, &plugged, 0, 1);
    assert_next_run(blocks, true, &plugged, 3, 3);
    assert_next_run(blocks, true, &plugged, NB_BLOCKS - 1, 1);
    g_assert_false(virtio_mhp_blocks_next_run(blocks, true, &plugged));
    assert_next_run(blocks, false, &unplugged, 1, 2);
    assert_next_run(blocks, false, &unplugged, 6, NB_BLOCKS - 7);
    g_assert_false(virtio_mhp_blocks_next_run(blocks, false, &unplugged));
    /* From the middle of a run on */
    assert_next_run(blocks, true, &inside, 4, 2);
}

static void set_pending(VirtIOMHPBlocks *blocks, uint64_t first,
                        uint64_t nb_blocks, bool pending)
{
    const VirtIOMHPRange range = {first, nb_blocks};

    virtio_mhp_blocks_set_pending(blocks, &range, pending);
}

/* Only what is unplugged can be; what is plugged or unplugged anew is not. */
static void test_pending_blocks(VirtIOMHPBlocks *blocks, gconstpointer data)
{
    VirtIOMHPRange run = {0};

    (void)data;
    set_pending(blocks, 0, 8, true);
    set_pending(blocks, 0, 8, true);
    set_pending(blocks, 2, 1, false);
    g_assert_cmpuint(virtio_mhp_blocks_pending_size(blocks), ==,
                     7 * BLOCK_SIZE);
    set(blocks, 4, 1, true);
    set(blocks, 7, 1, false);
    g_assert_cmpuint(virtio_mhp_blocks_pending_size(blocks), ==,
                     5 * BLOCK_SIZE);
    g_assert_true(virtio_mhp_blocks_next_pending(blocks, &run));
    g_assert_cmpuint(run.first, ==, 0);
    g_assert_cmpuint(run.nb_blocks, ==, 2);
    g_assert_true(virtio_mhp_blocks_next_pending(blocks, &run));
    g_assert_cmpuint(run.first, ==, 3);
    g_assert_cmpuint(run.nb_blocks, ==, 1);
    g_assert_true(virtio_mhp_blocks_next_pending(blocks, &run));
    g_assert_cmpuint(run.first, ==, 5);
    g_assert_cmpuint(run.nb_blocks, ==, 2);
    g_assert_false(virtio_mhp_blocks_next_pending(blocks, &run));
}

#define ADD_WITH_BLOCKS(path, test) \
    g_test_add(path, VirtIOMHPBlocks, NULL, setup, test, teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_WITH_BLOCKS("/virtio-mhp/block/starts-unplugged",
                    test_starts_unplugged);
    ADD_WITH_BLOCKS("/virtio-mhp/block/range-is-accepted",
                    test_range_is_accepted);
    ADD_WITH_BLOCKS("/virtio-mhp/block/range-is-refused",
                    test_range_is_refused);
    g_test_add_func("/virtio-mhp/block/range-at-the-end-of-addresses",
                    test_range_at_the_end_of_addresses);
    ADD_WITH_BLOCKS("/virtio-mhp/block/state-is-of-all-blocks",
                    test_state_is_of_all_blocks);
    ADD_WITH_BLOCKS("/virtio-mhp/block/plugged-size-counts-blocks",
                    test_plugged_size_counts_blocks);
    g_test_add_func("/virtio-mhp/block/reasons-of-the-header-have-names",
                    test_reasons_of_the_header_have_names);
    ADD_WITH_BLOCKS("/virtio-mhp/block/stuck-blocks-come-in-runs",
                    test_stuck_blocks_come_in_runs);
    ADD_WITH_BLOCKS("/virtio-mhp/block/blocks-come-in-runs",
                    test_blocks_come_in_runs);
    ADD_WITH_BLOCKS("/virtio-mhp/block/later-report-replaces-earlier",
                    test_later_report_replaces_earlier);
    ADD_WITH_BLOCKS("/virtio-mhp/block/plug-and-unplug-drop-reports",
                    test_plug_and_unplug_drop_reports);
    ADD_WITH_BLOCKS("/virtio-mhp/block/pending-blocks", test_pending_blocks);
    return g_test_run();
}
