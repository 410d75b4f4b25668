/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host is told of the guest's memory: the guest's own figures, without
 * a virtio-balloon, also while a block is being vacated, and what is not known
 * is not told. A host that never asks holds nothing up.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "support.h"
#include "tracing.h"

#define BLOCKS 4
#define GROWTH (BLOCKS * MEMORY_BLOCK_SIZE)
#define PAGE UINT64_C(4096)
#define NOT_KNOWN UINT64_MAX
#define WAIT_MS 60000

static Guest *guest;

static JsonNode *get(const char *property)
{
    g_autoptr(GError) error = NULL;
    JsonNode *result = qmp_executef(
        guest_qmp(guest), &error, "qom-get",
        "{'path': '" MEMDEV_PATH "', 'property': '%s'}", property);

    g_assert_no_error(error);
    return result;
}

static int64_t counter(const char *name)
{
    g_autoptr(JsonNode) counters = get("counters");

    return json_object_get_int_member(json_node_get_object(counters), name);
}

static void ask_every(unsigned seconds)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(qmp_set_uint(guest_qmp(guest), MEMDEV_PATH,
                               "guest-stats-polling-interval", seconds,
                               &error));
}

static bool has_read(void *opaque, G_GNUC_UNUSED GError **error)
{
    return counter("stats-read") >= *(int64_t *)opaque;
}

static void wait_read(int64_t nb)
{
    g_autoptr(GError) error = NULL;

    wait_until(has_read, &nb, WAIT_MS, "the guest's next figures", &error);
    g_assert_no_error(error);
}

/* Figures that were all taken after the call; the next buffer may be older */
static JsonNode *fresh(void)
{
    wait_read(counter("stats-read") + 2);
    return get("guest-stats");
}

static uint64_t stat_of(JsonNode *stats, const char *name)
{
    JsonObject *object = json_object_get_object_member(
        json_node_get_object(stats), "stats");

    g_assert_true(json_object_has_member(object, name));
    return (uint64_t)json_object_get_int_member(object, name);
}

static uint64_t fresh_stat(const char *name)
{
    g_autoptr(JsonNode) stats = fresh();

    return stat_of(stats, name);
}

/* What the guest's files say at one moment */
typedef struct Files {
    char *vmstat;
    char *meminfo;
    char *pressure;
    GArray *zones;
} Files;

static Files read_files(void)
{
    g_autofree char *zoneinfo = system_run(guest, "cat /proc/zoneinfo");

    return (Files){
        .vmstat = system_run(guest, "echo; cat /proc/vmstat"),
        .meminfo = system_run(guest, "echo; cat /proc/meminfo"),
        .pressure = system_run(guest, "cat /sys/fs/cgroup/memory.pressure"),
        .zones = zoneinfo_parse(zoneinfo),
    };
}

static void free_files(Files *files)
{
    g_free(files->vmstat);
    g_free(files->meminfo);
    g_free(files->pressure);
    g_array_unref(files->zones);
}

/* The number after "\n@name" in a file, all of them if several start so */
static uint64_t sum_lines(const char *text, const char *name)
{
    g_autofree char *start = g_strdup_printf("\n%s", name);
    const char *line = strstr(text, start);
    uint64_t sum = 0;

    g_assert_nonnull(line);
    for (; line; line = strstr(line + 1, start)) {
        sum += g_ascii_strtoull(line + 1 + strcspn(line + 1, " "), NULL, 10);
    }
    return sum;
}

static uint64_t vmstat(const Files *files, const char *name)
{
    g_autofree char *whole = g_strdup_printf(
        "%s%s", name, g_str_has_suffix(name, "_") ? "" : " ");

    return sum_lines(files->vmstat, whole);
}

/* Pages of zones that are ZONE_MOVABLE, or of all others */
static uint64_t zone_pages(const Files *files, bool is_movable, bool is_free)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < files->zones->len; i++) {
        const Zone *zone = &g_array_index(files->zones, Zone, i);

        if (g_str_equal(zone->name, "Movable") == is_movable &&
            !g_str_equal(zone->name, "Device")) {
            pages += is_free ? zone->free : zone->managed;
        }
    }
    return pages;
}

