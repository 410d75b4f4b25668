/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How memory blocks are laid out, and what leaves their memmaps alone: a guest
 * with a second node that has nothing but our memory, more than 9 GiB of it.
 * What only the kernel can see is seen by the module mhp_layout.
 *
 * The guest uses one CPU. The kernel's walkers of pages do not lock out the
 * removal of memory on another CPU, nor in their midst where the kernel may be
 * preempted. On one, and where they cannot be, they take turns with it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

#define GROWTH (9 * GiB + 512 * MiB)
#define BLOCKS (GROWTH / MEMORY_BLOCK_SIZE)
#define REGION_SIZE (GROWTH + MEMORY_BLOCK_SIZE)
#define NODE 1

#define LAYOUT "/sys/module/mhp_layout/parameters/"
#define MEMORY "/sys/devices/system/memory/"

/* A tmpfs whose pages come from our memory alone */
#define MOUNT "mount -t tmpfs -o mpol=bind:1,size=2g tmpfs /tmp/node1"

static Guest *guest;

static bool is_online(void *opaque, GError **error)
{
    const uint64_t *wanted = opaque;
    uint64_t size = 0;

    return memdev_attr_uint(guest, "online_size", &size, error) &&
           size == *wanted;
}

static void resize(uint64_t size)
{
    g_autoptr(GError) error = NULL;

    system_resize(guest, size);
    wait_until(is_online, &size, SYSTEM_STALL_MS, "the driver's last step",
               &error);
    g_assert_no_error(error);
}

static uint64_t number(const char *path)
{
    g_autofree char *text = system_run(guest, "cat %s", path);

    return g_ascii_strtoull(text, NULL, 10);
}

static uint64_t block_addr(GArray *blocks, unsigned i)
{
    return g_array_index(blocks, MemdevBlock, i).addr;
}

/* A state for each of these blocks, by their attributes */
static void set_state(GArray *blocks, const unsigned *indices, unsigned nb,
                      const char *state)
{
    for (unsigned i = 0; i < nb; i++) {
        g_free(system_run(guest, "echo %s >" MEMORY "memory%" PRIu64 "/state",
                          state,
                          block_addr(blocks, indices[i]) / MEMORY_BLOCK_SIZE));
    }
}

/*
 * What the kernel says of all pages of all memmaps: a line for each block, as
 * the entries of 512 pages are a page of these files
 */
static char *memmap_pages(GArray *blocks)
{
    g_autoptr(GString) script = g_string_new("for a in");

    for (unsigned i = 0; i < blocks->len; i++) {
        g_string_append_printf(script, " %" PRIu64,
                               block_addr(blocks, i) / (2 * MiB));
    }
    g_string_append(script,
                    "; do for f in kpageflags kpagecount; do"
                    " dd if=/proc/$f bs=4096 skip=$a count=1 2>/dev/null;"
                    " done | md5sum; done");
    return system_run(guest, "%s", script->str);
}

static void test_nine_gib(void)
{
    g_autoptr(GArray) blocks = NULL;

    resize(GROWTH);
    blocks = system_blocks(guest);
    g_assert_cmpuint(blocks->len, ==, BLOCKS);
    g_assert_cmpuint(memdev_count_self_hosted(blocks), ==, BLOCKS);
    g_assert_cmpuint(memdev_count_zone(blocks, "Movable"), ==, BLOCKS);
}

static void test_node_of_nothing_else(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) zones = guest_zones(guest, &error);

    g_assert_no_error(error);
    for (unsigned i = 0; i < zones->len; i++) {
        const Zone *zone = &g_array_index(zones, Zone, i);
        bool is_ours = zone->node == NODE && g_str_equal(zone->name, "Movable");

        g_test_message("node %u, %s", zone->node, zone->name);
        if (zone->node == NODE || g_str_equal(zone->name, "Movable")) {
            g_assert_cmpuint(zone->present, ==, is_ours ? GROWTH / 4096 : 0);
            g_assert_cmpuint(zone->managed, ==,
                             is_ours ? (GROWTH - BLOCKS * MEMMAP_SIZE) / 4096
                                     : 0);
        }
    }
}

/* By one PMD, which leads into the block itself, which is on its node */
static void test_mapped_by_pmds(void)
{
    g_autoptr(GArray) blocks = system_blocks(guest);
    g_autoptr(GString) script = g_string_new("for a in");
    g_autofree char *maps = NULL;

    for (unsigned i = 0; i < blocks->len; i++) {
        g_string_append_printf(script, " %" PRIu64, block_addr(blocks, i));
    }
    g_string_append(script, "; do echo $a >" LAYOUT "block;"
                            " cat " LAYOUT "block; done | sort | uniq");
    maps = system_run(guest, "%s", script->str);
    g_assert_cmpstr(maps, ==, "1 0 0 1");
}

