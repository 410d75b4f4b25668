/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a program in the guest feels of a resize: it touches memory and measures
 * each touch, while memory is taken and given.
 */
#include <stdio.h>

#include "bench.h"

#define WORKER_BOOT_SIZE (2 * GiB)
#define WORKER_SIZE (16 * GiB)
#define WORKER_QUICK_SIZE (2 * GiB)
#define WORKER_GROW_MS 60000
/* What is felt shows long before all is done */
#define WORKER_LIMIT_MS 20000
#define WORKER_QUICK_LIMIT_MS 6000
#define WORKER_QUIET_US (3 * G_USEC_PER_SEC)
#define WORKER_MIB 64

static const Metric worker_rate = {"throughput", "% of quiet", true};
static const Metric worker_late = {"99.9 % within", "µs", false};

typedef struct WorkerFigures {
    double rate;
    double late;
} WorkerFigures;

/* What it has done since it was asked last */
static bool worker_ask(PeerGuest *pg, WorkerFigures *figures, GError **error)
{
    g_autofree char *line = guest_runf(
        pg->guest, error,
        "n=$(wc -l </tmp/worker); kill -USR1 $(pidof mhp-worker);"
        "while [ $(wc -l </tmp/worker) = $n ]; do sleep 0.01; done;"
        "tail -n 1 /tmp/worker");

    if (!line) {
        return false;
    }
    if (sscanf(line, "%lf %lf", &figures->rate, &figures->late) != 2) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "want figures of the guest's worker, got '%s'", line);
        return false;
    }
    return true;
}

static bool worker_start(PeerGuest *pg, GError **error)
{
    g_autofree char *output = guest_runf(
        pg->guest, error,
        "mhp-worker %d >/tmp/worker 2>&1 &"
        " until [ -s /tmp/worker ]; do sleep 0.01; done;"
        " grep -q working /tmp/worker",
        WORKER_MIB);

    return output != NULL;
}

static void worker_add(Bench *bench, unsigned peer, const char *variant,
                       double x, const WorkerFigures *figures,
                       const WorkerFigures *quiet)
{
    const char *name = bench->peers[peer]->name;

    results_add(bench->results, "worker", variant, x, &worker_rate, name,
                100 * figures->rate / quiet->rate);
    results_add(bench->results, "worker", variant, x, &worker_late, name,
                figures->late);
}

static bool worker_one(Bench *bench, unsigned peer, bool *is_long,
                       GError **error)
{
    uint64_t size = bench->is_quick ? WORKER_QUICK_SIZE : WORKER_SIZE;
    unsigned limit = bench->is_quick ? WORKER_QUICK_LIMIT_MS : WORKER_LIMIT_MS;
    WorkerFigures quiet, shrinking, growing;
    g_autoptr(PeerGuest)
        pg = bench_boot(bench, peer, WORKER_BOOT_SIZE, size + GiB, 0, error);
    Measured m;

    if (!pg || !measure_resize(pg, size, WORKER_GROW_MS, &m, error) ||
        !worker_start(pg, error) || !worker_ask(pg, &quiet, error)) {
        return false;
    }
    g_usleep(WORKER_QUIET_US);
    if (!worker_ask(pg, &quiet, error) ||
        !measure_resize(pg, 0, limit, &m, error) ||
        !worker_ask(pg, &shrinking, error)) {
        return false;
    }
    *is_long = measured_seconds(&m) > BENCH_LONG_SECONDS;
    if (!measure_resize(pg, size, limit, &m, error) ||
        !worker_ask(pg, &growing, error)) {
        return false;
    }
    worker_add(bench, peer, "quiet", 0, &quiet, &quiet);
    worker_add(bench, peer, "while shrinking", 1, &shrinking, &quiet);
    worker_add(bench, peer, "while growing", 2, &growing, &quiet);
    return true;
}

/* @is_long: for each peer, whether a shrink was */
static bool worker_all(Bench *bench, bool *is_long, GError **error)
{
    for (unsigned i = 0; i < bench->repetitions; i++) {
        for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
            bench_step(bench, "%s", bench->peers[peer]->name);
            /* Once is enough for a first look */
            if (!(bench->is_quick && i) && !is_long[peer] &&
                !worker_one(bench, peer, &is_long[peer], error)) {
                return false;
            }
        }
    }
    return true;
}

static bool worker_run(Bench *bench, GError **error)
{
    bool *is_long = g_new0(bool, bench->nb_peers);
    bool ok;

    bench_plan(bench, &scenario_worker, bench->repetitions * bench->nb_peers);
    ok = worker_all(bench, is_long, error);
    g_free(is_long);
    return ok;
}

const Scenario scenario_worker = {
    .name = "worker",
    .what = "what a program in the guest feels of a resize",
    .run = worker_run,
};
