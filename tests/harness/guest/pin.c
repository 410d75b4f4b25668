/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-pin: takes anonymous memory until a page of it lies in the wanted range
 * of physical addresses, pins that page by putting it into a pipe (vmsplice
 * holds a reference that migration cannot move), and gives the rest back. With
 * a NUMA node given, it takes memory from there alone. Or it has the kernel
 * take that page for broken.
 */
#include "tools.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE_SIZE 4096UL
#define PIN_CHUNK (16UL << 20)
#define PIN_CHUNKS 4096
/* /proc/PID/pagemap: the page's frame number, and whether it is there */
#define PAGEMAP_PFN ((1ULL << 55) - 1)
#define PAGEMAP_PRESENT (1ULL << 63)

static char *pin_chunk(void)
{
    char *chunk = mmap(NULL, PIN_CHUNK, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (chunk == MAP_FAILED) {
        return NULL;
    }
    /* A huge page would hide which of its pages is pinned */
    madvise(chunk, PIN_CHUNK, MADV_NOHUGEPAGE);
    for (size_t offset = 0; offset < PIN_CHUNK; offset += PAGE_SIZE) {
        chunk[offset] = 1;
    }
    return chunk;
}

/* A page of @chunk inside the range, or NULL; *@paddr is where it is */
static char *pin_find(int pagemap, char *chunk, uint64_t addr, uint64_t size,
                      uint64_t *paddr)
{
    static uint64_t entries[PIN_CHUNK / PAGE_SIZE];
    off_t offset = (uintptr_t)chunk / PAGE_SIZE * sizeof(*entries);

    if (pread(pagemap, entries, sizeof(entries), offset) !=
        (ssize_t)sizeof(entries)) {
        return NULL;
    }
    for (size_t i = 0; i < PIN_CHUNK / PAGE_SIZE; i++) {
        *paddr = (entries[i] & PAGEMAP_PFN) * PAGE_SIZE;
        if (entries[i] & PAGEMAP_PRESENT && *paddr >= addr &&
            *paddr - addr < size) {
            return chunk + i * PAGE_SIZE;
        }
    }
    return NULL;
}

static int pin_hold(char *page, uint64_t paddr)
{
    struct iovec iov = {.iov_base = page, .iov_len = PAGE_SIZE};
    int fds[2];

    if (pipe(fds) < 0 || vmsplice(fds[1], &iov, 1, 0) != (ssize_t)PAGE_SIZE) {
        fprintf(stderr, "cannot pin a page: %s\n", strerror(errno));
        return 1;
    }
    printf("pinned %llx\n", (unsigned long long)paddr);
    fflush(stdout);
    for (;;) {
        pause();
    }
}

static void pin_survive(int signal)
{
    (void)signal;
}

static int pin_poison(char *page, uint64_t paddr)
{
    /* The kernel kills who has such a page and does not say what to do then */
    signal(SIGBUS, pin_survive);
    if (madvise(page, PAGE_SIZE, MADV_HWPOISON) < 0) {
        fprintf(stderr, "cannot poison a page: %s\n", strerror(errno));
        return errno == EINVAL ? 77 : 1;
    }
    printf("poisoned %llx\n", (unsigned long long)paddr);
    return 0;
}

static int pin_bind(const char *node)
{
    unsigned long mask = 1UL << strtoul(node, NULL, 10);

    return (int)syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 8 * sizeof(mask));
}

int tool_pin(int argc, char **argv)
{
    uint64_t addr = argc >= 3 ? strtoull(argv[1], NULL, 16) : 0;
    uint64_t size = argc >= 3 ? strtoull(argv[2], NULL, 16) : 0;
    int pagemap = open("/proc/self/pagemap", O_RDONLY);
    char *chunks[PIN_CHUNKS], *page = NULL;
    uint64_t paddr = 0;
    int is_poison = argc > 3 && strcmp(argv[3], "poison") == 0;
    int n = 0;

    if (!size || pagemap < 0 ||
        (argc > 3 && !is_poison && pin_bind(argv[3]) < 0)) {
        fprintf(stderr, "usage: mhp-pin ADDR SIZE [NODE|poison]\n");
        return 2;
    }
    while (!page && n < PIN_CHUNKS && (chunks[n] = pin_chunk())) {
        page = pin_find(pagemap, chunks[n++], addr, size, &paddr);
    }
    while (n--) {
        if (!page || page < chunks[n] || page >= chunks[n] + PIN_CHUNK) {
            munmap(chunks[n], PIN_CHUNK);
        }
    }
    if (!page) {
        fprintf(stderr, "no page came from the range %s, %s\n", argv[1],
                argv[2]);
        return 1;
    }
    return is_poison ? pin_poison(page, paddr) : pin_hold(page, paddr);
}
