/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions of the guest for a GiB grown and shrunk. Each guest goes the way
 * once before it counts: what comes but once, as a zone, is not of interest.
 */
#include "bench.h"
#include "instructions.h"

#define INSTRUCTIONS_BOOT_SIZE (1 * GiB)
#define INSTRUCTIONS_SIZE (4 * GiB)
#define INSTRUCTIONS_QUICK_SIZE (1 * GiB)
/* By the guest's clock */
#define INSTRUCTIONS_LIMIT_MS 60000

static const Metric grow_insns = {"grow, a GiB", "million", false};
static const Metric shrink_insns = {"shrink, a GiB", "million", false};

typedef struct Trip {
    Bench *bench;
    const Peer *peer;
    uint64_t size;
    PeerGuest *pg;
    Counter *counter;
} Trip;

static bool trip_go(Trip *trip, uint64_t to, bool counts, bool *is_done,
                    GError **error)
{
    const bool grows = to > 0;
    Instructions result;

    if (!instructions_resize(trip->pg, trip->counter, to, INSTRUCTIONS_LIMIT_MS,
                             &result, error)) {
        return false;
    }
    *is_done = result.is_done;
    if (!result.is_done) {
        results_remark(trip->bench->results,
                       "instructions, %s: to %s %.0f GiB takes more than %u s "
                       "of the guest's",
                       trip->peer->name, grows ? "grow" : "shrink",
                       (double)trip->size / (double)GiB,
                       INSTRUCTIONS_LIMIT_MS / 1000);
    } else if (counts) {
        results_add(trip->bench->results, "instructions", "idle memory", 1,
                    grows ? &grow_insns : &shrink_insns, trip->peer->name,
                    result.per_gib / 1e6);
    }
    return true;
}

/* One that starts full goes the other way round */
static bool trip_there_and_back(Trip *trip, GError **error)
{
    const uint64_t first = trip->peer->starts_full ? 0 : trip->size;
    const uint64_t ways[] = {first, trip->size - first};
    bool is_done = true;

    for (unsigned i = 0; i < 4 && is_done; i++) {
        if (!trip_go(trip, ways[i % 2], i >= 2, &is_done, error)) {
            return false;
        }
    }
    return true;
}

static bool trip_make(Trip *trip, GError **error)
{
    const bool is_full = trip->peer->starts_full;
    const PeerConfig config = {
        .kver = trip->bench->kver,
        .accel = "tcg",
        .boot_size = INSTRUCTIONS_BOOT_SIZE,
        /* Ours spares a block, the moat */
        .max = trip->size + (is_full ? 0 : GiB),
        .counter = &trip->counter,
    };
    bool ok;

    trip->pg = peer_guest_new(trip->peer, &config, error);
    ok = trip->pg && trip_there_and_back(trip, error);
    peer_guest_free(trip->pg);
    counter_free(trip->counter);
    return ok;
}

/* Once: it would be the same again, to a hundredth */
static bool instructions_run(Bench *bench, GError **error)
{
    bench_plan(bench, &scenario_instructions, bench->nb_peers);
    for (unsigned i = 0; i < bench->nb_peers; i++) {
        Trip trip = {
            .bench = bench,
            .peer = bench->peers[i],
            .size = bench->is_quick ? INSTRUCTIONS_QUICK_SIZE
                                    : INSTRUCTIONS_SIZE,
        };

        bench_step(bench, "%s", trip.peer->name);
        if (!trip_make(&trip, error)) {
            return false;
        }
    }
    return true;
}

const Scenario scenario_instructions = {
    .name = "instructions",
    .what = "instructions of the guest for a GiB, on any machine the same",
    .run = instructions_run,
};
