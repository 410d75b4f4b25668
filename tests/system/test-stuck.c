/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many blocks that will not go, by pinned pages and by huge pages in use: what
 * the worker spends on them. Each block has one such page, so that neither
 * guest nor host needs the memory of them all. $MHP_STUCK sets the number of
 * blocks and $MHP_STUCK_S for how long they are watched.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "support.h"
#include "tracing.h"

#define BLOCKS 40
#define SECONDS 20
/* The watch is printed in so many rows */
#define ROWS 10
/* Of one CPU, in the long run; and seconds of it that may be spent at first */
#define SHARE_MAX 0.05
#define AT_FIRST 2.0
#define LONG_RUN 300
/* Seconds for which one block may hold the hotplug lock, on an idle machine */
#define HOLD_MAX 1.0

#define HUGEPAGES "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

static Guest *guest;
static unsigned blocks = BLOCKS, seconds = SECONDS;

static void read_numbers(void)
{
    const char *nb = g_getenv("MHP_STUCK"), *time = g_getenv("MHP_STUCK_S");

    blocks = nb ? strtoul(nb, NULL, 10) : blocks;
    seconds = time ? strtoul(time, NULL, 10) : seconds;
}

static uint64_t stuck_blocks(void)
{
    g_autoptr(GError) error = NULL;
    uint64_t size = 0;

    qmp_get_uint(guest_qmp(guest), MEMDEV_PATH, "stuck-size", &size, &error);
    g_assert_no_error(error);
    return size / MEMORY_BLOCK_SIZE;
}

static bool are_stuck(void *opaque G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return stuck_blocks() == blocks;
}

/* Seconds since the guest's boot, and those the worker has been on a CPU */
static void times(double *now, double *busy)
{
    g_autofree char *text = system_run(guest, "cut -d' ' -f1 /proc/uptime");

    *now = g_ascii_strtod(text, NULL);
    *busy = system_worker_time(guest);
    g_assert_cmpfloat(*now, >, 0);
}

/* The longest call since the trace was started */
static double longest_hold(void)
{
    g_autofree char *text = system_run(
        guest, "awk 'match($0, /[0-9]+\\.[0-9]+: /) {"
               " t = substr($0, RSTART, RLENGTH) + 0;"
               " if (/remove_memory_begin/) b = t;"
               " if (/remove_memory_end/ && b && t - b > max) max = t - b }"
               " END { printf \"%%f\", max }' /sys/kernel/tracing/trace");

    return g_ascii_strtod(text, NULL);
}

static void print_row(double time, double busy, double share, double hold)
{
    g_print("# %7.1f s %9.0f ms %6.2f %% %7.0f ms %6" PRIu64 "\n", time,
            busy * 1e3, share * 100, hold * 1e3, stuck_blocks());
}

/* No condition ends this wait: it is the time that counts */
static void pass_time(double s)
{
    g_free(system_run(guest, "sleep %.1f", s));
}

static void watch(void)
{
    double start, now, busy_start, busy, longest = 0;

    times(&start, &busy_start);
    g_print("#      time    CPU time    share  longest  stuck\n");
    for (unsigned row = 1; row <= ROWS; row++) {
        double hold;

        tracing_start(guest, "probes");
        pass_time((double)seconds / ROWS);
        times(&now, &busy);
        hold = longest_hold();
        longest = hold > longest ? hold : longest;
        print_row(now - start, busy - busy_start,
                  (busy - busy_start) / (now - start), hold);
    }
    g_assert_cmpuint(stuck_blocks(), ==, blocks);
    busy -= busy_start;
    if (seconds < LONG_RUN) {
        busy -= AT_FIRST;
    } else {
        g_assert_cmpfloat(longest, <=, HOLD_MAX);
    }
    g_assert_cmpfloat(busy / (now - start), <=, SHARE_MAX);
}

/* All of them are known to the host soon, whatever the worker may spend */
static void watch_stuck(void)
{
    g_autoptr(GError) error = NULL;

    system_request(guest, 0);
    wait_until(are_stuck, NULL, SYSTEM_STALL_MS + 600 * blocks,
               "the report of all", &error);
    g_assert_no_error(error);
    watch();
}

static void test_pins(void)
{
    system_resize(guest, blocks * MEMORY_BLOCK_SIZE);
    g_free(system_hold(guest, "pinned",
                       "mhp-pins %" PRIx64 " %" PRIx64 " %" PRIx64 " %u",
                       system_addr(guest), (blocks + 1) * MEMORY_BLOCK_SIZE,
                       (uint64_t)MEMORY_BLOCK_SIZE, blocks));
    watch_stuck();
    system_let_go(guest, "pinned");
    system_wait_size(guest, 0);
}

/*
 * The first huge pages that the kernel takes are one of each block. These are
 * used; the rest of memory is huge pages as well, all of them promised to a
 * mount, so that none is left to move to.
 */
static void take_huge_pages(void)
{
    g_free(system_run(
        guest,
        "mkdir -p /tmp/used /tmp/promised; echo %u >" HUGEPAGES ";"
        "mount -t hugetlbfs none /tmp/used &&"
        "fallocate -l $((%u << 21)) /tmp/used/file &&"
        "free=$(awk '/MemFree/ {print int($2 / 1024)}' /proc/meminfo);"
        "echo $((%u + (free - 160) / 2)) >" HUGEPAGES ";"
        "nb=$(($(cat " HUGEPAGES ") - %u));"
        "mount -t hugetlbfs -o min_size=$((nb << 21)) none /tmp/promised",
        blocks, blocks, blocks, blocks));
}

static void test_huge_pages(void)
{
    system_resize(guest, blocks * MEMORY_BLOCK_SIZE);
    take_huge_pages();
    watch_stuck();
    g_free(system_run(guest, "umount /tmp/used /tmp/promised;"
                             "echo 0 >" HUGEPAGES));
    system_wait_size(guest, 0);
}

#define ADD(name, test) g_test_add_func("/virtio-mhp/system/stuck/" name, test)

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    read_numbers();
    ADD("pins in all blocks take little time", test_pins);
    ADD("huge pages in all blocks take little time", test_huge_pages);
    /* What is allocated must not be cleared, or the host has to find it all */
    guest = system_boot(blocks * MEMORY_BLOCK_SIZE,
                        SYSTEM_MEMMAP_ON " init_on_alloc=0");
    tracing_probe(guest, "offline_and_remove_memory");
    /* The buffer is allocated now: later all memory is promised to others */
    tracing_start(guest, "probes");
    system_load_driver(guest, "");
    status = g_test_run();
    system_end(guest);
    return status;
}
