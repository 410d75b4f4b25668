/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is free in the guest goes back to the host without a resize, and what is
 * in use stays as it is: also while the guest shrinks, from blocks that cannot
 * go, with several devices, and beside a virtio-balloon that does the same. A
 * host that does not answer keeps what it was told of, and holds nothing else
 * up.
 *
 * $MHP_BLOCKS sets how many blocks there are. hold.c is preloaded into QEMU,
 * and makes it wait for memory when it is to.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hold.h"
#include "support.h"

#define BLOCKS 4
#define GROWTH (nb_blocks * MEMORY_BLOCK_SIZE)
/* Most of it, and not what the guest has at boot, too */
#define FILE_MIB (nb_blocks * 100)
#define FILE_SIZE (FILE_MIB * MiB)
/* What the guest may use more than before: caches, page tables */
#define SLACK (64 * MiB + GROWTH / 100)
#define WAIT_MS 120000

static Guest *guest;
static Hold *hold;
static unsigned nb_blocks = BLOCKS;

static void read_number(void)
{
    const char *nb = g_getenv("MHP_BLOCKS");

    nb_blocks = nb ? (unsigned)strtoul(nb, NULL, 10) : BLOCKS;
}

static void make_hold(void)
{
    int fd = memfd_create("hold", MFD_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", getpid(), fd);

    g_assert_cmpint(fd, >=, 0);
    g_assert_no_errno(ftruncate(fd, sizeof(*hold)));
    hold = mmap(NULL, sizeof(*hold), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(hold != MAP_FAILED);
    g_setenv(HOLD_ENV, path, true);
}

static void set_mode(uint32_t mode)
{
    __atomic_store_n(&hold->kinds[HOLD_POPULATES].mode, mode, __ATOMIC_SEQ_CST);
}

/* Several that are compared are of one moment */
static JsonObject *counters_of(const char *device)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) counters = qmp_executef(
        guest_qmp(guest), &error, "qom-get",
        "{'path': '/machine/peripheral/%s', 'property': 'counters'}", device);

    g_assert_no_error(error);
    return json_node_dup_object(counters);
}

static int64_t counter(const char *name)
{
    g_autoptr(JsonObject) counters = counters_of("hp0");

    return json_object_get_int_member(counters, name);
}

/* What QEMU has of the host's memory */
static uint64_t rss(void)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status",
                                            vm_pid(guest_vm(guest)));
    g_autofree char *text = NULL;
    const char *line;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    line = strstr(text, "VmRSS:");
    g_assert_nonnull(line);
    return g_ascii_strtoull(line + strlen("VmRSS:"), NULL, 10) * 1024;
}

static bool has_little(void *opaque, G_GNUC_UNUSED GError **error)
{
    return rss() <= *(uint64_t *)opaque;
}

static void wait_rss(uint64_t most)
{
    int64_t start = g_get_monotonic_time();
    g_autoptr(GError) error = NULL;

    wait_until(has_little, &most, WAIT_MS, "QEMU to have less memory", &error);
    g_assert_no_error(error);
    g_test_message("%" PRIu64 " MiB after %.1f s", rss() / MiB,
                   (double)(g_get_monotonic_time() - start) / 1e6);
}

/* Until nothing more is reported that was free from the start */
static bool is_quiet(void *opaque, G_GNUC_UNUSED GError **error)
{
    int64_t *last = opaque, now = counter("reported-bytes");
    bool quiet = now && now == *last;

    *last = now;
    if (!quiet) {
        g_usleep(3 * G_USEC_PER_SEC);
    }
    return quiet;
}

static void wait_quiet(void)
{
    g_autoptr(GError) error = NULL;
    int64_t last = -1;

    wait_until(is_quiet, &last, WAIT_MS, "the first reports", &error);
    g_assert_no_error(error);
}

static void fill(void)
{
    g_free(system_run(guest,
                      "mkdir -p /tmp/big && mount -t tmpfs -o size=%um none"
                      " /tmp/big && dd if=/dev/zero of=/tmp/big/file bs=1M"
                      " count=%u",
                      FILE_MIB, FILE_MIB));
}

static void empty(void)
{
    g_free(system_run(guest, "umount /tmp/big"));
}

/* A file that nothing may change */
static void keep(void)
{
    g_free(system_run(guest, "mkdir -p /tmp/kept &&"
                             " mount -t tmpfs -o size=200m none /tmp/kept &&"
                             " head -c 50m /dev/urandom >/tmp/kept/file &&"
                             " md5sum /tmp/kept/file >/tmp/kept/sum"));
}

static void check_kept(void)
{
    g_free(system_run(guest, "md5sum -c /tmp/kept/sum"));
}

