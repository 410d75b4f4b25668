/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each request and each of its responses, as a driver that keeps the rules, or
 * breaks one by a legal value, sees them. What is wrong in shape or value is
 * in test-malformed-*.c, memmaps and memory in test-memory.c.
 */
#include <unistd.h>

#include "mhp.h"
#include "migration.h"

enum request { PLUG, UNPLUG, UNPLUG_ALL };

/* One request, its response, and how many blocks are plugged after it */
struct step {
    enum request request;
    uint16_t first;
    uint16_t nb_blocks;
    const char *response;
    unsigned nb_plugged;
};

static uint16_t send_step(Mhp *mhp, const struct step *step)
{
    switch (step->request) {
    case PLUG:
        return mhp_plug(mhp, step->first, step->nb_blocks);
    case UNPLUG:
        return mhp_unplug(mhp, step->first, step->nb_blocks);
    default:
        return mhp_unplug_all(mhp);
    }
}

/* DEV-PLUG-6: the first look after the response counts already */
static void run_steps(const struct step *steps, unsigned nb_steps)
{
    g_autoptr(Mhp) mhp = mhp_new();

    for (unsigned i = 0; i < nb_steps; i++) {
        g_test_message("step %u", i);
        g_assert_cmpstr(mhp_response_name(send_step(mhp, &steps[i])), ==,
                        steps[i].response);
        g_assert_cmpuint(mhp_config(mhp).plugged_size, ==,
                         steps[i].nb_plugged * MHP_BLOCK_SIZE);
    }
}

/* DEV-PLUG-1, DEV-PLUG-2, DEV-PLUG-6; half of 64 blocks is requested */
static void test_plug(void)
{
    static const struct step steps[] = {
        {PLUG, 0, 1, "ACK", 1},    {PLUG, 0, 1, "ERROR", 1},
        {PLUG, 4, 4, "ACK", 5},    {PLUG, 3, 2, "ERROR", 5},
        {PLUG, 7, 2, "ERROR", 5},  {PLUG, 3, 6, "ERROR", 5},
        {PLUG, 32, 28, "NACK", 5}, {PLUG, 32, 27, "ACK", 32},
        {PLUG, 1, 1, "NACK", 32},  {PLUG, 63, 1, "NACK", 32},
        {UNPLUG, 4, 1, "ACK", 31}, {PLUG, 63, 1, "ACK", 32},
    };

    run_steps(steps, G_N_ELEMENTS(steps));
}

/* DEV-PLUG-7, as far as the driver can bring the reasons together */
static void test_plug_refused_for_several_reasons(void)
{
    static const struct step steps[] = {
        {PLUG, 0, 30, "ACK", 30},
        /* too much and plugged already */
        {PLUG, 0, 3, "NACK", 30},
        {PLUG, 29, 3, "NACK", 30},
        /* too much and beyond the region */
        {PLUG, 62, 3, "ERROR", 30},
        {PLUG, 0, 65, "ERROR", 30},
    };

    run_steps(steps, G_N_ELEMENTS(steps));
}

/* DEV-UNPLUG-1, DEV-UNPLUG-5 */
static void test_unplug(void)
{
    static const struct step steps[] = {
        {UNPLUG, 0, 1, "ERROR", 0},  {PLUG, 8, 8, "ACK", 8},
        {UNPLUG, 7, 2, "ERROR", 8},  {UNPLUG, 15, 2, "ERROR", 8},
        {UNPLUG, 0, 64, "ERROR", 8}, {UNPLUG, 10, 2, "ACK", 6},
        {UNPLUG, 9, 4, "ERROR", 6},  {UNPLUG, 11, 1, "ERROR", 6},
        {UNPLUG, 8, 2, "ACK", 4},    {UNPLUG, 12, 4, "ACK", 0},
        {PLUG, 8, 8, "ACK", 8},
    };

    run_steps(steps, G_N_ELEMENTS(steps));
}

/* DEV-UNPLUG-4 */
static void test_unplug_below_requested_size(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    mhp_set_requested_size(mhp, 4 * MHP_BLOCK_SIZE);
    mhp_expect(mhp_unplug(mhp, 0, 2), ACK);
    mhp_expect(mhp_unplug(mhp, 2, 4), ACK);
    mhp_expect(mhp_unplug(mhp, 6, 2), ACK);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
}

