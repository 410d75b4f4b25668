/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a Debian that is asked for memory from the start loads the driver: from
 * its root file system, or before that is mounted, from an initramfs that has
 * the module.
 */
#include <string.h>

#include "debian.h"

#define SIZE (4 * GiB)
#define REGION_SIZE (SIZE + MEMORY_BLOCK_SIZE)
/* Let the driver say what it does */
#define CMDLINE SYSTEM_MEMMAP_ON " mhp_vmemmap_mem.dyndbg=+p"

/* What it says when all is plugged, and what the kernel says of the root */
#define PLUGGED "plugged 0x100000000 of 0x100000000: 0"
#define MOUNTED "EXT4-fs (vda): mounted"

/* Boot, and tell whether all was plugged before the root was mounted */
static void boot_from(const char *initrd, bool is_early)
{
    Guest *guest = system_new_from(initrd, REGION_SIZE, CMDLINE);
    g_autofree char *log = NULL;
    const char *plugged, *mounted;

    memdev_add_requested(guest, MEMDEV_OURS, REGION_SIZE, SIZE);
    debian_start(guest);
    system_wait_size(guest, SIZE);
    log = system_run(
        guest,
        "dmesg | grep -e 'mounted filesystem' -e 'mhp_vmemmap_mem virtio.*plugged'");
    g_test_message("%s", log);
    plugged = strstr(log, PLUGGED);
    mounted = strstr(log, MOUNTED);
    g_assert_nonnull(plugged);
    g_assert_nonnull(mounted);
    g_assert_cmpint(plugged < mounted, ==, is_early);
    system_resize(guest, 0);
    debian_end(guest);
}

static void test_root(void)
{
    boot_from(NULL, false);
}

static void test_initramfs_tools(void)
{
    boot_from("early-initramfs-tools.cpio", true);
}

static void test_dracut(void)
{
    boot_from("early-dracut.cpio", true);
}

#define ADD(name, test) \
    g_test_add_func("/virtio-mhp/distro/initramfs/" name, test)

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    ADD("an alias loads the driver from the root file system", test_root);
    ADD("initramfs-tools: memory is there before the root file system",
        test_initramfs_tools);
    ADD("dracut: memory is there before the root file system", test_dracut);
    return g_test_run();
}
