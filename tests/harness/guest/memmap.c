/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-memmap: asks the kernel's own page flags where a block's memmap is. The
 * kernel sets PG_vmemmap_self_hosted, an alias of PG_owner_priv_1, on pages
 * that hold the memmap of their own block. Pages in other use can have that
 * bit, too (6.1 also sets "reserved", 6.12 does not), but not without one of
 * the flags that tell their use.
 */
#include "tools.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_SHIFT 12
/* Bits of /proc/kpageflags: include/linux/kernel-page-flags.h */
#define KPF_LRU 5
#define KPF_SLAB 7
#define KPF_BUDDY 10
#define KPF_ANON 12
#define KPF_OWNER_PRIVATE 37
/* Read this many pages more than can be memmap, so that its end is seen */
#define MEMMAP_BEYOND 64
#define STRUCT_PAGE_SIZE 64

static const uint64_t memmap_flag = 1ULL << KPF_OWNER_PRIVATE;
static const uint64_t memmap_other_use = 1ULL << KPF_LRU | 1ULL << KPF_SLAB |
                                         1ULL << KPF_BUDDY | 1ULL << KPF_ANON;

/* Number of memmap pages at the start of the block, -1 on error */
static long memmap_count(int fd, uint64_t addr, uint64_t block_size)
{
    size_t nb_pages = block_size >> PAGE_SHIFT;
    size_t nb_read = (nb_pages * STRUCT_PAGE_SIZE >> PAGE_SHIFT) +
                     MEMMAP_BEYOND;
    uint64_t *flags = calloc(nb_read, sizeof(*flags));
    long count = 0;

    if (!flags || pread(fd, flags, nb_read * sizeof(*flags),
                        (addr >> PAGE_SHIFT) * sizeof(*flags)) < 0) {
        free(flags);
        return -1;
    }
    while ((size_t)count < nb_read &&
           (flags[count] & (memmap_flag | memmap_other_use)) == memmap_flag) {
        count++;
    }
    free(flags);
    return count;
}

int tool_memmap(int argc, char **argv)
{
    uint64_t block_size = argc > 1 ? strtoull(argv[1], NULL, 16) : 0;
    int fd = open("/proc/kpageflags", O_RDONLY);

    if (!block_size || fd < 0) {
        fprintf(stderr, "usage: mhp-memmap BLOCK_SIZE ADDR...\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        uint64_t addr = strtoull(argv[i], NULL, 16);
        long count = memmap_count(fd, addr, block_size);

        if (count < 0) {
            fprintf(stderr, "cannot read page flags at %s: %s\n", argv[i],
                    strerror(errno));
            return 1;
        }
        printf("%s %ld\n", argv[i], count);
    }
    return 0;
}
