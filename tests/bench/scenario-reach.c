/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far a small guest gets when it is asked to become very large, and what
 * ends it.
 */
#include <string.h>

#include "bench.h"
#include "klog.h"

#define REACH_MAX (512 * GiB)
#define REACH_QUICK_MAX (64 * GiB)
#define REACH_DIMM_SIZE (32 * GiB)
/* Nothing more is to come when nothing came for so long, or in all */
#define REACH_STALL_US (12 * G_USEC_PER_SEC)
#define REACH_LIMIT_US (120 * (gint64)G_USEC_PER_SEC)
#define REACH_EXIT_MS 3000

static const uint64_t reach_boot_sizes[] = {256 * MiB, 1 * GiB, 2 * GiB};
static const Metric reach_metric = {"reached", "GiB", true};

/* Balloons begin with all memory, so they have no reach */
static bool reach_applies(const Peer *peer)
{
    return peer->device || !peer->module;
}

static const char *reach_wait(PeerGuest *pg, uint64_t max, uint64_t *reached)
{
    gint64 start = g_get_monotonic_time(), last = start, now = start;
    uint64_t size;

    *reached = 0;
    while (*reached < max && now - last < REACH_STALL_US &&
           now - start < REACH_LIMIT_US) {
        if (!peer_size(pg, &size, NULL)) {
            return "ended";
        }
        now = g_get_monotonic_time();
        if (size > *reached) {
            *reached = size;
            last = now;
        }
        g_usleep(5000);
    }
    if (*reached >= max) {
        return NULL;
    }
    return now - last < REACH_STALL_US ? "was not finished in time" : "stuck";
}

/* What the kernel said last, where it has a word for it */
static char *reach_explain(PeerGuest *pg, const char *outcome)
{
    static const char *const words[] = {"Kernel panic - ", "Out of memory",
                                        "alloc failure"};
    g_autofree char *console = NULL;
    int status;

    /* A panic ends QEMU, though not before the connections to the guest */
    vm_wait_exit(guest_vm(pg->guest), REACH_EXIT_MS, &status, NULL);
    console = guest_console(pg->guest);
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autofree char *line = klog_find(console, words[i]);

        if (line) {
            return g_strdup_printf("%s: %s", outcome, g_strchomp(line));
        }
    }
    return g_strdup(outcome);
}

static bool reach_one(Bench *bench, unsigned peer, uint64_t boot,
                      GError **error)
{
    uint64_t max = bench->is_quick ? REACH_QUICK_MAX : REACH_MAX, reached;
    const Peer *kind = bench->peers[peer];
    g_autofree char *variant = g_strdup_printf("%u MiB at boot",
                                               (unsigned)(boot / MiB));
    g_autoptr(PeerGuest)
        pg = bench_boot(bench, peer, boot, max + GiB, REACH_DIMM_SIZE, error);
    g_autoptr(GError) local = NULL;
    const char *outcome;

    if (!pg) {
        return false;
    }
    if (!peer_request(pg, max, &local)) {
        results_remark(bench->results, "reach, %s, %s: %s", kind->name, variant,
                       local->message);
        return true;
    }
    outcome = reach_wait(pg, max, &reached);
    if (outcome) {
        g_autofree char *why = reach_explain(pg, outcome);

        results_remark(bench->results, "reach, %s, %s: %s at %.1f GiB",
                       kind->name, variant, why, (double)reached / (double)GiB);
    }
    results_add(bench->results, "reach", variant, (double)boot / (double)GiB,
                &reach_metric, kind->name, (double)reached / (double)GiB);
    return true;
}

static bool reach_run(Bench *bench, GError **error)
{
    unsigned first = bench->is_quick ? 1 : 0;
    unsigned end = bench->is_quick ? 2 : G_N_ELEMENTS(reach_boot_sizes);

    bench_plan(bench, &scenario_reach, (end - first) * bench->nb_peers);
    for (unsigned b = first; b < end; b++) {
        for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
            bench_step(bench, "%s, %u MiB at boot", bench->peers[peer]->name,
                       (unsigned)(reach_boot_sizes[b] / MiB));
            if (reach_applies(bench->peers[peer]) &&
                !reach_one(bench, peer, reach_boot_sizes[b], error)) {
                return false;
            }
        }
    }
    return true;
}

const Scenario scenario_reach = {
    .name = "reach",
    .what = "how far a small guest grows, and what ends it",
    .run = reach_run,
};