/* DEV-PLUG-2 */
static void test_plug_follows_requested_size(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_set_requested_size(mhp, 0);
    mhp_expect(mhp_plug(mhp, 0, 1), NACK);
    mhp_set_requested_size(mhp, MHP_BLOCK_SIZE);
    mhp_expect(mhp_plug(mhp, 0, 2), NACK);
    mhp_expect(mhp_plug(mhp, 0, 1), ACK);
    mhp_set_requested_size(mhp, 0);
    mhp_expect(mhp_plug(mhp, 1, 1), NACK);
    mhp_set_requested_size(mhp, MHP_REGION_SIZE);
    mhp_expect(mhp_plug(mhp, 1, MHP_NB_BLOCKS - 1), ACK);
    g_assert_cmpuint(mhp_size(mhp), ==, MHP_REGION_SIZE);
}

/* DEV-UNPLUGALL-1, DEV-UNPLUGALL-2 */
static void test_unplug_all(void)
{
    static const struct step steps[] = {
        {UNPLUG_ALL, 0, 0, "ACK", 0}, {PLUG, 0, 1, "ACK", 1},
        {PLUG, 5, 7, "ACK", 8},       {UNPLUG_ALL, 0, 0, "ACK", 0},
        {UNPLUG_ALL, 0, 0, "ACK", 0}, {PLUG, 0, 32, "ACK", 32},
    };

    run_steps(steps, G_N_ELEMENTS(steps));
}

static int64_t nb_discards(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) counters = NULL;

    counters = qmp_executef(vm_qmp(mhp->vm), &error, "qom-get",
                            "{'path': '%s', 'property': 'counters'}",
                            MHP_QOM_PATH);
    g_assert_no_error(error);
    return json_object_get_int_member(json_node_get_object(counters),
                                      "discards");
}

/* DEV-UNPLUGALL-2: a driver cannot keep the host busy by it */
static void test_unplug_all_of_nothing_does_nothing(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    int64_t before;

    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    mhp_expect(mhp_unplug_all(mhp), ACK);
    before = nb_discards(mhp);
    mhp_expect(mhp_unplug_all(mhp), ACK);
    g_assert_cmpint(nb_discards(mhp), ==, before);
}

/* What the device says when the host has no memory for a PLUG */
static void check_short_of_memory(bool prealloc, uint64_t features,
                                  const char *response)
{
    static const char *const no_args[] = {NULL};
    static const char *const args[] = {"-set", "device.mhp0.prealloc=on", NULL};
    g_autoptr(Mhp) mhp = mhp_new_with_args(prealloc ? args : no_args);

    mhp_restart_driver(mhp, features);
    if (features >> VIRTIO_MHP_F_MEMMAP_ON_BLOCK & 1) {
        mhp_expect(mhp_memmap(mhp, MHP_BLOCK_SIZE, 0x8000), ACK);
    }
    /* From here on there is only memory for the first four blocks */
    g_assert_no_errno(ftruncate(mhp->memory, 4 * MHP_BLOCK_SIZE));
    g_assert_cmpstr(mhp_response_name(mhp_plug(mhp, 2, 4)), ==, response);
    g_assert_cmpuint(mhp_config(mhp).plugged_size, ==, 0);
    mhp_wait_discarded(mhp);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    mhp_expect(mhp_unplug(mhp, 0, 4), ACK);
}

/* DEV-PLUG-4, DEV-PLUG-9, DEV-REQ-5 */
static void test_plug_without_memory_of_the_host(void)
{
    const uint64_t others = MHP_FEATURES &
                            ~(UINT64_C(1) << VIRTIO_MHP_F_MEMMAP_ON_BLOCK);

    check_short_of_memory(false, MHP_FEATURES, "NACK");
    check_short_of_memory(true, MHP_FEATURES, "NACK");
    check_short_of_memory(true, others, "BUSY");
}

