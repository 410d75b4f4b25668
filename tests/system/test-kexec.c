/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another kernel started by kexec while memory is plugged: it boots with boot
 * memory alone, and its driver starts from what is plugged.
 */
#include <string.h>

#include "kexec.h"
#include "support.h"

#define GROWTH (4 * GiB)
/* More than the guest has, so that the kernel gets a block for itself */
#define KERNEL_MIB 1000

/* DRV-RESET-1 */
static void test_next_kernel_grows(void)
{
    uint64_t region_size = GROWTH + MEMORY_BLOCK_SIZE;
    Guest *guest = system_new(region_size, SYSTEM_MEMMAP_ON);
    g_autoptr(GArray) blocks = NULL;
    g_autoptr(GError) error = NULL;

    memdev_add(guest, MEMDEV_OURS, region_size);
    kexec_add_disks(guest);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    system_load_driver(guest, "kernel_blocks=demand");
    system_resize(guest, GROWTH);

    kexec_load(guest, false, SYSTEM_MEMMAP_ON);
    system_take_kernel_memory(guest, KERNEL_MIB);
    g_assert_cmpuint(system_attr(guest, "kernel_blocks_size"), >, 0);
    kexec_start(guest, "mhp-kexec -e");
    blocks = system_blocks(guest);
    g_assert_cmpuint(blocks->len, ==, 0);
    g_assert_cmpuint(system_size(guest), ==, GROWTH);
    g_assert_cmpint(system_acks(guest, "unplug-all"), ==, 0);

    system_request(guest, GROWTH / 2);
    system_load_driver(guest, "");
    system_wait_size(guest, GROWTH / 2);
    g_assert_cmpint(system_acks(guest, "unplug-all"), ==, 1);
    g_clear_pointer(&blocks, g_array_unref);
    blocks = system_blocks(guest);
    g_assert_cmpuint(memdev_count_self_hosted(blocks), ==,
                     GROWTH / 2 / MEMORY_BLOCK_SIZE);
    g_assert_cmpuint(memdev_count_zone(blocks, "Movable"), ==, blocks->len);
    system_resize(guest, 0);
    system_end(guest);
}

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    system_need_module("mhp_kernel");
    g_test_add_func("/virtio-mhp/system/kexec/the next kernel starts from what "
                    "is plugged",
                    test_next_kernel_grows);
    return g_test_run();
}
