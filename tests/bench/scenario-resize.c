/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing by idle memory and shrinking again: how long, as a function of size,
 * and what it costs in boot memory and on the host. The guests of all peers
 * live side by side, idle but for the one that is measured; each repetition
 * goes through all of them.
 */
#include "bench.h"

#define RESIZE_BOOT_SIZE (4 * GiB)
/* Ours spares a block, the moat */
#define RESIZE_SPARE (1 * GiB)
#define RESIZE_LIMIT_MS 60000
#define RESIZE_QUICK_LIMIT_MS 8000

static const unsigned resize_sizes[] = {1, 4, 16, 64, 128};
#define RESIZE_NB_QUICK 3

static const Metric grow_seconds = {"grow", "s", false};
static const Metric shrink_seconds = {"shrink", "s", false};
static const Metric grow_rate = {"grow rate", "GiB/s", true};
static const Metric shrink_rate = {"shrink rate", "GiB/s", true};
static const Metric grow_per_gib = {"grow, a GiB", "ms", false};
static const Metric shrink_per_gib = {"shrink, a GiB", "ms", false};
static const Metric grow_cpu = {"grow, CPU", "s", false};
static const Metric shrink_cpu = {"shrink, CPU", "s", false};
static const Metric grow_stall = {"grow, QMP", "ms", false};
static const Metric shrink_stall = {"shrink, QMP", "ms", false};
static const Metric boot_memory = {"boot memory, a GiB", "KiB", false};
static const Metric host_memory = {"host memory, a GiB", "MiB", false};

typedef struct Resize {
    Bench *bench;
    PeerGuest **guests; /* one for each peer, NULL until it is needed */
    bool *is_long;      /* for each size and peer */
    bool *is_cut_off;   /* for each peer: shrinking takes longer than a limit */
    unsigned limit_ms;
    unsigned nb_sizes;
} Resize;

static void resize_add(Resize *resize, unsigned peer, unsigned gib,
                       const Metric *metric, double value)
{
    g_autofree char *variant = g_strdup_printf("%u GiB", gib);

    results_add(resize->bench->results, "resize", variant, gib, metric,
                resize->bench->peers[peer]->name, value);
}

static bool resize_grow(Resize *resize, unsigned peer, unsigned gib,
                        Measured *m, GError **error)
{
    PeerGuest *pg = resize->guests[peer];
    double way;
    uint64_t boot_free;

    if (!measure_resize(pg, gib * GiB, resize->limit_ms, m, error)) {
        return false;
    }
    way = (double)(m->reached - m->from) / (double)GiB;
    bench_note_limit(resize->bench, "resize", peer, m);
    resize_add(resize, peer, gib, &grow_seconds, measured_seconds(m));
    resize_add(resize, peer, gib, &grow_rate, measured_rate(m));
    resize_add(resize, peer, gib, &grow_cpu, m->cpu_seconds);
    resize_add(resize, peer, gib, &grow_stall, m->stall_ms);
    if (way <= 0 || !guest_boot_free(pg->guest, &boot_free, error)) {
        return way <= 0;
    }
    resize_add(resize, peer, gib, &grow_per_gib,
               measured_seconds(m) * 1000 / way);
    resize_add(resize, peer, gib, &host_memory,
               ((double)m->rss_after - (double)m->rss_before) / (double)MiB /
                   way);
    /* A balloon's pages are not apart from boot memory */
    if (pg->peer->module == NULL || pg->peer->device) {
        resize_add(resize, peer, gib, &boot_memory,
                   ((double)pg->boot_free - (double)boot_free) / (double)KiB /
                       way);
    }
    return true;
}

static bool resize_shrink(Resize *resize, unsigned peer, unsigned gib,
                          Measured *m, GError **error)
{
    double way;

    if (!measure_resize(resize->guests[peer], 0, resize->limit_ms, m, error)) {
        return false;
    }
    way = (double)(m->from - m->reached) / (double)GiB;
    bench_note_limit(resize->bench, "resize", peer, m);
    resize_add(resize, peer, gib, &shrink_seconds, measured_seconds(m));
    resize_add(resize, peer, gib, &shrink_rate, measured_rate(m));
    resize_add(resize, peer, gib, &shrink_cpu, m->cpu_seconds);
    resize_add(resize, peer, gib, &shrink_stall, m->stall_ms);
    if (way > 0) {
        resize_add(resize, peer, gib, &shrink_per_gib,
                   measured_seconds(m) * 1000 / way);
    }
    return true;
}

