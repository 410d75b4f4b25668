/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is felt of resizes: see felt.h.
 */
#include "felt.h"

#include <stdio.h>

#define FELT_BOOT_SIZE (2 * GiB)
#define FELT_SIZE (16 * GiB)
#define FELT_QUICK_SIZE (2 * GiB)
#define FELT_GROW_MS 60000
/* What is felt shows long before all is done */
#define FELT_LIMIT_MS 20000
#define FELT_QUICK_LIMIT_MS 6000

/* Where there is an udev, it has something to do for each memory block */
static const char felt_settle[] =
    "! command -v udevadm >/dev/null || udevadm settle";

static const Metric felt_rate = {FELT_RATE, "% of quiet", true};
static const Metric felt_seconds = {"in", "s", false};

typedef struct Feeler {
    Bench *bench;
    const FeltProgram *program;
    unsigned peer;
    PeerGuest *pg;
    double quiet_rate; /* 0 until it is known */
} Feeler;

static bool felt_run_script(Feeler *feeler, const char *script, GError **error)
{
    g_autofree char *output = guest_runf(feeler->pg->guest, error, "%s",
                                         script);

    return output != NULL;
}

static bool felt_ask(Feeler *feeler, const char *variant, double x,
                     GError **error)
{
    const char *scenario = feeler->program->scenario->name;
    const char *peer = feeler->pg->peer->name;
    const Metric late = {FELT_LATE, feeler->program->late_unit, false};
    Results *results = feeler->bench->results;
    g_autofree char *line = guest_runf(feeler->pg->guest, error, "%s",
                                       feeler->program->ask);
    double rate, time;

    if (!line) {
        return false;
    }
    if (sscanf(line, "%lf %lf", &rate, &time) != 2) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "want two figures of the guest's program, got '%s'", line);
        return false;
    }
    if (!feeler->quiet_rate) {
        feeler->quiet_rate = rate;
    }
    results_add(results, scenario, variant, x, &felt_rate, peer,
                100 * rate / feeler->quiet_rate);
    results_add(results, scenario, variant, x, &late, peer, time);
    return true;
}

static bool felt_quiet(Feeler *feeler, const char *variant, double x,
                       GError **error)
{
    if (!felt_run_script(feeler, felt_settle, error) ||
        !felt_run_script(feeler, feeler->program->ask, error)) {
        return false;
    }
    g_usleep(feeler->program->quiet_seconds * G_USEC_PER_SEC);
    return felt_ask(feeler, variant, x, error);
}

static bool felt_resize(Feeler *feeler, const char *variant, double x,
                        uint64_t size, Measured *m, GError **error)
{
    Bench *bench = feeler->bench;
    const char *scenario = feeler->program->scenario->name;
    unsigned limit = bench->is_quick ? FELT_QUICK_LIMIT_MS : FELT_LIMIT_MS;

    if (!measure_resize(feeler->pg, size, limit, m, error) ||
        !felt_ask(feeler, variant, x, error)) {
        return false;
    }
    bench_note_limit(bench, scenario, feeler->peer, m);
    results_add(bench->results, scenario, variant, x, &felt_seconds,
                feeler->pg->peer->name, measured_seconds(m));
    return true;
}

/* After a growth that has not ended it would not be quiet */
static bool felt_phases(Feeler *feeler, uint64_t size, bool *is_long,
                        GError **error)
{
    Measured m;

    if (!felt_quiet(feeler, "quiet", 0, error) ||
        !felt_resize(feeler, "while shrinking", 1, 0, &m, error)) {
        return false;
    }
    *is_long = measured_seconds(&m) > BENCH_LONG_SECONDS;
    return felt_resize(feeler, "while growing", 2, size, &m, error) &&
           (!m.is_done || felt_quiet(feeler, "quiet after", 3, error));
}

static bool felt_one(Bench *bench, const FeltProgram *program, unsigned peer,
                     bool *is_long, GError **error)
{
    uint64_t size = bench->is_quick ? FELT_QUICK_SIZE : FELT_SIZE;
    g_autoptr(PeerGuest)
        pg = bench_boot(bench, peer, FELT_BOOT_SIZE, size + GiB, 0, error);
    Feeler feeler = {
        .bench = bench,
        .program = program,
        .peer = peer,
        .pg = pg,
    };
    Measured m;

    return pg && measure_resize(pg, size, FELT_GROW_MS, &m, error) &&
           felt_run_script(&feeler, program->start, error) &&
           felt_phases(&feeler, size, is_long, error);
}

/* @is_long: for each peer, whether a shrink was */
static bool felt_all(Bench *bench, const FeltProgram *program, bool *is_long,
                     GError **error)
{
    for (unsigned i = 0; i < bench->repetitions; i++) {
        for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
            bench_step(bench, "%s", bench->peers[peer]->name);
            /* Once is enough for a first look */
            if (!(bench->is_quick && i) && !is_long[peer] &&
                !felt_one(bench, program, peer, &is_long[peer], error)) {
                return false;
            }
        }
    }
    return true;
}

bool felt_run(Bench *bench, const FeltProgram *program, GError **error)
{
    bool *is_long = g_new0(bool, bench->nb_peers);
    bool ok;

    bench_plan(bench, program->scenario, bench->repetitions * bench->nb_peers);
    ok = felt_all(bench, program, is_long, error);
    g_free(is_long);
    return ok;
}
