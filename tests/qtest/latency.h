/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long QEMU's main loop keeps the monitor waiting while something goes on.
 * Times are without those in which others had the CPUs.
 */
#ifndef MHP_LATENCY_H
#define MHP_LATENCY_H

#include "mhp.h"

typedef struct Latency Latency;

/* From now on */
Latency *latency_new(Mhp *mhp);

/* Ask the monitor something, and wait for the answer. */
void latency_ask(Latency *latency);

/*
 * Report, and assert that there were some answers, each in a time with a wide
 * bound; frees it
 */
void latency_finish(Latency *latency);

#endif /* MHP_LATENCY_H */
