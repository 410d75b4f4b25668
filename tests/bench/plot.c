/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plot: see plot.h.
 */
#include "plot.h"

#include <stdio.h>

/* On logarithmic axes: what is less than 1 is shown as 1 */
static const struct {
    const char *metric;
    const char *title;
    const char *label;
    const char *range;
} plot_panels[] = {
    {"grow, a GiB", "time to grow", "ms a GiB", "[*<10:10000<*]"},
    {"shrink, a GiB", "time to shrink", "ms a GiB", "[*<10:10000<*]"},
    {"boot memory, a GiB", "boot memory taken by growing", "KiB a GiB",
     "[1:100000]"},
};

static bool plot_has(const Bench *bench, const char *peer, const char *metric)
{
    for (guint i = 0; i < bench->results->series->len; i++) {
        const Series *series = g_ptr_array_index(bench->results->series, i);

        if (g_str_equal(series->scenario, "resize") &&
            g_str_equal(series->peer, peer) &&
            g_str_equal(series->metric.name, metric)) {
            return true;
        }
    }
    return false;
}

/* A data block of gnuplot: size, median, least, most */
static void plot_add_data(const Bench *bench, GString *script, unsigned panel,
                          unsigned peer)
{
    g_string_append_printf(script, "$d%u_%u << E\n", panel, peer);
    for (guint i = 0; i < bench->results->series->len; i++) {
        const Series *series = g_ptr_array_index(bench->results->series, i);
        Summary summary = series_summary(series);

        if (g_str_equal(series->scenario, "resize") &&
            g_str_equal(series->peer, bench->peers[peer]->name) &&
            g_str_equal(series->metric.name, plot_panels[panel].metric)) {
            g_string_append_printf(script, "%g %g %g %g\n", series->x,
                                   MAX(summary.median, 1), MAX(summary.min, 1),
                                   MAX(summary.max, 1));
        }
    }
    g_string_append(script, "E\n");
}

static void plot_add_panel(const Bench *bench, GString *script, unsigned panel)
{
    const char *separator = "plot ";

    g_string_append_printf(script,
                           "set title '%s'\n"
                           "set ylabel '%s'\n"
                           "set yrange %s\n"
                           "set key %s\n",
                           plot_panels[panel].title, plot_panels[panel].label,
                           plot_panels[panel].range,
                           panel ? "off" : "top right");
    for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
        if (!plot_has(bench, bench->peers[peer]->name,
                      plot_panels[panel].metric)) {
            continue;
        }
        g_string_append_printf(
            script,
            "%s$d%u_%u using 1:2:3:4 with yerrorlines lw 2 lc %u pt 7 ps 0.6 "
            "title '%s'",
            separator, panel, peer, peer + 1, bench->peers[peer]->name);
        separator = ", \\\n     ";
    }
    g_string_append_c(script, '\n');
}

static char *plot_script(const Bench *bench, const char *folder,
                         const char *terminal, const char *name)
{
    GString *script = g_string_new(NULL);

    for (unsigned panel = 0; panel < G_N_ELEMENTS(plot_panels); panel++) {
        for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
            plot_add_data(bench, script, panel, peer);
        }
    }
    g_string_append_printf(
        script,
        "set terminal %s\n"
        "set output '%s/%s'\n"
        "set multiplot layout 1,%zu title "
        "'idle memory, for each GiB of it (%s, Linux %s; less is better)'\n"
        "set logscale xy\nset grid\nset xlabel 'GiB'\n"
        "set xtics (1, 4, 16, 64, 128)\nset xrange [0.8:160]\n",
        terminal, folder, name, G_N_ELEMENTS(plot_panels), bench->accel,
        bench->kver);
    for (unsigned panel = 0; panel < G_N_ELEMENTS(plot_panels); panel++) {
        plot_add_panel(bench, script, panel);
    }
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
    static const char *const terminals[][2] = {
        {"svg size 1200,420 dynamic background '#ffffff' font 'sans,12'",
         "resize.svg"},
        {"pngcairo size 1200,420 font 'sans,10'", "resize.png"},
    };

    if (!plot_has(bench, bench->peers[0]->name, plot_panels[0].metric)) {
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(terminals); i++) {
        g_autofree char *script = plot_script(bench, folder, terminals[i][0],
                                              terminals[i][1]);

        if (!plot_run(script, error)) {
            return false;
        }
    }
    return true;
}