/* DEV-STATE-1 */
static void test_state(void)
{
    static const struct {
        unsigned first;
        uint16_t nb_blocks;
        const char *state;
    } rows[] = {
        {0, 8, "UNPLUGGED"},   {8, 8, "PLUGGED"},    {8, 1, "PLUGGED"},
        {15, 1, "PLUGGED"},    {7, 1, "UNPLUGGED"},  {16, 1, "UNPLUGGED"},
        {7, 2, "MIXED"},       {15, 2, "MIXED"},     {0, 64, "MIXED"},
        {16, 48, "UNPLUGGED"}, {63, 1, "UNPLUGGED"},
    };
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 8, 8), ACK);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%u blocks from %u", rows[i].nb_blocks, rows[i].first);
        g_assert_cmpstr(mhp_state_name(mhp, rows[i].first, rows[i].nb_blocks),
                        ==, rows[i].state);
    }
}

/* DEV-MEMMAP-1 */
static void test_memmap(void)
{
    static const struct {
        uint64_t unit_size;
        uint64_t memmap_size;
        const char *response;
    } rows[] = {
        {128 * MHP_MIB, 2 * MHP_MIB, "ACK"},
        {MHP_BLOCK_SIZE, 0, "ACK"},
        {MHP_BLOCK_SIZE, 4096, "ACK"},
        {MHP_BLOCK_SIZE, MHP_BLOCK_SIZE - 4096, "ACK"},
        {MHP_BLOCK_SIZE / 2, 4096, "ACK"},
        {VIRTIO_MHP_UNIT_SIZE_MIN, 0, "ACK"},
        {UINT64_C(1) << 63, 4096, "ACK"},
        {0, 0, "ERROR"},
        {0, 4096, "ERROR"},
        {1, 0, "ERROR"},
        {VIRTIO_MHP_UNIT_SIZE_MIN / 2, 4096, "ERROR"},
        {VIRTIO_MHP_UNIT_SIZE_MIN / 2, 0, "ERROR"},
        {3 * MHP_BLOCK_SIZE, 4096, "ERROR"},
        {UINT64_MAX, 4096, "ERROR"},
        {MHP_BLOCK_SIZE, 1, "ERROR"},
        {MHP_BLOCK_SIZE, 2048, "ERROR"},
        {MHP_BLOCK_SIZE, 4097, "ERROR"},
        {MHP_BLOCK_SIZE, MHP_BLOCK_SIZE, "ERROR"},
        {MHP_BLOCK_SIZE, 2 * MHP_BLOCK_SIZE, "ERROR"},
        {MHP_BLOCK_SIZE, UINT64_MAX - 4095, "ERROR"},
    };
    g_autoptr(Mhp) mhp = mhp_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("row %u", i);
        g_assert_cmpstr(mhp_response_name(mhp_memmap(mhp, rows[i].unit_size,
                                                     rows[i].memmap_size)),
                        ==, rows[i].response);
    }
}

/* DEV-STATUS-1 */
static void test_status(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    for (uint16_t reason = VIRTIO_MHP_REASON_NONE;
         reason <= VIRTIO_MHP_REASON_WRITEBACK; reason++) {
        g_test_message("reason %u", reason);
        mhp_expect(mhp_status(mhp, 0, 4, reason), ACK);
    }
    mhp_expect(mhp_status(mhp, 0, 4, VIRTIO_MHP_REASON_WRITEBACK + 1), ERROR);
    mhp_expect(mhp_status(mhp, 0, 4, UINT16_MAX), ERROR);
    g_assert_cmpuint(mhp_size(mhp), ==, 2 * MHP_BLOCK_SIZE);
}

/* DEV-STATUS-3 */
static void test_status_is_shown(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    mhp_assert_reports(mhp, 0, "");
    mhp_expect(mhp_status(mhp, 1, 3, VIRTIO_MHP_REASON_PINNED), ACK);
    mhp_assert_reports(mhp, 3, "0x100200000-0x1007fffff: pinned");
    mhp_expect(mhp_status(mhp, 3, 1, VIRTIO_MHP_REASON_NO_ROOM), ACK);
    mhp_assert_reports(mhp, 3,
                       "0x100200000-0x1005fffff: pinned\n"
                       "0x100600000-0x1007fffff: no-room");
    mhp_expect(mhp_status(mhp, 0, 3, VIRTIO_MHP_REASON_NONE), ACK);
    mhp_assert_reports(mhp, 1, "0x100600000-0x1007fffff: no-room");
    /* A wrong report leaves the right ones */
    mhp_expect(mhp_status(mhp, 3, 1, UINT16_MAX), ERROR);
    mhp_assert_reports(mhp, 1, "0x100600000-0x1007fffff: no-room");
}

