/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 1 GiB to 96 GiB and back under each online policy: what every block, the
 * zones, boot memory and the kernel's log have to look like. One trip for each
 * policy serves all its tests. And what a block costs on the way.
 */
#include "arch.h"
#include "trip.h"

#define BOOT_MEMORY_PER_GIB_MAX (64 * KiB)
#define BOOT_MEMORY_LOST_MAX (1 * MiB)
#define SLOWDOWN_MAX 1.2

static void test_whole_size(const void *data)
{
    const Trip *trip = trip_made(data);

    g_assert_cmpuint(trip->top.size, ==, TRIP_GROWTH);
    g_assert_cmpuint(trip->top.plugged_size, ==, TRIP_GROWTH);
    g_assert_cmpuint(trip->top.online_size, ==, TRIP_GROWTH);
    g_assert_cmpuint(trip->top.blocks->len, ==, TRIP_BLOCKS);
}

static void test_movable(const void *data)
{
    const Trip *trip = trip_made(data);

    g_assert_cmpuint(memdev_count_zone(trip->top.blocks, "Movable"), ==,
                     TRIP_BLOCKS);
}

static void test_memmap_on_block(const void *data)
{
    const Trip *trip = trip_made(data);

    g_assert_cmpuint(memdev_count_self_hosted(trip->top.blocks), ==,
                     TRIP_BLOCKS);
    g_assert_cmpuint(trip->top.memmap_on_block_size, ==,
                     TRIP_BLOCKS * MEMMAP_SIZE);
}

static void test_zone_figures(const void *data)
{
    const Trip *trip = trip_made(data);

    g_assert_cmpuint(trip->top.movable_present, ==, TRIP_GROWTH);
    g_assert_cmpuint(trip->top.movable_managed, ==,
                     TRIP_GROWTH - TRIP_BLOCKS * MEMMAP_SIZE);
}

static void test_driver_blocks(const void *data)
{
    const Trip *trip = trip_made(data);

    g_assert_cmpuint(klog_count(trip->driver_blocks, "ONLINE"), ==,
                     TRIP_BLOCKS);
    g_assert_cmpuint(klog_count(trip->driver_blocks, "Movable"), ==,
                     TRIP_BLOCKS);
}

static void test_moat(const void *data)
{
    const Trip *trip = trip_made(data);
    const MemdevBlock *blocks = (MemdevBlock *)trip->top.blocks->data;

    g_assert_cmpuint(blocks[1].addr - blocks[0].addr, ==,
                     2 * MEMORY_BLOCK_SIZE);
}

static void test_boot_memory_used(const void *data)
{
    const Trip *trip = trip_made(data);
    double used = (double)trip->start.boot_free - (double)trip->top.boot_free;
    double per_gib = used / ((double)TRIP_GROWTH / GiB);

    g_test_message("%.1f KiB per GiB", per_gib / KiB);
    per_gib -= arch_of(system_kver())->page_tables;
    g_assert_cmpfloat(per_gib, <=, BOOT_MEMORY_PER_GIB_MAX);
}

static void test_nothing_left(const void *data)
{
    const Trip *trip = trip_made(data);

    g_assert_cmpuint(trip->end.size, ==, 0);
    g_assert_cmpuint(trip->end.plugged_size, ==, 0);
    g_assert_cmpuint(trip->end.online_size, ==, 0);
    g_assert_cmpuint(trip->end.memmap_on_block_size, ==, 0);
    g_assert_cmpuint(trip->end.movable_present, ==, 0);
    g_assert_cmpuint(trip->end.blocks->len, ==, 0);
}

static void test_boot_memory_back(const void *data)
{
    const Trip *trip = trip_made(data);
    double lost = (double)trip->start.boot_free - (double)trip->end.boot_free;

    g_test_message("%.0f KiB are missing", lost / KiB);
    g_assert_cmpfloat(lost, <=, BOOT_MEMORY_LOST_MAX);
}

static void test_clean_log(const void *data)
{
    const Trip *trip = trip_made(data);
    g_autofree char *trouble = klog_trouble(trip->klog);

    g_assert_cmpstr(trouble, ==, NULL);
}

/* Seconds of the worker's for a block on the way to @size */
static double grow_to(Guest *guest, uint64_t size)
{
    double blocks = (double)(size - system_size(guest)) / MEMORY_BLOCK_SIZE;
    double start = system_worker_time(guest);

    system_resize(guest, size);
    return (system_worker_time(guest) - start) / blocks;
}

/*
 * The guest's clock counts instructions: how soon the host finds memory is not
 * seen in it. What comes but once, as the zone, comes in the first tenth, which
 * is left out.
 */
static void test_constant_cost(void)
{
    const uint64_t region_size = TRIP_GROWTH + MEMORY_BLOCK_SIZE;
    Guest *guest = system_new(region_size, SYSTEM_MEMMAP_ON);
    g_autoptr(GError) error = NULL;
    double second, last;

    memdev_add(guest, MEMDEV_OURS, region_size);
    vm_add_opt(guest_vm(guest), "icount", "shift=1");
    guest_boot(guest, &error);
    g_assert_no_error(error);
    system_load_driver(guest, "");
    system_resize(guest, TRIP_GROWTH / 10);
    second = grow_to(guest, TRIP_GROWTH / 10 * 2);
    system_resize(guest, TRIP_GROWTH / 10 * 9);
    last = grow_to(guest, TRIP_GROWTH);
    g_test_message("%.3f ms a block in the second tenth, %.3f ms in the last",
                   second * 1000, last * 1000);
    g_assert_cmpfloat(second, >, 0);
    g_assert_cmpfloat(last, <=, second * SLOWDOWN_MAX);
    guest_free(guest);
}

static const struct {
    const char *name;
    GTestDataFunc run;
} tests[] = {
    {"all 96 GiB are plugged and online", test_whole_size},
    {"every block is in ZONE_MOVABLE", test_movable},
    {"512 pages of every block hold its own memmap", test_memmap_on_block},
    {"the zone manages all pages but the memmaps", test_zone_figures},
    {"the driver lists every block as online and Movable", test_driver_blocks},
    {"the second block stays unplugged", test_moat},
    {"growing takes at most 64 KiB of boot memory for a GiB",
     test_boot_memory_used},
    {"after the shrink nothing is left", test_nothing_left},
    {"after the shrink boot memory is back", test_boot_memory_back},
    {"the kernel log is clean", test_clean_log},
};

static void add_tests(Trip *trip)
{
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/virtio-mhp/system/%s/%s",
                                                trip->policy, tests[i].name);

        g_test_add_data_func(path, trip, tests[i].run);
    }
}

int main(int argc, char **argv)
{
    static Trip trips[] = {
        {.policy = "offline"},
        {.policy = "online"},
        {.policy = "online_kernel"},
        {.policy = "online_movable"},
    };

    system_init(&argc, &argv);
    for (size_t i = 0; i < G_N_ELEMENTS(trips); i++) {
        add_tests(&trips[i]);
    }
    g_test_add_func("/virtio-mhp/system/"
                    "the last blocks cost no more than the first",
                    test_constant_cost);
    return g_test_run();
}
