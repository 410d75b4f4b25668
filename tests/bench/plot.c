/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plot: see plot.h.
 */
#include "plot.h"

#include "felt.h"

typedef struct PlotPanel {
    const char *scenario;
    const char *metric;
    const char *title;
    const char *label;
    const char *range;
    bool is_logarithmic;
} PlotPanel;

typedef struct PlotPicture {
    const char *name;
    const char *title;
    unsigned columns;
    unsigned height; /* of a row */
    const char *settings;
    const PlotPanel *panels;
    unsigned nb_panels;
    /* What one of the panels shows, and how */
    void (*add_data)(const Bench *bench, GString *script,
                     const PlotPanel *panel);
    void (*add_curve)(GString *script, const PlotPanel *panel, unsigned peer);
} PlotPicture;

#define PLOT_WIDTH 1200U
/* Above, below and between the rows, and of the key below them */
#define PLOT_HEAD 80U
#define PLOT_FOOT 80U
#define PLOT_GAP 70U
#define PLOT_KEY 30U

static bool plot_has(const Bench *bench, const char *peer,
                     const PlotPanel *panel)
{
    for (guint i = 0; i < bench->results->series->len; i++) {
        const Series *series = g_ptr_array_index(bench->results->series, i);

        if (g_str_equal(series->scenario, panel->scenario) &&
            (!peer || g_str_equal(series->peer, peer)) &&
            g_str_equal(series->metric.name, panel->metric)) {
            return true;
        }
    }
    return false;
}

/* A logarithmic axis has no 0: what is less than 1 is shown as 1 */
static double plot_value(const PlotPanel *panel, double value)
{
    return panel->is_logarithmic ? MAX(value, 1) : value;
}

static void plot_add_values(GString *script, const PlotPanel *panel,
                            const Series *series)
{
    Summary summary = series_summary(series);

    g_string_append_printf(
        script, " %g %g %g", plot_value(panel, summary.median),
        plot_value(panel, summary.min), plot_value(panel, summary.max));
}

/* Curves: a data block for each peer, a line for each size */

static void plot_add_sizes(const Bench *bench, GString *script,
                           const PlotPanel *panel)
{
    for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
        g_string_append_printf(script, "$data%u << E\n", peer);
        for (guint i = 0; i < bench->results->series->len; i++) {
            const Series *series = g_ptr_array_index(bench->results->series, i);

            if (g_str_equal(series->scenario, panel->scenario) &&
                g_str_equal(series->peer, bench->peers[peer]->name) &&
                g_str_equal(series->metric.name, panel->metric)) {
                g_string_append_printf(script, "%g", series->x);
                plot_add_values(script, panel, series);
                g_string_append_c(script, '\n');
            }
        }
        g_string_append(script, "E\n");
    }
}

static void plot_add_line(GString *script, const PlotPanel *panel,
                          unsigned peer)
{
    (void)panel;
    g_string_append_printf(
        script, "$data%u using 1:2:3:4 with yerrorlines lw 2 lc %u pt 7 ps 0.6",
        peer, peer + 1);
}

/* Bars: one data block, a line for each variant, in it all peers */

static bool plot_is_variant(const Bench *bench, const PlotPanel *panel,
                            const Series *series)
{
    if (!g_str_equal(series->scenario, panel->scenario) ||
        !g_str_equal(series->metric.name, panel->metric)) {
        return false;
    }
    for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
        const Series *other = results_find(bench->results, panel->scenario,
                                           series->variant, panel->metric,
                                           bench->peers[peer]->name);

        if (other) {
            return other == series;
        }
    }
    return false;
}

static void plot_add_variants(const Bench *bench, GString *script,
                              const PlotPanel *panel)
{
    g_string_append(script, "$data << E\n");
    for (guint i = 0; i < bench->results->series->len; i++) {
        const Series *row = g_ptr_array_index(bench->results->series, i);

        if (!plot_is_variant(bench, panel, row)) {
            continue;
        }
        g_string_append_printf(script, "\"%s\"", row->variant);
        for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
            const Series *series = results_find(bench->results, panel->scenario,
                                                row->variant, panel->metric,
                                                bench->peers[peer]->name);

            if (series) {
                plot_add_values(script, panel, series);
            } else {
                g_string_append(script, " NaN NaN NaN");
            }
        }
        g_string_append_c(script, '\n');
    }
    g_string_append(script, "E\n");
}

static void plot_add_bars(GString *script, const PlotPanel *panel,
                          unsigned peer)
{
    unsigned column = 2 + 3 * peer;

    (void)panel;
    g_string_append_printf(script, "$data using %u:%u:%u:xtic(1) lc %u", column,
                           column + 1, column + 2, peer + 1);
}

