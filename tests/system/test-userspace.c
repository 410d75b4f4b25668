/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Userspace that onlines and offlines blocks behind the driver's back: the
 * driver follows, and no block ever gets into another zone than ZONE_MOVABLE.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "told.h"

#define ROUNDS 5

static Guest *guest;
static unsigned nb_blocks = 32;
static uint64_t growth;

/* Folder of the region's first block in sysfs */
static char *first_block(void)
{
    return g_strdup_printf("/sys/devices/system/memory/memory%" PRIu64,
                           system_addr(guest) / MEMORY_BLOCK_SIZE);
}

static void tear_down(void)
{
    system_resize(guest, 0);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, 0);
    system_check_klog(guest);
}

static void test_offline_is_followed(void)
{
    g_autofree char *block = first_block();
    g_autofree char *list = NULL;

    system_resize(guest, growth);
    g_free(system_run(guest, "echo offline >%s/state", block));
    g_assert_cmpuint(system_attr(guest, "online_size"), ==,
                     growth - MEMORY_BLOCK_SIZE);
    g_assert_cmpuint(system_attr(guest, "plugged_size"), ==, growth);
    list = system_attr_text(guest, "blocks");
    g_assert_cmpuint(klog_count(list, "OFFLINE"), ==, 1);
    tear_down();
}

static void test_online_is_followed(void)
{
    g_autofree char *block = first_block();

    system_resize(guest, growth);
    g_free(system_run(guest, "echo offline >%s/state", block));
    g_free(system_run(guest, "echo online_movable >%s/state", block));
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, growth);
    tear_down();
}

/*
 * DRV-STATUS-2: what is plugged and offline is of no use to anybody, and the
 * request counts as fulfilled
 */
static void test_offline_is_reported(void)
{
    g_autofree char *block = first_block();

    system_resize(guest, growth);
    g_free(system_run(guest, "echo offline >%s/state", block));
    told_wait_stuck(guest, "not-online", true);
    g_free(system_run(guest, "echo online_movable >%s/state", block));
    told_wait_stuck(guest, "not-online", false);
    g_free(system_run(guest, "echo offline >%s/state", block));
    told_wait_stuck(guest, "not-online", true);
    tear_down();
    told_wait_stuck(guest, "not-online", false);
}

static void test_kernel_zone_is_vetoed(void)
{
    g_autofree char *block = first_block();
    g_autoptr(GArray) blocks = NULL;

    system_resize(guest, growth);
    g_free(system_run(guest, "echo offline >%s/state", block));
    g_assert_cmpint(system_status(guest, "echo online_kernel >%s/state", block),
                    !=, 0);
    blocks = system_blocks(guest);
    g_assert_cmpuint(memdev_count_zone(blocks, "Movable"), ==, nb_blocks - 1);
    g_assert_cmpuint(memdev_count_zone(blocks, ""), ==, 1);
    tear_down();
}

/*
 * One writer for each state writes it to every block of the region, again and
 * again until /tmp/stop appears, and then tells how often the kernel agreed.
 */
static const char writers[] =
    "rm -f /tmp/stop;"
    "for state in online online_kernel offline; do"
    " rm -f /tmp/$state; mkfifo /tmp/$state;"
    " (n=0; while [ ! -e /tmp/stop ]; do"
    "   for f in /sys/devices/system/memory/memory*/state; do"
    "    id=${f%%/state};"
    "    if [ ${id##*memory} -ge %" PRIu64 " ] && echo $state >$f; then"
    "     n=$((n + 1)); fi; done; done;"
    "  echo $n >/tmp/$state) 2>/dev/null &"
    " done";

static void start_writers(void)
{
    g_free(system_run(guest, writers, system_addr(guest) / MEMORY_BLOCK_SIZE));
}

/* Ends the writers, who must have been in the driver's way */
static void stop_writers(void)
{
    g_autofree char *offlined = NULL;

    g_free(system_run(guest, "touch /tmp/stop;"
                             "cat /tmp/online /tmp/online_kernel"));
    offlined = system_run(guest, "cat /tmp/offline");
    g_test_message("%s blocks were offlined", offlined);
    g_assert_cmpint(atoi(offlined), >, 0);
}

