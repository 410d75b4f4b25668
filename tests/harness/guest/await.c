/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-await: looks at MemTotal often enough to time a resize, and seldom enough
 * not to disturb it.
 */
#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* If it is not said */
#define AWAIT_INTERVAL_MS 2

static long await_mem_total(void)
{
    FILE *file = fopen("/proc/meminfo", "r");
    long kib = -1;

    if (!file) {
        return -1;
    }
    if (fscanf(file, "MemTotal: %ld kB", &kib) != 1) {
        kib = -1;
    }
    fclose(file);
    return kib;
}

static long await_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int tool_await(int argc, char **argv)
{
    struct timespec pause = {.tv_nsec = AWAIT_INTERVAL_MS * 1000000};
    long low, high, end, kib;

    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: mhp-await LOW_KIB HIGH_KIB TIMEOUT_MS"
                        " [INTERVAL_MS]\n");
        return 2;
    }
    if (argc == 5) {
        pause.tv_nsec = strtol(argv[4], NULL, 10) * 1000000;
    }
    low = strtol(argv[1], NULL, 10);
    high = strtol(argv[2], NULL, 10);
    end = await_now_ms() + strtol(argv[3], NULL, 10);
    do {
        kib = await_mem_total();
        if (kib >= low && kib <= high) {
            printf("%ld\n", kib);
            return 0;
        }
        nanosleep(&pause, NULL);
    } while (await_now_ms() < end);
    printf("%ld\n", kib);
    return 1;
}
