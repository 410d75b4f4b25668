/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Anything that host, administrator and userspace may do, in random order from
 * one seed: whatever came before, what is plugged is what device and driver
 * say, data survives, and the kernel does not complain.
 *
 * Half of the requests are not waited for, so that the next step finds the
 * driver at work. MHP_SEED repeats a run, MHP_STEPS says how long it is. A test
 * that fails shows the latest steps.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abort-log.h"
#include "support.h"

#define GROWTH (4 * GiB)
#define REGION_BLOCKS (GROWTH / MEMORY_BLOCK_SIZE)
#define FILE_MIB 48
#define DEFAULT_STEPS 150
#define IN_DRIVER "cd /sys/bus/virtio/drivers/mhp_vmemmap_mem/virtio*/ && "

static Guest *guest;
static GRand *dice;
static int trace;
static uint64_t requested;
/* The driver has done what was requested, as far as we know */
static bool is_settled;
/* Of the file, NULL while there is none */
static char *checksum;

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

static void check(void)
{
    g_autoptr(GError) error = NULL;
    Sizes sizes;

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
    g_autofree char *now = NULL;

    if (checksum) {
        now = system_run(guest, "md5sum </tmp/data/file");
        g_assert_cmpstr(now, ==, checksum);
    }
}

/*
 * Anew each time, or the file would stay in boot memory after the first shrink
 * to nothing. The kernel puts it into ZONE_MOVABLE while that has room.
 */
static void step_write_file(void)
{
    check_file();
    g_free(checksum);
    checksum = system_run(guest,
                          "mkdir -p /tmp/data; umount /tmp/data 2>/dev/null;"
                          "mount -t tmpfs -o size=%uM none /tmp/data &&"
                          "head -c 1048576 /dev/urandom >/tmp/random &&"
                          "for i in $(seq %u); do cat /tmp/random; done"
                          " >/tmp/data/file && md5sum </tmp/data/file",
                          FILE_MIB + 1, FILE_MIB);
}

static void step_resize(void)
{
    requested = g_rand_int_range(dice, 0, REGION_BLOCKS + 1) *
                MEMORY_BLOCK_SIZE;
    dprintf(trace, " to %" PRIu64 " MiB", requested / MiB);
    is_settled = false;
    system_request(guest, requested);
    if (toss()) {
        dprintf(trace, " and wait");
        check();
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

/* Write @state to any block that there is, if there is one; true if it went */
static bool write_state(const char *state)
{
    guint32 any = g_rand_int_range(dice, 0, 1 << 16);

    return !system_status(guest,
                          IN_DRIVER
                          "cat blocks >/tmp/blocks;"
                          "n=$(wc -l </tmp/blocks); [ $n -gt 0 ] &&"
                          "id=$(sed -n $((%u %% n + 1))p /tmp/blocks) &&"
                          "cd /sys/devices/system/memory/memory${id%%%% *} &&"
                          "echo %s >state",
                          any, state);
}

static void step_offline(void)
{
    dprintf(trace, "%s", write_state("offline") ? "" : " (refused)");
}

static void step_online(void)
{
    const char *state = toss() ? "online" : "online_movable";

    dprintf(trace, "%s", write_state(state) ? "" : " (refused)");
}

static void step_online_kernel(void)
{
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

static void step_reset(void)
{
    g_autoptr(GError) error = NULL;

    check_file();
    guest_reset(guest, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(system_size(guest), ==, 0);
    is_settled = false;
    g_clear_pointer(&checksum, g_free);
    system_load_driver(guest, "");
}

static const struct {
    const char *name;
    unsigned weight;
    void (*run)(void);
} steps[] = {
    {"resize", 100, step_resize},
    {"shrink to nothing", 6, step_to_nothing},
    {"offline", 24, step_offline},
    {"online", 20, step_online},
    {"online_kernel", 8, step_online_kernel},
    {"reload", 10, step_reload},
    {"write the file", 8, step_write_file},
    {"check the file", 8, check_file},
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

    for (unsigned i = 1; i <= nb_steps; i++) {
        do_step(i);
    }
    check();
    check_file();
    step_to_nothing();
    g_test_message("%u steps", nb_steps);
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
    g_test_message("MHP_SEED=%u", seed);
}

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    g_test_add_func("/virtio-mhp/system/random/any order of steps keeps sizes "
                    "and data",
                    test_random);
    set_up();
    guest = system_boot(GROWTH, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    is_settled = true;
    status = g_test_run();
    system_end(guest);
    g_rand_free(dice);
    g_free(checksum);
    return status;
}
