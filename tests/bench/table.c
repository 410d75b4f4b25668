/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Table: see table.h. Cells hold the median, beneath it least and most where
 * there are several values, and how many times ours it is.
 */
#include "table.h"

#include <math.h>
#include <string.h>

#define TABLE_TITLE_WIDTH 40
#define TABLE_CELL_WIDTH 19
#define TABLE_WORSE 1.1

/* Three digits that count, whatever the size */
static char *format_value(double value)
{
    int digits = value ? (int)floor(log10(fabs(value))) : 0;

    return g_strdup_printf("%.*f", CLAMP(2 - digits, 0, 3), value);
}

static char *format_cell(const Series *series, const Series *ours)
{
    Summary summary = series_summary(series);
    g_autofree char *median = format_value(summary.median);
    double ratio = series_ratio(series, ours);
    g_autofree char *times = format_value(ratio);

    if (series == ours || !ratio) {
        return g_strdup(median);
    }
    return g_strdup_printf("%s (%sx)", median, times);
}

static char *format_range(const Series *series)
{
    Summary summary = series_summary(series);
    g_autofree char *min = format_value(summary.min);
    g_autofree char *max = format_value(summary.max);

    return series->values->len > 1 ? g_strdup_printf("%s-%s", min, max)
                                   : g_strdup("");
}

static void print_row(const Bench *bench, const Series *row, FILE *out,
                      bool is_range)
{
    const Series *ours = results_find(bench->results, row->scenario,
                                      row->variant, row->metric.name,
                                      peers[0].name);
    g_autofree char *title = g_strdup_printf(
        "%s: %s [%s]", row->variant, row->metric.name, row->metric.unit);

    fprintf(out, "%-*s", TABLE_TITLE_WIDTH, is_range ? "" : title);
    for (unsigned i = 0; i < bench->nb_peers; i++) {
        const Series *series = results_find(bench->results, row->scenario,
                                            row->variant, row->metric.name,
                                            bench->peers[i]->name);
        g_autofree char *cell = !series    ? g_strdup(is_range ? "" : "-")
                                : is_range ? format_range(series)
                                           : format_cell(series, ours);

        fprintf(out, " %*s", TABLE_CELL_WIDTH, cell);
    }
    fputc('\n', out);
}

static bool row_has_range(const Bench *bench, const Series *row)
{
    for (unsigned i = 0; i < bench->nb_peers; i++) {
        const Series *series = results_find(bench->results, row->scenario,
                                            row->variant, row->metric.name,
                                            bench->peers[i]->name);

        if (series && series->values->len > 1) {
            return true;
        }
    }
    return false;
}

/* A row is printed at the first series that belongs to it */
static bool is_first_of_row(const Bench *bench, const Series *series)
{
    for (unsigned i = 0; i < bench->nb_peers; i++) {
        const Series *other = results_find(bench->results, series->scenario,
                                           series->variant, series->metric.name,
                                           bench->peers[i]->name);

        if (other) {
            return other == series;
        }
    }
    return true;
}

static void print_head(const Bench *bench, const char *scenario, FILE *out)
{
    fprintf(out, "\n%-*s", TABLE_TITLE_WIDTH, scenario);
    for (unsigned i = 0; i < bench->nb_peers; i++) {
        fprintf(out, " %*s", TABLE_CELL_WIDTH, bench->peers[i]->name);
    }
    fputc('\n', out);
}

void table_print(const Bench *bench, FILE *out)
{
    const char *scenario = "";

    for (guint i = 0; i < bench->results->series->len; i++) {
        const Series *series = g_ptr_array_index(bench->results->series, i);

        if (!is_first_of_row(bench, series)) {
            continue;
        }
        if (!g_str_equal(series->scenario, scenario)) {
            scenario = series->scenario;
            print_head(bench, scenario, out);
        }
        print_row(bench, series, out, false);
        if (row_has_range(bench, series)) {
            print_row(bench, series, out, true);
        }
    }
    for (guint i = 0; i < bench->results->remarks->len; i++) {
        fprintf(out, "%s%s\n", i ? "" : "\n",
                (const char *)g_ptr_array_index(bench->results->remarks, i));
    }
}

static bool is_worse(const Series *now, const Series *before)
{
    Summary a = series_summary(now), b = series_summary(before);

    return now->metric.more_is_better
               ? a.median * TABLE_WORSE < b.median && a.max < b.min
               : a.median > b.median * TABLE_WORSE && a.min > b.max;
}

unsigned table_print_worse(const Results *now, const Results *before, FILE *out)
{
    unsigned nb_worse = 0, nb_compared = 0;

    for (guint i = 0; i < now->series->len; i++) {
        const Series *series = g_ptr_array_index(now->series, i);
        const Series *old = results_find(before, series->scenario,
                                         series->variant, series->metric.name,
                                         series->peer);

        nb_compared += old != NULL;
        if (!old || !is_worse(series, old)) {
            continue;
        }
        nb_worse++;
        fprintf(out, "worse: %s, %s, %s of %s: %.3g %s, was %.3g\n",
                series->scenario, series->variant, series->metric.name,
                series->peer, series_summary(series).median,
                series->metric.unit, series_summary(old).median);
    }
    fprintf(out, "%u of %u results that both runs have got worse\n", nb_worse,
            nb_compared);
    return nb_worse;
}
