/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The benchmark as its scenarios see it: what to measure, where results go, how
 * to say what is going on.
 */
#ifndef MHP_BENCH_H
#define MHP_BENCH_H

#include "measure.h"
#include "results.h"

/* What takes longer is measured once */
#define BENCH_LONG_SECONDS 5.0

typedef struct Bench {
    const char *kver;  /* the guest's folder */
    const char *guest; /* guest_describe() of it */
    const char *accel;
    bool is_quick;
    unsigned repetitions;
    const Peer **peers; /* the chosen ones, ours first if it is among them */
    unsigned nb_peers;
    Results *results;
    unsigned nb_steps; /* of the scenario that runs */
    unsigned step;
} Bench;

typedef struct Scenario {
    const char *name;
    const char *what;  /* it answers, for --list and the table */
    bool wants_debian; /* there is no database in a busybox */
    bool (*run)(Bench *bench, GError **error);
} Scenario;

extern const Scenario scenario_resize;
extern const Scenario scenario_reach;
extern const Scenario scenario_used;
extern const Scenario scenario_spread;
extern const Scenario scenario_worker;
extern const Scenario scenario_service;
extern const Scenario scenario_udev;
extern const Scenario scenario_burst;
extern const Scenario scenario_idle;
extern const Scenario scenario_step;
extern const Scenario scenario_profile;
extern const Scenario scenario_instructions;

/* @nb measurements are to come; then before each: what it is */
void bench_plan(Bench *bench, const Scenario *scenario, unsigned nb);
void bench_step(Bench *bench, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* A remark on a resize that took longer than its limit, or nothing */
void bench_note_limit(Bench *bench, const char *scenario, unsigned peer,
                      const Measured *measured);

/* A new guest of this kind; a boot is a step of its own for nobody */
PeerGuest *bench_boot(Bench *bench, unsigned peer, uint64_t boot_size,
                      uint64_t max, uint64_t dimm_size, GError **error);

#endif /* MHP_BENCH_H */
