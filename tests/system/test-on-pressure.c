/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that takes more than is requested while it is short of memory: a
 * process that takes three times what the guest has at boot, as fast as it can,
 * ends right, and nobody is killed. What was taken is given back, by itself or
 * when the host says so.
 */
#include <limits.h>
#include <string.h>

#include "burst.h"
#include "faulty.h"

#define BOOT_SIZE (1 * GiB)
#define PRESSURE_SIZE (4 * GiB)
#define REGION_SIZE (PRESSURE_SIZE + 2 * MEMORY_BLOCK_SIZE)
/* What the process takes: more than there is at boot, less than there can be */
#define LARGE_MIB 3072
#define MEDIUM_MIB 1536
/* What it finds room for without */
#define SMALL_MIB 512
/* Seconds: until what was taken is given back, and never */
#define HOLD_SHORT 1
#define HOLD_LONG 3600
#define ROUNDS 1

static Guest *guest;
static Fault *fault;

static uint64_t pressure_plugged(void)
{
    g_autoptr(GError) error = NULL;
    uint64_t size = 0;

    qmp_get_uint(guest_qmp(guest), MEMDEV_PATH, "pressure-plugged", &size,
                 &error);
    g_assert_no_error(error);
    return size;
}

/* Who is killed says so in the kernel's log, which is not looked at then */
static void check_is_killed(unsigned mib)
{
    unsigned kills = burst_nb_kills(guest);
    g_autofree char *log = NULL;

    g_assert_cmpint(burst_take(guest, mib), !=, 0);
    g_assert_cmpuint(burst_nb_kills(guest), ==, kills + 1);
    log = system_run(guest, "dmesg -c");
    g_assert_nonnull(strstr(log, "mhp-burst"));
}

static void start(unsigned hold)
{
    burst_set_hold(guest, hold);
    burst_allow(guest, PRESSURE_SIZE);
}

/* Nothing is held any more, requested or allowed */
static void end(void)
{
    system_request(guest, 0);
    burst_allow(guest, 0);
    system_wait_size(guest, 0);
    system_check_klog(guest);
}

/* What the other tests show is not so by itself */
static void test_without(void)
{
    check_is_killed(LARGE_MIB);
    g_assert_cmpuint(system_size(guest), ==, 0);
}

/* DRV-PRESSURE-1 */
static void test_not_while_there_is_enough(void)
{
    uint64_t before = burst_counter(guest);

    start(HOLD_SHORT);
    burst_check_lives(guest, SMALL_MIB);
    g_assert_cmpuint(burst_counter(guest), ==, before);
    end();
}

/* DRV-PRESSURE-1, DRV-PRESSURE-2 */
static void test_rounds(void)
{
    start(HOLD_SHORT);
    burst_rounds(guest, LARGE_MIB, LARGE_MIB * MiB - BOOT_SIZE, ROUNDS);
    end();
}

/* In the statistics, each second */
static bool is_in_statistics(void *opaque, GError **error)
{
    g_autoptr(JsonNode) stats = qmp_executef(guest_qmp(guest), error, "qom-get",
                                             "{'path': '" MEMDEV_PATH
                                             "', 'property': 'guest-stats'}");
    JsonObject *object;

    if (!stats) {
        return false;
    }
    object = json_object_get_object_member(json_node_get_object(stats),
                                           "stats");
    return json_object_has_member(object, "stat-pressure") &&
           (uint64_t)json_object_get_int_member(object, "stat-pressure") ==
               *(uint64_t *)opaque;
}

/* What the guest says of it is what the host sees */
static void check_is_told(void)
{
    uint64_t size = pressure_plugged();
    g_autoptr(GError) error = NULL;

    qmp_set_uint(guest_qmp(guest), MEMDEV_PATH, "guest-stats-polling-interval",
                 1, &error);
    g_assert_no_error(error);
    wait_until(is_in_statistics, &size, SYSTEM_STALL_MS, "the statistics",
               &error);
    g_assert_no_error(error);
    g_assert_cmpuint(pressure_plugged(), ==, system_size(guest));
    g_assert_cmpuint(system_attr(guest, "pressure_plugged_size"), ==,
                     pressure_plugged());
    g_assert_cmpuint(system_attr(guest, "pressure_size"), ==, PRESSURE_SIZE);
    g_assert_cmpuint(system_attr(guest, "requested_size"), ==, 0);
}