static void boot(void)
{
    guest = system_boot_default(GROWTH, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    keep();
}

/* DRV-REPORT-1, DRV-REPORT-3: it would be broken by a wrong shape or order */
static void check_shapes(void)
{
    g_assert_cmpint(counter("malformed"), ==, 0);
}

/* DRV-REPORT-2 */
static void test_freed_memory(void)
{
    uint64_t before, full;

    system_resize(guest, GROWTH);
    wait_quiet();
    before = rss();
    fill();
    full = rss();
    g_assert_cmpuint(full, >=, before + FILE_SIZE - SLACK);
    empty();
    wait_rss(before + SLACK);
    check_kept();
    /* It can be used again */
    fill();
    empty();
    wait_rss(before + SLACK);
    check_kept();
    check_shapes();
}

/* What is in use in the guest */
static uint64_t used(void)
{
    g_autofree char *text = system_run(
        guest, "awk '/^MemTotal/ { n += $2 } /^MemFree/ { n -= $2 }"
               " END { print n }' /proc/meminfo");

    return g_ascii_strtoull(text, NULL, 10) * 1024;
}

/* Free memory in pieces that are too small to be reported */
static uint64_t small_pieces(void)
{
    g_autofree char *text = system_run(
        guest, "awk '{ for (i = 5; i < 14; i++) n += $i * lshift(1, i - 5) }"
               " END { print n }' /proc/buddyinfo");

    return g_ascii_strtoull(text, NULL, 10) * 4096;
}

static bool has_little_else(void *opaque, G_GNUC_UNUSED GError **error)
{
    return rss() <= *(uint64_t *)opaque + small_pieces();
}

/*
 * What a pinned page keeps from being unplugged is back all the same, but for
 * what the pins take and all the moving has left in pieces
 */
static void test_stuck_blocks(void)
{
    g_autoptr(GError) error = NULL;
    uint64_t before = rss(), most = before - used() + SLACK;

    g_assert_cmpuint(system_size(guest), ==, GROWTH);
    g_free(system_hold(guest, "pinned",
                       "mhp-pins %" PRIx64 " %" PRIx64 " %" PRIx64 " %u",
                       system_addr(guest), GROWTH + MEMORY_BLOCK_SIZE,
                       (uint64_t)MEMORY_BLOCK_SIZE, nb_blocks));
    fill();
    g_assert_cmpuint(rss(), >=, before + FILE_SIZE - SLACK);
    empty();
    /* What is isolated while it is to go counts as used, too: so before that */
    most += used();
    system_request(guest, 0);
    wait_until(has_little_else, &most, WAIT_MS, "QEMU to have less memory",
               &error);
    g_test_message("%" PRIu64 " MiB, and %" PRIu64
                   " MiB in small pieces; %" PRIu64 " MiB are allowed, %" PRIu64
                   " MiB were before",
                   rss() / MiB, small_pieces() / MiB, most / MiB, before / MiB);
    g_assert_no_error(error);
    g_assert_cmpuint(system_size(guest), ==, GROWTH);
    system_let_go(guest, "pinned");
    system_request(guest, 0);
    system_wait_size(guest, 0);
    check_kept();
    check_shapes();
}

/* A buffer has come to the device */
static bool is_reported(void *opaque, G_GNUC_UNUSED GError **error)
{
    return counter("reports") > *(int64_t *)opaque;
}

static void wait_reported(int64_t nb)
{
    g_autoptr(GError) error = NULL;

    wait_until(is_reported, &nb, WAIT_MS, "a report", &error);
    g_assert_no_error(error);
}

/* DRV-REPORT-3: reports and unplugging of the same memory */
static void test_shrinking(void)
{
    for (unsigned i = 0; i < 2; i++) {
        int64_t reports;

        system_resize(guest, GROWTH);
        fill();
        wait_quiet();
        reports = counter("reports");
        empty();
        /* The first of what was freed: others follow. */
        wait_reported(reports);
        system_resize(guest, 0);
        check_kept();
    }
    check_shapes();
}

static bool is_hung(G_GNUC_UNUSED void *opaque, G_GNUC_UNUSED GError **error)
{
    return __atomic_load_n(&hold->kinds[HOLD_POPULATES].nb_waiting,
                           __ATOMIC_SEQ_CST) > 0;
}

static void wait_hung(void)
{
    g_autoptr(GError) error = NULL;

    wait_until(is_hung, NULL, WAIT_MS, "QEMU to wait for memory", &error);
    g_assert_no_error(error);
}

static char *virtio_name(void)
{
    return system_run(
        guest, "basename /sys/bus/virtio/drivers/mhp_vmemmap_mem/virtio*");
}

static void bind(const char *name, const char *what)
{
    g_free(system_run(guest,
                      "echo %s >/sys/bus/virtio/drivers/mhp_vmemmap_mem/%s",
                      name, what));
}

/* DRV-REPORT-2, DRV-REPORT-4: the device gives the pages back by being reset */
static void test_never_answered(void)
{
    g_autofree char *name = virtio_name();
    int64_t nb;

    system_resize(guest, GROWTH / 2);
    wait_quiet();
    nb = counter("reports");
    set_mode(HOLD_WAIT);
    system_request(guest, GROWTH);
    wait_hung();
    fill();
    empty();
    wait_reported(nb);
    nb = counter("reported-bytes");
    check_kept();
    g_assert_cmpint(counter("reported-bytes"), ==, nb);
    bind(name, "unbind");
    check_kept();
    fill();
    empty();
    set_mode(HOLD_PASS);
    bind(name, "bind");
    system_wait_size(guest, GROWTH);
    wait_reported(counter("reports"));
    system_resize(guest, 0);
    check_kept();
    check_shapes();
    system_end(guest);
}

static bool has_own(void *opaque, G_GNUC_UNUSED GError **error)
{
    g_autoptr(JsonObject) counters = counters_of(opaque);

    return json_object_get_int_member(counters, "reported-discarded-bytes") >=
           (int64_t)(GROWTH / 4);
}

static void wait_own(const char *device)
{
    g_autoptr(GError) error = NULL;

    wait_until(has_own, (void *)device, WAIT_MS, "reports of its own", &error);
    g_assert_no_error(error);
}

/* Each is told of its own memory, and whichever there is of the rest */
static void test_two_devices(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) others = NULL;

    guest = system_new(2 * GROWTH, SYSTEM_MEMMAP_ON);
    vm_add_plugin(guest_vm(guest));
    for (unsigned i = 0; i < 2; i++) {
        vm_add_opt(guest_vm(guest), "object",
                   "memory-backend-ram,id=m%u,size=%" PRIu64 ",reserve=off", i,
                   (uint64_t)GROWTH);
        vm_add_opt(guest_vm(guest), "device",
                   "mhp-vmemmap-mem,id=hp%u,memdev=m%u,requested-size=%" PRIu64,
                   i, i, (uint64_t)(GROWTH / 2));
    }
    guest_boot(guest, &error);
    g_assert_no_error(error);
    system_load_driver(guest, "");
    system_wait_size(guest, GROWTH / 2);
    wait_own("hp0");
    wait_own("hp1");
    others = counters_of("hp1");
    g_assert_cmpint(
        json_object_get_int_member(others, "reported-discarded-bytes"), ==,
        json_object_get_int_member(others, "reported-bytes"));
    guest_free(guest);
}

