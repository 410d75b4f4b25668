/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that a guest has used and freed: how soon the host has it back with no
 * resize, and what a program that takes and frees memory all the time loses by
 * it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "bench.h"

#define IDLE_BOOT_SIZE (1 * GiB)
#define IDLE_SIZE (5 * GiB)
#define IDLE_GROW_MS 60000
#define IDLE_USED_MIB 4096
#define IDLE_USED_MS 300000
#define IDLE_LIMIT_SECONDS 60
/* When most is expected to be back, and at what the host has got it all */
#define IDLE_FIRST_SECONDS 5
#define IDLE_ENOUGH 1.1
#define IDLE_POLL_US 50000

#define IDLE_BUSY_MIB 1024
#define IDLE_BUSY_SECONDS 20
#define IDLE_BUSY_MS 120000

static const Metric idle_left = {"not back after 5 s", "%", false};
static const Metric idle_seconds = {"within 10 % after", "s", false};
static const Metric idle_rate = {"touched", "MiB/s", true};
static const Metric idle_keeping = {"without reporting", "MiB/s", true};
static const Metric idle_kept = {"with of without", "%", true};

static PeerGuest *idle_boot(Bench *bench, unsigned peer, bool is_keeping,
                            GError **error)
{
    const PeerConfig config = {
        .kver = bench->kver,
        .accel = bench->accel,
        .boot_size = IDLE_BOOT_SIZE,
        .max = IDLE_SIZE,
        .is_keeping = is_keeping,
    };
    g_autoptr(PeerGuest)
        pg = peer_guest_new(bench->peers[peer], &config, error);
    Measured m;

    return pg && measure_resize(pg, IDLE_SIZE, IDLE_GROW_MS, &m, error)
               ? g_steal_pointer(&pg)
               : NULL;
}

static bool idle_use(PeerGuest *pg, unsigned mib, unsigned seconds,
                     unsigned limit_ms, double *rate, GError **error)
{
    g_autofree char *script = g_strdup_printf("mhp-burst %u %u", mib, seconds);
    g_autofree char *output = agent_run(guest_agent(pg->guest), script,
                                        limit_ms, NULL, error);

    if (!output) {
        return false;
    }
    if (sscanf(output, "right %lf", rate) != 1) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "mhp-burst: wanted 'right RATE', got '%s'", output);
        return false;
    }
    return true;
}

static double idle_part(const PeerGuest *pg, uint64_t before, uint64_t full)
{
    const uint64_t rss = peer_rss(pg);

    return rss > before && full > before
               ? 100 * (double)(rss - before) / (double)(full - before)
               : 0;
}

static void idle_watch(Bench *bench, unsigned peer, const PeerGuest *pg,
                       uint64_t before)
{
    const char *name = bench->peers[peer]->name;
    const uint64_t full = peer_rss(pg);
    const gint64 start = g_get_monotonic_time();
    double seconds = 0, left = -1;
    bool is_back = false;

    while (!is_back && seconds < IDLE_LIMIT_SECONDS) {
        g_usleep(IDLE_POLL_US);
        seconds = (double)(g_get_monotonic_time() - start) / 1e6;
        is_back = (double)peer_rss(pg) <= (double)before * IDLE_ENOUGH;
        if (left < 0 && (is_back || seconds >= IDLE_FIRST_SECONDS)) {
            left = idle_part(pg, before, full);
        }
    }
    results_add(bench->results, "idle", "4 GiB freed", 0, &idle_left, name,
                left);
    if (is_back) {
        results_add(bench->results, "idle", "4 GiB freed", 0, &idle_seconds,
                    name, seconds);
    } else {
        results_remark(bench->results,
                       "idle, %s: %.0f %% of 4 GiB not back after %d s", name,
                       idle_part(pg, before, full), IDLE_LIMIT_SECONDS);
    }
}

static bool idle_free(Bench *bench, unsigned peer, GError **error)
{
    g_autoptr(PeerGuest) pg = idle_boot(bench, peer, false, error);
    const uint64_t before = pg ? peer_rss(pg) : 0;
    double rate;

    if (!pg || !idle_use(pg, IDLE_USED_MIB, 0, IDLE_USED_MS, &rate, error)) {
        return false;
    }
    idle_watch(bench, peer, pg, before);
    return true;
}

static bool idle_rate_of(Bench *bench, unsigned peer, bool is_keeping,
                         double *rate, GError **error)
{
    g_autoptr(PeerGuest) pg = idle_boot(bench, peer, is_keeping, error);

    return pg && idle_use(pg, IDLE_BUSY_MIB, IDLE_BUSY_SECONDS, IDLE_BUSY_MS,
                          rate, error);
}

/* One after the other, the first of the pair in turns */
static bool idle_busy(Bench *bench, unsigned peer, bool keeping_first,
                      GError **error)
{
    const char *name = bench->peers[peer]->name;
    const char *variant = "taken and freed";
    double rate[2];

    for (unsigned i = 0; i < 2; i++) {
        const bool is_keeping = keeping_first == !i;

        if (!idle_rate_of(bench, peer, is_keeping, &rate[is_keeping], error)) {
            return false;
        }
    }
    results_add(bench->results, "idle", variant, 1, &idle_rate, name, rate[0]);
    results_add(bench->results, "idle", variant, 1, &idle_keeping, name,
                rate[1]);
    results_add(bench->results, "idle", variant, 1, &idle_kept, name,
                100 * rate[0] / rate[1]);
    return true;
}

static bool idle_run(Bench *bench, GError **error)
{
    bench_plan(bench, &scenario_idle, 2 * bench->repetitions * bench->nb_peers);
    for (unsigned i = 0; i < bench->repetitions; i++) {
        for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
            bench_step(bench, "%s, freed", bench->peers[peer]->name);
            if (!idle_free(bench, peer, error)) {
                return false;
            }
            bench_step(bench, "%s, busy", bench->peers[peer]->name);
            if (bench->peers[peer]->keeping &&
                !idle_busy(bench, peer, i % 2, error)) {
                return false;
            }
        }
    }
    return true;
}

const Scenario scenario_idle = {
    .name = "idle",
    .what = "free memory back to the host without a resize, and what it costs",
    .run = idle_run,
};
