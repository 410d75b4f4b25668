/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The smallest resizes: one memory block more or less, and none at all.
 */
#include "bench.h"

#define STEP_BOOT_SIZE (1 * GiB)
#define STEP_BASE (4 * GiB)
#define STEP_LIMIT_MS 30000
#define STEP_ROUNDS 10
#define STEP_QUICK_ROUNDS 4
#define STEP_NOTHINGS 200

static const Metric step_ms = {"latency", "ms", false};
static const Metric step_cpu = {"CPU", "ms", false};

static bool step_measure(Bench *bench, unsigned peer, PeerGuest *pg,
                         const char *variant, double x, uint64_t size,
                         GError **error)
{
    Measured m;

    if (!measure_resize(pg, size, STEP_LIMIT_MS, &m, error)) {
        return false;
    }
    results_add(bench->results, "step", variant, x, &step_ms,
                bench->peers[peer]->name, measured_seconds(&m) * 1000);
    return true;
}

/* Asked again for what it has */
static bool step_nothing(Bench *bench, unsigned peer, PeerGuest *pg,
                         GError **error)
{
    const char *name = bench->peers[peer]->name;
    double cpu = peer_cpu_seconds(pg);
    gint64 start = g_get_monotonic_time(), time;

    for (unsigned i = 0; i < STEP_NOTHINGS; i++) {
        if (!peer_request(pg, STEP_BASE, error)) {
            return false;
        }
    }
    time = g_get_monotonic_time() - start;
    results_add(bench->results, "step", "nothing", 0, &step_ms, name,
                (double)time / 1000 / STEP_NOTHINGS);
    results_add(bench->results, "step", "nothing", 0, &step_cpu, name,
                (peer_cpu_seconds(pg) - cpu) * 1000 / STEP_NOTHINGS);
    return true;
}

static bool step_one(Bench *bench, unsigned peer, GError **error)
{
    g_autoptr(PeerGuest)
        pg = bench_boot(bench, peer, STEP_BOOT_SIZE, STEP_BASE + GiB, 0, error);
    unsigned rounds = bench->is_quick ? STEP_QUICK_ROUNDS : STEP_ROUNDS;
    Measured m;

    if (!pg || !measure_resize(pg, STEP_BASE, STEP_LIMIT_MS, &m, error)) {
        return false;
    }
    if (!step_nothing(bench, peer, pg, error)) {
        return false;
    }
    for (unsigned i = 0; i < rounds; i++) {
        if (!step_measure(bench, peer, pg, "128 MiB more", 1,
                          STEP_BASE + MEMORY_BLOCK_SIZE, error) ||
            !step_measure(bench, peer, pg, "128 MiB less", 2, STEP_BASE,
                          error)) {
            return false;
        }
    }
    return true;
}

static bool step_run(Bench *bench, GError **error)
{
    bench_plan(bench, &scenario_step, bench->nb_peers);
    for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
        bench_step(bench, "%s", bench->peers[peer]->name);
        if (!step_one(bench, peer, error)) {
            return false;
        }
    }
    return true;
}

const Scenario scenario_step = {
    .name = "step",
    .what = "a single block more or less, and a resize with nothing to do",
    .run = step_run,
};