/* "some avg10=0.12 avg60=0.00 avg300=0.00 total=34567" */
static uint64_t pressure(const Files *files, const char *which, bool is_total)
{
    const char *line = strstr(files->pressure, which);
    unsigned percent, hundredths;
    uint64_t total;

    g_assert_nonnull(line);
    g_assert_cmpint(sscanf(line + strlen(which),
                           " avg10=%u.%2u %*s %*s total=%" SCNu64, &percent,
                           &hundredths, &total),
                    ==, 3);
    return is_total ? total : percent * 100 + hundredths;
}

/* What only grows lies between what was told before and after. */
static void check_growing(JsonNode *before, JsonNode *after, const char *name,
                          uint64_t got)
{
    g_test_message("%s: %" PRIu64, name, got);
    g_assert_cmpuint(stat_of(before, name), <=, got);
    g_assert_cmpuint(got, <=, stat_of(after, name));
}

/* What goes up and down may have moved a little since then. */
static void check_near(JsonNode *after, const char *name, uint64_t got,
                       uint64_t tolerance)
{
    const uint64_t told = stat_of(after, name);

    g_test_message("%s: %" PRIu64 ", told %" PRIu64, name, got, told);
    g_assert_cmpuint(told, <=, got + tolerance);
    g_assert_cmpuint(got, <=, told + tolerance);
}

static void check_vmstat(JsonNode *before, JsonNode *after, const Files *files)
{
    static const struct {
        const char *name;
        const char *of_vmstat;
        uint64_t unit;
    } rows[] = {
        {"stat-swap-in", "pswpin", PAGE},
        {"stat-swap-out", "pswpout", PAGE},
        {"stat-major-faults", "pgmajfault", 1},
        {"stat-minor-faults", "pgfault", 1},
        {"stat-oom-kills", "oom_kill", 1},
        {"stat-alloc-stalls", "allocstall_", 1},
        {"stat-async-scans", "pgscan_kswapd", PAGE},
        {"stat-direct-scans", "pgscan_direct", PAGE},
        {"stat-async-reclaims", "pgsteal_kswapd", PAGE},
        {"stat-direct-reclaims", "pgsteal_direct", PAGE},
        {"stat-htlb-pgalloc", "htlb_buddy_alloc_success", 1},
        {"stat-htlb-pgfail", "htlb_buddy_alloc_fail", 1},
        {"stat-refault-anon", "workingset_refault_anon", PAGE},
        {"stat-refault-file", "workingset_refault_file", PAGE},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        check_growing(before, after, rows[i].name,
                      vmstat(files, rows[i].of_vmstat) * rows[i].unit);
    }
}

static void check_sizes(JsonNode *after, const Files *files)
{
    const uint64_t near = 16 * MiB;

    check_near(after, "stat-free-memory",
               sum_lines(files->meminfo, "MemFree:") * KiB, near);
    check_near(after, "stat-total-memory",
               sum_lines(files->meminfo, "MemTotal:") * KiB, 0);
    check_near(after, "stat-available-memory",
               sum_lines(files->meminfo, "MemAvailable:") * KiB, near);
    check_near(after, "stat-disk-caches", vmstat(files, "nr_file_pages") * PAGE,
               near);
    check_near(after, "stat-movable-free", zone_pages(files, true, true) * PAGE,
               near);
    check_near(after, "stat-movable-total",
               zone_pages(files, true, false) * PAGE, 0);
    check_near(after, "stat-kernel-free", zone_pages(files, false, true) * PAGE,
               near);
    check_near(after, "stat-kernel-total",
               zone_pages(files, false, false) * PAGE, 0);
    check_near(after, "stat-plugged", system_attr(guest, "plugged_size"), 0);
    check_near(after, "stat-online", system_attr(guest, "online_size"), 0);
    check_near(after, "stat-memmap", system_attr(guest, "memmap_on_block_size"),
               0);
    check_near(after, "stat-stuck", 0, 0);
}

