/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into QEMU: see hold.h. It has fallocate() and madvise() in place of
 * the C library's.
 */
#include "hold.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define HOLD_STEP_US 1000

static Hold *hold;

static void __attribute__((constructor)) hold_init(void)
{
    const char *path = getenv(HOLD_ENV);
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *memory;

    if (fd < 0) {
        return;
    }
    memory = mmap(NULL, sizeof(*hold), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                  0);
    close(fd);
    if (memory != MAP_FAILED) {
        hold = memory;
    }
}

/* As long as the mode says so */
static void hold_wait(const uint32_t *mode)
{
    uint32_t us = 0;

    while (__atomic_load_n(mode, __ATOMIC_SEQ_CST) == HOLD_WAIT ||
           (__atomic_load_n(mode, __ATOMIC_SEQ_CST) == HOLD_SLOW &&
            us < HOLD_SLOW_US)) {
        usleep(HOLD_STEP_US);
        us += HOLD_STEP_US;
    }
}

/* False if the call is to fail */
static bool hold_pass(int kind)
{
    uint32_t *mode, *nb_pass, *nb_waiting;

    if (!hold) {
        return true;
    }
    mode = &hold->kinds[kind].mode;
    nb_pass = &hold->kinds[kind].nb_pass;
    nb_waiting = &hold->kinds[kind].nb_waiting;
    __atomic_add_fetch(&hold->kinds[kind].nb_calls, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(mode, __ATOMIC_SEQ_CST) == HOLD_PASS) {
        return true;
    }
    if (__atomic_load_n(nb_pass, __ATOMIC_SEQ_CST)) {
        __atomic_sub_fetch(nb_pass, 1, __ATOMIC_SEQ_CST);
        return true;
    }
    __atomic_add_fetch(nb_waiting, 1, __ATOMIC_SEQ_CST);
    hold_wait(mode);
    __atomic_sub_fetch(nb_waiting, 1, __ATOMIC_SEQ_CST);
    return __atomic_load_n(mode, __ATOMIC_SEQ_CST) != HOLD_FAIL;
}

/* By the name that it has where offsets have 64 bits, as in QEMU */
int fallocate(int fd, int mode, off_t offset, off_t size)
{
    static int (*next)(int, int, off_t, off_t);

    if (mode & FALLOC_FL_PUNCH_HOLE && !hold_pass(HOLD_DISCARDS)) {
        errno = EIO;
        return -1;
    }
    if (!next) {
        next = (int (*)(int, int, off_t, off_t))dlsym(RTLD_NEXT, "fallocate64");
    }
    return next(fd, mode, offset, size);
}

int madvise(void *addr, size_t size, int advice)
{
    static int (*next)(void *, size_t, int);

    if (advice == MADV_POPULATE_WRITE && !hold_pass(HOLD_POPULATES)) {
        errno = ENOMEM;
        return -1;
    }
    if (!next) {
        next = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "madvise");
    }
    return next(addr, size, advice);
}
