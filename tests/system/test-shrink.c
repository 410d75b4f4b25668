/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shrinking a guest that uses its memory: data survives, and what cannot move
 * is reported and keeps nothing else from going.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "support.h"
#include "tracing.h"

#define GROWTH (4 * GiB)
#define FILE_MIB 192
#define NO_ROOM_MIB 1300

static Guest *guest;

static void tear_down(void)
{
    system_resize(guest, 0);
    system_check_klog(guest);
}

/* Free boot memory would take the file; keep it in our blocks */
static void test_data_survives(void)
{
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;

    system_resize(guest, GROWTH);
    before = system_run(
        guest,
        "mkdir -p /tmp/data && mount -t tmpfs -o size=1g none /tmp/data &&"
        " head -c 1048576 /dev/urandom >/tmp/random &&"
        " for i in $(seq %d); do cat /tmp/random; done >/tmp/data/file &&"
        " md5sum </tmp/data/file",
        FILE_MIB);
    system_resize(guest, 1 * GiB);
    system_resize(guest, 0);
    after = system_run(guest, "md5sum </tmp/data/file; umount /tmp/data");
    g_assert_cmpstr(before, ==, after);
    tear_down();
}

static bool is_stuck(void *opaque, GError **error)
{
    uint64_t size = 0;

    return qmp_get_uint(guest_qmp(opaque), MEMDEV_PATH, "stuck-size", &size,
                        error) &&
           size == MEMORY_BLOCK_SIZE;
}

/* The device's list of what is stuck, as one string */
static char *stuck_blocks(GError **error)
{
    g_autoptr(JsonNode) list = NULL;

    list = qmp_executef(guest_qmp(guest), error, "qom-get",
                        "{'path': '" MEMDEV_PATH "',"
                        " 'property': 'stuck-blocks'}");
    return list ? json_to_string(list, FALSE) : NULL;
}

/* Pin a page of our blocks: the pinning process tells when it has one */
static void pin(void)
{
    system_pin(guest, system_addr(guest), GROWTH + MEMORY_BLOCK_SIZE);
}

static void unpin(void)
{
    system_let_go(guest, "pinned");
}

static void shrink_until_stuck(void)
{
    g_autoptr(GError) error = NULL;

    system_request(guest, 0);
    system_wait_size(guest, MEMORY_BLOCK_SIZE);
    wait_until(is_stuck, guest, SYSTEM_STALL_MS, "the report", &error);
    g_assert_no_error(error);
}

/* DRV-STATUS-1 */
static void test_pinned_block_is_reported(void)
{
    g_autofree char *host = NULL;
    g_autofree char *last_error = NULL;
    g_autofree char *blocks = NULL;
    g_autoptr(GError) error = NULL;

    system_resize(guest, GROWTH);
    pin();
    shrink_until_stuck();
    host = stuck_blocks(&error);
    g_assert_no_error(error);
    g_assert_nonnull(strstr(host, "pinned"));
    last_error = system_attr_text(guest, "last_error");
    g_assert_nonnull(strstr(last_error, "pinned"));
    blocks = system_attr_text(guest, "blocks");
    g_assert_cmpuint(klog_count(blocks, "pinned"), ==, 1);
    unpin();
    tear_down();
}

static void test_unpinned_block_goes(void)
{
    uint64_t stuck = 1;
    g_autoptr(GError) error = NULL;

    system_resize(guest, GROWTH);
    pin();
    shrink_until_stuck();
    unpin();
    /* Nobody asks again: the driver tries by itself */
    system_wait_size(guest, 0);
    qmp_get_uint(guest_qmp(guest), MEMDEV_PATH, "stuck-size", &stuck, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(stuck, ==, 0);
    tear_down();
}

static void test_pinned_guest_can_grow_again(void)
{
    system_resize(guest, GROWTH);
    pin();
    shrink_until_stuck();
    system_resize(guest, GROWTH);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, GROWTH);
    unpin();
    tear_down();
}

static bool is_without_room(void *opaque, GError **error)
{
    g_autofree char *last_error = memdev_attr(opaque, "last_error", error);

    return last_error && strstr(last_error, "no-room");
}

/* The driver notes a reason before it tells the host. */
static bool is_host_told_of_no_room(void *opaque, GError **error)
{
    g_autofree char *host = stuck_blocks(error);

    (void)opaque;
    return host && strstr(host, "no-room");
}

/* More data than boot memory can take; the rest has nowhere to go */
static void test_no_room_is_reported(void)
{
    g_autoptr(GError) error = NULL;

    system_resize(guest, 1 * GiB);
    g_free(system_run(guest,
                      "mkdir -p /tmp/data &&"
                      " mount -t tmpfs -o size=2g none /tmp/data &&"
                      " fallocate -l %d /tmp/data/file",
                      NO_ROOM_MIB << 20));
    system_request(guest, 0);
    wait_until(is_without_room, guest, SYSTEM_STALL_MS, "the report", &error);
    g_assert_no_error(error);
    wait_until(is_host_told_of_no_room, NULL, SYSTEM_STALL_MS,
               "the report to the host", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(system_size(guest), >, 0);

    /* Room is made, and nobody asks again */
    g_free(system_run(guest, "umount /tmp/data"));
    system_wait_size(guest, 0);
    tear_down();
}

typedef struct Vacated {
    uint64_t addr;
    unsigned long used;
    unsigned long hugetlb;
} Vacated;

/* The blocks in the order in which they went */
static GArray *vacated(GPtrArray *events)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(Vacated));

    for (unsigned i = 0; i < events->len; i++) {
        TraceEvent *event = events->pdata[i];
        Vacated block;

        if (g_str_equal(event->name, "virtio_mhp_vacate") &&
            sscanf(event->text,
                   "%*s addr=%" SCNx64 " reason=none result=0 retry=0s "
                   "free=%*u used=%lu hugetlb=%lu",
                   &block.addr, &block.used, &block.hugetlb) == 3) {
            g_array_append_val(list, block);
        }
    }
    return list;
}