/* What is requested afterwards is no longer more than that, and stays */
static void test_is_requested(void)
{
    uint64_t size;

    start(HOLD_LONG);
    burst_check_lives(guest, MEDIUM_MIB);
    size = system_size(guest);
    system_request(guest, size);
    g_assert_cmpuint(pressure_plugged(), ==, 0);
    system_wait_attr(guest, "requested_size", size);
    g_assert_cmpuint(system_attr(guest, "pressure_plugged_size"), ==, 0);
    burst_allow(guest, 0);
    system_wait_attr(guest, "pressure_size", 0);
    g_assert_cmpuint(system_size(guest), ==, size);
    end();
}

/* DRV-PRESSURE-3 */
static void test_less_is_allowed(void)
{
    start(HOLD_LONG);
    burst_check_lives(guest, MEDIUM_MIB);
    check_is_told();
    g_assert_cmpuint(system_size(guest), >, 2 * MEMORY_BLOCK_SIZE);
    burst_allow(guest, 2 * MEMORY_BLOCK_SIZE);
    system_wait_size(guest, 2 * MEMORY_BLOCK_SIZE);
    burst_allow(guest, 0);
    system_wait_size(guest, 0);
    end();
}

/* DRV-PRESSURE-4: what is about to go is needed before it has gone */
static void test_a_shrink_yields(void)
{
    start(HOLD_LONG);
    system_resize(guest, PRESSURE_SIZE);
    g_free(system_hold(guest, "filled", "mhp-fill pages %u", MEDIUM_MIB));
    system_request(guest, 0);
    burst_check_lives(guest, MEDIUM_MIB);
    g_assert_cmpuint(pressure_plugged(), >, 0);
    system_let_go(guest, "filled");
    end();
}

/* The guest lives as without, and backs off: a few requests are no storm */
static void check_refused(uint16_t response)
{
    unsigned hits;

    burst_allow(guest, PRESSURE_SIZE);
    faulty_answer(fault, VIRTIO_MHP_REQ_PLUG, UINT_MAX, response,
                  sizeof(struct virtio_mhp_resp));
    check_is_killed(MEDIUM_MIB);
    g_assert_cmpuint(system_size(guest), ==, 0);
    hits = faulty_hits(fault);
    g_test_message("%u requests were refused", hits);
    g_assert_cmpuint(hits, >, 0);
    g_assert_cmpuint(hits, <, 40);
    faulty_be_honest(fault);
    burst_allow(guest, PRESSURE_SIZE);
    burst_check_lives(guest, MEDIUM_MIB);
    end();
}

static void test_host_refuses(void)
{
    burst_set_hold(guest, HOLD_LONG);
    check_refused(VIRTIO_MHP_RESP_BUSY);
    check_refused(VIRTIO_MHP_RESP_NACK);
}

#define ADD(name, test) \
    g_test_add_func("/virtio-mhp/system/on-pressure/" name, test)

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int status;

    system_init(&argc, &argv);
    ADD("without, a process is killed", test_without);
    ADD("nothing is taken while there is enough",
        test_not_while_there_is_enough);
    ADD("nobody is killed, and all is given back", test_rounds);
    ADD("what is requested afterwards stays", test_is_requested);
    ADD("less is allowed", test_less_is_allowed);
    ADD("a shrink yields", test_a_shrink_yields);
    ADD("the host refuses", test_host_refuses);

    guest = system_new_sized(BOOT_SIZE, REGION_SIZE, SYSTEM_MEMMAP_ON);
    memdev_add(guest, MEMDEV_OURS, REGION_SIZE);
    fault = faulty_load(guest);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    system_load_driver(guest, "");
    status = g_test_run();
    system_end(guest);
    return status;
}
