/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-hog: keeps a guest at the limit of its memory. It takes anonymous memory
 * while the kernel says that some is available, touches all that it has again
 * and again, and takes more as soon as there is more.
 *
 * Its page tables have to lie in boot memory. So that it does not have itself
 * killed for these, it leaves something of boot memory at first, and later
 * takes no more than boot memory has page tables for: then that is full, too.
 */
#include "tools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_SIZE 4096UL
#define HOG_CHUNK (256L << 10)
/* It takes one of them near the limit, so many at once elsewhere */
#define HOG_CHUNKS 16
/* Pages of boot memory that it leaves, for what it needs while it takes more */
#define HOG_BOOT_PAGES 128

typedef struct Hog {
    char *memory;
    size_t used;
    size_t max;
    const char *name; /* the file that says when to end */
} Hog;

/* In KiB, -1 if the kernel does not say */
static long hog_available(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    long available = -1;

    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "MemAvailable: %ld", &available) == 1) {
            break;
        }
    }
    if (file) {
        fclose(file);
    }
    return available;
}

/* Pages of boot memory that are free beyond what the kernel keeps */
static long hog_boot_free(void)
{
    FILE *file = fopen("/proc/zoneinfo", "re");
    char line[256], zone[16] = "";
    long free = 0, high = 0, kept, sum = 0;

    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "Node %*d, zone %15s", zone) == 1 ||
            !strcmp(zone, "Movable")) {
            continue;
        }
        sscanf(line, " pages free %ld", &free);
        sscanf(line, " high %ld", &high);
        /* The third is what DMA zones keep from zone Normal's users */
        if (sscanf(line, " protection: (%*d, %*d, %ld", &kept) == 1 &&
            free > high + kept) {
            sum += free - high - kept;
        }
    }
    if (file) {
        fclose(file);
    }
    return sum;
}

/* Did the number in the file @name go back to 0? */
static int hog_must_end(const char *name)
{
    static int was_set;
    FILE *file = fopen(name, "re");
    unsigned long long value = 0;

    if (file) {
        if (fscanf(file, "%llu", &value) != 1) {
            value = 0;
        }
        fclose(file);
    }
    was_set |= value != 0;
    return was_set && !value;
}

/* volatile: to write is all that matters, nobody reads it */
static void hog_touch(volatile char *memory, size_t size)
{
    for (size_t offset = 0; offset < size; offset += PAGE_SIZE) {
        memory[offset]++;
    }
}

/* How much to take at once: the nearer the limit the less, 0 at the limit */
static size_t hog_step(size_t left, long keep_kib)
{
    long spare = (hog_available() - keep_kib) * 1024 / 4;

    if (spare < HOG_CHUNK || left < (size_t)HOG_CHUNK ||
        hog_boot_free() <= HOG_BOOT_PAGES) {
        return 0;
    }
    if (spare > HOG_CHUNKS * HOG_CHUNK &&
        left > (size_t)HOG_CHUNKS * HOG_CHUNK) {
        return HOG_CHUNKS * HOG_CHUNK;
    }
    return HOG_CHUNK;
}

/* Take all that is there beyond what is to be kept, until @name says the end */
static void hog_grow(Hog *hog, long keep_kib)
{
    size_t size;

    while (!hog_must_end(hog->name) &&
           (size = hog_step(hog->max - hog->used, keep_kib))) {
        hog_touch(hog->memory + hog->used, size);
        hog->used += size;
    }
}

static void hog_run(Hog *hog, long keep_kib)
{
    size_t told = 0;

    hog_grow(hog, keep_kib);
    while (!hog_must_end(hog->name)) {
        if (hog->used != told) {
            printf("hog %zu MiB, %ld KiB available, %ld pages of boot memory\n",
                   hog->used >> 20, hog_available(), hog_boot_free());
            fflush(stdout);
            told = hog->used;
        }
        hog_touch(hog->memory, hog->used);
        hog_grow(hog, 0);
    }
}

int tool_hog(int argc, char **argv)
{
    long keep_kib = argc == 4 ? strtol(argv[1], NULL, 10) : 0;
    Hog hog = {
        .max = argc == 4 ? strtoul(argv[2], NULL, 10) << 20 : 0,
        .name = argv[argc - 1],
    };

    if (!hog.max || hog_available() < 0) {
        fprintf(stderr, "usage: mhp-hog KEEP_KIB MAX_MIB FILE\n");
        return 2;
    }
    hog.memory = mmap(NULL, hog.max, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (hog.memory == MAP_FAILED) {
        fprintf(stderr, "cannot map %zu bytes: %s\n", hog.max, strerror(errno));
        return 1;
    }
    hog_run(&hog, keep_kib);
    return 0;
}
