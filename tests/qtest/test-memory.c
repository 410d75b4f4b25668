/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of memory: the contents of blocks, what they cost the host, the
 * memmaps that are backed beforehand, and a host that cannot do its part.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mhp.h"

#define UNIT_BLOCKS 4
#define UNIT_SIZE (UNIT_BLOCKS * MHP_BLOCK_SIZE)

/* DEV-PLUG-5 */
static void test_plugged_blocks_read_zero_and_keep_data(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 0, 3), ACK);
    g_assert_true(mhp_block_holds(mhp, 0, 0));
    g_assert_true(mhp_block_holds(mhp, 1, 0));
    mhp_fill(mhp, 0, 0x11);
    mhp_fill(mhp, 1, 0x22);
    mhp_expect(mhp_plug(mhp, 3, 1), ACK);
    mhp_expect(mhp_unplug(mhp, 2, 1), ACK);
    g_assert_true(mhp_block_holds(mhp, 0, 0x11));
    g_assert_true(mhp_block_holds(mhp, 1, 0x22));
    g_assert_true(mhp_block_holds(mhp, 3, 0));
}

/* DEV-PLUG-5, DEV-UNPLUG-3, DEV-UNPLUGALL-1 */
static void test_replugged_blocks_read_zero(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    mhp_fill(mhp, 0, 0x11);
    mhp_fill(mhp, 1, 0x22);
    mhp_expect(mhp_unplug(mhp, 0, 1), ACK);
    mhp_expect(mhp_plug(mhp, 0, 1), ACK);
    g_assert_true(mhp_block_holds(mhp, 0, 0));
    g_assert_true(mhp_block_holds(mhp, 1, 0x22));
    mhp_fill(mhp, 0, 0x33);
    mhp_expect(mhp_unplug_all(mhp), ACK);
    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    g_assert_true(mhp_block_holds(mhp, 0, 0));
    g_assert_true(mhp_block_holds(mhp, 1, 0));
}

/* DEV-PLUG-5: whatever a driver has left there that breaks the rules */
static void test_writes_before_the_plug_are_lost(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_fill(mhp, 5, 0x55);
    mhp_expect(mhp_plug(mhp, 5, 1), ACK);
    g_assert_true(mhp_block_holds(mhp, 5, 0));
}

/* DEV-UNPLUG-3, DEV-UNPLUGALL-1, DEV-MEMMAP-3 */
static void test_unplugged_memory_goes_back_to_the_host(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
    for (unsigned i = 0; i < 8; i++) {
        mhp_fill(mhp, i, 0x11);
    }
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 8 * MHP_BLOCK_SIZE);
    mhp_expect(mhp_unplug(mhp, 2, 3), ACK);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 5 * MHP_BLOCK_SIZE);
    g_assert_true(mhp_is_backed(mhp, 0, 2 * MHP_BLOCK_SIZE));
    mhp_expect(mhp_unplug_all(mhp), ACK);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

/* Resident set of QEMU in bytes; the thread of a vCPU leads to it */
static uint64_t qemu_rss(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) cpus = NULL;
    g_autofree char *path = NULL, *text = NULL;
    JsonObject *cpu;
    const char *rss;

    cpus = qmp_executef(vm_qmp(mhp->vm), &error, "query-cpus-fast", NULL);
    g_assert_no_error(error);
    cpu = json_array_get_object_element(json_node_get_array(cpus), 0);
    path = g_strdup_printf("/proc/%d/status",
                           (int)json_object_get_int_member(cpu, "thread-id"));
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    rss = strstr(text, "VmRSS:");
    g_assert_nonnull(rss);
    return g_ascii_strtoull(rss + strlen("VmRSS:"), NULL, 10) * 1024;
}

/* DEV-UNPLUG-3 with anonymous memory, which is what most machines have */
static void test_rss_falls_after_unplug(void)
{
    g_autoptr(Mhp) mhp = mhp_new_anonymous();
    /* QEMU frees other memory meanwhile, such as what RCU held at its start */
    const uint64_t size = 32 * MHP_BLOCK_SIZE, slack = size / 4;
    uint64_t before = qemu_rss(mhp), filled;

    mhp_expect(mhp_plug(mhp, 0, 32), ACK);
    for (unsigned i = 0; i < 32; i++) {
        mhp_fill(mhp, i, 0x11);
    }
    filled = qemu_rss(mhp);
    g_assert_cmpuint(filled, >=, before + size - slack);
    mhp_expect(mhp_unplug(mhp, 0, 32), ACK);
    g_assert_cmpuint(qemu_rss(mhp), <=, filled - size + slack);
}

