/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver's tracepoints: each transition of a block, each request and each
 * attempt is seen, with what came of it. And by the kernel's: what it is
 * spared.
 */
#include <inttypes.h>

#include "support.h"
#include "tracing.h"

#define BLOCKS 4
#define GROWTH (BLOCKS * MEMORY_BLOCK_SIZE)

#define GROWN "plugged=536870912 requested=536870912 result=0"
#define SHRUNK "plugged=0 requested=0 result=0"

static Guest *guest;

/* What the driver does until it has come to rest again */
static GPtrArray *grow_and_watch(void)
{
    tracing_start(guest, TRACING_OURS);
    system_request(guest, GROWTH);
    return tracing_wait(guest, "virtio_mhp_resize_end", GROWN);
}

static GPtrArray *shrink_and_watch(void)
{
    tracing_start(guest, TRACING_OURS);
    system_request(guest, 0);
    return tracing_wait(guest, "virtio_mhp_resize_end", SHRUNK);
}

/* All arrows of the picture in the wire header, there and back */
static void test_transitions(void)
{
    static const char *const up[] = {"from=UNPLUGGED to=PLUGGED",
                                     "from=PLUGGED to=OFFLINE",
                                     "from=OFFLINE to=ONLINE"};
    static const char *const down[] = {"from=ONLINE to=OFFLINE",
                                       "from=OFFLINE to=PLUGGED",
                                       "from=PLUGGED to=UNPLUGGED"};
    g_autoptr(GPtrArray) growing = grow_and_watch();
    g_autoptr(GPtrArray) shrinking = shrink_and_watch();

    for (size_t i = 0; i < G_N_ELEMENTS(up); i++) {
        g_assert_cmpuint(tracing_count(growing, "virtio_mhp_block", up[i]), ==,
                         BLOCKS);
        g_assert_cmpuint(tracing_count(growing, "virtio_mhp_block", down[i]),
                         ==, 0);
        g_assert_cmpuint(tracing_count(shrinking, "virtio_mhp_block", down[i]),
                         ==, BLOCKS);
        g_assert_cmpuint(tracing_count(shrinking, "virtio_mhp_block", up[i]),
                         ==, 0);
    }
}

static void test_userspace_is_seen(void)
{
    g_autoptr(GPtrArray) events = grow_and_watch();
    g_autofree char *addr = NULL;

    addr = g_strdup_printf("addr=0x%" PRIx64 " from=ONLINE to=OFFLINE",
                           system_addr(guest));
    tracing_start(guest, TRACING_OURS);
    g_free(system_run(guest,
                      "echo offline >/sys/devices/system/memory/memory%u/state",
                      (unsigned)(system_addr(guest) / MEMORY_BLOCK_SIZE)));
    g_ptr_array_unref(events);
    events = tracing_wait(guest, "virtio_mhp_block", addr);
    g_ptr_array_unref(shrink_and_watch());
}

static void test_requests(void)
{
    g_autoptr(GPtrArray) growing = grow_and_watch();
    g_autoptr(GPtrArray) shrinking = shrink_and_watch();
    g_autofree char *plug = NULL;
    TraceEvent *event;

    plug = g_strdup_printf("type=PLUG addr=0x%" PRIx64 " nb_blocks=1 result=0",
                           system_addr(guest));
    g_assert_cmpuint(tracing_count(growing, "virtio_mhp_request", "type=PLUG "),
                     ==, BLOCKS);
    g_assert_cmpuint(
        tracing_count(shrinking, "virtio_mhp_request", "type=UNPLUG "), >=, 1);
    event = tracing_find(growing, 0, "virtio_mhp_request", plug);
    g_assert_nonnull(event);
    g_assert_true(g_regex_match_simple(" ns=[1-9][0-9]*$", event->text, 0, 0));
}

static void test_attempts(void)
{
    g_autoptr(GPtrArray) events = grow_and_watch();
    TraceEvent *interrupt, *begin, *end;

    interrupt = tracing_find(events, 0, "virtio_mhp_interrupt", "virtio");
    g_assert_nonnull(interrupt);
    begin = tracing_find(events, interrupt->time, "virtio_mhp_resize_begin",
                         "virtio");
    g_assert_nonnull(begin);
    end = tracing_find(events, begin->time, "virtio_mhp_resize_end", GROWN);
    g_assert_nonnull(end);
    g_ptr_array_unref(shrink_and_watch());
}

static void test_vacated(void)
{
    g_autoptr(GPtrArray) events = NULL;

    g_ptr_array_unref(grow_and_watch());
    events = shrink_and_watch();
    g_assert_cmpuint(tracing_count(events, "virtio_mhp_vacate",
                                   "reason=none result=0 retry=0s free="),
                     ==, BLOCKS);
}

#define CACHE_SHRINK "__kmem_cache_do_shrink"

/* What the kernel itself does to every cache whatever goes offline */
static void test_slab_is_spared(void)
{
    g_autoptr(GPtrArray) events = NULL;

    g_ptr_array_unref(grow_and_watch());
    tracing_probe(guest, CACHE_SHRINK);
    tracing_start(guest, TRACING_OURS " probes");
    system_request(guest, 0);
    events = tracing_wait(guest, "virtio_mhp_resize_end", SHRUNK);
    g_assert_cmpuint(tracing_count(events, CACHE_SHRINK "_begin", ""), ==, 0);

    g_free(system_run(guest, "echo 1 >/sys/kernel/slab/kmalloc-64/shrink"));
    g_ptr_array_unref(tracing_wait(guest, CACHE_SHRINK "_begin", ""));
}

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    g_test_add_func("/virtio-mhp/system/trace/each transition is seen",
                    test_transitions);
    g_test_add_func("/virtio-mhp/system/trace/what userspace does is seen",
                    test_userspace_is_seen);
    g_test_add_func("/virtio-mhp/system/trace/each request is seen, with its "
                    "result and duration",
                    test_requests);
    g_test_add_func("/virtio-mhp/system/trace/each attempt is seen, with its "
                    "result",
                    test_attempts);
    g_test_add_func("/virtio-mhp/system/trace/each vacated block is seen",
                    test_vacated);
    g_test_add_func("/virtio-mhp/system/trace/a shrink spares the slab "
                    "allocator",
                    test_slab_is_spared);

    guest = system_boot(GROWTH, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    status = g_test_run();
    system_end(guest);
    return status;
}
