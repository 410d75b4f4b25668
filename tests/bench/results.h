/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was measured: a series of values for each scenario, variant, metric and
 * peer. Repetitions are in the same order for all peers, so values of one index
 * belong together and ratios can be made pair by pair.
 */
#ifndef MHP_BENCH_RESULTS_H
#define MHP_BENCH_RESULTS_H

#include <stdbool.h>

#include <json-glib/json-glib.h>

typedef struct Metric {
    const char *name;
    const char *unit;
    bool more_is_better;
} Metric;

typedef struct Series {
    char *scenario;
    char *variant; /* such as "16 GiB" */
    double x;      /* the variant's place in a plot */
    Metric metric;
    char *peer;
    GArray *values; /* double */
} Series;

typedef struct Results {
    GPtrArray *series; /* Series */
    JsonObject *about; /* machine, versions, settings: goes to the JSON as is */
    GPtrArray *remarks; /* char *: what cannot be said in figures */
} Results;

typedef struct Summary {
    double median;
    double min;
    double max;
} Summary;

Results *results_new(void);
void results_free(Results *results);

void results_add(Results *results, const char *scenario, const char *variant,
                 double x, const Metric *metric, const char *peer,
                 double value);
void results_remark(Results *results, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* NULL if there is none */
const Series *results_find(const Results *results, const char *scenario,
                           const char *variant, const char *metric,
                           const char *peer);

Summary series_summary(const Series *series);
/* Median of @a's values divided by @b's, pair by pair; 0 if there is none */
double series_ratio(const Series *a, const Series *b);

bool results_write(const Results *results, const char *path, GError **error);
Results *results_read(const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Results, results_free)

#endif /* MHP_BENCH_RESULTS_H */
