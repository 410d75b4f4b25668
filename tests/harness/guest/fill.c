/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-fill: anonymous memory of a chosen kind, held until killed.
 */
#include "tools.h"

#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE_SIZE 4096UL
#define MIB (1UL << 20)

/* An even sequence of all numbers but 0, for a compressor as good as random */
static uint64_t fill_next(uint64_t state)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^ state << 17;
}

static void fill_noise(char *memory, size_t size)
{
    uint64_t *words = (uint64_t *)memory, state = 1;

    for (size_t i = 0; i < size / sizeof(*words); i++) {
        words[i] = state = fill_next(state);
    }
}

static char *fill_map(size_t size, int advice)
{
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED) {
        return NULL;
    }
    madvise(memory, size, advice);
    for (size_t offset = 0; offset < size; offset += PAGE_SIZE) {
        memory[offset] = 1;
    }
    return memory;
}

/* Twice as much as is to stay, or what the guest can have and live on */
static size_t fill_more_than(size_t size)
{
    struct sysinfo info;
    size_t most = SIZE_MAX;

    if (sysinfo(&info) == 0) {
        most = (size_t)info.freeram * info.mem_unit / 8 * 7;
    }
    if (most < size) {
        return size;
    }
    return 2 * size < most ? 2 * size : most / PAGE_SIZE * PAGE_SIZE;
}

/* Every page has the same chance to stay; the seed is fixed: runs repeat */
static void fill_free_all_but(char *memory, size_t size, size_t stays,
                              int advice)
{
    unsigned state = 1;

    for (size_t offset = 0; offset < size; offset += PAGE_SIZE) {
        state = state * 1103515245 + 12345;
        if ((state >> 8) % (size / PAGE_SIZE) >= stays / PAGE_SIZE) {
            madvise(memory + offset, PAGE_SIZE, advice);
        }
    }
}

/* Buffers for I/O, which may be no larger than a GiB each */
#define FILL_BUFFER_MAX (1UL << 30)
#define FILL_BUFFERS_MAX 64

/* Pins all of it for as long as the process lives */
static int fill_register(char *memory, size_t size)
{
    struct iovec buffers[FILL_BUFFERS_MAX];
    struct io_uring_params params = {0};
    int fd = (int)syscall(SYS_io_uring_setup, 1, &params);
    unsigned nb = 0;

    for (size_t done = 0; done < size && nb < FILL_BUFFERS_MAX; nb++) {
        size_t left = size - done;

        buffers[nb].iov_base = memory + done;
        buffers[nb].iov_len = left < FILL_BUFFER_MAX ? left : FILL_BUFFER_MAX;
        done += buffers[nb].iov_len;
    }
    return fd < 0 ? fd
                  : (int)syscall(SYS_io_uring_register, fd,
                                 IORING_REGISTER_BUFFERS, buffers, nb);
}

int tool_fill(int argc, char **argv)
{
    size_t size = argc == 3 ? strtoul(argv[2], NULL, 10) * MIB : 0;
    const char *kind = argc == 3 ? argv[1] : "";
    int is_locked = strcmp(kind, "locked") == 0;
    int is_fragmented = is_locked || strcmp(kind, "fragments") == 0;
    int is_thp = strcmp(kind, "thp") == 0;
    int is_noise = strcmp(kind, "noise") == 0;
    int is_pinned = strcmp(kind, "pinned") == 0;
    size_t filled = is_fragmented ? fill_more_than(size) : size;
    char *memory;

    if (!size || (!is_fragmented && !is_thp && !is_noise && !is_pinned &&
                  strcmp(kind, "pages") != 0)) {
        fprintf(
            stderr,
            "usage: mhp-fill pages|noise|thp|fragments|locked|pinned MIB\n");
        return 2;
    }
    memory = fill_map(filled, is_thp ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    if (!memory) {
        perror("cannot map the memory");
        return 1;
    }
    if (is_noise) {
        fill_noise(memory, filled);
    }
    if (is_locked && mlock(memory, filled) < 0) {
        perror("cannot lock the memory");
        return 1;
    }
    if (is_pinned && fill_register(memory, filled) < 0) {
        perror("cannot register the memory for I/O");
        return 1;
    }
    if (is_fragmented) {
        fill_free_all_but(memory, filled, size,
                          is_locked ? MADV_DONTNEED_LOCKED : MADV_DONTNEED);
    }
    printf("filled %zu\n", size / MIB);
    fflush(stdout);
    for (;;) {
        pause();
    }
}
