/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What else goes on in a guest: see bystander.h.
 */
#include "bystander.h"

#include <inttypes.h>

#define FILE_MIB 48
#define DRIVER "/sys/bus/virtio/drivers/mhp_vmemmap_mem"
/* What a program may take to come by a page in the range */
#define PIN_KIB (256 * 1024)
#define IDLE_MS 120000
#define KEY_MS 1000

/* Of the file, NULL while there is none */
static char *checksum;

/*
 * Anew each time, or the file would stay in boot memory after the first shrink
 * to nothing. The kernel puts it into ZONE_MOVABLE while that has room.
 */
void bystander_write_file(Guest *guest)
{
    bystander_forget_file();
    checksum = system_run(guest,
                          "mkdir -p /tmp/data; umount /tmp/data 2>/dev/null;"
                          "mount -t tmpfs -o size=%uM none /tmp/data &&"
                          "head -c 1048576 /dev/urandom >/tmp/random &&"
                          "for i in $(seq %u); do cat /tmp/random; done"
                          " >/tmp/data/file && md5sum </tmp/data/file",
                          FILE_MIB + 1, FILE_MIB);
}

void bystander_check_file(Guest *guest)
{
    g_autofree char *now = NULL;

    if (checksum) {
        now = system_run(guest, "md5sum </tmp/data/file");
        g_assert_cmpstr(now, ==, checksum);
    }
}

void bystander_forget_file(void)
{
    g_clear_pointer(&checksum, g_free);
}

void bystander_list_blocks(Guest *guest)
{
    g_free(system_run(guest, "cat " DRIVER "/virtio*/blocks >/tmp/blocks"));
}

bool bystander_write_state(Guest *guest, uint32_t any, const char *state)
{
    return !system_status(guest,
                          "n=$(wc -l </tmp/blocks); [ $n -gt 0 ] &&"
                          "id=$(sed -n $((%u %% n + 1))p /tmp/blocks) &&"
                          "cd /sys/devices/system/memory/memory${id%%%% *} &&"
                          "echo %s >state",
                          any, state);
}

/* As shell commands; the device may have another name when it is back */
static const struct {
    const char *take;
    const char *back;
} bystander_ways[] = {
    {"cd " DRIVER "; echo virtio* >/tmp/device; cat /tmp/device >unbind",
     "cat /tmp/device >" DRIVER "/bind"},
    {"cd " DRIVER "/virtio*; cd $(readlink -f .)/..; echo 1 >remove",
     "echo 1 >/sys/bus/pci/rescan"},
};

void bystander_take_device(Guest *guest, bool from_bus)
{
    g_free(system_run(guest, "%s", bystander_ways[from_bus].take));
}

void bystander_give_back_device(Guest *guest, bool from_bus)
{
    g_free(system_run(guest, "%s", bystander_ways[from_bus].back));
}

bool bystander_pin(Guest *guest, uint64_t addr, uint64_t size)
{
    return !system_status(guest,
                          "rm -f /tmp/pin; (ulimit -v %u; exec mhp-pin %" PRIx64
                          " %" PRIx64
                          ") >/tmp/pin 2>&1 & echo $! >/tmp/pin.pid;"
                          "until [ -s /tmp/pin ]; do sleep 0.1; done;"
                          "grep -q pinned /tmp/pin",
                          PIN_KIB, addr, size);
}

void bystander_unpin(Guest *guest)
{
    g_free(system_run(guest, "kill $(cat /tmp/pin.pid)"));
}

typedef struct Idling {
    Guest *guest;
    int status;
} Idling;

/* Press a key, which wakes the guest up if it is already idle */
static bool is_woken(void *opaque, GError **error)
{
    Idling *idling = opaque;
    g_autoptr(JsonNode) result = NULL;
    g_autofree char *output = NULL;

    result = qmp_executef(guest_qmp(idling->guest), error, "send-key",
                          "{'keys': [{'type': 'qcode', 'data': 'shift'}]}");
    if (!result) {
        return false;
    }
    output = agent_finish(guest_agent(idling->guest), KEY_MS, &idling->status,
                          NULL);
    return output;
}

bool bystander_idle(Guest *guest)
{
    Idling idling = {.guest = guest};
    g_autoptr(GError) error = NULL;

    agent_start(guest_agent(guest),
                "for f in /sys/devices/platform/i8042/serio*/power/wakeup; do"
                " echo enabled >$f; done;"
                "echo freeze >/sys/power/state",
                &error);
    g_assert_no_error(error);
    wait_until(is_woken, &idling, IDLE_MS, "the end of the idling", &error);
    g_assert_no_error(error);
    return idling.status == 0;
}

void bystander_huge_pages(Guest *guest, unsigned nb)
{
    g_free(system_run(guest, "echo %u >/proc/sys/vm/nr_hugepages", nb));
}

void bystander_stop(Guest *guest, bool stop)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(guest_qmp(guest), &error, stop ? "stop" : "cont",
                          NULL);
    g_assert_no_error(error);
}

void bystander_block_timeout(Guest *guest, unsigned ms)
{
    g_free(system_run(guest,
                      "echo %u >/sys/module/mhp_vmemmap_mem/parameters"
                      "/block_timeout_ms",
                      ms));
}

void bystander_second_cpu(Guest *guest, bool online)
{
    g_free(system_run(guest, "echo %d >/sys/devices/system/cpu/cpu1/online",
                      online));
}
