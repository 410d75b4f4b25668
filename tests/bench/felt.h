/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a program in the guest feels of resizes: how much it does in a second
 * and how late, in a guest of full size at first, while all of it is taken,
 * while it is given back, and at rest again. Freshly plugged memory may be
 * slower than what was there, so that the last is a figure of its own.
 */
#ifndef MHP_BENCH_FELT_H
#define MHP_BENCH_FELT_H

#include "bench.h"

#define FELT_RATE "throughput"
#define FELT_LATE "99.9 % within"

typedef struct FeltProgram {
    const Scenario *scenario;
    unsigned quiet_seconds; /* to look at it while nothing else goes on */
    const char *late_unit;
    const char *start; /* a script that has it work when the script ends */
    /*
     * A script that prints what it has done in a second since this ran last,
     * and the time within which 99.9 % of that were done
     */
    const char *ask;
} FeltProgram;

bool felt_run(Bench *bench, const FeltProgram *program, GError **error);

#endif /* MHP_BENCH_FELT_H */
