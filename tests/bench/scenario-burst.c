/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small guest in which a program wants far more than there is, at once, and
 * nobody on the host does anything: whoever lets the guest grow by itself saves
 * it from its out-of-memory killer.
 */
#include <inttypes.h>
#include <stdio.h>

#include "bench.h"

#define BURST_BOOT_SIZE (1 * GiB)
#define BURST_ROOM (4 * GiB)
#define BURST_MIB 3072
#define BURST_DEFLATED_MS 120000
#define BURST_MS 300000

static const Metric burst_right = {"ended right", "%", true};
static const Metric burst_seconds = {"in", "s", false};
static const Metric burst_kills = {"processes killed", "", false};

static bool burst_count_kills(PeerGuest *pg, double *nb, GError **error)
{
    g_autofree char *text = guest_runf(
        pg->guest, error, "awk '$1 == \"oom_kill\" { print $2 }' /proc/vmstat");

    if (!text) {
        return false;
    }
    *nb = g_ascii_strtod(text, NULL);
    return true;
}

/* A guest that does not answer any more is a result, too */
static void burst_measure(Bench *bench, unsigned peer, PeerGuest *pg)
{
    const char *name = bench->peers[peer]->name;
    const char *variant = "3 GiB in 1 GiB";
    const gint64 start = g_get_monotonic_time();
    g_autoptr(GError) error = NULL;
    g_autofree char *output = NULL;
    int status = 1;
    double kills;

    output = agent_run(guest_agent(pg->guest),
                       "mhp-burst " G_STRINGIFY(BURST_MIB) " 0", BURST_MS,
                       &status, &error);
    results_add(bench->results, "burst", variant, 0, &burst_right, name,
                output && !status ? 100 : 0);
    if (output && !status) {
        results_add(bench->results, "burst", variant, 0, &burst_seconds, name,
                    (double)(g_get_monotonic_time() - start) / 1e6);
    }
    if (output && burst_count_kills(pg, &kills, &error)) {
        results_add(bench->results, "burst", variant, 0, &burst_kills, name,
                    kills);
    } else {
        results_remark(bench->results, "burst, %s: the guest was lost: %s",
                       name, error->message);
    }
}

static bool burst_one(Bench *bench, unsigned peer, GError **error)
{
    const PeerConfig config = {
        .kver = bench->kver,
        .accel = bench->accel,
        .boot_size = BURST_BOOT_SIZE,
        .max = BURST_ROOM,
        .is_generous = true,
    };
    g_autoptr(PeerGuest)
        pg = peer_guest_new(bench->peers[peer], &config, error);
    Measured m;

    if (!pg || (pg->peer->starts_full &&
                !measure_resize(pg, 0, BURST_DEFLATED_MS, &m, error))) {
        return false;
    }
    burst_measure(bench, peer, pg);
    return true;
}

static bool burst_run(Bench *bench, GError **error)
{
    bench_plan(bench, &scenario_burst, bench->repetitions * bench->nb_peers);
    for (unsigned i = 0; i < bench->repetitions; i++) {
        for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
            bench_step(bench, "%s", bench->peers[peer]->name);
            if (!burst_one(bench, peer, error)) {
                return false;
            }
        }
    }
    return true;
}

const Scenario scenario_burst = {
    .name = "burst",
    .what = "a program wants more memory at once than its guest has",
    .run = burst_run,
};
