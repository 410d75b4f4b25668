/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest with 1 GiB, systemd and databases at work, that may grow by itself:
 * a process that takes 3 GiB as fast as it can ends right, again and again.
 */
#include "burst.h"
#include "debian.h"

#define BOOT_SIZE (1 * GiB)
#define PRESSURE_SIZE (4 * GiB)
#define REGION_SIZE (PRESSURE_SIZE + 2 * MEMORY_BLOCK_SIZE)
#define TAKEN_MIB 3072
#define ROUNDS 20

static void test_rounds(void)
{
    Guest *guest = system_new_sized(BOOT_SIZE, REGION_SIZE, SYSTEM_MEMMAP_ON);

    memdev_add(guest, MEMDEV_DEFAULT, REGION_SIZE);
    debian_start(guest);
    burst_set_hold(guest, 1);
    databases_start(guest);
    burst_allow(guest, PRESSURE_SIZE);
    burst_rounds(guest, TAKEN_MIB, TAKEN_MIB * MiB - BOOT_SIZE, ROUNDS);
    databases_check_progress(guest);
    burst_allow(guest, 0);
    system_wait_size(guest, 0);
    databases_end(guest);
    debian_end(guest);
}

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    g_test_add_func(
        "/virtio-mhp/distro/burst/nobody is killed, and all is given"
        " back",
        test_rounds);
    return g_test_run();
}
