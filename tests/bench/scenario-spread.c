/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a guest that uses little of its memory uses it: in how many memory
 * blocks, and how long it takes to give back those that it does not use. Beside
 * it the same way with nothing used.
 */
#include <inttypes.h>
#include <stdio.h>

#include "bench.h"

#define SPREAD_BOOT_SIZE (1 * GiB)
#define SPREAD_SIZE (8 * GiB)
#define SPREAD_DIMM_SIZE (1 * GiB)
#define SPREAD_GROW_MS 60000
#define SPREAD_LIMIT_MS 60000
#define SPREAD_QUICK_LIMIT_MS 8000
#define SPREAD_FILL_MS 120000

typedef struct SpreadUse {
    unsigned percent;
    uint64_t left; /* what it is shrunk to: room for what is used */
} SpreadUse;

static const SpreadUse spread_uses[] = {
    {0, 1 * GiB},
    {1, 1 * GiB},
    {5, 1 * GiB},
    {25, 3 * GiB},
};
/* The first two */
#define SPREAD_NB_QUICK 2

static const Metric spread_blocks = {"blocks in use", "%", false};
static const Metric spread_shrink = {"shrink, a GiB", "ms", false};

static bool spread_fill(PeerGuest *pg, uint64_t size, GError **error)
{
    g_autofree char *output = guest_runf(
        pg->guest, error,
        "mkdir -p /tmp/used; mount -t tmpfs -o size=100%% used /tmp/used;"
        "dd if=/dev/zero of=/tmp/used/file bs=1M count=%" PRIu64 " 2>/dev/null",
        size / MiB);

    return output != NULL;
}

static bool spread_count(PeerGuest *pg, double *percent, GError **error)
{
    g_autofree char *text = guest_runf(pg->guest, error, "mhp-spread");
    unsigned used, all;

    if (!text) {
        return false;
    }
    if (sscanf(text, "%u %u", &used, &all) != 2 || !all) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "mhp-spread: wanted two numbers, got '%s'", text);
        return false;
    }
    *percent = 100.0 * used / all;
    return true;
}

static bool spread_one(Bench *bench, unsigned peer, const SpreadUse *use,
                       GError **error)
{
    g_autofree char *variant = g_strdup_printf("%u %% used", use->percent);
    const char *name = bench->peers[peer]->name;
    g_autoptr(PeerGuest)
        pg = bench_boot(bench, peer, SPREAD_BOOT_SIZE, SPREAD_SIZE + GiB,
                        SPREAD_DIMM_SIZE, error);
    double percent;
    Measured m;

    if (!pg || !measure_resize(pg, SPREAD_SIZE, SPREAD_GROW_MS, &m, error) ||
        !spread_fill(pg, SPREAD_SIZE * use->percent / 100, error) ||
        !spread_count(pg, &percent, error) ||
        !measure_resize(pg, use->left,
                        bench->is_quick ? SPREAD_QUICK_LIMIT_MS
                                        : SPREAD_LIMIT_MS,
                        &m, error)) {
        return false;
    }
    results_add(bench->results, "spread", variant, use->percent, &spread_blocks,
                name, percent);
    bench_note_limit(bench, "spread", peer, &m);
    if (m.from > m.reached) {
        results_add(bench->results, "spread", variant, use->percent,
                    &spread_shrink, name,
                    measured_seconds(&m) * 1000 * (double)GiB /
                        (double)(m.from - m.reached));
    }
    return true;
}

static bool spread_run(Bench *bench, GError **error)
{
    unsigned nb_uses = bench->is_quick ? SPREAD_NB_QUICK
                                       : G_N_ELEMENTS(spread_uses);

    bench_plan(bench, &scenario_spread, nb_uses * bench->nb_peers);
    for (unsigned u = 0; u < nb_uses; u++) {
        for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
            bench_step(bench, "%s, %u %% used", bench->peers[peer]->name,
                       spread_uses[u].percent);
            /* There are no memory blocks in ZONE_MOVABLE with a balloon */
            if (!bench->peers[peer]->starts_full &&
                !spread_one(bench, peer, &spread_uses[u], error)) {
                return false;
            }
        }
    }
    return true;
}

const Scenario scenario_spread = {
    .name = "spread",
    .what = "how far what little is used is spread, and giving back the rest",
    .run = spread_run,
};
