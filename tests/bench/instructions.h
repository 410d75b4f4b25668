/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a resize costs the guest, in instructions. Unlike a time it says nothing
 * of the host's share, and is the same on every machine.
 */
#ifndef MHP_BENCH_INSTRUCTIONS_H
#define MHP_BENCH_INSTRUCTIONS_H

#include "counter.h"
#include "peer.h"

typedef struct Instructions {
    bool is_done;   /* within the time limit */
    uint64_t total; /* from the request until a second after its end */
    double per_gib; /* of what was plugged or unplugged */
} Instructions;

/*
 * Resize to @size a guest that @counter counts. The limit is by the guest's
 * clock. Not to get there is a result, not an error.
 */
bool instructions_resize(PeerGuest *pg, const Counter *counter, uint64_t size,
                         unsigned limit_ms, Instructions *result,
                         GError **error);

#endif /* MHP_BENCH_INSTRUCTIONS_H */
