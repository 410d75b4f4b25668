/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-burst: memory that is wanted at once, used, and freed again.
 */
#include "tools.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE_SIZE 4096UL
#define MIB (1UL << 20)
/* As programs take it: more than there is would be refused in one piece */
#define BURST_PIECE (16 * MIB)

static uint64_t *burst_take(uint64_t first)
{
    const size_t step = PAGE_SIZE / sizeof(uint64_t);
    uint64_t *piece = mmap(NULL, BURST_PIECE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (piece == MAP_FAILED) {
        perror("cannot map the memory");
        return NULL;
    }
    for (size_t i = 0; i < BURST_PIECE / sizeof(*piece); i += step) {
        piece[i] = first + i;
    }
    return piece;
}

static int burst_give(uint64_t *piece, uint64_t first)
{
    const size_t step = PAGE_SIZE / sizeof(uint64_t);
    int is_right = 1;

    for (size_t i = 0; i < BURST_PIECE / sizeof(*piece); i += step) {
        is_right &= piece[i] == first + i;
    }
    munmap(piece, BURST_PIECE);
    return is_right;
}

static int burst_round(uint64_t **pieces, size_t nb)
{
    int is_right = 1;
    size_t taken = 0;

    while (taken < nb && (pieces[taken] = burst_take(taken * BURST_PIECE))) {
        taken++;
    }
    for (size_t i = 0; i < taken; i++) {
        is_right &= burst_give(pieces[i], i * BURST_PIECE);
    }
    if (!is_right) {
        fprintf(stderr, "wrong: the memory does not hold what was written\n");
    }
    return is_right && taken == nb;
}

static double burst_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int tool_burst(int argc, char **argv)
{
    size_t nb = argc == 3 ? strtoul(argv[1], NULL, 10) * MIB / BURST_PIECE : 0;
    const double seconds = argc == 3 ? strtod(argv[2], NULL) : 0;
    const double start = burst_now();
    uint64_t **pieces = calloc(nb, sizeof(*pieces));
    double now = start;
    size_t rounds = 0;

    if (!nb || !pieces) {
        fprintf(stderr, "usage: mhp-burst MIB SECONDS, at least 16 MiB\n");
        return 2;
    }
    do {
        if (!burst_round(pieces, nb)) {
            return 1;
        }
        rounds++;
        now = burst_now();
    } while (now < start + seconds);
    printf("right %.1f\n",
           (double)(rounds * nb * BURST_PIECE / MIB) / (now - start));
    return 0;
}
