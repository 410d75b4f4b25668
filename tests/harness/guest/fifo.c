/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-fifo: chrt -f, which busybox may lack.
 */
#include "tools.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int tool_fifo(int argc, char **argv)
{
    const struct sched_param lowest = {.sched_priority = 1};

    if (argc < 2) {
        fprintf(stderr, "usage: mhp-fifo PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    if (sched_setscheduler(0, SCHED_FIFO, &lowest)) {
        fprintf(stderr, "cannot get SCHED_FIFO: %s\n", strerror(errno));
        return 1;
    }
    execvp(argv[1], argv + 1);
    fprintf(stderr, "cannot run %s: %s\n", argv[1], strerror(errno));
    return 127;
}
