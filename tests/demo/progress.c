/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Progress of a resize: see progress.h.
 */
#include "progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BAR_WIDTH 40
#define LINE_STEPS 10
#define GIB (1024.0 * 1024 * 1024)

static bool progress_is_bar(void)
{
    return isatty(STDERR_FILENO);
}

static int progress_step(const Progress *progress, uint64_t size, int steps)
{
    double way = (double)progress->to - (double)progress->from;
    double done = (double)size - (double)progress->from;

    return way ? (int)(done / way * steps) : steps;
}

static void progress_print_bar(const Progress *progress, uint64_t size)
{
    int full = progress_step(progress, size, BAR_WIDTH);

    fprintf(stderr, "\r%-7s[", progress->label);
    for (int i = 0; i < BAR_WIDTH; i++) {
        fputc(i < full ? '#' : '-', stderr);
    }
    fprintf(stderr, "] %7.2f GiB ", (double)size / GIB);
    fflush(stderr);
}

void progress_start(Progress *progress, const char *label, uint64_t from,
                    uint64_t to)
{
    progress->label = label;
    progress->from = from;
    progress->to = to;
    progress->shown = -1;
    progress_update(from, progress);
}

void progress_update(uint64_t size, void *opaque)
{
    Progress *progress = opaque;
    bool bar = progress_is_bar();
    int step = progress_step(progress, size, bar ? 1000 : LINE_STEPS);

    if (step == progress->shown) {
        return;
    }
    progress->shown = step;
    if (bar) {
        progress_print_bar(progress, size);
    } else {
        fprintf(stderr, "%-7s%7.2f GiB\n", progress->label, (double)size / GIB);
    }
}

void progress_end(Progress *progress)
{
    if (progress_is_bar() && progress->label) {
        fputc('\n', stderr);
    }
    progress->label = NULL;
}

void progress_say(const char *text)
{
    fprintf(stderr, "%s\n", text);
}
