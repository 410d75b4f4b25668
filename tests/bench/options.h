/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of the benchmark: parsed by GOption, checked here.
 */
#ifndef MHP_BENCH_OPTIONS_H
#define MHP_BENCH_OPTIONS_H

#include "bench.h"

typedef struct Options {
    char *guest;
    char *version;
    char *kver; /* the folder of that guest; NULL for --list */
    char *accel;
    char *output;
    char *compare;
    gboolean is_quick;
    gboolean is_list;
    int repetitions;
    char **scenarios; /* NULL: all */
    char **peers;     /* NULL: all, or the quick ones */
} Options;

bool options_parse(Options *options, int *argc, char ***argv, GError **error);
void options_clear(Options *options);

/*
 * The chosen ones, in the order in which they stand; free with g_free(). What
 * wants another guest is not among them; it is an error if it was named.
 */
const Peer **options_peers(const Options *options, unsigned *nb,
                           GError **error);
const Scenario **options_scenarios(const Options *options, unsigned *nb,
                                   GError **error);

/* Print what there is to choose from */
void options_list(void);

#endif /* MHP_BENCH_OPTIONS_H */
