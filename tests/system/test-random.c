/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Anything that host, administrator and userspace may do, in random order from
 * one seed: whatever came before, what is plugged is what device and driver
 * say, data survives, and the kernel does not complain.
 *
 * Most requests are not waited for, so that the next step finds the driver at
 * work. MHP_SEED repeats a run, MHP_STEPS says how long it is. A test that
 * fails shows the latest steps.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abort-log.h"
#include "burst.h"
#include "bystander.h"

#define GROWTH (4 * GiB)
#define REGION_BLOCKS (GROWTH / MEMORY_BLOCK_SIZE)
#define DEFAULT_STEPS 150
#define IN_DRIVER "cd /sys/bus/virtio/drivers/mhp_vmemmap_mem/virtio*/ && "

static Guest *guest;
static GRand *dice;
static int trace;
static uint64_t requested;
/* What the driver may plug beyond that when it finds memory short */
static uint64_t pressure;
/* The driver has done what was requested, as far as we know */
static bool is_settled;

static bool toss(void)
{
    return g_rand_boolean(dice);
}

typedef struct Sizes {
    uint64_t requested;
    uint64_t plugged;
    uint64_t online;
    uint64_t sum; /* of the blocks */
} Sizes;

/* What the driver says, whose kernel must have nothing to say */
static Sizes ask_driver(void)
{
    g_autofree char *text = system_run(guest, IN_DRIVER
                                       "echo $(cat requested_size plugged_size"
                                       " online_size) $(cat blocks | wc -l);"
                                       "dmesg -c");
    g_autofree char *trouble = klog_trouble(text);
    unsigned nb_blocks = 0;
    Sizes sizes = {};

    g_assert_cmpstr(trouble, ==, NULL);
    g_assert_cmpint(sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %u",
                           &sizes.requested, &sizes.plugged, &sizes.online,
                           &nb_blocks),
                    ==, 4);
    sizes.sum = nb_blocks * MEMORY_BLOCK_SIZE;
    return sizes;
}

/* The driver may pass the size while it still follows an earlier request */
static bool has_heard(void *opaque, GError **error)
{
    (void)opaque;
    (void)error;
    return ask_driver().requested == requested;
}

static void set_pressure(uint64_t size)
{
    pressure = size;
    burst_allow(guest, size);
}

/* With nothing that the guest decides */
static void check(void)
{
    g_autoptr(GError) error = NULL;
    Sizes sizes;

    set_pressure(0);
    wait_until(has_heard, NULL, SYSTEM_STALL_MS, "the driver's look", &error);
    g_assert_no_error(error);
    system_wait_size(guest, requested);
    is_settled = true;
    sizes = ask_driver();
    g_assert_cmpuint(sizes.plugged, ==, requested);
    g_assert_cmpuint(sizes.sum, ==, requested);
    g_assert_cmpuint(sizes.online, <=, requested);
    g_assert_cmpuint(system_size(guest), ==, requested);
}

static void check_file(void)
{
    bystander_check_file(guest);
}

static void step_write_file(void)
{
    check_file();
    bystander_write_file(guest);
}

static void request_any(void)
{
    requested = g_rand_int_range(dice, 0, REGION_BLOCKS + 1) *
                MEMORY_BLOCK_SIZE;
    dprintf(trace, " to %" PRIu64 " MiB", requested / MiB);
    is_settled = false;
    system_request(guest, requested);
}

static void step_resize(void)
{
    request_any();
    if (toss()) {
        dprintf(trace, " and wait");
        check();
    }
}

/* One after the other, some of them while the guest stands still */
static void step_burst(void)
{
    const int nb = g_rand_int_range(dice, 3, 16);
    bool is_stopped = false;

    for (int i = 0; i < nb; i++) {
        const int what = g_rand_int_range(dice, 0, 8);

        if (what == 0) {
            is_stopped = !is_stopped;
            bystander_stop(guest, is_stopped);
        } else if (what == 1 && !is_stopped) {
            ask_driver();
        }
        request_any();
    }
    if (is_stopped) {
        bystander_stop(guest, false);
    }
}

static void step_to_nothing(void)
{
    requested = 0;
    is_settled = false;
    system_request(guest, requested);
    check();
    check_file();
}

/* Write @state to any block that was listed; true if it went */
static bool write_state(const char *state)
{
    return bystander_write_state(guest, g_rand_int(dice), state);
}

static void step_offline(void)
{
    bystander_list_blocks(guest);
    dprintf(trace, "%s", write_state("offline") ? "" : " (refused)");
}

