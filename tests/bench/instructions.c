/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting the instructions of a resize: see instructions.h. Nobody looks at
 * the guest meanwhile but the guest itself, and that ten times a second.
 */
#include "instructions.h"

#include <inttypes.h>

#define INSTRUCTIONS_INTERVAL_MS 100
/* For each ms of the guest's clock, with all the counting */
#define INSTRUCTIONS_SLOWDOWN 10
#define INSTRUCTIONS_AGENT_MS 60000

/* Whether the guest got there, or -1 if it says nothing any more */
static int instructions_run(PeerGuest *pg, uint64_t size, unsigned limit_ms,
                            GError **error)
{
    g_autofree char *output = NULL, *script = NULL;
    Agent *agent = guest_agent(pg->guest);
    int status;

    script = g_strdup_printf("mhp-await %" PRIu64 " %" PRIu64 " %u %u &&"
                             " sleep 1",
                             peer_least_total(pg, size) / KiB,
                             peer_most_total(pg, size) / KiB, limit_ms,
                             INSTRUCTIONS_INTERVAL_MS);
    if (!agent_start(agent, script, error) || !peer_request(pg, size, error)) {
        return -1;
    }
    output = agent_finish(
        agent, limit_ms * INSTRUCTIONS_SLOWDOWN + INSTRUCTIONS_AGENT_MS,
        &status, error);
    return output ? !status : -1;
}

bool instructions_resize(PeerGuest *pg, const Counter *counter, uint64_t size,
                         unsigned limit_ms, Instructions *result,
                         GError **error)
{
    uint64_t start = counter_read(counter), from, to;
    int is_done;

    if (!peer_size(pg, &from, error)) {
        return false;
    }
    is_done = instructions_run(pg, size, limit_ms, error);
    if (is_done < 0 || !peer_size(pg, &to, error)) {
        return false;
    }
    result->total = counter_read(counter) - start;
    result->is_done = is_done && to == size;
    result->per_gib = (double)result->total * (double)GiB /
                      (double)(MAX(from, to) - MIN(from, to));
    return true;
}
