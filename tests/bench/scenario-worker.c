/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a program in the guest feels of a resize: it touches memory and measures
 * each touch, while memory is taken and given.
 */
#include "felt.h"

#define WORKER_MIB 64

static const FeltProgram worker = {
    .scenario = &scenario_worker,
    .quiet_seconds = 3,
    .late_unit = "µs",
    .start = "mhp-worker " G_STRINGIFY(
        WORKER_MIB) " >/tmp/worker 2>&1 &"
                    " until [ -s /tmp/worker ]; do sleep 0.01; done;"
                    " grep -q working /tmp/worker",
    .ask = "n=$(wc -l </tmp/worker); kill -USR1 $(pidof mhp-worker);"
           "while [ $(wc -l </tmp/worker) = $n ]; do sleep 0.01; done;"
           "tail -n 1 /tmp/worker",
};

static bool worker_run(Bench *bench, GError **error)
{
    return felt_run(bench, &worker, error);
}

const Scenario scenario_worker = {
    .name = "worker",
    .what = "what a program in the guest feels of a resize",
    .run = worker_run,
};
