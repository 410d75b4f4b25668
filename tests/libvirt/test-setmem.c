/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a user of "virsh setmem" sees: the guest grows and shrinks, dominfo,
 * statistics and events follow, the host gets its memory back, and a value that
 * is refused or taken as another one is told so.
 */
#include <inttypes.h>
#include <string.h>

#include "domain.h"
#include "events.h"
#include "keeper.h"

#define TOUCHED_MIB 512

static Daemon *daemon_a;
static Domain *domain;
static Events *events;

static void assert_near(uint64_t value, uint64_t wanted, uint64_t tolerance)
{
    g_test_message("%" PRIu64 " MiB, about %" PRIu64 " wanted", value / MiB,
                   wanted / MiB);
    g_assert_cmpuint(value + tolerance, >=, wanted);
    g_assert_cmpuint(value, <=, wanted + tolerance);
}

/* All of what QEMU's log says from now on */
static size_t log_place(void)
{
    g_autofree char *log = domain_log(domain);

    return strlen(log);
}

static void assert_log(size_t place, const char *pattern)
{
    g_autofree char *log = domain_log(domain);

    if (!g_pattern_match_simple(pattern, log + place)) {
        g_assert_cmpstr(log + place, ==, pattern);
    }
}

static void test_there_and_back(void)
{
    uint64_t rss = domain_rss(domain), full;

    domain_setmem(domain, DOMAIN_MAX_SIZE / MiB);
    g_free(domain_run(domain,
                      "mkdir -p /tmp/m; mount -t tmpfs -o size=4g none /tmp/m;"
                      "dd if=/dev/zero of=/tmp/m/f bs=1M count=%u 2>&1",
                      TOUCHED_MIB));
    full = domain_rss(domain);
    g_assert_cmpuint(full, >=, rss + TOUCHED_MIB * MiB);
    g_free(domain_run(domain, "umount /tmp/m"));
    domain_setmem(domain, DOMAIN_BOOT_SIZE / MiB);
    assert_near(domain_rss(domain), rss, TOUCHED_MIB * MiB / 4);
    domain_check_klog(domain);
}

static void test_events(void)
{
    domain_setmem(domain, 2048);
    events_wait(events, "event 'balloon-change' for domain *: 2097152KiB");
    domain_setmem(domain, 1024);
    events_wait(events, "event 'balloon-change' for domain *: 1048576KiB");
    /* libvirt 9 would count what one change tells twice */
    g_assert_false(events_has(events, "event 'memory-device-size-change'*"));
}

static void test_statistics(void)
{
    g_autofree char *dommemstat = NULL, *domstats = NULL;

    domain_setmem(domain, 2048);
    events_wait(events, "event 'balloon-change' for domain *: 2097152KiB");
    dommemstat = daemon_virsh(daemon_a, "dommemstat d");
    g_assert_true(g_pattern_match_simple(
        "actual 2097152\n*\nunused *\navailable *\nusable *\nlast_update *",
        dommemstat));
    domstats = daemon_virsh(daemon_a, "domstats d --balloon");
    g_assert_nonnull(strstr(domstats, "balloon.current=2097152\n"));
    g_assert_nonnull(strstr(domstats, "balloon.available="));
    domain_setmem(domain, 1024);
}

static uint64_t get_interval(const char *device)
{
    g_autofree char *text = daemon_virsh(
        daemon_a,
        "qemu-monitor-command d --hmp 'qom-get %s guest-stats-polling-interval'",
        device);

    return g_ascii_strtoull(text, NULL, 10);
}

/* The virtio-balloon that is there is the one that libvirt asks. */
static void test_period(void)
{
    g_free(daemon_virsh(daemon_a, "dommemstat d --period 7"));
    g_assert_cmpuint(get_interval("balloon0"), ==, 7);
    g_assert_cmpuint(get_interval(DOMAIN_MEMDEV), ==, 0);
    g_free(daemon_virsh(daemon_a, "dommemstat d --period 1"));
}

/* What QEMU's log says of a size that cannot be had exactly */
static void test_clamped(void)
{
    static const struct {
        unsigned mib;
        unsigned taken;
        const char *message;
    } rows[] = {
        {1500, 1408, "got 1500 MiB, which is taken as 1408 MiB"},
        {512, 1024, "got 512 MiB, which is taken as 1 GiB"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *pattern = g_strdup_printf(
            "*warning: virtio-mhp: the balloon wants 1 GiB to * by steps of 128 MiB, %s\n",
            rows[i].message);
        size_t place = log_place();

        g_free(daemon_virsh(daemon_a, "setmem d %uM", rows[i].mib));
        assert_log(place, pattern);
        domain_wait_size(domain, rows[i].taken * MiB);
    }
    domain_setmem(domain, 1024);
}

static void test_refused(void)
{
    static const struct {
        const char *command;
        const char *message;
    } rows[] = {
        {"setmem d 64G",
         "error: invalid argument: cannot set memory higher than max memory"},
        {"setmem d 0",
         "error: memory in virDomainSetMemoryFlags must not be zero"},
        {"setmem d nonsense", "error: *nonsense*"},
        {"setmaxmem d 16G",
         "error: Unable to change MaxMemorySize\nerror: Requested operation is not valid: cannot resize the maximum memory on an active domain"},
        {"setmaxmem d 16G --config",
         "error: Unable to change MaxMemorySize\nerror: Requested operation is not valid: initial memory size of a domain with NUMA nodes cannot be modified with this API"},
        {"detach-device-alias d " DOMAIN_MEMDEV,
         "error: *does not support hotplugging*"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *said = daemon_virsh_fails(daemon_a, "%s",
                                                   rows[i].command);

        if (!g_pattern_match_simple(rows[i].message, said)) {
            g_assert_cmpstr(said, ==, rows[i].message);
        }
    }
    g_assert_cmpuint(domain_used(domain), ==, DOMAIN_BOOT_SIZE);
}

static int body(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mhp/libvirt/setmem/the guest grows and shrinks, "
                    "and the host has its memory back",
                    test_there_and_back);
    g_test_add_func("/virtio-mhp/libvirt/setmem/one event tells of a change",
                    test_events);
    g_test_add_func("/virtio-mhp/libvirt/setmem/statistics are the guest's",
                    test_statistics);
    g_test_add_func("/virtio-mhp/libvirt/setmem/their period is the "
                    "memballoon's",
                    test_period);
    g_test_add_func("/virtio-mhp/libvirt/setmem/a size in between is taken as "
                    "the lower one",
                    test_clamped);
    g_test_add_func("/virtio-mhp/libvirt/setmem/what cannot be is refused",
                    test_refused);

    daemon_a = daemon_new("a");
    domain = domain_new(daemon_a, "d", "--form dimm");
    domain_start(domain);
    events = events_new(daemon_a, "d");
    status = g_test_run();
    events_free(events);
    domain_check_klog(domain);
    domain_free(domain);
    daemon_free(daemon_a);
    return status;
}

int main(int argc, char **argv)
{
    return keeper_run(body, argc, argv);
}