/* DEV-PLUG-4: each row plugs a range and says which parts must be backed */
static void test_memmaps_are_backed(void)
{
    static const struct {
        uint64_t unit_size;
        uint64_t memmap_size;
        unsigned first;
        uint16_t nb_blocks;
        uint64_t backed_size;
        uint64_t backed_offset; /* where the first part starts */
        uint64_t part_size;
    } rows[] = {
        /* one unit, two, the second alone */
        {UNIT_SIZE, 0x4000, 0, 4, 0x4000, 0, 0x4000},
        {UNIT_SIZE, MHP_BLOCK_SIZE, 0, 8, 2 * MHP_BLOCK_SIZE, 0,
         MHP_BLOCK_SIZE},
        {UNIT_SIZE, 0x4000, 4, 4, 0x4000, UNIT_SIZE, 0x4000},
        /* parts of units: without memmap, with part of one, with its end */
        {UNIT_SIZE, 0x4000, 1, 3, 0, 0, 0},
        {UNIT_SIZE, 0x4000, 1, 4, 0x4000, UNIT_SIZE, 0x4000},
        {UNIT_SIZE, 3 * MHP_BLOCK_SIZE, 0, 2, 2 * MHP_BLOCK_SIZE, 0,
         2 * MHP_BLOCK_SIZE},
        {UNIT_SIZE, 3 * MHP_BLOCK_SIZE, 2, 2, MHP_BLOCK_SIZE,
         2 * MHP_BLOCK_SIZE, MHP_BLOCK_SIZE},
        /* units smaller than device blocks: a memmap for each of them */
        {MHP_BLOCK_SIZE / 2, 0x4000, 0, 1, 2 * 0x4000, 0, 0x4000},
        {MHP_BLOCK_SIZE / 2, 0x4000, 3, 2, 4 * 0x4000,
         4 * MHP_BLOCK_SIZE + MHP_BLOCK_SIZE / 2, 0x4000},
    };
    g_autoptr(Mhp) mhp = mhp_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("row %u", i);
        mhp_expect(mhp_memmap(mhp, rows[i].unit_size, rows[i].memmap_size),
                   ACK);
        mhp_expect(mhp_plug(mhp, rows[i].first, rows[i].nb_blocks), ACK);
        g_assert_cmpuint(mhp_backed_size(mhp), ==, rows[i].backed_size);
        if (rows[i].backed_size) {
            g_assert_true(
                mhp_is_backed(mhp, rows[i].backed_offset, rows[i].part_size));
        }
        mhp_expect(mhp_unplug_all(mhp), ACK);
    }
}

/* DEV-MEMMAP-2, DEV-MEMMAP-3 */
static void test_memmap_layout_stays_in_force(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_memmap(mhp, UNIT_SIZE, 0x4000), ACK);
    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    mhp_expect(mhp_plug(mhp, 4, 4), ACK);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 2 * 0x4000);
    /* A wrong one changes nothing */
    mhp_expect(mhp_memmap(mhp, UNIT_SIZE, 1), ERROR);
    mhp_expect(mhp_plug(mhp, 8, 4), ACK);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 3 * 0x4000);
    mhp_expect(mhp_memmap(mhp, UNIT_SIZE, 0x8000), ACK);
    mhp_expect(mhp_plug(mhp, 12, 4), ACK);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 3 * 0x4000 + 0x8000);
    mhp_expect(mhp_memmap(mhp, UNIT_SIZE, 0), ACK);
    mhp_expect(mhp_plug(mhp, 16, 4), ACK);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 3 * 0x4000 + 0x8000);
}

/*
 * DEV-PLUG-4, DEV-REQ-5: a file that has become too short stands for a host
 * that has run out of memory for the second of two memmaps.
 */
static void test_plug_that_cannot_be_backed(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_memmap(mhp, UNIT_SIZE, 0x4000), ACK);
    g_assert_no_errno(ftruncate(mhp->memory, UNIT_SIZE));
    mhp_expect(mhp_plug(mhp, 0, 8), NACK);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    g_assert_cmpstr(mhp_state_name(mhp, 0, 8), ==, "UNPLUGGED");
    mhp_wait_discarded(mhp);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
    /* What the host can do, it still does */
    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    g_assert_no_errno(ftruncate(mhp->memory, MHP_REGION_SIZE));
    mhp_expect(mhp_plug(mhp, 4, 4), ACK);
    g_assert_true(mhp_block_holds(mhp, 4, 0));
}

/*
 * DEV-PLUG-3, DEV-UNPLUG-2, DEV-UNPLUGALL-1, DEV-UNPLUG-5, DEV-REQ-5: a seal
 * on the file lets it be written, but keeps the device from discarding.
 */
static void test_busy_while_memory_cannot_be_discarded(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    mhp_fill(mhp, 1, 0x11);
    g_assert_no_errno(fcntl(mhp->memory, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
    mhp_expect(mhp_plug(mhp, 4, 1), BUSY);
    mhp_expect(mhp_plug(mhp, 3, 2), ERROR);
    mhp_expect(mhp_plug(mhp, 4, 40), NACK);
    mhp_expect(mhp_unplug(mhp, 0, 2), BUSY);
    mhp_expect(mhp_unplug(mhp, 3, 2), ERROR);
    mhp_expect(mhp_unplug_all(mhp), BUSY);
    g_assert_cmpuint(mhp_size(mhp), ==, 4 * MHP_BLOCK_SIZE);
    g_assert_cmpstr(mhp_state_name(mhp, 0, 4), ==, "PLUGGED");
    g_assert_cmpstr(mhp_state_name(mhp, 4, 1), ==, "UNPLUGGED");
    g_assert_true(mhp_block_holds(mhp, 1, 0x11));
}

#define ADD(test) g_test_add_func("/virtio-mhp/memory/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(plugged_blocks_read_zero_and_keep_data);
    ADD(replugged_blocks_read_zero);
    ADD(writes_before_the_plug_are_lost);
    ADD(unplugged_memory_goes_back_to_the_host);
    ADD(rss_falls_after_unplug);
    ADD(memmaps_are_backed);
    ADD(memmap_layout_stays_in_force);
    ADD(plug_that_cannot_be_backed);
    ADD(busy_while_memory_cannot_be_discarded);
    return g_test_run();
}