static const PlotPanel plot_sizes[] = {
    {"resize", "grow, a GiB", "time to grow", "ms a GiB", "[*<10:10000<*]",
     true},
    {"resize", "shrink, a GiB", "time to shrink", "ms a GiB", "[*<10:10000<*]",
     true},
    {"resize", "boot memory, a GiB", "boot memory taken by growing",
     "KiB a GiB", "[1:100000]", true},
};
static const PlotPanel plot_felt[] = {
    {"worker", FELT_RATE, "a program that touches memory: throughput",
     "% of quiet", "[0:110<*]", false},
    {"worker", FELT_LATE, "its touches of 64 KiB: 99.9 % are done within", "µs",
     "[*<10:1000<*]", true},
    {"service", FELT_RATE, "a database: throughput", "% of quiet", "[0:110<*]",
     false},
    {"service", FELT_LATE, "its transactions: 99.9 % are done within", "ms",
     "[*<10:1000<*]", true},
};
static const PlotPicture plot_pictures[] = {
    {
        .name = "resize",
        .title = "idle memory, for each GiB of it (less is better)",
        .columns = 3,
        .height = 280,
        .settings = "set grid\nset logscale x\nset xlabel 'GiB'\n"
                    "set xtics (1, 4, 16, 64, 128)\nset xrange [0.8:160]\n",
        .panels = plot_sizes,
        .nb_panels = G_N_ELEMENTS(plot_sizes),
        .add_data = plot_add_sizes,
        .add_curve = plot_add_line,
    },
    {
        .name = "felt",
        .title = "what is felt while memory is taken and given",
        .columns = 2,
        .height = 280,
        .settings =
            "set grid y\nset style data histogram\nset style fill solid 0.8\n"
            "set style histogram errorbars gap 1 lw 1\nset xrange [-0.6:3.6]\n",
        .panels = plot_felt,
        .nb_panels = G_N_ELEMENTS(plot_felt),
        .add_data = plot_add_variants,
        .add_curve = plot_add_bars,
    },
};

static void plot_add_panel(const Bench *bench, GString *script,
                           const PlotPicture *picture, const PlotPanel *panel)
{
    const char *separator = "plot ";

    picture->add_data(bench, script, panel);
    g_string_append_printf(script,
                           "set title '%s'\n"
                           "set ylabel '%s'\n"
                           "set yrange %s\n"
                           "%s logscale y\n",
                           panel->title, panel->label, panel->range,
                           panel->is_logarithmic ? "set" : "unset");
    for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
        if (plot_has(bench, bench->peers[peer]->name, panel)) {
            g_string_append(script, separator);
            picture->add_curve(script, panel, peer);
            separator = ", \\\n     ";
        }
    }
    g_string_append_c(script, '\n');
}

/* A plot of nothing, as wide as the picture: a key is no wider than its plot */
static void plot_add_key(const Bench *bench, GString *script, unsigned height)
{
    g_string_append_printf(script,
                           "unset title\nunset border\nunset tics\nunset grid\n"
                           "unset xlabel\nunset ylabel\nunset logscale\n"
                           "set lmargin at screen 0\nset rmargin at screen 1\n"
                           "set bmargin at screen 0\nset tmargin at screen %g\n"
                           "set key center center horizontal maxrows 1\n"
                           "set xrange [0:1]\nset yrange [0:1]\n",
                           (double)PLOT_KEY / height);
    for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
        g_string_append_printf(
            script, "%s NaN with lines lw 6 lc %u title '%s'",
            peer ? "," : "plot", peer + 1, bench->peers[peer]->name);
    }
    g_string_append_c(script, '\n');
}

static unsigned plot_count_panels(const Bench *bench,
                                  const PlotPicture *picture)
{
    unsigned nb = 0;

    for (unsigned i = 0; i < picture->nb_panels; i++) {
        nb += plot_has(bench, NULL, &picture->panels[i]);
    }
    return nb;
}

static char *plot_script(const Bench *bench, const PlotPicture *picture,
                         const char *folder, const char *ending,
                         const char *terminal)
{
    GString *script = g_string_new(NULL);
    unsigned rows = (plot_count_panels(bench, picture) + picture->columns - 1) /
                    picture->columns;
    unsigned height = PLOT_HEAD + rows * picture->height + PLOT_FOOT;

    g_string_append_printf(
        script,
        "set encoding utf8\n"
        "set terminal %s size %u,%u\n"
        "set output '%s/%s.%s'\n"
        "set multiplot layout %u,%u title \"%s\\n%s, %s\""
        " margins 0.06,0.98,%g,%g spacing 0.08,%g\n"
        "set key off\n%s",
        terminal, PLOT_WIDTH, height, folder, picture->name, ending, rows,
        picture->columns, picture->title, bench->guest, bench->accel,
        (double)PLOT_FOOT / height, 1 - (double)PLOT_HEAD / height,
        (double)PLOT_GAP / height, picture->settings);
    for (unsigned i = 0; i < picture->nb_panels; i++) {
        if (plot_has(bench, NULL, &picture->panels[i])) {
            plot_add_panel(bench, script, picture, &picture->panels[i]);
        }
    }
    plot_add_key(bench, script, height);
    g_string_append(script, "unset multiplot\n");
    return g_string_free(script, FALSE);
}

static bool plot_run(const char *script, GError **error)
{
    g_autoptr(GSubprocess) gnuplot = NULL;
    g_autofree char *output = NULL;

    gnuplot = g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE |
                                   G_SUBPROCESS_FLAGS_STDERR_MERGE |
                                   G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                               error, "gnuplot", "-", NULL);
    if (!gnuplot || !g_subprocess_communicate_utf8(gnuplot, script, NULL,
                                                   &output, NULL, error)) {
        return false;
    }
    if (!g_subprocess_get_successful(gnuplot)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "gnuplot failed: %s",
                    output);
        return false;
    }
    return true;
}

bool plot_write(const Bench *bench, const char *folder, GError **error)
{
    static const char *const endings[][2] = {
        {"svg", "svg dynamic background '#ffffff' font 'sans,12'"},
        {"png", "pngcairo font 'sans,10'"},
    };

    for (size_t i = 0; i < 2 * G_N_ELEMENTS(plot_pictures); i++) {
        const PlotPicture *picture = &plot_pictures[i / 2];
        g_autofree char *script = plot_script(
            bench, picture, folder, endings[i % 2][0], endings[i % 2][1]);

        if (plot_count_panels(bench, picture) && !plot_run(script, error)) {
            return false;
        }
    }
    return true;
}