/* A kernel has one reporter: the other driver says so once, and does without */
static void test_beside_virtio_balloon(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *log = NULL;

    guest = system_new(GROWTH, SYSTEM_MEMMAP_ON);
    memdev_add(guest, MEMDEV_DEFAULT, GROWTH);
    vm_add_args(guest_vm(guest), "-device",
                "virtio-balloon-pci,free-page-reporting=on", NULL);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    g_assert_true(guest_load(guest, "virtio_balloon", "", &error));
    system_load_driver(guest, "");
    system_resize(guest, GROWTH / 2);
    system_resize(guest, 0);
    g_assert_cmpint(counter("reports"), ==, 0);
    log = guest_klog(guest, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(klog_count(log, "is reported by another driver"), ==, 1);
    /* The place is free again, for the next driver that is loaded */
    system_unload_driver(guest);
    g_free(system_run(guest, "rmmod virtio_balloon"));
    system_load_driver(guest, "");
    wait_reported(0);
    system_unload_driver(guest);
    system_load_driver(guest, "free_page_reporting=0");
    system_resize(guest, GROWTH / 2);
    system_resize(guest, 0);
    system_end(guest);
}

#define PATH "/virtio-mhp/system/reporting/"

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    read_number();
    make_hold();
    boot();
    g_test_add_func(PATH "what is freed goes back", test_freed_memory);
    g_test_add_func(PATH "also from blocks that are stuck", test_stuck_blocks);
    g_test_add_func(PATH "a shrink meanwhile", test_shrinking);
    g_test_add_func(PATH "a host that never answers", test_never_answered);
    g_test_add_func(PATH "each device has its own", test_two_devices);
    g_test_add_func(PATH "beside a virtio-balloon", test_beside_virtio_balloon);
    return g_test_run();
}
