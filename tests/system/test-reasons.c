/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks that will not go: each reason is provoked, shown by every way that
 * shows it, and the block goes by itself once its reason is gone.
 */
#include <inttypes.h>
#include <string.h>

#include "support.h"
#include "tracing.h"

#define BLOCKS 8
#define GROWTH (BLOCKS * MEMORY_BLOCK_SIZE)
/* Where anything that is put into our memory can be */
#define RANGE (GROWTH + MEMORY_BLOCK_SIZE)

#define PARAMETERS "/sys/module/mhp_vmemmap_mem/parameters/"
#define THP "/sys/kernel/mm/transparent_hugepage/enabled"
#define COMPACT_LOCKED "/proc/sys/vm/compact_unevictable_allowed"
#define HUGEPAGES "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

static Guest *guest;

static void tear_down(void)
{
    system_wait_size(guest, 0);
    system_check_klog(guest);
}

static char *host_list(void)
{
    g_autoptr(JsonNode) list = NULL;
    g_autoptr(GError) error = NULL;

    list = qmp_executef(guest_qmp(guest), &error, "qom-get",
                        "{'path': '" MEMDEV_PATH "',"
                        " 'property': 'stuck-blocks'}");
    g_assert_no_error(error);
    return json_to_string(list, FALSE);
}

typedef struct Stuck {
    const char *reason;
    char *list;
} Stuck;

static bool is_listed(void *opaque, GError **error G_GNUC_UNUSED)
{
    Stuck *stuck = opaque;

    g_free(stuck->list);
    stuck->list = host_list();
    return strstr(stuck->list, stuck->reason);
}

/* DRV-STATUS-1: trace, host, blocks and last_error say the same */
static void check_reason(const char *reason)
{
    g_autofree char *traced = g_strdup_printf("reason=%s ", reason);
    g_autofree char *last_error = NULL;
    g_autofree char *blocks = NULL;
    g_autofree char *line = NULL;
    g_autoptr(GPtrArray) events = NULL;
    g_autoptr(GError) error = NULL;
    Stuck stuck = {.reason = reason};

    events = tracing_wait(guest, "virtio_mhp_vacate", traced);
    wait_until(is_listed, &stuck, SYSTEM_STALL_MS, reason, &error);
    g_assert_no_error(error);
    g_free(stuck.list);
    blocks = system_attr_text(guest, "blocks");
    line = klog_find(blocks, reason);
    g_assert_nonnull(line);
    g_assert_nonnull(strstr(line, "ONLINE"));
    last_error = system_attr_text(guest, "last_error");
    g_assert_nonnull(strstr(last_error, reason));
}

static void shrink(void)
{
    tracing_start(guest, TRACING_OURS);
    system_request(guest, 0);
}

static void pin_by(const char *tool, const char *more)
{
    g_free(system_hold(guest, "pinned", "%s %" PRIx64 " %" PRIx64 " %s", tool,
                       system_addr(guest), RANGE, more));
}

static void pin(void)
{
    pin_by("mhp-pin", "");
}

/* By somebody who has not much else there: little is gained when it goes */
static void pin_small(void)
{
    g_autofree char *more = g_strdup_printf("%" PRIx64 " 1", MEMORY_BLOCK_SIZE);

    pin_by("mhp-pins", more);
}

/* As soon as a stuck page is known, its unit is left alone for long */
#define PINNED "reason=pinned result=-62 retry=60s"
/* Longer than the watch for what may go again */
#define WATCHED_S 5

/* A page that is still stuck is looked at, and nothing is tried */
static void test_pinned(void)
{
    g_autoptr(GPtrArray) events = NULL;

    system_resize(guest, GROWTH);
    pin();
    shrink();
    check_reason("pinned");
    system_wait_size(guest, MEMORY_BLOCK_SIZE);
    g_free(system_run(guest, "sleep %d", WATCHED_S));
    events = tracing_wait(guest, "virtio_mhp_vacate", PINNED);
    g_assert_cmpuint(tracing_count(events, "virtio_mhp_vacate", "=pinned"), ==,
                     1);
    system_let_go(guest, "pinned");
    tear_down();
}

static void test_new_request(void)
{
    g_autofree char *last_error = NULL;

    system_resize(guest, GROWTH);
    pin();
    shrink();
    g_ptr_array_unref(tracing_wait(guest, "virtio_mhp_vacate", PINNED));

    tracing_start(guest, TRACING_OURS);
    system_request(guest, MEMORY_BLOCK_SIZE);
    g_ptr_array_unref(tracing_wait(guest, "virtio_mhp_resize_end", "result=0"));
    last_error = system_attr_text(guest, "last_error");
    g_assert_cmpstr(last_error, ==, "none");

    shrink();
    g_ptr_array_unref(tracing_wait(guest, "virtio_mhp_vacate", PINNED));
    system_let_go(guest, "pinned");
    tear_down();
}

