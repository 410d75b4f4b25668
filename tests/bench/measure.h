/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One resize, timed from both sides: when the guest has the memory (MemTotal)
 * and when the host says so. While it goes on, QMP is asked all the time, which
 * shows how long QEMU stops listening.
 */
#ifndef MHP_BENCH_MEASURE_H
#define MHP_BENCH_MEASURE_H

#include "peer.h"

typedef struct Measured {
    bool is_done;         /* within the time limit */
    double guest_seconds; /* until MemTotal was right */
    double host_seconds;  /* until the host's size was right */
    unsigned limit_ms;    /* that time limit */
    uint64_t from;        /* plugged before */
    uint64_t wanted;      /* asked for */
    uint64_t reached;     /* plugged at the end */
    double cpu_seconds;   /* of QEMU */
    double stall_ms;      /* longest answer of QMP */
    uint64_t rss_before;  /* of QEMU */
    uint64_t rss_after;
} Measured;

/*
 * Resize to @size within @limit_ms. Not to get there is a result (is_done is
 * false), not an error; that the guest does not answer any more is one.
 */
bool measure_resize(PeerGuest *pg, uint64_t size, unsigned limit_ms,
                    Measured *measured, GError **error);

/* GiB/s of the way that was gone */
double measured_rate(const Measured *measured);
/* The slower of both sides; for one that did not arrive, the time limit */
double measured_seconds(const Measured *measured);

#endif /* MHP_BENCH_MEASURE_H */
