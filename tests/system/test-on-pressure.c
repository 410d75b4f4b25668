/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that takes more than is requested while it is short of memory: a
 * process that takes three times what the guest has at boot, as fast as it can,
 * ends right, and nobody is killed. What was taken is given back, by itself or
 * when the host says so.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "faulty.h"
#include "support.h"

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

static void set_pressure_size(uint64_t size)
{
    g_autoptr(GError) error = NULL;

    qmp_set_uint(guest_qmp(guest), MEMDEV_PATH, "pressure-size", size, &error);
    g_assert_no_error(error);
}

static uint64_t pressure_plugged(void)
{
    g_autoptr(GError) error = NULL;
    uint64_t size = 0;

    qmp_get_uint(guest_qmp(guest), MEMDEV_PATH, "pressure-plugged", &size,
                 &error);
    g_assert_no_error(error);
    return size;
}

/* All that was ever plugged on pressure */
static uint64_t pressure_counter(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) counters = qmp_executef(
        guest_qmp(guest), &error, "qom-get",
        "{'path': '" MEMDEV_PATH "', 'property': 'counters'}");

    g_assert_no_error(error);
    return (uint64_t)json_object_get_int_member(json_node_get_object(counters),
                                                "pressure-plugged-bytes");
}

static void set_hold(unsigned seconds)
{
    g_free(system_run(guest,
                      "echo %u >/sys/module/mhp_vmemmap_mem/parameters/"
                      "pressure_hold",
                      seconds));
}

static unsigned nb_kills(void)
{
    g_autofree char *text = system_run(guest,
                                       "sed -n 's/^oom_kill //p' /proc/vmstat");

    return (unsigned)strtoul(text, NULL, 10);
}

/* The status of a process that takes so much, reads it, and ends */
static int take(unsigned mib)
{
    return system_status(guest, "mhp-burst %u 0", mib);
}

/* Who is killed says so in the kernel's log, which is not looked at then */
static void check_is_killed(unsigned mib)
{
    unsigned kills = nb_kills();
    g_autofree char *log = NULL;

    g_assert_cmpint(take(mib), !=, 0);
    g_assert_cmpuint(nb_kills(), ==, kills + 1);
    log = system_run(guest, "dmesg -c");
    g_assert_nonnull(strstr(log, "mhp-burst"));
}

static void check_lives(unsigned mib)
{
    unsigned kills = nb_kills();
    gint64 start = g_get_monotonic_time();
    int status = take(mib);

    g_test_message("%u MiB in %.1f s, %" PRIu64 " MiB plugged", mib,
                   (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC,
                   system_size(guest) / MiB);
    g_assert_cmpuint(nb_kills(), ==, kills);
    g_assert_cmpint(status, ==, 0);
}

static void start(unsigned hold)
{
    set_hold(hold);
    set_pressure_size(PRESSURE_SIZE);
}

/* Nothing is held any more, requested or allowed */
static void end(void)
{
    system_request(guest, 0);
    set_pressure_size(0);
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
    uint64_t before = pressure_counter();

    start(HOLD_SHORT);
    check_lives(SMALL_MIB);
    g_assert_cmpuint(pressure_counter(), ==, before);
    end();
}

/* DRV-PRESSURE-1, DRV-PRESSURE-2 */
static void test_rounds(void)
{
    const char *rounds = g_getenv("MHP_ROUNDS");

    start(HOLD_SHORT);
    for (unsigned i = rounds ? (unsigned)atoi(rounds) : ROUNDS; i; i--) {
        uint64_t before = pressure_counter();

        check_lives(LARGE_MIB);
        g_assert_cmpuint(pressure_counter() - before, >=,
                         (LARGE_MIB * MiB) - BOOT_SIZE);
        system_wait_size(guest, 0);
        system_check_klog(guest);
    }
    end();
}

/* What the guest says of it is what the host sees */
static void check_is_told(void)
{
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
    check_lives(MEDIUM_MIB);
    size = system_size(guest);
    system_request(guest, size);
    g_assert_cmpuint(pressure_plugged(), ==, 0);
    system_wait_attr(guest, "requested_size", size);
    g_assert_cmpuint(system_attr(guest, "pressure_plugged_size"), ==, 0);
    set_pressure_size(0);
    system_wait_attr(guest, "pressure_size", 0);
    g_assert_cmpuint(system_size(guest), ==, size);
    end();
}

/* DRV-PRESSURE-3 */
static void test_less_is_allowed(void)
{
    start(HOLD_LONG);
    check_lives(MEDIUM_MIB);
    check_is_told();
    g_assert_cmpuint(system_size(guest), >, 2 * MEMORY_BLOCK_SIZE);
    set_pressure_size(2 * MEMORY_BLOCK_SIZE);
    system_wait_size(guest, 2 * MEMORY_BLOCK_SIZE);
    set_pressure_size(0);
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
    check_lives(MEDIUM_MIB);
    g_assert_cmpuint(pressure_plugged(), >, 0);
    system_let_go(guest, "filled");
    end();
}

/* The guest lives as without, and backs off: a few requests are no storm */
static void check_refused(uint16_t response)
{
    unsigned hits;

    set_pressure_size(PRESSURE_SIZE);
    faulty_answer(fault, VIRTIO_MHP_REQ_PLUG, UINT_MAX, response,
                  sizeof(struct virtio_mhp_resp));
    check_is_killed(MEDIUM_MIB);
    g_assert_cmpuint(system_size(guest), ==, 0);
    hits = faulty_hits(fault);
    g_test_message("%u requests were refused", hits);
    g_assert_cmpuint(hits, >, 0);
    g_assert_cmpuint(hits, <, 40);
    faulty_be_honest(fault);
    set_pressure_size(PRESSURE_SIZE);
    check_lives(MEDIUM_MIB);
    end();
}

static void test_host_refuses(void)
{
    set_hold(HOLD_LONG);
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