static void check_pressure(JsonNode *before, JsonNode *after,
                           const Files *files)
{
    check_growing(before, after, "stat-psi-some-total",
                  pressure(files, "some", true));
    check_growing(before, after, "stat-psi-full-total",
                  pressure(files, "full", true));
    /* It goes down by a fifth each two seconds. */
    check_near(after, "stat-psi-some-avg10", pressure(files, "some", false),
               stat_of(before, "stat-psi-some-avg10") / 2 + 100);
    check_near(after, "stat-psi-full-avg10", pressure(files, "full", false),
               stat_of(before, "stat-psi-full-avg10") / 2 + 100);
}

/* DRV-STATS-3: the guest has its pressure, but no file of it is mounted */
static void test_not_known(void)
{
    static const char *const names[] = {
        "stat-psi-some-avg10",
        "stat-psi-some-total",
        "stat-psi-full-avg10",
        "stat-psi-full-total",
    };
    g_autoptr(JsonNode) stats = NULL;

    ask_every(1);
    stats = fresh();
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_assert_cmpuint(stat_of(stats, names[i]), ==, NOT_KNOWN);
    }
    g_assert_cmpuint(stat_of(stats, "stat-total-memory"), !=, NOT_KNOWN);
    /* Nor if something else has that name */
    g_free(system_run(guest,
                      "mount -t tmpfs none /sys/fs/cgroup;"
                      "echo 'some avg10=1.00 avg60=0.00 avg300=0.00 total=1'"
                      " >/sys/fs/cgroup/memory.pressure"));
    g_assert_cmpuint(fresh_stat("stat-psi-some-total"), ==, NOT_KNOWN);
    g_free(system_run(guest, "umount /sys/fs/cgroup"));
    ask_every(0);
}

/* More than the guest has; of zeros, which compressed swap has room for */
#define FILE_MIB 1800

/* Some of everything: huge pages that there are and are not, swap, reclaim */
static void make_trouble(void)
{
    g_free(system_run(
        guest,
        "cd /lib/modules; for name in zsmalloc lzo-rle lz4_compress lz4hc_compress zram;"
        " do [ ! -e $name.ko ] || insmod $name.ko; done;"
        "echo 4G >/sys/block/zram0/disksize &&"
        " mkswap /dev/zram0 && swapon /dev/zram0 && mkdir /tmp/big &&"
        " mount -t tmpfs -o size=4G none /tmp/big &&"
        " dd if=/dev/zero of=/tmp/big/file bs=1M count=%u &&"
        " cat /tmp/big/file >/dev/null &&"
        " echo 4 >/proc/sys/vm/nr_hugepages &&"
        " echo 100000 >/proc/sys/vm/nr_hugepages;"
        "echo 0 >/proc/sys/vm/nr_hugepages; umount /tmp/big",
        FILE_MIB));
}

/* All that this can make happen */
static void check_trouble(const Files *files)
{
    static const char *const names[] = {
        "pswpin",
        "pswpout",
        "pgmajfault",
        "allocstall_",
        "pgscan_direct",
        "pgsteal_direct",
        "pgscan_kswapd",
        "pgsteal_kswapd",
        "htlb_buddy_alloc_success",
        "htlb_buddy_alloc_fail",
        "workingset_refault_anon",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_test_message("%s", names[i]);
        g_assert_cmpuint(vmstat(files, names[i]), >, 0);
    }
}