static void test_racing_writers_while_growing(void)
{
    g_autoptr(GArray) blocks = NULL;

    start_writers();
    for (int i = 0; i < ROUNDS; i++) {
        system_resize(guest, 0);
        system_resize(guest, growth);
    }
    stop_writers();
    /* "offline" may have won the race for a block, but none is elsewhere */
    blocks = system_blocks(guest);
    g_assert_cmpuint(blocks->len, ==, nb_blocks);
    g_assert_cmpuint(memdev_count_zone(blocks, "Movable") +
                         memdev_count_zone(blocks, ""),
                     ==, nb_blocks);
    g_assert_cmpuint(memdev_count_self_hosted(blocks), ==,
                     memdev_count_zone(blocks, "Movable"));
    tear_down();
}

static void test_racing_writers_while_shrinking(void)
{
    g_autoptr(GArray) blocks = NULL;

    system_resize(guest, growth);
    start_writers();
    for (int i = 0; i < ROUNDS; i++) {
        system_resize(guest, growth);
        system_resize(guest, 0);
    }
    stop_writers();
    blocks = system_blocks(guest);
    g_assert_cmpuint(blocks->len, ==, 0);
    tear_down();
}

/*
 * A block that another module adds and removes until lockdep has seen that, or
 * to the end: prints the kernel log.
 */
static const char removals[] =
    "insmod /lib/modules/mhp_trouble.ko; rm -f /tmp/stop;"
    "have=/sys/module/mhp_trouble/parameters/have;"
    "state=/sys/devices/system/memory/memory%" PRIu64 "/state;"
    "(while [ ! -e /tmp/stop ]; do echo online_movable >$state; done)"
    " 2>/dev/null &"
    "for i in $(seq 100); do"
    " echo 0x%" PRIx64 " >$have && echo 0 >$have || exit;"
    " if dmesg | grep -q 'possible circular'; then break; fi; done;"
    "touch /tmp/stop; wait; rmmod mhp_trouble; dmesg -c";

/* What system_check_klog() lets pass is not because of our driver. */
static void test_lockdep_minds_any_removal(void)
{
    Guest *other = system_boot(0, "");
    const uint64_t addr = system_addr(other);
    g_autofree char *log = system_run(other, removals, addr / MEMORY_BLOCK_SIZE,
                                      addr);
    g_autofree char *rest = klog_without_report(log, system_removal_circle);
    g_autofree char *trouble = klog_trouble(rest);
    g_autofree char *circle = klog_find(log, "possible circular locking");

    g_assert_nonnull(circle);
    g_assert_cmpstr(trouble, ==, NULL);
    g_assert_cmpuint(klog_count(log, "mhp_vmemmap_mem"), ==, 0);
    system_end(other);
}

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    g_test_add_func("/virtio-mhp/system/userspace/a block it offlines is "
                    "followed",
                    test_offline_is_followed);
    g_test_add_func("/virtio-mhp/system/userspace/a block it onlines is "
                    "followed",
                    test_online_is_followed);
    g_test_add_func("/virtio-mhp/system/userspace/a block it offlines is "
                    "reported",
                    test_offline_is_reported);
    g_test_add_func("/virtio-mhp/system/userspace/onlining to a kernel zone is "
                    "vetoed",
                    test_kernel_zone_is_vetoed);
    g_test_add_func("/virtio-mhp/system/userspace/racing writers do not spoil "
                    "a grow",
                    test_racing_writers_while_growing);
    g_test_add_func("/virtio-mhp/system/userspace/racing writers do not spoil "
                    "a shrink",
                    test_racing_writers_while_shrinking);

    if (system_is_slow()) {
        nb_blocks = 4;
        g_test_add_func("/virtio-mhp/system/userspace/lockdep minds any "
                        "removal under way",
                        test_lockdep_minds_any_removal);
    }
    growth = nb_blocks * MEMORY_BLOCK_SIZE;
    guest = system_boot(growth, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    status = g_test_run();
    system_end(guest);
    return status;
}
