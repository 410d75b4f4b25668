/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-pins: as mhp-pin, but a page in each of many blocks of memory. Fresh
 * blocks are handed out in turn, a few MiB of each, so that it takes much less
 * memory than there is.
 */
#include "tools.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE_SIZE 4096UL
#define PINS_CHUNK (2UL << 20)
#define PINS_CHUNK_PAGES (PINS_CHUNK / PAGE_SIZE)
#define PAGEMAP_PFN ((1ULL << 55) - 1)
#define PAGEMAP_PRESENT (1ULL << 63)

typedef struct Pins {
    uint64_t addr;
    uint64_t size;
    uint64_t block_size;
    uint64_t nb;     /* blocks to pin a page in */
    uint64_t pinned; /* how many have one */
    char *has;       /* which */
    int pagemap;
    int pipe[2];
} Pins;

static int pins_open(Pins *p)
{
    p->has = calloc(p->size / p->block_size, 1);
    p->pagemap = open("/proc/self/pagemap", O_RDONLY);
    /* A pipe's size counts in pages, each of which may be from anywhere */
    return p->has && p->pagemap >= 0 && pipe(p->pipe) == 0 &&
           fcntl(p->pipe[1], F_SETPIPE_SZ, p->nb * PAGE_SIZE) >= 0;
}

/* Pin @page if its block has none yet; false if that fails */
static int pins_try(Pins *p, char *page, uint64_t entry)
{
    struct iovec iov = {.iov_base = page, .iov_len = PAGE_SIZE};
    uint64_t paddr = (entry & PAGEMAP_PFN) * PAGE_SIZE;
    uint64_t block = (paddr - p->addr) / p->block_size;

    if (!(entry & PAGEMAP_PRESENT) || paddr < p->addr ||
        paddr - p->addr >= p->size || p->has[block] || p->pinned == p->nb) {
        return 1;
    }
    p->has[block] = 1;
    p->pinned++;
    return vmsplice(p->pipe[1], &iov, 1, 0) == (ssize_t)PAGE_SIZE;
}

/* Take memory, a chunk after the other, and pin what is new in it */
static int pins_take(Pins *p)
{
    uint64_t entries[PINS_CHUNK_PAGES];

    while (p->pinned < p->nb) {
        char *chunk = mmap(NULL, PINS_CHUNK, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        off_t offset = (uintptr_t)chunk / PAGE_SIZE * sizeof(*entries);

        if (chunk == MAP_FAILED) {
            return 0;
        }
        madvise(chunk, PINS_CHUNK, MADV_NOHUGEPAGE);
        for (size_t i = 0; i < PINS_CHUNK_PAGES; i++) {
            chunk[i * PAGE_SIZE] = 1;
        }
        if (pread(p->pagemap, entries, sizeof(entries), offset) !=
            (ssize_t)sizeof(entries)) {
            return 0;
        }
        for (size_t i = 0; i < PINS_CHUNK_PAGES; i++) {
            if (!pins_try(p, chunk + i * PAGE_SIZE, entries[i])) {
                return 0;
            }
        }
    }
    return 1;
}

int tool_pins(int argc, char **argv)
{
    Pins p = {0};

    if (argc == 5) {
        p.addr = strtoull(argv[1], NULL, 16);
        p.size = strtoull(argv[2], NULL, 16);
        p.block_size = strtoull(argv[3], NULL, 16);
        p.nb = strtoull(argv[4], NULL, 10);
    }
    if (!p.block_size || !p.nb) {
        fprintf(stderr, "usage: mhp-pins ADDR SIZE BLOCK_SIZE NB\n");
        return 2;
    }
    if (!pins_open(&p) || !pins_take(&p)) {
        fprintf(stderr,
                "cannot pin a page in each of %s blocks, got %llu: %s\n",
                argv[4], (unsigned long long)p.pinned, strerror(errno));
        free(p.has);
        return 1;
    }
    printf("pinned %llu\n", (unsigned long long)p.pinned);
    fflush(stdout);
    for (;;) {
        pause();
    }
}