static void step_online(void)
{
    const char *state = toss() ? "online" : "online_movable";

    bystander_list_blocks(guest);
    dprintf(trace, "%s", write_state(state) ? "" : " (refused)");
}

static void step_online_kernel(void)
{
    bystander_list_blocks(guest);
    g_assert_false(write_state("online_kernel"));
}

static bool is_unloaded(void *opaque, GError **error)
{
    (void)opaque;
    (void)error;
    return !system_status(guest, "rmmod mhp_vmemmap_mem");
}

/* Refused while anything is plugged, which only a settled driver can promise */
static void step_reload(void)
{
    g_autoptr(GError) error = NULL;

    if (is_settled && !requested) {
        /* The device may say so before the driver has let go */
        wait_until(is_unloaded, NULL, SYSTEM_STALL_MS, "unloading", &error);
        g_assert_no_error(error);
    } else if (!is_unloaded(NULL, NULL)) {
        dprintf(trace, " (refused)");
        return;
    }
    g_assert_false(is_settled && requested);
    g_assert_cmpuint(system_size(guest), ==, 0);
    if (toss()) {
        requested = g_rand_int_range(dice, 0, 8) * MEMORY_BLOCK_SIZE;
        system_request(guest, requested);
    }
    is_settled = false;
    system_load_driver(guest, "");
}

/* Without its driver all stays as it is, but for what userspace does */
static void rebind(bool with_states)
{
    const bool from_bus = toss();
    const int nb = g_rand_int_range(dice, 0, 4);

    bystander_list_blocks(guest);
    bystander_take_device(guest, from_bus);
    is_settled = false;
    for (int i = 0; i < nb; i++) {
        if (toss() || !with_states) {
            request_any();
        } else {
            write_state(toss() ? "offline" : "online");
        }
    }
    bystander_give_back_device(guest, from_bus);
    check_file();
}

static void step_rebind(void)
{
    rebind(true);
}

/*
 * For a few requests, which are not waited for. Userspace would wait for ever
 * to offline that block.
 */
static void step_pin(void)
{
    const bool is_pinned = bystander_pin(guest, system_addr(guest),
                                         GROWTH + MEMORY_BLOCK_SIZE);

    dprintf(trace, "%s", is_pinned ? "" : " (no page)");
    step_burst();
    if (toss()) {
        rebind(false);
    }
    if (is_pinned) {
        bystander_unpin(guest);
    }
}

/* How far the guest may grow by itself, whether it needs it or not */
static void step_pressure_size(void)
{
    set_pressure(g_rand_int_range(dice, 0, REGION_BLOCKS + 1) *
                 MEMORY_BLOCK_SIZE);
    dprintf(trace, " to %" PRIu64 " MiB", pressure / MiB);
    is_settled = false;
}

/*
 * Three quarters of what there is, so that a small guest gets short of memory,
 * and free memory is reported afterwards. Nobody is to be killed: no shrink is
 * under way.
 */
static void step_take_memory(void)
{
    const uint64_t size = pressure;

    check();
    set_pressure(size);
    is_settled = !size;
    g_free(system_run(guest, "mhp-burst $(awk '/^MemAvailable/"
                             " { print int($2 / 1024 * 3 / 4) }'"
                             " /proc/meminfo) 0"));
}

static void step_statistics(void)
{
    const unsigned seconds = (unsigned)g_rand_int_range(dice, 0, 3);
    g_autoptr(GError) error = NULL;

    dprintf(trace, " each %u s", seconds);
    qmp_set_uint(guest_qmp(guest), MEMDEV_PATH, "guest-stats-polling-interval",
                 seconds, &error);
    g_assert_no_error(error);
}

/* Seldom: it takes seconds */
static void step_idle(void)
{
    dprintf(trace, "%s", bystander_idle(guest) ? "" : " (refused)");
}

static void step_huge_pages(void)
{
    bystander_huge_pages(guest, (unsigned)g_rand_int_range(dice, 0, 48));
}

static void step_cpu(void)
{
    bystander_second_cpu(guest, toss());
}

static void step_timeout(void)
{
    static const unsigned ms[] = {50, 500, 5000};

    bystander_block_timeout(guest,
                            ms[g_rand_int_range(dice, 0, G_N_ELEMENTS(ms))]);
}

