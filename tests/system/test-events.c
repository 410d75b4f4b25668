/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What userspace is told of a resize: one event of the virtio device for each
 * attempt that changed something, and of the memory blocks nothing, or all if
 * that is wanted.
 */
#include <inttypes.h>

#include "support.h"
#include "tracing.h"

#define BLOCKS 4
#define GROWTH (BLOCKS * MEMORY_BLOCK_SIZE)
#define PARAMETER "/sys/module/mhp_vmemmap_mem/parameters/uevents"

static Guest *guest;

/* From now on, a line for each event: what it is about, what the driver says */
static void listen(void)
{
    g_free(system_run(guest,
                      "uevent sh -c 'echo $SUBSYSTEM $ACTION $MHP_PLUGGED_SIZE"
                      " $MHP_REQUESTED_SIZE $MHP_ONLINE_SIZE >>/tmp/events' &"
                      "until ls -l /proc/$!/fd | grep -q socket; do"
                      " sleep 0.1; done"));
}

/* How many there were so far */
static unsigned count(const char *pattern)
{
    g_autofree char *text = system_run(
        guest, "grep -c '%s' /tmp/events || :", pattern);

    return (unsigned)g_ascii_strtoull(text, NULL, 10);
}

/* Wait until the driver says that these are the sizes now */
static void wait_told(uint64_t plugged, uint64_t requested, uint64_t online)
{
    g_free(system_run(guest,
                      "for i in $(seq 600); do grep -q '^virtio change %" PRIu64
                      " %" PRIu64 " %" PRIu64
                      "$' /tmp/events && exit 0; sleep 0.1; done;"
                      "cat /tmp/events; exit 1",
                      plugged, requested, online));
}

static void test_one_for_a_resize(void)
{
    system_load_driver(guest, "");
    system_request(guest, GROWTH);
    wait_told(GROWTH, GROWTH, GROWTH);
    system_request(guest, 0);
    wait_told(0, 0, 0);
    g_assert_cmpuint(count("^memory "), ==, 0);
    g_assert_cmpuint(count("^virtio change "), ==, 2);
}

/* What it did itself is told, too, as nothing else tells it */
static void test_userspace_is_told(void)
{
    system_resize(guest, GROWTH);
    g_free(system_run(guest, "rm /tmp/events; cd /sys/devices/system/memory;"
                             "b=$(ls -d memory*/ | sort -V | tail -n 1);"
                             "echo offline >$b/state"));
    wait_told(GROWTH, GROWTH, GROWTH - MEMORY_BLOCK_SIZE);
    g_assert_cmpuint(count("^memory "), ==, 0);
    system_resize(guest, 0);
}

#define STUCK "plugged=134217728 requested=0 "

/* Tried again and again, told once */
static void test_nothing_new_is_not_told(void)
{
    uint64_t addr = system_addr(guest);
    g_autoptr(GPtrArray) events = NULL;

    system_resize(guest, GROWTH);
    g_free(system_run(guest, "rm /tmp/events"));
    system_pin(guest, addr, MEMORY_BLOCK_SIZE);
    system_request(guest, 0);
    wait_told(MEMORY_BLOCK_SIZE, 0, MEMORY_BLOCK_SIZE);
    tracing_start(guest, TRACING_OURS);
    system_request(guest, 0);
    events = tracing_wait(guest, "virtio_mhp_resize_end", STUCK);
    system_let_go(guest, "pinned");
    wait_told(0, 0, 0);
    g_assert_cmpuint(count("^virtio change "), ==, 2);
}

static void test_each_block_is_told(void)
{
    static const char *const actions[] = {"add", "online", "offline", "remove"};

    g_assert_cmpint(system_status(guest, "echo some >" PARAMETER), !=, 0);
    g_free(system_run(guest, "rm /tmp/events; echo block >" PARAMETER
                             "; grep -qx block " PARAMETER));
    system_request(guest, GROWTH);
    wait_told(GROWTH, GROWTH, GROWTH);
    system_request(guest, 0);
    wait_told(0, 0, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++) {
        g_autofree char *pattern = g_strdup_printf("^memory %s$", actions[i]);

        g_assert_cmpuint(count(pattern), ==, BLOCKS);
    }
}

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    guest = system_boot(GROWTH, SYSTEM_MEMMAP_ON);
    listen();
    g_test_add_func("/virtio-mhp/system/events/one for a resize",
                    test_one_for_a_resize);
    g_test_add_func("/virtio-mhp/system/events/what userspace offlines is told",
                    test_userspace_is_told);
    g_test_add_func("/virtio-mhp/system/events/nothing new is not told",
                    test_nothing_new_is_not_told);
    g_test_add_func("/virtio-mhp/system/events/of each block if that is wanted",
                    test_each_block_is_told);
    status = g_test_run();
    system_end(guest);
    return status;
}
