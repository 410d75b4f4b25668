/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the time of our resizes goes, by the driver's own tracepoints: each
 * event ends a slice of time that belongs to what the event says was done. What
 * the host adds (supplying the pages of a memmap) is in these slices, too; its
 * share of QEMU's CPU time is shown beside them.
 */
#include <stdio.h>
#include <string.h>

#include "bench.h"

#define PROFILE_BOOT_SIZE (1 * GiB)
#define PROFILE_SIZE (16 * GiB)
#define PROFILE_LIMIT_MS 60000
#define PROFILE_TRACING "/sys/kernel/tracing"

typedef enum Slice {
    SLICE_REQUEST,
    SLICE_ADD,
    SLICE_ONLINE,
    SLICE_OFFLINE,
    SLICE_REMOVE,
    SLICE_WORKER,
    NB_SLICES
} Slice;

/* The words in a line of the trace that end a slice, most special first */
static const struct {
    const char *event;
    const char *detail;
    Slice slice;
} profile_events[] = {
    {"virtio_mhp_request:", "", SLICE_REQUEST},
    {"virtio_mhp_block:", "from=PLUGGED to=OFFLINE", SLICE_ADD},
    {"virtio_mhp_block:", "from=OFFLINE to=ONLINE", SLICE_ONLINE},
    {"virtio_mhp_block:", "from=ONLINE to=OFFLINE", SLICE_OFFLINE},
    {"virtio_mhp_block:", "from=OFFLINE to=PLUGGED", SLICE_REMOVE},
    /* The block is PLUGGED again before its page tables are taken down */
    {"virtio_mhp_vacate:", "", SLICE_REMOVE},
    {"virtio_mhp_", "", SLICE_WORKER},
};

static const Metric profile_metrics[NB_SLICES] = {
    [SLICE_REQUEST] = {"request and answer", "µs a block", false},
    [SLICE_ADD] = {"add", "µs a block", false},
    [SLICE_ONLINE] = {"online", "µs a block", false},
    [SLICE_OFFLINE] = {"offline", "µs a block", false},
    [SLICE_REMOVE] = {"remove", "µs a block", false},
    [SLICE_WORKER] = {"the driver itself", "µs a block", false},
};
static const Metric profile_all = {"all, seen by the host", "µs a block",
                                   false};
static const Metric profile_cpu = {"CPU of QEMU", "µs a block", false};
static const Metric profile_system = {"of it the host's kernel", "µs a block",
                                      false};

/* "… 12.345678: EVENT: …": the time in seconds, or -1 */
static double profile_time(const char *line)
{
    const char *colon = strstr(line, ": virtio_mhp_");
    const char *start = colon;

    while (start && start > line && start[-1] != ' ') {
        start--;
    }
    return colon ? g_ascii_strtod(start, NULL) : -1;
}

static Slice profile_slice(const char *line)
{
    for (size_t i = 0; i < G_N_ELEMENTS(profile_events); i++) {
        if (strstr(line, profile_events[i].event) &&
            strstr(line, profile_events[i].detail)) {
            return profile_events[i].slice;
        }
    }
    return SLICE_WORKER;
}

static void profile_sum(const char *trace, double seconds[NB_SLICES])
{
    g_auto(GStrv) lines = g_strsplit(trace, "\n", -1);
    double before = -1;

    for (char **line = lines; *line; line++) {
        double now = profile_time(*line);

        if (now < 0) {
            continue;
        }
        if (before >= 0) {
            seconds[profile_slice(*line)] += now - before;
        }
        before = now;
    }
}

static bool profile_start(PeerGuest *pg, GError **error)
{
    g_autofree char *output = guest_runf(
        pg->guest, error,
        "cd " PROFILE_TRACING " 2>/dev/null && [ -e trace ] ||"
        " mount -t tracefs t " PROFILE_TRACING "; cd " PROFILE_TRACING ";"
        "echo mono >trace_clock; echo >trace;"
        "echo 1 >events/mhp_vmemmap_mem/enable");

    return output != NULL;
}

/* Once the worker has nothing more to say about this resize */
static char *profile_stop(PeerGuest *pg, GError **error)
{
    return guest_runf(pg->guest, error,
                      "cd " PROFILE_TRACING
                      "; until tail -n 1 trace | grep -q resize_end;"
                      " do sleep 0.01; done;"
                      "echo 0 >events/mhp_vmemmap_mem/enable; cat trace");
}

static bool profile_one(Bench *bench, PeerGuest *pg, const char *variant,
                        double x, uint64_t size, GError **error)
{
    double nb_blocks = (double)PROFILE_SIZE / (double)MEMORY_BLOCK_SIZE;
    double seconds[NB_SLICES] = {}, system = peer_system_seconds(pg);
    const double us = (double)G_USEC_PER_SEC / nb_blocks;
    const char *name = pg->peer->name;
    g_autofree char *trace = NULL;
    Measured m;

    if (!profile_start(pg, error) ||
        !measure_resize(pg, size, PROFILE_LIMIT_MS, &m, error)) {
        return false;
    }
    trace = profile_stop(pg, error);
    if (!trace) {
        return false;
    }
    profile_sum(trace, seconds);
    for (unsigned i = 0; i < NB_SLICES; i++) {
        if (seconds[i] > 0) {
            results_add(bench->results, "profile", variant, x,
                        &profile_metrics[i], name, seconds[i] * us);
        }
    }
    results_add(bench->results, "profile", variant, x, &profile_all, name,
                measured_seconds(&m) * us);
    results_add(bench->results, "profile", variant, x, &profile_cpu, name,
                m.cpu_seconds * us);
    results_add(bench->results, "profile", variant, x, &profile_system, name,
                (peer_system_seconds(pg) - system) * us);
    return true;
}

static bool profile_run(Bench *bench, GError **error)
{
    g_autoptr(PeerGuest) pg = NULL;

    /* The tracepoints are ours */
    if (bench->peers[0]->is_stock) {
        return true;
    }
    bench_plan(bench, &scenario_profile, bench->repetitions);
    pg = bench_boot(bench, 0, PROFILE_BOOT_SIZE, PROFILE_SIZE + GiB, 0, error);
    for (unsigned i = 0; pg && i < bench->repetitions; i++) {
        bench_step(bench, "%s", pg->peer->name);
        if (!profile_one(bench, pg, "grow 16 GiB", 1, PROFILE_SIZE, error) ||
            !profile_one(bench, pg, "shrink 16 GiB", 2, 0, error)) {
            return false;
        }
    }
    return pg != NULL;
}

const Scenario scenario_profile = {
    .name = "profile",
    .what = "where the time of our resizes goes",
    .run = profile_run,
};
