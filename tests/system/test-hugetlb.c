/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Huge pages of hugetlbfs and plugged memory: where they come from, what a
 * shrink does to them, and what of that cannot be. The guest asks its kernel to
 * save on the memmaps of huge pages, which must not touch those on the blocks.
 * One guest serves all tests, one after the other. It uses one CPU: each page's
 * turn patches the kernel, and telling that to other CPUs takes TCG long.
 */
#include "support.h"

#define BOOT_SIZE (256 * MiB)
#define GROWTH (1 * GiB)
#define BLOCKS (GROWTH / MEMORY_BLOCK_SIZE)
#define HUGE_PAGE (2 * MiB)
/* More than boot memory has room for, whatever else is in it */
#define NB_HUGE 160
#define NB_USED 10

static Guest *guest;

/* Numbers of the pool of 2 MiB pages, such as "nr" */
static uint64_t pool(const char *what)
{
    g_autofree char *text = system_run(
        guest, "cat /sys/kernel/mm/hugepages/hugepages-2048kB/%s_hugepages",
        what);

    return g_ascii_strtoull(text, NULL, 10);
}

static void assert_memmaps_are_whole(unsigned nb)
{
    g_autoptr(GArray) blocks = system_blocks(guest);
    g_autofree char *maps = NULL;

    g_assert_cmpuint(blocks->len, ==, nb);
    g_assert_cmpuint(memdev_count_self_hosted(blocks), ==, nb);
    maps = system_run(guest,
                      "p=/sys/module/mhp_layout/parameters/block;"
                      "while read -r i addr rest; do echo $addr >$p; cat $p;"
                      " done <$(ls -d /sys/bus/virtio/drivers/mhp_vmemmap_mem/"
                      "virtio*)/blocks | sort | uniq");
    g_assert_cmpstr(maps, ==, "1 0 0 0");
}

/* Memmaps leave no GiB whole, and gigantic pages are not movable anyway */
static void test_no_gigantic_pages(void)
{
    g_autofree char *nb = system_run(
        guest, "cd /sys/kernel/mm/hugepages/hugepages-1048576kB;"
               "echo 1 >nr_hugepages; cat nr_hugepages");

    g_assert_cmpstr(nb, ==, "0");
    g_assert_cmpuint(system_size(guest), ==, GROWTH);
}

static void test_huge_pages_come_from_blocks(void)
{
    g_assert_cmpuint(NB_HUGE * HUGE_PAGE, >, BOOT_SIZE);
    g_free(system_run(guest, "echo %u >/proc/sys/vm/nr_hugepages", NB_HUGE));
    g_assert_cmpuint(pool("nr"), ==, NB_HUGE);
}

static void test_memmaps_are_not_optimized(void)
{
    g_autofree char *wanted = system_run(
        guest, "cat /proc/sys/vm/hugetlb_optimize_vmemmap");

    g_assert_cmpstr(wanted, ==, "1");
    assert_memmaps_are_whole(BLOCKS);
}

static void test_used_pages_move(void)
{
    g_free(system_run(guest,
                      "mkdir /tmp/huge;"
                      "mount -t hugetlbfs none /tmp/huge &&"
                      "fallocate -l %" G_GUINT64_FORMAT " /tmp/huge/file",
                      (guint64)(NB_USED * HUGE_PAGE)));
    g_assert_cmpuint(pool("nr") - pool("free"), ==, NB_USED);
    system_resize(guest, GROWTH / 4);
    g_assert_cmpuint(pool("nr") - pool("free"), ==, NB_USED);
    g_free(system_run(guest, "cat /tmp/huge/file >/dev/null"));
    assert_memmaps_are_whole(BLOCKS / 4);
}

/* The kernel gives them back to the blocks' free memory, without a word */
static void test_free_pages_are_dissolved(void)
{
    g_assert_cmpuint(pool("nr"), <, NB_HUGE);
    g_free(system_run(guest, "umount /tmp/huge"));
    g_assert_cmpuint(pool("nr"), ==, pool("free"));
    system_resize(guest, 0);
    g_assert_cmpuint(pool("nr") * HUGE_PAGE, <, BOOT_SIZE);
    g_free(system_run(guest, "echo 0 >/proc/sys/vm/nr_hugepages"));
    g_assert_cmpuint(pool("nr"), ==, 0);
}

#define ADD(name, test) \
    g_test_add_func("/virtio-mhp/system/hugetlb/" name, test)

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    system_need_module("mhp_layout");
    ADD("no gigantic page comes from blocks", test_no_gigantic_pages);
    ADD("2 MiB pages come from blocks", test_huge_pages_come_from_blocks);
    ADD("memmaps on blocks are not optimized away",
        test_memmaps_are_not_optimized);
    ADD("a shrink moves pages in use", test_used_pages_move);
    ADD("a shrink dissolves free pages", test_free_pages_are_dissolved);
    guest = system_boot_sized(BOOT_SIZE, GROWTH + MEMORY_BLOCK_SIZE,
                              SYSTEM_MEMMAP_ON
                              " hugetlb_free_vmemmap=on maxcpus=1");
    g_free(system_run(guest, "insmod /lib/modules/mhp_layout.ko"));
    system_load_driver(guest, "memmap=require");
    system_resize(guest, GROWTH);
    status = g_test_run();
    system_end(guest);
    return status;
}
