/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-spread: over how many memory blocks what is in use lies. Looks at those
 * in ZONE_MOVABLE alone, whoever added them: what is there is user memory or
 * free, but for memmaps, and those have none of the flags of user memory.
 */
#include "tools.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_SHIFT 12
/* Bits of /proc/kpageflags: include/linux/kernel-page-flags.h */
#define KPF_LRU 5
#define KPF_MMAP 11
#define KPF_ANON 12
#define KPF_SWAPBACKED 14
#define KPF_UNEVICTABLE 18

#define SPREAD_MEMORY "/sys/devices/system/memory/"

static const uint64_t spread_used = 1ULL << KPF_LRU | 1ULL << KPF_MMAP |
                                    1ULL << KPF_ANON | 1ULL << KPF_SWAPBACKED |
                                    1ULL << KPF_UNEVICTABLE;

/* A short file's first word, empty if it cannot be read */
static void spread_read(const char *folder, const char *name, char word[32])
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "r");
    if (!file || fscanf(file, "%31s", word) != 1) {
        word[0] = 0;
    }
    if (file) {
        fclose(file);
    }
}

/* Whether any page of a block is in use, -1 on error */
static int spread_is_used(int fd, const char *folder, uint64_t block_pages)
{
    size_t size = block_pages * sizeof(uint64_t);
    uint64_t *flags = malloc(size);
    char number[32];
    int is_used = -1;
    uint64_t first;

    spread_read(folder, "phys_index", number);
    first = strtoull(number, NULL, 16) * block_pages;
    if (flags &&
        pread(fd, flags, size, first * sizeof(*flags)) == (ssize_t)size) {
        is_used = 0;
        for (uint64_t i = 0; i < block_pages && !is_used; i++) {
            is_used = (flags[i] & spread_used) != 0;
        }
    }
    free(flags);
    return is_used;
}

static int spread_print(int fd, const glob_t *folders, uint64_t block_pages)
{
    unsigned nb_used = 0, nb = 0;

    for (size_t i = 0; i < folders->gl_pathc; i++) {
        char zone[32];
        int is_used;

        spread_read(folders->gl_pathv[i], "valid_zones", zone);
        if (strcmp(zone, "Movable")) {
            continue;
        }
        is_used = spread_is_used(fd, folders->gl_pathv[i], block_pages);
        if (is_used < 0) {
            fprintf(stderr, "cannot read the page flags of %s: %s\n",
                    folders->gl_pathv[i], strerror(errno));
            return 1;
        }
        nb_used += is_used;
        nb++;
    }
    printf("%u %u\n", nb_used, nb);
    return 0;
}

int tool_spread(int argc, char **argv)
{
    int fd = open("/proc/kpageflags", O_RDONLY);
    char block_size[32];
    glob_t folders;
    uint64_t pages;

    (void)argv;
    spread_read(SPREAD_MEMORY, "block_size_bytes", block_size);
    pages = strtoull(block_size, NULL, 16) >> PAGE_SHIFT;
    if (argc != 1 || fd < 0 || !pages) {
        fprintf(stderr, "usage: mhp-spread, as root\n");
        return 2;
    }
    if (glob(SPREAD_MEMORY "memory[0-9]*", 0, NULL, &folders)) {
        fprintf(stderr, "there are no memory blocks in " SPREAD_MEMORY "\n");
        return 1;
    }
    return spread_print(fd, &folders, pages);
}
