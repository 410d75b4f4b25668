/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A newer request ends what is under way for an older one within 100 ms, plus
 * the kernel's pass over a block that is in flight: that one cannot be ended.
 * Times are the guest's own. On a machine that is busy otherwise they may be
 * anything, so the best of some tries counts.
 */
#include <inttypes.h>

#include "support.h"
#include "tracing.h"

/* The least that times of events differ by, in seconds */
#define CANCEL_US 0.000001
#define GROWTH (4 * GiB)
#define SHRINK_FROM (3 * GiB)
#define DATA_MIB 1000
#define LIMIT_S 0.1
#define TRIES 8

#define EVENTS TRACING_OURS " probes"

static Guest *guest;

static double min_double(double a, double b)
{
    return a < b ? a : b;
}

static double max_double(double a, double b)
{
    return a > b ? a : b;
}

/* How much of the time from @start to @end the worker spent moving pages */
static double time_in_passes(GPtrArray *events, const char *worker,
                             double start, double end)
{
    double sum = 0, begin = -1;

    for (unsigned i = 0; i < events->len; i++) {
        TraceEvent *event = events->pdata[i];

        if (!g_str_equal(event->task, worker)) {
            continue;
        }
        if (g_str_equal(event->name, "migrate_pages_begin")) {
            begin = event->time;
        } else if (g_str_equal(event->name, "migrate_pages_end") &&
                   begin >= 0) {
            sum += max_double(0, min_double(event->time, end) -
                                     max_double(begin, start));
            begin = -1;
        }
    }
    return sum;
}

static TraceEvent *last_interrupt(GPtrArray *events)
{
    TraceEvent *last = NULL;
    double time = 0;

    while ((last = tracing_find(events, time, "virtio_mhp_interrupt", ""))) {
        TraceEvent *next = tracing_find(events, last->time + CANCEL_US,
                                        "virtio_mhp_interrupt", "");

        if (!next) {
            break;
        }
        time = next->time;
    }
    return last;
}

/*
 * From the latest request until what was under way was dropped, without the
 * pass in flight; a negative figure if nothing was under way any more
 */
static double time_to_drop(GPtrArray *events)
{
    TraceEvent *interrupt = last_interrupt(events);
    TraceEvent *end;
    double passes, whole;

    g_assert_nonnull(interrupt);
    end = tracing_find(events, interrupt->time, "virtio_mhp_resize_end",
                       "result=-11");
    if (!end) {
        return -1;
    }
    whole = end->time - interrupt->time;
    passes = time_in_passes(events, end->task, interrupt->time, end->time);
    g_test_message("dropped after %.1f ms, of these %.1f ms in a pass",
                   whole * 1e3, passes * 1e3);
    return whole - passes;
}

/* Request @from, and @to once the size is on its way there */
static double try_once(uint64_t from, uint64_t to, void (*wait)(void))
{
    g_autoptr(GPtrArray) events = NULL;
    g_autofree char *done = NULL;

    done = g_strdup_printf("plugged=%" PRIu64 " requested=%" PRIu64 " result=0",
                           to, to);
    tracing_start(guest, EVENTS);
    system_request(guest, from);
    wait();
    system_request(guest, to);
    events = tracing_wait(guest, "virtio_mhp_resize_end", done);
    return time_to_drop(events);
}

/* Each try starts and ends at @to. */
static void check_limit(uint64_t from, uint64_t to, void (*wait)(void))
{
    double best = -1;

    for (unsigned i = 0; i < TRIES && (best < 0 || best > LIMIT_S); i++) {
        double time = try_once(from, to, wait);

        if (time >= 0 && (best < 0 || time < best)) {
            best = time;
        }
    }
    g_assert_cmpfloat(best, >=, 0);
    g_assert_cmpfloat(best, <=, LIMIT_S);
    g_test_minimized_result(best, "dropped after %.1f ms beside the pass",
                            best * 1e3);
}

/* The free blocks are gone, and one that has data in it is next */
static void wait_for_full_block(void)
{
    system_wait_below(guest, DATA_MIB * MiB);
}

static void test_shrink_to_grow(void)
{
    system_resize(guest, SHRINK_FROM);
    g_free(system_run(guest,
                      "mkdir -p /tmp/data &&"
                      " mount -t tmpfs -o size=2g none /tmp/data &&"
                      " dd if=/dev/zero of=/tmp/data/file bs=1M count=%d 2>&1",
                      DATA_MIB));
    check_limit(0, SHRINK_FROM, wait_for_full_block);
    g_free(system_run(guest, "umount /tmp/data"));
    system_resize(guest, 0);
}

/*
 * At a pinned page the kernel makes one short pass after the other, here until
 * the request, as the deadline is far away
 */
static void wait_for_pinned_block(void)
{
    system_wait_below(guest, MEMORY_BLOCK_SIZE);
    g_ptr_array_unref(tracing_wait(guest, "migrate_pages_end", ""));
}

static void test_pinned(void)
{
    system_resize(guest, SHRINK_FROM);
    system_pin(guest, system_addr(guest), GROWTH + MEMORY_BLOCK_SIZE);
    /* An attempt takes as long as the test needs to ask for something else */
    g_free(system_run(guest, "cd /sys/module/mhp_vmemmap_mem/parameters &&"
                             " echo 10000 >block_timeout_ms"));
    check_limit(0, SHRINK_FROM, wait_for_pinned_block);
    system_let_go(guest, "pinned");
    g_free(system_run(guest, "cd /sys/module/mhp_vmemmap_mem/parameters &&"
                             " echo 500 >block_timeout_ms"));
    system_resize(guest, 0);
}

static void wait_for_growth(void)
{
    system_wait_above(guest, MEMORY_BLOCK_SIZE);
}

static void test_grow_to_shrink(void)
{
    check_limit(GROWTH, 0, wait_for_growth);
}

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    g_test_add_func("/virtio-mhp/system/cancel/growing ends when less is "
                    "wanted",
                    test_grow_to_shrink);
    g_test_add_func("/virtio-mhp/system/cancel/shrinking ends when more is "
                    "wanted",
                    test_shrink_to_grow);
    g_test_add_func("/virtio-mhp/system/cancel/waiting for a pinned page ends "
                    "when more is wanted",
                    test_pinned);

    guest = system_boot(GROWTH, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    tracing_probe(guest, "migrate_pages");
    status = g_test_run();
    system_end(guest);
    return status;
}
