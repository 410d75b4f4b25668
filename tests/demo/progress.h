/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows how far a resize is: a bar on a terminal, otherwise a line for each
 * tenth of the way. All of it goes to stderr; the results alone go to stdout.
 */
#ifndef MHP_DEMO_PROGRESS_H
#define MHP_DEMO_PROGRESS_H

#include <stdint.h>

typedef struct Progress {
    const char *label;
    uint64_t from;
    uint64_t to;
    int shown; /* the last step that was printed */
} Progress;

void progress_start(Progress *progress, const char *label, uint64_t from,
                    uint64_t to);
/* @opaque is a Progress; cheap when nothing new is to be shown */
void progress_update(uint64_t size, void *opaque);
/* End the bar's line, wherever it stands */
void progress_end(Progress *progress);

/* A line beside the bars */
void progress_say(const char *text);

#endif /* MHP_DEMO_PROGRESS_H */
