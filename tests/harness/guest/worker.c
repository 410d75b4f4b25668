/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-worker: touches memory at random and measures each touch. SIGUSR1 has it
 * print what it did since the last time, and start anew.
 */
#include "tools.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define MIB (1UL << 20)
/* One operation reads and writes a cache line of each page of this much */
#define WORKER_STRIDE 4096UL
#define WORKER_CHUNK (64UL << 10)
/* Operations by their time in units of 2 µs; longer ones go to the last */
#define WORKER_SLOTS (1U << 19)
#define WORKER_SLOT_NS 2000

typedef struct Worker {
    char *memory;
    size_t size;
    uint64_t nb;
    uint64_t start; /* ns */
    uint64_t longest;
} Worker;

/* How many operations took how long */
static uint32_t worker_slots[WORKER_SLOTS];
static volatile sig_atomic_t worker_asked;

static void worker_ask(int signal)
{
    (void)signal;
    worker_asked = 1;
}

static uint64_t worker_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static void worker_touch(Worker *w, uint32_t *state)
{
    uint64_t start = worker_now(), time, slot;
    size_t offset;

    *state = *state * 1664525 + 1013904223;
    offset = *state % (w->size / WORKER_CHUNK) * WORKER_CHUNK;
    for (size_t i = 0; i < WORKER_CHUNK; i += WORKER_STRIDE) {
        /* volatile: nobody ever reads what is written */
        ((volatile char *)w->memory)[offset + i]++;
    }
    time = worker_now() - start;
    slot = time / WORKER_SLOT_NS;
    worker_slots[slot < WORKER_SLOTS ? slot : WORKER_SLOTS - 1]++;
    w->longest = time > w->longest ? time : w->longest;
    w->nb++;
}

/* Time in µs within which @permille of 1000 operations were done */
static double worker_percentile(const Worker *w, unsigned permille)
{
    uint64_t wanted = w->nb * permille / 1000, nb = 0;
    size_t i;

    for (i = 0; i < WORKER_SLOTS - 1; i++) {
        nb += worker_slots[i];
        if (nb > wanted) {
            break;
        }
    }
    return (double)(i + 1) * WORKER_SLOT_NS / 1000;
}

static void worker_restart(Worker *w)
{
    memset(worker_slots, 0, sizeof(worker_slots));
    w->nb = w->longest = 0;
    w->start = worker_now();
}

static void worker_print(const Worker *w)
{
    double seconds = (double)(worker_now() - w->start) / 1e9;

    printf("%.1f %.1f %.1f\n", (double)w->nb / seconds,
           worker_percentile(w, 999), (double)w->longest / 1000);
    fflush(stdout);
}

int tool_worker(int argc, char **argv)
{
    const struct sigaction action = {.sa_handler = worker_ask};
    Worker w = {.size = argc == 2 ? strtoul(argv[1], NULL, 10) * MIB : 0};
    uint32_t state = 1;

    if (!w.size) {
        fprintf(stderr, "usage: mhp-worker MIB\n");
        return 2;
    }
    w.memory = mmap(NULL, w.size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (w.memory == MAP_FAILED) {
        perror("no memory to work on");
        return 1;
    }
    sigaction(SIGUSR1, &action, NULL);
    puts("working");
    fflush(stdout);
    worker_restart(&w);
    for (;;) {
        worker_touch(&w, &state);
        if (worker_asked) {
            worker_asked = 0;
            worker_print(&w);
            worker_restart(&w);
        }
    }
}
