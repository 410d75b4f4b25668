/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-vmcore: reads all of a crashed kernel's memory, as a dump would, and
 * keeps nothing of it but what it is asked for. Or it reads a dump that was
 * made of it, in which there is little between what was left out.
 */
#include "tools.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define VMCORE "/proc/vmcore"
/* As many as a file can have */
#define VMCORE_LOADS 65535
#define VMCORE_CHUNK (1UL << 20)
#define VMCORE_WINDOW (64UL << 20)
#define VMCORE_PAGE 4096

typedef struct Vmcore {
    int fd;
    Elf64_Phdr loads[VMCORE_LOADS];
    unsigned nb_loads;
} Vmcore;

/* Print and keep what says which memory is where in the file */
static int vmcore_read_loads(Vmcore *vmcore)
{
    Elf64_Ehdr head;
    Elf64_Phdr load;

    if (pread(vmcore->fd, &head, sizeof(head), 0) != sizeof(head)) {
        return -1;
    }
    for (unsigned i = 0; i < head.e_phnum; i++) {
        if (pread(vmcore->fd, &load, sizeof(load),
                  head.e_phoff + i * sizeof(load)) != sizeof(load)) {
            return -1;
        }
        if (load.p_type != PT_LOAD || vmcore->nb_loads == VMCORE_LOADS) {
            continue;
        }
        printf("load %llx %llx\n", (unsigned long long)load.p_paddr,
               (unsigned long long)load.p_memsz);
        vmcore->loads[vmcore->nb_loads++] = load;
    }
    return 0;
}

/* The first word at a physical address of the crashed kernel */
static int vmcore_print_word(Vmcore *vmcore, uint64_t addr)
{
    for (unsigned i = 0; i < vmcore->nb_loads; i++) {
        const Elf64_Phdr *load = &vmcore->loads[i];
        uint64_t word;

        if (addr < load->p_paddr || addr - load->p_paddr >= load->p_filesz) {
            continue;
        }
        if (pread(vmcore->fd, &word, sizeof(word),
                  load->p_offset + addr - load->p_paddr) != sizeof(word)) {
            return -1;
        }
        printf("word %llx %llx\n", (unsigned long long)addr,
               (unsigned long long)word);
        return 0;
    }
    errno = ENOENT;
    return -1;
}

/* As cp would: the kernel maps and copies page by page, which takes long */
static int vmcore_read_all(Vmcore *vmcore)
{
    static char chunk[VMCORE_CHUNK];
    unsigned long long total = 0;
    ssize_t n;

    while ((n = read(vmcore->fd, chunk, sizeof(chunk))) > 0) {
        total += n;
    }
    printf("read %llu\n", total);
    return n;
}

/* As makedumpfile would: touch each page of a mapping */
static int vmcore_map_all(Vmcore *vmcore)
{
    unsigned long long total = 0;
    struct stat st;

    if (fstat(vmcore->fd, &st) < 0) {
        return -1;
    }
    while (total < (unsigned long long)st.st_size) {
        size_t size = st.st_size - total;
        volatile const char *map; /* volatile: reading is the purpose */

        size = size < VMCORE_WINDOW ? size : VMCORE_WINDOW;
        map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, vmcore->fd, total);
        if (map == MAP_FAILED) {
            return -1;
        }
        for (size_t at = 0; at < size; at += VMCORE_PAGE) {
            (void)map[at];
        }
        munmap((void *)map, size);
        total += size;
    }
    printf("read %llu\n", total);
    return 0;
}

int tool_vmcore(int argc, char **argv)
{
    static Vmcore vmcore;
    const char *path = argc > 3 ? argv[3] : VMCORE;
    int rc;

    vmcore.fd = open(path, O_RDONLY);
    rc = vmcore.fd < 0 ? -1 : vmcore_read_loads(&vmcore);
    if (!rc && argc > 1) {
        rc = vmcore_print_word(&vmcore, strtoull(argv[1], NULL, 16));
    }
    if (!rc) {
        rc = argc > 2 ? vmcore_read_all(&vmcore) : vmcore_map_all(&vmcore);
    }
    if (rc) {
        fprintf(stderr, "cannot read %s: %s\n", path, strerror(errno));
        return 1;
    }
    return 0;
}
