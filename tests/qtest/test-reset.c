/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver's reset of the device, which keeps memory, against the reset of
 * the whole machine, which takes it back.
 */
#include "mhp.h"

#define UNIT_SIZE (4 * MHP_BLOCK_SIZE)

/* DEV-RESET-1 */
static void test_device_reset_keeps_blocks_and_contents(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 2, 4), ACK);
    mhp_fill(mhp, 2, 0x11);
    virtio_pci_reset(mhp->pci);
    g_assert_cmpuint(mhp_size(mhp), ==, 4 * MHP_BLOCK_SIZE);
    g_assert_true(mhp_block_holds(mhp, 2, 0x11));
    mhp_restart_driver(mhp, MHP_FEATURES);
    g_assert_cmpuint(mhp_config(mhp).plugged_size, ==, 4 * MHP_BLOCK_SIZE);
    g_assert_cmpuint(mhp_config(mhp).requested_size, ==, MHP_REQUESTED_SIZE);
    g_assert_cmpstr(mhp_state_name(mhp, 2, 4), ==, "PLUGGED");
    g_assert_cmpstr(mhp_state_name(mhp, 0, 2), ==, "UNPLUGGED");
    g_assert_cmpstr(mhp_state_name(mhp, 6, 58), ==, "UNPLUGGED");
    g_assert_true(mhp_block_holds(mhp, 2, 0x11));
    mhp_expect(mhp_unplug(mhp, 2, 4), ACK);
}

/* DEV-MEMMAP-2, DEV-STATUS-2 */
static void test_device_reset_forgets_what_the_driver_told(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_memmap(mhp, UNIT_SIZE, 0x4000), ACK);
    mhp_expect(mhp_status(mhp, 0, 8, VIRTIO_MHP_REASON_PINNED), ACK);
    mhp_restart_driver(mhp, MHP_FEATURES);
    mhp_assert_reports(mhp, 0, "");
    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

/* DEV-RESET-2, DEV-PLUG-5 */
static void test_system_reset_takes_memory_back(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_set_requested_size(mhp, 8 * MHP_BLOCK_SIZE);
    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    mhp_fill(mhp, 0, 0x11);
    mhp_fill(mhp, 7, 0x77);
    mhp_system_reset(mhp);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    g_assert_cmpuint(mhp_config(mhp).plugged_size, ==, 0);
    g_assert_cmpuint(mhp_config(mhp).requested_size, ==, 8 * MHP_BLOCK_SIZE);
    g_assert_cmpstr(mhp_state_name(mhp, 0, MHP_NB_BLOCKS), ==, "UNPLUGGED");
    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    g_assert_true(mhp_block_holds(mhp, 0, 0));
    g_assert_true(mhp_block_holds(mhp, 7, 0));
}

/* DEV-RESET-2, DEV-MEMMAP-2, DEV-STATUS-2 */
static void test_system_reset_forgets_what_the_driver_told(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_memmap(mhp, UNIT_SIZE, 0x4000), ACK);
    mhp_expect(mhp_status(mhp, 0, 8, VIRTIO_MHP_REASON_PINNED), ACK);
    mhp_system_reset(mhp);
    mhp_assert_reports(mhp, 0, "");
    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

/* DEV-RESET-3, DEV-RESET-1: again and again, with and without a driver */
static void test_resets_in_a_row(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    for (unsigned i = 0; i < 8; i++) {
        mhp_expect(mhp_plug(mhp, i, 1), ACK);
        virtio_pci_reset(mhp->pci);
        virtio_pci_reset(mhp->pci);
        mhp_restart_driver(mhp, MHP_FEATURES);
        g_assert_cmpuint(mhp_size(mhp), ==, (i + 1) * MHP_BLOCK_SIZE);
    }
    for (unsigned i = 0; i < 3; i++) {
        mhp_system_reset(mhp);
        g_assert_cmpuint(mhp_size(mhp), ==, 0);
    }
    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
}

#define ADD(test) g_test_add_func("/virtio-mhp/reset/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(device_reset_keeps_blocks_and_contents);
    ADD(device_reset_forgets_what_the_driver_told);
    ADD(system_reset_takes_memory_back);
    ADD(system_reset_forgets_what_the_driver_told);
    ADD(resets_in_a_row);
    return g_test_run();
}
