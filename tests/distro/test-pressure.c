/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest whose memory gets short because the host takes it back, with what
 * distributions have for that: swap on zram and on a disk, a slow disk, memory
 * cgroups, systemd-oomd. The shrink stops where there is no room, and nobody is
 * killed for it.
 */
#include <inttypes.h>
#include <string.h>

#include "debian.h"
#include "wait.h"

#define GROWTH (8 * GiB)
/* What somebody needs, which a guest that shrank has no room for */
#define NEEDED_MIB 3072
#define PREFIX "/virtio-mhp/distro/pressure/"
#define LAST_ERROR "/sys/bus/virtio/drivers/mhp_vmemmap_mem/virtio?/last_error"
#define LIMIT_MIB 256

/* How somebody is started who needs memory */
#define PLAIN "systemd-run -q -u needy mhp-fill pages %d"

typedef struct Surroundings {
    const char *name;
    const char *prepare; /* a script, or NULL */
    bool is_slow;        /* the disk */
    const char *needy;   /* NULL: PLAIN */
} Surroundings;

static bool has_no_room(void *opaque, GError **error)
{
    int status = 1;

    g_free(agent_run(guest_agent(opaque), "grep -q no-room " LAST_ERROR,
                     GUEST_SCRIPT_MS, &status, error));
    return status == 0;
}

/* As slow as a cheap cloud's: operations and bytes a second */
static void slow_down(Guest *guest)
{
    g_autoptr(JsonNode) result = NULL;
    g_autoptr(GError) error = NULL;

    result = qmp_executef(guest_qmp(guest), &error, "block_set_io_throttle",
                          "{'device': '" GUEST_DISK "', 'bps': 4194304,"
                          " 'bps_rd': 0, 'bps_wr': 0, 'iops': 200,"
                          " 'iops_rd': 0, 'iops_wr': 0}");
    g_assert_no_error(error);
}

static void check_alive(Guest *guest, const char *unit)
{
    g_autofree char *state = debian_unit(guest, unit, "ActiveState");

    g_assert_cmpstr(state, ==, "active");
}

static void start_needy(Guest *guest, const char *format, unsigned mib)
{
    g_autofree char *command = g_strdup_printf(format ? format : PLAIN, mib);

    g_free(system_run(guest,
                      "%s && for i in $(seq 600); do"
                      " journalctl -u needy | grep -q 'filled %u' && exit 0;"
                      " sleep 0.2; done; systemctl status needy; exit 1",
                      command, mib));
}

static Guest *boot(const Surroundings *s)
{
    Guest *guest = debian_boot(GROWTH, SYSTEM_MEMMAP_ON);

    if (s->prepare) {
        g_free(system_run(guest, "set -e; %s", s->prepare));
    }
    databases_start(guest);
    if (s->is_slow) {
        slow_down(guest);
    }
    return guest;
}

static void test_shrink_kills_nobody(const void *data)
{
    const Surroundings *s = data;
    Guest *guest = boot(s);
    g_autoptr(GError) error = NULL;

    system_resize(guest, GROWTH);
    start_needy(guest, s->needy, NEEDED_MIB);
    system_request(guest, 0);
    wait_until(has_no_room, guest, SYSTEM_STALL_MS, "no-room", &error);
    g_assert_no_error(error);
    g_test_message("%" PRIu64 " MiB are left", system_size(guest) / MiB);
    g_assert_cmpuint(system_size(guest), <, GROWTH / 2);
    databases_check_progress(guest);
    check_alive(guest, "needy");
    debian_check(guest);

    g_free(system_run(guest, "systemctl stop needy"));
    system_wait_size(guest, 0);
    databases_check_progress(guest);
    databases_end(guest);
    debian_end(guest);
}

/* A cgroup's own limit kills whoever goes beyond it, and no other */
static void test_own_limit(void)
{
    Guest *guest = debian_boot(GROWTH, SYSTEM_MEMMAP_ON);
    g_autofree char *result = NULL, *log = NULL;

    start_needy(guest,
                "systemd-run -q -u needy -p MemoryMax=256M"
                " -p MemorySwapMax=0 mhp-fill pages %d",
                LIMIT_MIB * 3 / 4);
    system_resize(guest, GROWTH);
    system_resize(guest, 0);
    check_alive(guest, "needy");
    debian_check(guest);

    g_free(system_run(guest,
                      "systemd-run -q -u greedy -p MemoryMax=256M"
                      " -p MemorySwapMax=0 -p OOMPolicy=kill"
                      " -p RemainAfterExit=yes mhp-fill pages %d",
                      LIMIT_MIB * 2));
    result = system_run(guest,
                        "for i in $(seq 600); do"
                        " r=$(systemctl show -P Result greedy);"
                        " [ $r = success ] || break; sleep 0.2; done; echo $r");
    g_assert_cmpstr(result, ==, "oom-kill");
    check_alive(guest, "needy");
    log = system_run(guest, "systemctl reset-failed greedy; dmesg -c");
    g_assert_cmpuint(klog_count(log, "invoked oom-killer"), ==, 1);
    g_assert_nonnull(strstr(log, "constraint=CONSTRAINT_MEMCG"));
    debian_end(guest);
}

static const Surroundings surroundings[] = {
    {.name = "no swap"},
    {
        .name = "swap on zram",
        .prepare = "systemctl start zramswap; grep -q zram /proc/swaps",
    },
    {
        .name = "swap on a disk",
        .prepare = "fallocate -l 2G /swap; chmod 600 /swap; mkswap -q /swap;"
                   " swapon /swap",
    },
    {.name = "a slow disk", .is_slow = true},
    {
        .name = "a memory cgroup",
        .needy = "systemd-run -q -u needy -p MemoryMax=4G -p MemoryHigh=3500M"
                 " mhp-fill pages %d",
    },
    {
        .name = "systemd-oomd",
        .prepare = "systemctl unmask -q systemd-oomd.service"
                   " systemd-oomd.socket; systemctl daemon-reload;"
                   " systemctl start systemd-oomd.service",
        .needy = "systemd-run -q -u needy -p ManagedOOMMemoryPressure=kill"
                 " -p ManagedOOMSwap=kill mhp-fill pages %d",
    },
};

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    for (size_t i = 0; i < G_N_ELEMENTS(surroundings); i++) {
        g_autofree char *name = g_strconcat(
            PREFIX "a shrink kills nobody: ", surroundings[i].name, NULL);

        g_test_add_data_func(name, &surroundings[i], test_shrink_kills_nobody);
    }
    g_test_add_func(PREFIX "a cgroup's limit kills whoever goes beyond it",
                    test_own_limit);
    return g_test_run();
}