static void test_multiples(void)
{
    g_autofree char *line = system_run(
        guest, "grep '^Pages per block' /proc/pagetypeinfo");
    g_autoptr(GArray) blocks = system_blocks(guest);
    uint64_t pmd_size = number(
        "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
    unsigned pageblock = 0;

    g_assert_cmpint(sscanf(line, "Pages per block: %u", &pageblock), ==, 1);
    for (unsigned i = 0; i < blocks->len; i++) {
        const MemdevBlock *block = &g_array_index(blocks, MemdevBlock, i);

        g_assert_cmpuint(block->memmap_pages, ==, MEMMAP_PAGES);
        g_assert_cmpuint(block->memmap_pages % pageblock, ==, 0);
        g_assert_cmpuint(block->memmap_pages * 4096 % pmd_size, ==, 0);
        g_assert_cmpuint(block->addr % pmd_size, ==, 0);
    }
}

static uint64_t nb_scanned(void)
{
    g_autofree char *line = system_run(
        guest, "grep compact_migrate_scanned /proc/vmstat");

    return g_ascii_strtoull(strchr(line, ' '), NULL, 10);
}

/* Every second of many small files leaves holes that compaction closes */
static void test_compaction(void)
{
    g_autoptr(GArray) blocks = system_blocks(guest);
    g_autofree char *before = NULL, *after = NULL;
    uint64_t scanned;

    g_free(system_run(guest,
                      "mkdir -p /tmp/node1; " MOUNT "; cd /tmp/node1;"
                      "for i in $(seq 40); do"
                      " for j in 0 1; do head -c 1m /dev/zero >$i.$j; done;"
                      " done; rm *.1"));
    before = memmap_pages(blocks);
    scanned = nb_scanned();
    g_free(system_run(guest, "echo 1 >/proc/sys/vm/compact_memory"));
    g_assert_cmpuint(nb_scanned(), >, scanned);
    after = memmap_pages(blocks);
    g_assert_cmpstr(after, ==, before);
    test_mapped_by_pmds();
    g_free(system_run(guest, "umount /tmp/node1"));
}

static void test_offlining_of_neighbours(void)
{
    static const unsigned indices[] = {3, 5, 0};
    const uint64_t nb_pageblocks = MEMORY_BLOCK_SIZE / (2 * MiB) - 1;
    g_autoptr(GArray) blocks = system_blocks(guest);
    g_autofree char *before = memmap_pages(blocks), *after = NULL;

    set_state(blocks, indices, G_N_ELEMENTS(indices), "offline");
    set_state(blocks, indices, G_N_ELEMENTS(indices), "online_movable");
    after = memmap_pages(blocks);
    g_assert_cmpstr(after, ==, before);
    g_assert_cmpuint(number(LAYOUT "isolated_memmaps"), ==, 0);
    g_assert_cmpuint(number(LAYOUT "isolated_others"), ==,
                     G_N_ELEMENTS(indices) * nb_pageblocks);
}

/* So that the scheduler takes the CPU from no walker in favour of the others */
static const char uninterrupted[] =
    "echo -1 >/proc/sys/kernel/sched_rt_runtime_us;"
    "fair=/sys/kernel/debug/sched/fair_server/cpu0/runtime;"
    "[ ! -e $fair ] || echo 0 >$fair";

/*
 * The walks one after the other with pauses for all others, in the background
 * until /tmp/walk is gone. /tmp/walked gets a line for each time.
 */
static void start_walks(const char *const *walks, unsigned nb)
{
    g_autoptr(GString) loop = g_string_new(NULL);

    for (unsigned i = 0; i < nb; i++) {
        g_string_append_printf(loop, "%s; usleep 100000; ", walks[i]);
    }
    g_free(system_run(guest,
                      "%s; touch /tmp/walk; mhp-fifo sh -c '"
                      "while [ -e /tmp/walk ]; do %s echo >>/tmp/walked; done'"
                      " >/dev/null 2>&1 &",
                      uninterrupted, loop->str));
}

static void test_walkers(void)
{
    uint64_t start = system_addr(guest), end = start + REGION_SIZE;
    uint64_t met = number(LAYOUT "memmap_met");
    /* The entries of 512 MiB are 1 MiB of these files */
    g_autofree char *flags = g_strdup_printf(
        "dd if=/proc/kpageflags bs=1M skip=%" PRIu64 " count=%" PRIu64,
        start / 512 / MiB, REGION_SIZE / 512 / MiB + 1);
    g_autofree char *counts = g_strdup_printf(
        "dd if=/proc/kpagecount bs=1M skip=%" PRIu64 " count=%" PRIu64,
        start / 512 / MiB, REGION_SIZE / 512 / MiB + 1);
    g_autofree char *pages = g_strdup_printf(
        "echo %" PRIu64 " %" PRIu64 " >" LAYOUT "walk", start, end);
    const char *walks[] = {flags, counts, pages};

    start_walks(walks, G_N_ELEMENTS(walks));
    resize(6 * GiB);
    resize(8 * GiB);
    resize(1 * GiB);
    g_free(system_run(guest, "until [ -s /tmp/walked ]; do usleep 10000; done;"
                             "rm /tmp/walk"));
    g_assert_cmpuint(number(LAYOUT "memmap_met"), >, met);
    g_assert_cmpuint(number(LAYOUT "others_met"), >, 0);
    g_assert_cmpuint(number(LAYOUT "memmap_bad"), ==, 0);
}

/* All but one of the blocks are pinned: that one is the first of all */
static void test_first_block_goes_first(void)
{
    g_autoptr(GArray) before = NULL, after = NULL;

    resize(2 * MEMORY_BLOCK_SIZE);
    before = system_blocks(guest);
    g_free(system_hold(guest, "pinned", "mhp-pin %" PRIx64 " %" PRIx64 " 1",
                       block_addr(before, 1), MEMORY_BLOCK_SIZE));
    resize(MEMORY_BLOCK_SIZE);
    after = system_blocks(guest);
    g_assert_cmpuint(after->len, ==, 1);
    g_assert_cmphex(block_addr(after, 0), ==, block_addr(before, 1));
    g_assert_cmpuint(memdev_count_self_hosted(after), ==, 1);
    system_let_go(guest, "pinned");
}

/* Those that are offline go before others, which may be empty as well */
static void test_blocks_go_from_anywhere(void)
{
    static const unsigned going[] = {5, 1, 4, 2};
    static const unsigned staying[] = {0, 3};
    g_autoptr(GArray) before = NULL, after = NULL;
    g_autofree char *sum = NULL, *sum_after = NULL;

    resize(6 * MEMORY_BLOCK_SIZE);
    before = system_blocks(guest);
    sum = system_run(guest, "mkdir -p /tmp/node1; " MOUNT ";"
                            "head -c 1m /dev/urandom >/tmp/mib;"
                            "for i in $(seq 190); do echo $i; cat /tmp/mib;"
                            " done >/tmp/node1/file; rm /tmp/mib;"
                            "md5sum /tmp/node1/file");
    set_state(before, going, G_N_ELEMENTS(going), "offline");
    resize(G_N_ELEMENTS(staying) * MEMORY_BLOCK_SIZE);
    after = system_blocks(guest);
    g_assert_cmpuint(after->len, ==, G_N_ELEMENTS(staying));
    for (unsigned i = 0; i < after->len; i++) {
        g_assert_cmphex(block_addr(after, i), ==,
                        block_addr(before, staying[i]));
    }
    g_assert_cmpuint(memdev_count_self_hosted(after), ==, after->len);
    sum_after = system_run(guest, "md5sum /tmp/node1/file;"
                                  "umount /tmp/node1");
    g_assert_cmpstr(sum_after, ==, sum);
}

/* The whole of what was added and removed so far */
static void test_one_granularity(void)
{
    resize(0);
    g_assert_cmpuint(number(LAYOUT "calls"), >, 2 * BLOCKS);
    g_assert_cmpuint(number(LAYOUT "other_sizes"), ==, 0);
}

static void boot(void)
{
    g_autoptr(GError) error = NULL;
    Vm *vm;

    guest = system_new(REGION_SIZE, SYSTEM_MEMMAP_ON " maxcpus=1");
    vm = guest_vm(guest);
    vm_add_plugin(vm);
    vm_add_opt(vm, "object", "memory-backend-ram,id=node0,size=%" PRIu64,
               GUEST_BOOT_SIZE);
    vm_add_args(vm, "-numa", "node,nodeid=0,cpus=0-1,memdev=node0", "-numa",
                "node,nodeid=1", NULL);
    vm_add_opt(vm, "object",
               "memory-backend-ram,id=hpmem,size=%" PRIu64 ",reserve=off",
               REGION_SIZE);
    vm_add_opt(vm, "device", MEMDEV_OURS ",id=hp0,memdev=hpmem,node=%d", NODE);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    g_free(system_run(guest, "insmod /lib/modules/mhp_layout.ko"));
    system_load_driver(guest, "memmap=require");
}

#define ADD(name, test) g_test_add_func("/virtio-mhp/system/layout/" name, test)

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    system_need_module("mhp_layout");
    ADD("a range of more than 9 GiB", test_nine_gib);
    ADD("a node of nothing but ZONE_MOVABLE", test_node_of_nothing_else);
    ADD("memmaps are mapped by whole PMDs, on their own block and node",
        test_mapped_by_pmds);
    ADD("memmaps are multiples of pageblocks and of PMDs", test_multiples);
    ADD("compaction leaves memmaps alone", test_compaction);
    ADD("offlining isolates no memmap and leaves the neighbours' alone",
        test_offlining_of_neighbours);
    ADD("walkers of pages pass memmaps by while memory comes and goes",
        test_walkers);
    ADD("the first block goes while a later one stays",
        test_first_block_goes_first);
    ADD("blocks go from anywhere and leave the others' data alone",
        test_blocks_go_from_anywhere);
    ADD("memory goes in the sizes that it came in", test_one_granularity);
    boot();
    status = g_test_run();
    system_end(guest);
    return status;
}