static void set_deadline(unsigned ms)
{
    g_free(system_run(guest, "echo %u >" PARAMETERS "block_timeout_ms", ms));
}

#define ATTEMPTS 2

/*
 * A huge page is cleared before it is anybody's. Meanwhile it looks like kernel
 * memory, and the only block is where all of them are.
 */
static void test_pinned_among_others(void)
{
    system_resize(guest, MEMORY_BLOCK_SIZE);
    pin();
    /* How soon it is tried again depends on how long it took */
    set_deadline(100);
    g_free(system_run(guest, "echo always >" THP "; rm -f /tmp/others;"
                             "for i in 1 2; do"
                             " while :; do dd if=/dev/zero bs=40M count=1; done"
                             " >/dev/null 2>&1 & echo $! >>/tmp/others; done"));
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        g_autoptr(GPtrArray) events = NULL;

        shrink();
        events = tracing_wait(guest, "virtio_mhp_vacate", "result=-62");
        g_assert_cmpuint(tracing_count(events, "virtio_mhp_vacate", ""), ==,
                         tracing_count(events, "virtio_mhp_vacate", "=pinned"));
        tracing_start(guest, TRACING_OURS);
        system_request(guest, MEMORY_BLOCK_SIZE);
        g_ptr_array_unref(
            tracing_wait(guest, "virtio_mhp_resize_end", "result=0"));
    }
    g_free(system_run(guest, "kill $(cat /tmp/others); echo madvise >" THP));
    set_deadline(500);
    system_let_go(guest, "pinned");
    system_request(guest, 0);
    tear_down();
}

static void check_kernel_memory(const char *parameters)
{
    system_resize(guest, GROWTH);
    g_free(system_run(guest,
                      "insmod /lib/modules/mhp_hold.ko addr=0x%" PRIx64
                      " size=0x%" PRIx64 " %s",
                      system_addr(guest), RANGE, parameters));
    shrink();
    check_reason("kernel-memory");
    system_wait_size(guest, MEMORY_BLOCK_SIZE);
    g_free(system_run(guest, "rmmod mhp_hold"));
    tear_down();
}

static void test_kernel_memory(void)
{
    check_kernel_memory("");
}

static void test_reserved_page(void)
{
    check_kernel_memory("reserved=1");
}

/* All but some of the memory is huge pages in use: none is left to move to */
static void test_hugetlb(void)
{
    system_resize(guest, GROWTH);
    g_free(system_run(
        guest, "free=$(awk '/MemFree/ {print int($2 / 1024)}' /proc/meminfo);"
               "echo $(((free - 160) / 2)) >" HUGEPAGES ";"
               "mkdir -p /tmp/huge && mount -t hugetlbfs none /tmp/huge &&"
               " fallocate -l $(($(cat " HUGEPAGES ") << 21)) /tmp/huge/file"));
    shrink();
    check_reason("hugetlb");
    g_assert_cmpuint(system_size(guest), >, 0);
    g_free(system_run(guest, "umount /tmp/huge && echo 0 >" HUGEPAGES));
    tear_down();
}

/* More than there are */
#define NB_HUGE 1000

/*
 * Of the pages that the kernel could reclaim, most are isolated with the block.
 * For each huge page it looks for a free one by compaction, which waits until
 * fewer are: for the worker itself, and only what would kill it ends that.
 */
static void test_hugetlb_among_isolated(void)
{
    /* Boot memory is full of holes; locked pages are on none of its lists */
    g_free(system_run(guest, "echo 0 >" COMPACT_LOCKED));
    g_free(system_hold(guest, "filled", "mhp-fill locked 400"));
    system_resize(guest, MEMORY_BLOCK_SIZE);
    g_free(system_hold(guest, "filled", "mhp-fill pages 16"));
    g_free(system_run(
        guest,
        "echo %u >" HUGEPAGES ";"
        "mkdir -p /tmp/huge && mount -t hugetlbfs none /tmp/huge &&"
        " fallocate -l $(($(cat " HUGEPAGES ") << 21)) /tmp/huge/file",
        NB_HUGE));
    shrink();
    check_reason("hugetlb");
    g_assert_cmpuint(system_size(guest), ==, MEMORY_BLOCK_SIZE);
    g_free(system_run(guest, "umount /tmp/huge && echo 0 >" HUGEPAGES ";"
                             "echo 1 >" COMPACT_LOCKED));
    system_let_go(guest, "filled");
    tear_down();
}

#define BUSY_AGAIN "reason=busy result=-62 retry="

