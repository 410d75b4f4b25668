/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest with 256 MiB and systemd that grows to 64 GiB.
 */
#include "debian.h"

#define BOOT_SIZE (256 * MiB)
#define GROWTH (64 * GiB - BOOT_SIZE)

static void test_small_grows_far(void)
{
    uint64_t region_size = GROWTH + MEMORY_BLOCK_SIZE;
    Guest *guest = system_new_sized(BOOT_SIZE, region_size, SYSTEM_MEMMAP_ON);
    g_autoptr(GArray) blocks = NULL;

    memdev_add(guest, MEMDEV_OURS, region_size);
    debian_start(guest);
    system_resize(guest, GROWTH);
    blocks = system_blocks(guest);
    g_assert_cmpuint(memdev_count_self_hosted(blocks), ==,
                     GROWTH / MEMORY_BLOCK_SIZE);
    debian_check(guest);
    system_resize(guest, 0);
    debian_end(guest);
}

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    g_test_add_func("/virtio-mhp/distro/small/256 MiB grow to 64 GiB and back",
                    test_small_grows_far);
    return g_test_run();
}
