/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shrinking a guest that uses its memory: as much is asked back as it does not
 * use, less a margin. What is used lies all over the memory, so it has to be
 * moved.
 */
#include <inttypes.h>

#include "bench.h"

#define USED_BOOT_SIZE (1 * GiB)
#define USED_SIZE (4 * GiB)
#define USED_QUICK_SIZE (2 * GiB)
#define USED_DIMM_SIZE (512 * MiB)
/* Of the whole, in percent */
#define USED_MARGIN 6
#define USED_GROW_MS 60000
#define USED_LIMIT_MS 10000
#define USED_QUICK_LIMIT_MS 8000
#define USED_FILL_MS 120000

typedef struct UsedKind {
    const char *name;
    const char *script; /* with the number of MiB as its only argument */
} UsedKind;

#define USED_WAIT_FILLED                   \
    "while ! grep -q filled /tmp/fill; do" \
    " kill -0 $! || { cat /tmp/fill; exit 1; }; sleep 0.02; done"
#define USED_FILL(kind) \
    ">/tmp/fill; mhp-fill " kind " %u >/tmp/fill 2>&1 & " USED_WAIT_FILLED
#define USED_FILE                                                      \
    "mkdir -p /tmp/used; mount -t tmpfs -o size=100%% used /tmp/used;" \
    "dd if=/dev/zero of=/tmp/used/file bs=1M count=%u 2>/dev/null"

static const UsedKind used_kinds[] = {
    {"4 KiB pages", USED_FILL("pages")},
    {"huge pages", USED_FILL("thp")},
    {"fragments", USED_FILL("fragments")},
    {"tmpfs", USED_FILE},
    {"freed", USED_FILE "; rm /tmp/used/file"},
};
#define USED_NB_QUICK 1

static const unsigned used_percents[] = {25, 50, 75};
#define USED_QUICK_PERCENT 1

static const Metric used_back = {"came back", "%", true};
static const Metric used_seconds = {"in", "s", false};

static bool used_fill(PeerGuest *pg, const UsedKind *kind, unsigned mib,
                      GError **error)
{
    g_autoptr(GString) script = g_string_new(kind->script);
    g_autofree char *number = g_strdup_printf("%u", mib);
    g_autofree char *output = NULL;

    g_string_replace(script, "%u", number, 1);
    g_string_replace(script, "%%", "%", 0);
    output = agent_run(guest_agent(pg->guest), script->str, USED_FILL_MS, NULL,
                       error);
    return output != NULL;
}

static bool used_one(Bench *bench, unsigned peer, const UsedKind *kind,
                     unsigned percent, GError **error)
{
    uint64_t size = bench->is_quick ? USED_QUICK_SIZE : USED_SIZE;
    uint64_t nb_dimms = size * (percent + USED_MARGIN) / 100 / USED_DIMM_SIZE;
    uint64_t left = (nb_dimms + 1) * USED_DIMM_SIZE;
    g_autofree char *variant = g_strdup_printf("%u %% %s", percent, kind->name);
    const char *name = bench->peers[peer]->name;
    g_autoptr(PeerGuest) pg = bench_boot(bench, peer, USED_BOOT_SIZE,
                                         size + GiB, USED_DIMM_SIZE, error);
    Measured m;

    if (!pg || !measure_resize(pg, size, USED_GROW_MS, &m, error) ||
        !used_fill(pg, kind, size * percent / 100 / MiB, error) ||
        !measure_resize(pg, left,
                        bench->is_quick ? USED_QUICK_LIMIT_MS : USED_LIMIT_MS,
                        &m, error)) {
        return false;
    }
    results_add(bench->results, "used", variant, percent, &used_back, name,
                100 * ((double)size - (double)m.reached) /
                    (double)(size - left));
    results_add(bench->results, "used", variant, percent, &used_seconds, name,
                measured_seconds(&m));
    return true;
}

static bool used_run(Bench *bench, GError **error)
{
    unsigned nb_kinds = bench->is_quick ? USED_NB_QUICK
                                        : G_N_ELEMENTS(used_kinds);
    unsigned first = bench->is_quick ? USED_QUICK_PERCENT : 0;
    unsigned end = bench->is_quick ? first + 1 : G_N_ELEMENTS(used_percents);

    bench_plan(bench, &scenario_used,
               nb_kinds * (end - first) * bench->nb_peers);
    for (unsigned k = 0; k < nb_kinds; k++) {
        for (unsigned p = first; p < end; p++) {
            for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
                bench_step(bench, "%s, %u %% %s", bench->peers[peer]->name,
                           used_percents[p], used_kinds[k].name);
                if (!used_one(bench, peer, &used_kinds[k], used_percents[p],
                              error)) {
                    return false;
                }
            }
        }
    }
    return true;
}

const Scenario scenario_used = {
    .name = "used",
    .what = "shrinking by what a guest does not use, while it uses the rest",
    .run = used_run,
};
