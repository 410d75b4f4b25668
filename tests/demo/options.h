/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The demo's command line.
 */
#ifndef MHP_DEMO_OPTIONS_H
#define MHP_DEMO_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

typedef struct DemoOptions {
    uint64_t size; /* of the guest in all, boot memory included */
    char *guest;   /* its kind, such as "debian" */
    char *kver;    /* its folder */
    char *accel;
    char *json; /* file name or NULL */
    bool compare;
} DemoOptions;

/* false with an error that says what was wanted and what was got */
bool demo_options_parse(DemoOptions *options, int *argc, char ***argv,
                        GError **error);
void demo_options_clear(DemoOptions *options);

#endif /* MHP_DEMO_OPTIONS_H */
