/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between guests of different architectures. Nothing else in the
 * harness or in the tests asks which one a guest is of: both have pages of
 * 4 KiB and memory blocks of 128 MiB.
 */
#ifndef MHP_ARCH_H
#define MHP_ARCH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Arch {
    const char *suffix; /* of the kernel's folder in $MHP_BUILD/guest */
    const char *qemu;   /* where $MHP_QEMU does not name one */
    const char *machine;
    const char *console;
    uint64_t page_tables; /* boot memory that maps each GiB that is added */
    bool has_accessible_virtio_mem; /* as in QEMU before 7.0 */
} Arch;

/* The architecture of the guest with the kernel @kver */
const Arch *arch_of(const char *kver);

#endif /* MHP_ARCH_H */
