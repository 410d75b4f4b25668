/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-bench, called by ./mhp bench: runs scenarios, and writes what came of
 * them as a table, as JSON and as pictures. It measures and does not judge: the
 * exit status is 0 unless something could not be measured.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "accel.h"
#include "options.h"
#include "plot.h"
#include "table.h"

#define EXIT_WRONG_OPTION 2

void bench_plan(Bench *bench, const Scenario *scenario, unsigned nb)
{
    fprintf(stderr, "%s: %s\n", scenario->name, scenario->what);
    bench->nb_steps = nb;
    bench->step = 0;
}

void bench_step(Bench *bench, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    bench->step++;
    if (isatty(STDERR_FILENO)) {
        unsigned full = 30 * bench->step / bench->nb_steps;

        fprintf(stderr, "\r[%.*s%.*s] %u of %u, %-40s%s", full,
                "##############################", 30 - full,
                "------------------------------", bench->step, bench->nb_steps,
                text, bench->step == bench->nb_steps ? "\n" : "");
    } else {
        fprintf(stderr, "  %u of %u: %s\n", bench->step, bench->nb_steps, text);
    }
}

void bench_note_limit(Bench *bench, const char *scenario, unsigned peer,
                      const Measured *m)
{
    if (!m->is_done) {
        results_remark(
            bench->results,
            "%s, %s: from %.1f to %.1f GiB takes more than %u s, it had come to %.1f by then",
            scenario, bench->peers[peer]->name, (double)m->from / (double)GiB,
            (double)m->wanted / (double)GiB, m->limit_ms / 1000,
            (double)m->reached / (double)GiB);
    }
}

PeerGuest *bench_boot(Bench *bench, unsigned peer, uint64_t boot_size,
                      uint64_t max, uint64_t dimm_size, GError **error)
{
    const PeerConfig config = {
        .kver = bench->kver,
        .accel = bench->accel,
        .boot_size = boot_size,
        .max = max,
        .dimm_size = dimm_size,
    };

    return peer_guest_new(bench->peers[peer], &config, error);
}

static char *first_field(const char *path, const char *name)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return g_strdup("unknown");
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(*line, name)) {
            const char *colon = strchr(*line, ':');

            return g_strstrip(g_strdup(colon ? colon + 1 : *line));
        }
    }
    return g_strdup("unknown");
}

/* Without which nobody could tell what the figures mean */
static void describe(Bench *bench)
{
    g_autofree char *cpu = first_field("/proc/cpuinfo", "model name");
    g_autofree char *memory = first_field("/proc/meminfo", "MemTotal");
    g_autofree char *qemu_path = vm_build_path("qemu/headers.version");
    g_autofree char *qemu = NULL;
    JsonObject *about = bench->results->about;
    JsonObject *settings = json_object_new();
    struct utsname host;

    uname(&host);
    json_object_set_string_member(about, "guest", bench->guest);
    if (g_file_get_contents(qemu_path, &qemu, NULL, NULL)) {
        json_object_set_string_member(about, "qemu", g_strstrip(qemu));
    }
    json_object_set_string_member(about, "accel", bench->accel);
    json_object_set_string_member(about, "host", host.release);
    json_object_set_string_member(about, "cpu", cpu);
    json_object_set_int_member(about, "cpus", g_get_num_processors());
    json_object_set_string_member(about, "memory", memory);
    json_object_set_boolean_member(about, "quick", bench->is_quick);
    json_object_set_int_member(about, "repetitions", bench->repetitions);
    for (unsigned i = 0; i < bench->nb_peers; i++) {
        json_object_set_string_member(settings, bench->peers[i]->name,
                                      bench->peers[i]->settings);
    }
    json_object_set_object_member(about, "settings", settings);
}

