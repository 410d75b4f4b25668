/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measuring a resize: see measure.h. A thread talks to QMP, this one to the
 * guest's agent: channels of their own.
 */
#include "measure.h"

#include <inttypes.h>

#define MEASURE_INTERVAL_US 1000
/* The agent answers this much after its time limit at the latest */
#define MEASURE_AGENT_MS 60000

typedef struct Watch {
    PeerGuest *pg;
    GThread *thread;
    uint64_t wanted;
    int64_t start; /* µs */
    int64_t limit;
    gint guest_gave_up;
    /* results */
    uint64_t size;
    bool is_done;
    int64_t end;
    int64_t stall;
    GError *error;
} Watch;

static gpointer measure_watch(gpointer opaque)
{
    Watch *watch = opaque;

    do {
        int64_t asked = g_get_monotonic_time(), answered;

        if (!peer_size(watch->pg, &watch->size, &watch->error)) {
            break;
        }
        answered = g_get_monotonic_time();
        watch->stall = MAX(watch->stall, answered - asked);
        watch->end = answered;
        watch->is_done = watch->size == watch->wanted;
        if (!watch->is_done) {
            g_usleep(MEASURE_INTERVAL_US);
        }
    } while (!watch->is_done && !g_atomic_int_get(&watch->guest_gave_up) &&
             watch->end - watch->start < watch->limit);
    return NULL;
}

static bool measure_start_guest(PeerGuest *pg, uint64_t size, unsigned limit_ms,
                                GError **error)
{
    g_autofree char *script = g_strdup_printf(
        "mhp-await %" PRIu64 " %" PRIu64 " %u",
        peer_least_total(pg, size) / KiB, peer_most_total(pg, size) / KiB,
        limit_ms);

    return agent_start(guest_agent(pg->guest), script, error);
}

/* Whether MemTotal got there, or -1 if the guest says nothing any more */
static int measure_end_guest(PeerGuest *pg, unsigned limit_ms, GError **error)
{
    g_autofree char *output = NULL;
    int status;

    output = agent_finish(guest_agent(pg->guest), limit_ms + MEASURE_AGENT_MS,
                          &status, error);
    return output ? !status : -1;
}

static bool measure_both(PeerGuest *pg, Watch *watch, unsigned limit_ms,
                         Measured *m, GError **error)
{
    int guest;

    watch->start = g_get_monotonic_time();
    if (!peer_request(pg, watch->wanted, error)) {
        return false;
    }
    watch->thread = g_thread_new("watch", measure_watch, watch);
    guest = measure_end_guest(pg, limit_ms, error);
    m->guest_seconds = (double)(g_get_monotonic_time() - watch->start) /
                       G_USEC_PER_SEC;
    g_atomic_int_set(&watch->guest_gave_up, guest != 1);
    g_thread_join(watch->thread);
    if (guest < 0) {
        g_clear_error(&watch->error);
        return false;
    }
    if (watch->error) {
        g_propagate_error(error, watch->error);
        return false;
    }
    m->host_seconds = (double)(watch->end - watch->start) / G_USEC_PER_SEC;
    m->reached = watch->size;
    m->stall_ms = (double)watch->stall / 1000;
    m->is_done = guest == 1 && watch->is_done;
    return true;
}

bool measure_resize(PeerGuest *pg, uint64_t size, unsigned limit_ms,
                    Measured *m, GError **error)
{
    Watch watch = {
        .pg = pg,
        .wanted = size,
        .limit = limit_ms * INT64_C(1000),
    };
    double cpu = peer_cpu_seconds(pg);

    *m = (Measured){
        .limit_ms = limit_ms,
        .wanted = size,
        .rss_before = peer_rss(pg),
    };
    if (!peer_size(pg, &m->from, error) ||
        !measure_start_guest(pg, size, limit_ms, error) ||
        !measure_both(pg, &watch, limit_ms, m, error)) {
        return false;
    }
    m->cpu_seconds = peer_cpu_seconds(pg) - cpu;
    m->rss_after = peer_rss(pg);
    return true;
}

double measured_seconds(const Measured *m)
{
    return MAX(m->guest_seconds, m->host_seconds);
}

double measured_rate(const Measured *m)
{
    uint64_t way = MAX(m->from, m->reached) - MIN(m->from, m->reached);

    return (double)way / (double)GiB / measured_seconds(m);
}