/* One that starts full gives up all of it first, so that is what it has */
static bool resize_boot(Resize *resize, unsigned peer, unsigned gib,
                        GError **error)
{
    uint64_t max = resize->bench->peers[peer]->starts_full
                       ? gib * GiB
                       : resize_sizes[resize->nb_sizes - 1] * GiB +
                             RESIZE_SPARE;

    if (resize->guests[peer] && resize->guests[peer]->max == max) {
        return true;
    }
    peer_guest_free(resize->guests[peer]);
    resize->guests[peer] = bench_boot(resize->bench, peer, RESIZE_BOOT_SIZE,
                                      max, 0, error);
    return resize->guests[peer] != NULL;
}

/*
 * A guest that did not get there is replaced: the next one starts anew. What it
 * would do on the way back is not the way that is measured. What took longer
 * than the limit does so with more memory, too.
 */
static bool resize_there_and_back(Resize *resize, unsigned peer, unsigned gib,
                                  bool *is_long, GError **error)
{
    bool shrinks_first = resize->bench->peers[peer]->starts_full;
    Measured m;

    if (!resize_boot(resize, peer, gib, error)) {
        return false;
    }
    for (unsigned i = 0; i < 2; i++) {
        bool shrinks = shrinks_first == (i == 0);
        bool measured;

        if (shrinks && resize->is_cut_off[peer]) {
            *is_long = true;
            g_clear_pointer(&resize->guests[peer], peer_guest_free);
            break;
        }
        measured = shrinks ? resize_shrink(resize, peer, gib, &m, error)
                           : resize_grow(resize, peer, gib, &m, error);

        if (!measured) {
            return false;
        }
        *is_long |= measured_seconds(&m) > BENCH_LONG_SECONDS;
        if (!m.is_done) {
            resize->is_cut_off[peer] |= shrinks;
            g_clear_pointer(&resize->guests[peer], peer_guest_free);
            break;
        }
    }
    return true;
}

static bool resize_all(Resize *resize, GError **error)
{
    Bench *bench = resize->bench;

    for (unsigned s = 0; s < resize->nb_sizes; s++) {
        for (unsigned i = 0; i < bench->repetitions; i++) {
            for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
                bool *is_long = &resize->is_long[s * bench->nb_peers + peer];

                bench_step(bench, "%s, %u GiB", bench->peers[peer]->name,
                           resize_sizes[s]);
                if (!*is_long &&
                    !resize_there_and_back(resize, peer, resize_sizes[s],
                                           is_long, error)) {
                    return false;
                }
            }
        }
    }
    return true;
}

static bool resize_run(Bench *bench, GError **error)
{
    Resize resize = {
        .bench = bench,
        .guests = g_new0(PeerGuest *, bench->nb_peers),
        .limit_ms = bench->is_quick ? RESIZE_QUICK_LIMIT_MS : RESIZE_LIMIT_MS,
        .nb_sizes = bench->is_quick ? RESIZE_NB_QUICK
                                    : G_N_ELEMENTS(resize_sizes),
    };
    bool ok;

    resize.is_long = g_new0(bool, resize.nb_sizes * bench->nb_peers);
    resize.is_cut_off = g_new0(bool, bench->nb_peers);
    bench_plan(bench, &scenario_resize,
               resize.nb_sizes * bench->repetitions * bench->nb_peers);
    ok = resize_all(&resize, error);
    for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
        peer_guest_free(resize.guests[peer]);
    }
    g_free(resize.guests);
    g_free(resize.is_long);
    g_free(resize.is_cut_off);
    return ok;
}

const Scenario scenario_resize = {
    .name = "resize",
    .what = "idle memory to the guest and back: time, host and boot memory",
    .run = resize_run,
};