static void print_about(const Bench *bench, FILE *out)
{
    const JsonObject *about = bench->results->about;

    fprintf(out, "guest: %s, QEMU %s, %s%s\n", bench->guest,
            json_object_get_string_member_with_default((JsonObject *)about,
                                                       "qemu", "unknown"),
            bench->accel,
            g_str_equal(bench->accel, "tcg")
                ? " (an emulated CPU: only ratios mean something)"
                : "");
    fprintf(out, "host: Linux %s, %d CPUs (%s), %s\n",
            json_object_get_string_member((JsonObject *)about, "host"),
            g_get_num_processors(),
            json_object_get_string_member((JsonObject *)about, "cpu"),
            json_object_get_string_member((JsonObject *)about, "memory"));
    for (unsigned i = 0; i < bench->nb_peers; i++) {
        fprintf(out, "%s: %s\n", bench->peers[i]->name,
                bench->peers[i]->settings);
    }
}

static bool write_table(const Bench *bench, const char *path, GError **error)
{
    FILE *out = fopen(path, "w");
    bool ok;

    if (!out) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "cannot write %s: %s", path, g_strerror(errno));
        return false;
    }
    print_about(bench, out);
    table_print(bench, out);
    ok = !ferror(out);
    return !fclose(out) && ok;
}

static bool write_all(const Bench *bench, const char *folder, GError **error)
{
    g_autofree char *json = g_build_filename(folder, "results.json", NULL);
    g_autofree char *table = g_build_filename(folder, "table.txt", NULL);

    if (g_mkdir_with_parents(folder, 0777) < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "cannot make %s: %s", folder, g_strerror(errno));
        return false;
    }
    return results_write(bench->results, json, error) &&
           write_table(bench, table, error) && plot_write(bench, folder, error);
}

/* What was measured before a failure is not lost */
static bool run_scenarios(Bench *bench, const Options *options,
                          const Scenario **scenarios, unsigned nb,
                          GError **error)
{
    bool ok = true;
    g_autoptr(GError) local = NULL;

    for (unsigned i = 0; i < nb; i++) {
        if (!scenarios[i]->run(bench, &local)) {
            fprintf(stderr, "%s: %s\n", scenarios[i]->name, local->message);
            results_remark(bench->results, "%s ended early: %s",
                           scenarios[i]->name, local->message);
            g_clear_error(&local);
            ok = false;
        }
    }
    print_about(bench, stdout);
    table_print(bench, stdout);
    return write_all(bench, options->output, error) && ok;
}

static bool compare(const Bench *bench, const char *path, GError **error)
{
    g_autoptr(Results) before = results_read(path, error);

    if (!before) {
        return false;
    }
    putchar('\n');
    table_print_worse(bench->results, before, stdout);
    return true;
}

static int run(const Options *options, GError **error)
{
    g_autoptr(Results) results = results_new();
    g_autofree const Scenario **scenarios = NULL;
    g_autofree const Peer **chosen = NULL;
    g_autofree char *guest = NULL;
    unsigned nb_scenarios;
    Bench bench = {
        .kver = options->kver,
        .is_quick = options->is_quick,
        .repetitions = (unsigned)options->repetitions,
        .results = results,
    };

    chosen = options_peers(options, &bench.nb_peers, error);
    scenarios = chosen ? options_scenarios(options, &nb_scenarios, error)
                       : NULL;
    if (!scenarios) {
        return EXIT_WRONG_OPTION;
    }
    bench.peers = chosen;
    bench.guest = guest = guest_describe(options->kver);
    bench.accel = accel_choose(options->accel, options->kver, error);
    if (!bench.accel) {
        return EXIT_WRONG_OPTION;
    }
    describe(&bench);
    if (!run_scenarios(&bench, options, scenarios, nb_scenarios, error) ||
        (options->compare && !compare(&bench, options->compare, error))) {
        return 1;
    }
    printf(
        "\nwritten to %s: table.txt, results.json, and pictures of resize, worker and service\n",
        options->output);
    return 0;
}

int main(int argc, char **argv)
{
    Options options = {};
    g_autoptr(GError) error = NULL;
    int status = EXIT_WRONG_OPTION;

    setlocale(LC_CTYPE, "");
    g_set_prgname("./mhp bench");
    if (options_parse(&options, &argc, &argv, &error)) {
        if (options.is_list) {
            options_list();
            status = 0;
        } else {
            status = run(&options, &error);
        }
    }
    if (error) {
        fprintf(stderr, "mhp bench: %s\n", error->message);
    }
    options_clear(&options);
    return status;
}