/* 1, 2, 4 seconds: the event after each attempt says when the next one is */
static void check_backoff(void)
{
    g_autoptr(GPtrArray)
        events = tracing_wait(guest, "virtio_mhp_vacate", BUSY_AGAIN "4s");
    TraceEvent *last = tracing_find(events, 0, "virtio_mhp_vacate",
                                    BUSY_AGAIN "4s");
    const char *addr = strstr(last->text, "addr=");
    double before = 0;

    for (unsigned seconds = 1; seconds <= 4; seconds *= 2) {
        g_autofree char *text = g_strdup_printf(
            "%.*s" BUSY_AGAIN "%us", (int)(strstr(addr, "reason=") - addr),
            addr, seconds);
        TraceEvent *event = tracing_find(events, before, "virtio_mhp_vacate",
                                         text);

        g_assert_nonnull(event);
        if (before > 0) {
            g_assert_cmpfloat(event->time - before, >=,
                              (double)seconds / 2 - 0.05);
        }
        before = event->time;
    }
}

/*
 * A deadline that nothing can meet. With several blocks the worker would have
 * to rest from the others before each is tried so often.
 */
static void test_busy(void)
{
    system_resize(guest, MEMORY_BLOCK_SIZE);
    set_deadline(0);
    g_free(system_run(guest, "mkdir -p /tmp/data &&"
                             " mount -t tmpfs -o size=1g none /tmp/data &&"
                             " fallocate -l 100M /tmp/data/file"));
    shrink();
    check_reason("busy");
    check_backoff();
    g_assert_cmpuint(system_size(guest), >, 0);
    set_deadline(500);
    system_wait_size(guest, 0);
    g_free(system_run(guest, "umount /tmp/data"));
    tear_down();
}

/*
 * What looked pinned once and is not is no worse than any other block. A page
 * that somebody only looks at when the worker does is enough for that.
 */
static void test_busy_after_pin(void)
{
    system_resize(guest, MEMORY_BLOCK_SIZE);
    pin_small();
    set_deadline(0);
    g_free(system_run(guest, "mkdir -p /tmp/data &&"
                             " mount -t tmpfs -o size=1g none /tmp/data &&"
                             " fallocate -l 90M /tmp/data/file"));
    shrink();
    g_ptr_array_unref(tracing_wait(guest, "virtio_mhp_vacate", PINNED));
    system_let_go(guest, "pinned");
    g_ptr_array_unref(
        tracing_wait(guest, "virtio_mhp_vacate", BUSY_AGAIN "1s"));
    set_deadline(500);
    system_wait_size(guest, 0);
    g_free(system_run(guest, "umount /tmp/data"));
    tear_down();
}

static void test_no_room(void)
{
    system_resize(guest, GROWTH);
    g_free(system_run(guest, "mkdir -p /tmp/data &&"
                             " mount -t tmpfs -o size=2g none /tmp/data &&"
                             " fallocate -l 1400M /tmp/data/file"));
    shrink();
    check_reason("no-room");
    g_assert_cmpuint(system_size(guest), >, 0);
    /* Memory is freed, and nobody asks again */
    g_free(system_run(guest, "umount /tmp/data"));
    tear_down();
}

/* Once it is fulfilled, nothing is left to say. */
static void test_success(void)
{
    g_autofree char *last_error = NULL;
    g_autofree char *blocks = NULL;

    system_resize(guest, GROWTH);
    pin();
    shrink();
    check_reason("pinned");
    tracing_start(guest, TRACING_OURS);
    system_request(guest, GROWTH);
    g_ptr_array_unref(tracing_wait(guest, "virtio_mhp_resize_end", "result=0"));
    last_error = system_attr_text(guest, "last_error");
    g_assert_cmpstr(last_error, ==, "none");
    blocks = system_attr_text(guest, "blocks");
    g_assert_cmpuint(klog_count(blocks, "pinned"), ==, 0);
    g_assert_cmpuint(klog_count(blocks, "ONLINE"), ==, BLOCKS);
    system_let_go(guest, "pinned");
    system_request(guest, 0);
    tear_down();
}

#define PATH "/virtio-mhp/system/reasons/"

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    g_test_add_func(PATH "pinned, tried once, and let go", test_pinned);
    g_test_add_func(PATH "a new request is a new chance", test_new_request);
    g_test_add_func(PATH "pinned, among pages on their way to their users",
                    test_pinned_among_others);
    g_test_add_func(PATH "kernel memory", test_kernel_memory);
    g_test_add_func(PATH "kernel memory that is reserved", test_reserved_page);
    g_test_add_func(PATH "hugetlb", test_hugetlb);
    g_test_add_func(PATH "hugetlb, and most pages are isolated",
                    test_hugetlb_among_isolated);
    g_test_add_func(PATH "busy, tried after 1, 2, 4 seconds", test_busy);
    g_test_add_func(PATH "busy, once it is no longer pinned",
                    test_busy_after_pin);
    g_test_add_func(PATH "no room", test_no_room);
    g_test_add_func(PATH "none once the request is fulfilled", test_success);

    guest = system_boot(GROWTH, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    status = g_test_run();
    system_end(guest);
    return status;
}
