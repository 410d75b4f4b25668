/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compressed swap is no room: what goes there stays in memory. A guest that is
 * full of what cannot be compressed says so and lives on.
 */
#include "told.h"

#define BOOT_SIZE (384 * MiB)
#define GROWTH (1 * GiB)
/* More than boot memory has room for, and less than is there */
#define DATA_MIB 1150
/* Within seconds; on a slow machine with others, in */
#define ANSWER_MS 30000

static Guest *guest;

static void tear_down(void)
{
    system_request(guest, 0);
    system_wait_size(guest, 0);
    system_check_klog(guest);
}

static void check_answer(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *free = NULL;

    free = agent_run(guest_agent(guest),
                     "grep -E 'MemFree|SwapFree' "
                     "/proc/meminfo",
                     ANSWER_MS, NULL, &error);
    g_assert_no_error(error);
    g_test_message("%" G_GUINT64_FORMAT " MiB stay: %s",
                   system_size(guest) / MiB, free);
}

static void test_no_room(void)
{
    g_autoptr(GError) error = NULL;

    system_resize(guest, GROWTH);
    g_free(system_hold(guest, "filled", "mhp-fill noise %d", DATA_MIB));
    system_request(guest, 0);
    told_wait_stuck(guest, "no-room", true);
    check_answer();
    g_assert_cmpuint(system_size(guest), >, 0);

    memdev_resize(guest, GROWTH, ANSWER_MS, &error);
    g_assert_no_error(error);
    check_answer();
    system_let_go(guest, "filled");
    tear_down();
}

/* The other way round: what is read back needs room, and nobody dies of it */
static void test_swapoff(void)
{
    system_resize(guest, GROWTH);
    g_free(system_hold(guest, "filled", "mhp-fill noise %d", DATA_MIB));
    g_free(system_run(guest, "swapoff /dev/zram0 >/dev/null 2>&1 &"));
    system_request(guest, 0);
    check_answer();
    system_let_go(guest, "filled");
    tear_down();
}

#define PATH "/virtio-mhp/system/swap/"

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    g_test_add_func(PATH "compressed swap is no room", test_no_room);
    g_test_add_func(PATH "swapoff during a shrink", test_swapoff);

    guest = system_boot_sized(BOOT_SIZE, GROWTH + MEMORY_BLOCK_SIZE,
                              SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    g_free(system_run(
        guest,
        "cd /lib/modules; for name in zsmalloc lzo-rle lz4_compress lz4hc_compress zram;"
        " do [ ! -e $name.ko ] || insmod $name.ko; done;"
        "echo 2G >/sys/block/zram0/disksize &&"
        " mkswap /dev/zram0 && swapon /dev/zram0"));
    status = g_test_run();
    system_end(guest);
    return status;
}