/* DEV-STATUS-3: however many ranges there are, the answer stays short */
static void test_status_is_shown_within_bounds(void)
{
    const unsigned nb_blocks = 600, nb_last = 4, nb_lines = 256;
    g_autoptr(Mhp) mhp = mhp_new_of_blocks(nb_blocks);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;
    JsonArray *lines;

    for (unsigned i = 0; i < nb_blocks - nb_last; i++) {
        mhp_expect(mhp_status(mhp, i, 1, VIRTIO_MHP_REASON_BUSY + i % 2), ACK);
    }
    mhp_expect(mhp_status(mhp, nb_blocks - nb_last, nb_last,
                          VIRTIO_MHP_REASON_NO_ROOM),
               ACK);
    result = qmp_executef(vm_qmp(mhp->vm), &error, "qom-get",
                          "{'path': '%s', 'property': 'stuck-blocks'}",
                          MHP_QOM_PATH);
    g_assert_no_error(error);
    lines = json_node_get_array(result);
    g_assert_cmpuint(json_array_get_length(lines), ==, nb_lines + 1);
    g_assert_cmpstr(json_array_get_string_element(lines, nb_lines - 1), ==,
                    "0x11fe00000-0x11fffffff: pinned");
    g_assert_cmpstr(json_array_get_string_element(lines, nb_lines), ==,
                    "and 341 more ranges, 344 blocks");
}

/* DEV-STATUS-2, but for the device reset (test-reset.c) */
static void test_status_ends_with_plug_and_unplug(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    mhp_expect(mhp_status(mhp, 0, 8, VIRTIO_MHP_REASON_PINNED), ACK);
    mhp_assert_reports(mhp, 8, "0x100000000-0x100ffffff: pinned");
    mhp_expect(mhp_unplug(mhp, 0, 2), ACK);
    mhp_assert_reports(mhp, 6, "0x100400000-0x100ffffff: pinned");
    mhp_expect(mhp_plug(mhp, 6, 2), ACK);
    mhp_assert_reports(mhp, 4, "0x100400000-0x100bfffff: pinned");
    mhp_expect(mhp_unplug_all(mhp), ACK);
    mhp_assert_reports(mhp, 0, "");
}

/* DEV-STATUS-2, DEV-UNPLUGALL-2: nothing else would change, so it is ACKed */
static void test_status_ends_with_unplug_all_during_migration(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_status(mhp, 0, 8, VIRTIO_MHP_REASON_NOT_ADDED), ACK);
    migration_set(mhp->vm, "max-bandwidth", 4096);
    migration_start(mhp->vm, "exec:cat >/dev/null");
    migration_wait(mhp->vm, "active");
    mhp_expect(mhp_plug(mhp, 0, 1), BUSY);
    mhp_assert_reports(mhp, 8, "0x100000000-0x100ffffff: not-added");
    mhp_expect(mhp_unplug_all(mhp), ACK);
    mhp_assert_reports(mhp, 0, "");
}

#define ADD(test) g_test_add_func("/virtio-mhp/requests/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(plug);
    ADD(plug_refused_for_several_reasons);
    ADD(plug_follows_requested_size);
    ADD(unplug);
    ADD(unplug_below_requested_size);
    ADD(unplug_all);
    ADD(unplug_all_of_nothing_does_nothing);
    ADD(plug_without_memory_of_the_host);
    ADD(state);
    ADD(memmap);
    ADD(status);
    ADD(status_is_shown);
    ADD(status_is_shown_within_bounds);
    ADD(status_ends_with_plug_and_unplug);
    ADD(status_ends_with_unplug_all_during_migration);
    return g_test_run();
}