#define IDLE_MAX 1024
#define USED_MIN 8192

/*
 * The moat first, because it makes all others cheap, and the lowest last; in
 * between free blocks before used ones, and those with huge pages at the end
 */
static void test_order(void)
{
    uint64_t lowest = system_addr(guest);
    g_autoptr(GPtrArray) events = NULL;
    g_autoptr(GArray) list = NULL;
    unsigned idle = 0, used = 0, huge = 0;

    system_resize(guest, GROWTH + MEMORY_BLOCK_SIZE);
    g_free(system_run(
        guest,
        "mkdir -p /tmp/data /tmp/huge && mount -t tmpfs none /tmp/data &&"
        " mount -t hugetlbfs none /tmp/huge &&"
        /* So much that huge pages are in another block than the lowest */
        " fallocate -l 260M /tmp/data/file &&"
        " echo 8 >/proc/sys/vm/nr_hugepages && fallocate -l 16M /tmp/huge/file"));
    tracing_start(guest, TRACING_OURS);
    system_resize(guest, 0);
    events = tracing_wait(guest, "virtio_mhp_resize_end",
                          "plugged=0 requested=0 result=0");
    list = vacated(events);
    g_assert_cmpuint(list->len, ==, GROWTH / MEMORY_BLOCK_SIZE + 1);
    g_assert_cmphex(g_array_index(list, Vacated, 0).addr, ==,
                    lowest + MEMORY_BLOCK_SIZE);
    g_assert_cmphex(g_array_index(list, Vacated, list->len - 1).addr, ==,
                    lowest);
    for (unsigned i = 1; i < list->len - 1; i++) {
        const Vacated *block = &g_array_index(list, Vacated, i);

        g_assert_true(huge == 0 || block->hugetlb > 0);
        g_assert_true(used == 0 || block->used >= IDLE_MAX);
        idle += block->used < IDLE_MAX;
        used += block->used > USED_MIN;
        huge += block->hugetlb > 0;
    }
    g_assert_cmpuint(idle, >, 0);
    g_assert_cmpuint(used, >, 0);
    g_assert_cmpuint(huge, >, 0);
    g_free(system_run(guest, "umount /tmp/data /tmp/huge;"
                             " echo 0 >/proc/sys/vm/nr_hugepages"));
    tear_down();
}

/*
 * Every block is about half full, and boot memory cannot take all of it: what
 * has no room stays, the rest goes.
 */
static void test_half_used(void)
{
    g_autoptr(GError) error = NULL;

    system_resize(guest, 2 * GiB);
    g_free(system_run(guest,
                      "mkdir -p /tmp/data &&"
                      " mount -t tmpfs -o size=3g none /tmp/data &&"
                      " for i in $(seq 240); do"
                      " fallocate -l 8M /tmp/data/$i || exit; done;"
                      " for i in $(seq 1 2 240); do rm /tmp/data/$i; done"));
    system_request(guest, 0);
    system_wait_below(guest, 5 * MEMORY_BLOCK_SIZE);
    wait_until(is_without_room, guest, SYSTEM_STALL_MS, "the report", &error);
    g_assert_no_error(error);
    g_free(system_run(guest, "umount /tmp/data"));
    system_wait_size(guest, 0);
    tear_down();
}

/* Data that boot memory can just about take, or not: no failed allocation */
static void test_around_the_limit(void)
{
    for (unsigned percent = 80; percent <= 100; percent += 10) {
        system_resize(guest, 1 * GiB);
        g_free(system_run(guest,
                          "mkdir -p /tmp/data &&"
                          " mount -t tmpfs -o size=2g none /tmp/data &&"
                          " free=$(awk '/MemFree/ {print $2}' /proc/meminfo) &&"
                          " fallocate -l $(((free - (992 << 10)) * %u / 100))K"
                          " /tmp/data/file",
                          percent));
        tracing_start(guest, TRACING_OURS);
        system_request(guest, 0);
        g_ptr_array_unref(
            tracing_wait(guest, "virtio_mhp_resize_end", " requested=0 "));
        g_free(system_run(guest, "umount /tmp/data"));
        tear_down();
    }
}

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    g_test_add_func("/virtio-mhp/system/shrink/a file in the memory survives",
                    test_data_survives);
    g_test_add_func("/virtio-mhp/system/shrink/a pinned block is reported and "
                    "the rest goes",
                    test_pinned_block_is_reported);
    g_test_add_func("/virtio-mhp/system/shrink/a block that is no longer "
                    "pinned goes",
                    test_unpinned_block_goes);
    g_test_add_func("/virtio-mhp/system/shrink/a guest with a pinned block "
                    "grows again",
                    test_pinned_guest_can_grow_again);
    g_test_add_func("/virtio-mhp/system/shrink/blocks stay where there is no "
                    "room for their data",
                    test_no_room_is_reported);

    g_test_add_func("/virtio-mhp/system/shrink/the cheapest blocks go first",
                    test_order);
    g_test_add_func("/virtio-mhp/system/shrink/of half-used memory goes what "
                    "has room elsewhere",
                    test_half_used);
    g_test_add_func("/virtio-mhp/system/shrink/the kernel never complains of "
                    "failed allocations",
                    test_around_the_limit);

    guest = system_boot(GROWTH, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    status = g_test_run();
    system_end(guest);
    return status;
}
