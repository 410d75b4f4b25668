/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A run of the fuzzer: a machine with the device, and the model of it. Each
 * step does something to both; then both must still agree. What a step does
 * depends on nothing but the seed and the steps before.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "mhp.h"
#include "model.h"

/* On the root bus of a machine pc, whose slots a guest can eject */
#define FUZZ_SLOT 8

typedef struct Fuzz {
    Mhp *mhp;
    Model model;
    GRand *rand;
    unsigned step;
    const char *const *args;   /* of QEMU, besides the device */
    char *disk;                /* file that holds a snapshot, or NULL */
    Model saved;               /* with it */
    bool is_listening;         /* to which blocks are plugged */
    bool heard[MHP_NB_BLOCKS]; /* that a block is plugged */
    int64_t nb_stats_read;     /* a counter, before the driver tells some */
    int trace; /* file that tells what was done; its end is shown on failure */
} Fuzz;

/* Add a line about the step to the trace */
void fuzz_tell(Fuzz *fuzz, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* From 0 to, not including, @n; whether something of one in @n happens */
unsigned fuzz_pick(Fuzz *fuzz, unsigned n);
bool fuzz_one_in(Fuzz *fuzz, unsigned n);
uint64_t fuzz_number(Fuzz *fuzz);

/* steps.c: something, chosen by chance */
void fuzz_do_step(Fuzz *fuzz);

/* step-requests.c: traffic of the virtqueue */
void fuzz_step_requests(Fuzz *fuzz);
void fuzz_step_requests_in_block(Fuzz *fuzz);
void fuzz_step_requests_nowhere(Fuzz *fuzz);

/* step-stats.c: figures in the statsq, and their way back */
void fuzz_step_stats(Fuzz *fuzz);
void fuzz_step_ask(Fuzz *fuzz);
void fuzz_stats_arrived(Fuzz *fuzz);
void fuzz_check_stats(Fuzz *fuzz);

/* step-report.c: memory that the guest has no use for */
void fuzz_step_report(Fuzz *fuzz);
void fuzz_step_cells(Fuzz *fuzz);
/* What the boot memory holds, or only some of it */
void fuzz_check_cells(Fuzz *fuzz, bool all);

/* step-host.c: what the operator and the machine do */
void fuzz_step_requested_size(Fuzz *fuzz);
void fuzz_step_pressure_size(Fuzz *fuzz);
void fuzz_step_query(Fuzz *fuzz);
void fuzz_step_system_reset(Fuzz *fuzz);

/* step-remove.c: the device goes and comes again */
void fuzz_step_eject(Fuzz *fuzz);
void fuzz_step_remove(Fuzz *fuzz);

/* step-migrate.c: to another QEMU, or back to a snapshot */
void fuzz_step_migrate(Fuzz *fuzz);
void fuzz_step_snapshot(Fuzz *fuzz);
void fuzz_forget_snapshot(Fuzz *fuzz);

/* listen.c: who shares the guest's memory */

void fuzz_listen(Fuzz *fuzz, bool listening);
void fuzz_step_listen(Fuzz *fuzz);
void fuzz_check_listener(Fuzz *fuzz);

/* marks.c: what the driver writes to blocks */

void fuzz_step_mark(Fuzz *fuzz);
void fuzz_step_touch_unplugged(Fuzz *fuzz);
/* What the device discards of them for a report */
void fuzz_forget_marks(Fuzz *fuzz, const ModelRange *ranges, unsigned nb);
/* Marks of all plugged blocks, with @whole all bytes of these */
void fuzz_check_marks(Fuzz *fuzz, bool whole);

/* check.c: the device is as the model says; @thorough takes longer */
void fuzz_check(Fuzz *fuzz, bool thorough);

#endif /* FUZZ_FUZZ_H */