static void step_reset(void)
{
    g_autoptr(GError) error = NULL;

    check_file();
    guest_reset(guest, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(system_size(guest), ==, 0);
    is_settled = false;
    bystander_forget_file();
    system_load_driver(guest, "");
}

/*
 * More than is free outside ZONE_MOVABLE, by half a block: with two blocks
 * there is room to spare, as nobody is to be killed here.
 */
#define KERNEL_MIB                                     \
    "$(awk '/^Node/ { zone = $4 }"                     \
    " /pages free/ && zone != \"Movable\" { n += $3 }" \
    " END { print int(n / 256) + 64 }' /proc/zoneinfo)"
#define KERNEL_BLOCKS "/sys/module/mhp_vmemmap_mem/parameters/kernel_blocks"
#define KERNEL_MEMORY "/sys/module/mhp_kernel/parameters"

/* Blocks that the kernel has had for itself can stay: then all begins anew */
static void step_kernel_memory(void)
{
    int status;

    status = system_status(guest, "[ -e " KERNEL_MEMORY " ] ||"
                                  " insmod /lib/modules/mhp_kernel.ko;"
                                  "echo demand:256M >" KERNEL_BLOCKS ";"
                                  "echo 1 >" KERNEL_MEMORY "/gives_up;"
                                  "echo " KERNEL_MIB " >" KERNEL_MEMORY
                                  "/mib 2>/dev/null");
    dprintf(trace, "%s", status ? " (none)" : "");
    step_burst();
    if (toss()) {
        rebind(false);
    }
    g_free(system_run(guest, "echo 0 >" KERNEL_MEMORY "/mib;"
                             "echo off >" KERNEL_BLOCKS));
    if (system_attr(guest, "kernel_blocks_size")) {
        dprintf(trace, " and reset");
        step_reset();
    }
}

static const struct {
    const char *name;
    unsigned weight;
    void (*run)(void);
} steps[] = {
    {"resize", 100, step_resize},
    {"resize many times", 16, step_burst},
    {"shrink to nothing", 6, step_to_nothing},
    {"offline", 24, step_offline},
    {"online", 20, step_online},
    {"online_kernel", 8, step_online_kernel},
    {"reload", 10, step_reload},
    {"take the device and give it back", 8, step_rebind},
    {"pin a page", 5, step_pin},
    {"idle", 2, step_idle},
    {"huge pages", 5, step_huge_pages},
    {"the second CPU", 4, step_cpu},
    {"block_timeout_ms", 3, step_timeout},
    {"write the file", 8, step_write_file},
    {"check the file", 8, check_file},
    {"pressure-size", 8, step_pressure_size},
    {"take memory", 4, step_take_memory},
    {"statistics", 4, step_statistics},
    {"kernel memory", 2, step_kernel_memory},
    {"reset", 1, step_reset},
};

static void do_step(unsigned number)
{
    unsigned sum = 0, i = 0, at;

    for (unsigned j = 0; j < G_N_ELEMENTS(steps); j++) {
        sum += steps[j].weight;
    }
    at = (unsigned)g_rand_int_range(dice, 0, (gint32)sum);
    while (at >= steps[i].weight) {
        at -= steps[i++].weight;
    }
    dprintf(trace, "\nstep %u: %s", number, steps[i].name);
    steps[i].run();
}

static void test_random(void)
{
    const char *text = g_getenv("MHP_STEPS");
    unsigned nb_steps = text ? (unsigned)atoi(text) : DEFAULT_STEPS;
    const gint64 start = g_get_monotonic_time();

    for (unsigned i = 1; i <= nb_steps; i++) {
        do_step(i);
    }
    check();
    check_file();
    step_to_nothing();
    g_test_message("%u steps in %" PRId64 " s", nb_steps,
                   (int64_t)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
}

/* One seed for all; GTest's own, if it is told none, differs each time */
static void set_up(void)
{
    const char *text = g_getenv("MHP_SEED");
    guint32 seed = text ? (guint32)strtoul(text, NULL, 10)
                        : (guint32)g_test_rand_int();

    dice = g_rand_new_with_seed(seed);
    trace = memfd_create("steps", MFD_CLOEXEC);
    g_assert_cmpint(trace, >=, 0);
    abort_log_add(trace, "steps");
    dprintf(trace, "the same again: MHP_SEED=%u", seed);
    g_test_message("random steps on %s: MHP_SEED=%u", system_kver(), seed);
}

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    g_test_add_func("/virtio-mhp/system/random/any order of steps keeps sizes "
                    "and data",
                    test_random);
    set_up();
    guest = system_boot_default(GROWTH, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    is_settled = true;
    status = g_test_run();
    system_end(guest);
    g_rand_free(dice);
    bystander_forget_file();
    return status;
}
