/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-demo, called by ./mhp demo: a guest grows from 1 GiB to its full size and
 * shrinks back with our device and, for comparison, with stock virtio-mem. The
 * exit status speaks of our device alone.
 */
#include <locale.h>
#include <stdio.h>

#include "accel.h"
#include "journey.h"
#include "options.h"
#include "report.h"

#define EXIT_WRONG_OPTION 2

static int demo_run(const DemoOptions *options, GError **error)
{
    const char *accel = accel_choose(options->accel, options->kver, error);
    Journey journeys[] = {
        {.type = MEMDEV_OURS},
        {.type = MEMDEV_STOCK},
    };
    unsigned nb = options->compare ? 2 : 1;
    bool ok;

    if (!accel) {
        return EXIT_WRONG_OPTION;
    }
    for (unsigned i = 0; i < nb; i++) {
        journeys[i].guest = options->guest;
        journeys[i].kver = options->kver;
        journeys[i].accel = accel;
        journeys[i].size = options->size;
        journey_run(&journeys[i]);
    }
    report_print(journeys, nb);
    ok = journeys[0].ok;
    if (options->json &&
        !report_write_json(journeys, nb, options->json, error)) {
        ok = false;
    }
    for (unsigned i = 0; i < nb; i++) {
        journey_clear(&journeys[i]);
    }
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    DemoOptions options = {};
    g_autoptr(GError) error = NULL;
    int status = EXIT_WRONG_OPTION;

    setlocale(LC_CTYPE, "");
    g_set_prgname("./mhp demo");
    if (demo_options_parse(&options, &argc, &argv, &error)) {
        status = demo_run(&options, &error);
    }
    if (error) {
        fprintf(stderr, "mhp demo: %s\n", error->message);
    }
    demo_options_clear(&options);
    return status;
}