/* DRV-STATS-2 */
static void test_the_guests_own(void)
{
    g_autoptr(JsonNode) before = NULL;
    g_autoptr(JsonNode) after = NULL;
    Files files;

    g_free(system_run(guest, "mount -t cgroup2 none /sys/fs/cgroup"));
    system_resize(guest, GROWTH);
    make_trouble();
    ask_every(1);
    before = fresh();
    files = read_files();
    after = fresh();
    check_vmstat(before, after, &files);
    check_sizes(after, &files);
    check_pressure(before, after, &files);
    check_trouble(&files);
    g_assert_cmpuint(stat_of(after, "stat-plugged"), ==, GROWTH);
    g_assert_cmpuint(stat_of(after, "stat-memmap"), ==, BLOCKS * MEMMAP_SIZE);
    free_files(&files);
    ask_every(0);
    g_free(system_run(guest, "swapoff /dev/zram0"));
    system_resize(guest, 0);
}

/* DRV-STATS-2: while the worker tries to vacate a block that cannot go */
static void test_while_a_block_is_vacated(void)
{
    uint64_t addr = system_addr(guest);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) events = NULL;
    uint64_t stuck = 0;

    system_resize(guest, MEMORY_BLOCK_SIZE);
    system_pin(guest, addr, MEMORY_BLOCK_SIZE);
    ask_every(1);
    g_assert_cmpuint(fresh_stat("stat-stuck"), ==, 0);
    tracing_start(guest, TRACING_OURS);
    system_request(guest, 0);
    g_assert_cmpuint(fresh_stat("stat-plugged"), ==, MEMORY_BLOCK_SIZE);
    events = tracing_wait(guest, "virtio_mhp_resize_end", "");
    g_assert_true(qmp_get_uint(guest_qmp(guest), MEMDEV_PATH, "stuck-size",
                               &stuck, &error));
    g_assert_cmpuint(stuck, ==, MEMORY_BLOCK_SIZE);
    g_assert_cmpuint(fresh_stat("stat-stuck"), ==, stuck);
    system_let_go(guest, "pinned");
    system_request(guest, 0);
    system_wait_size(guest, 0);
    g_assert_cmpuint(fresh_stat("stat-plugged"), ==, 0);
    ask_every(0);
}

/* DRV-STATS-1, DRV-STATS-4: the one buffer is out all the time */
static void test_never_asked(void)
{
    int64_t nb_asked = counter("stats-asked"), nb_read;

    system_unload_driver(guest);
    system_load_driver(guest, "");
    wait_read(1);
    nb_read = counter("stats-read");
    system_resize(guest, GROWTH);
    system_resize(guest, 0);
    g_assert_cmpint(counter("stats-asked"), ==, nb_asked);
    g_assert_cmpint(counter("stats-read"), ==, nb_read);
    g_assert_cmpint(counter("malformed"), ==, 0);
    /* And it goes with the driver, which does not wait for it */
    for (unsigned i = 0; i < 3; i++) {
        system_unload_driver(guest);
        system_load_driver(guest, "");
    }
    system_resize(guest, GROWTH);
    ask_every(1);
    g_assert_cmpuint(fresh_stat("stat-plugged"), ==, GROWTH);
    ask_every(0);
    system_resize(guest, 0);
    g_assert_cmpint(counter("malformed"), ==, 0);
}

/* While figures are on their way in either direction */
static void test_unloaded_while_asked(void)
{
    ask_every(1);
    for (unsigned i = 0; i < 8; i++) {
        system_unload_driver(guest);
        system_load_driver(guest, "");
        ask_every(0);
        ask_every(1);
    }
    g_assert_cmpuint(fresh_stat("stat-plugged"), ==, 0);
    ask_every(0);
}

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    guest = system_boot(GROWTH, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    g_test_add_func("/virtio-mhp/system/stats/what is not known is not told",
                    test_not_known);
    g_test_add_func("/virtio-mhp/system/stats/figures are the guest's own",
                    test_the_guests_own);
    g_test_add_func("/virtio-mhp/system/stats/while a block is vacated",
                    test_while_a_block_is_vacated);
    g_test_add_func("/virtio-mhp/system/stats/a host that never asks",
                    test_never_asked);
    g_test_add_func("/virtio-mhp/system/stats/the driver goes while asked",
                    test_unloaded_while_asked);
    status = g_test_run();
    system_end(guest);
    return status;
}
