/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Databases at work while their guest grows from 1 GiB to 64 GiB and shrinks
 * back.
 */
#include <string.h>

#include "debian.h"

#define GROWTH (63 * GiB)

/* The package has its module loaded by the device's alias */
static void check_driver_is_there(Guest *guest)
{
    g_autofree char *device = system_run(
        guest, "cd /sys/bus/virtio/drivers/mhp_vmemmap_mem; ls -d virtio?");
    g_autofree char *path = system_run(guest, "modinfo -n mhp_vmemmap_mem");

    g_assert_cmpstr(device, !=, "");
    g_assert_nonnull(strstr(path, "/updates/dkms/"));
}

static void test_there_and_back(void)
{
    Guest *guest = debian_boot(GROWTH, SYSTEM_MEMMAP_ON);
    g_autoptr(GArray) blocks = NULL;

    check_driver_is_there(guest);
    databases_start(guest);
    system_resize(guest, GROWTH);
    blocks = system_blocks(guest);
    g_assert_cmpuint(memdev_count_zone(blocks, "Movable"), ==,
                     GROWTH / MEMORY_BLOCK_SIZE);
    databases_check_progress(guest);
    system_resize(guest, 0);
    databases_check_progress(guest);
    databases_end(guest);
    debian_end(guest);
}

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    g_test_add_func("/virtio-mhp/distro/services/databases go on from 1 GiB to "
                    "64 GiB and back",
                    test_there_and_back);
    return g_test_run();
}
