/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that goes from one QEMU to the next while it runs and its memory
 * grows or shrinks. It holds data whose checksum it compares all the time, in
 * memory that can be taken away from it.
 */
#ifndef MHP_SYSTEM_MOVING_H
#define MHP_SYSTEM_MOVING_H

#include "memdev.h"

/* Sizes that the guest goes between */
#define MOVING_SMALL (512 * MiB)
#define MOVING_LARGE (1536 * MiB)

typedef struct Moving {
    Guest *guest; /* where it is now */
    char *folder; /* for what lies between two QEMUs */
    uint64_t size;
    bool prealloc;
    int memory;          /* of the device, which QEMU has, too */
    int next_memory;     /* of the QEMU that the guest goes to, or -1 */
    unsigned nb_watched; /* sources that touched nothing when it had left */
} Moving;

/*
 * Boot a guest, load the driver and let it have data and MOVING_SMALL; the
 * device has prealloc=on if @prealloc
 */
Moving *moving_new(bool prealloc);
void moving_free(Moving *moving);

/* The ways: each changes moving->guest, or comes back to it */
typedef void (*MovingWay)(Moving *moving, uint64_t size_meanwhile);

void moving_precopy(Moving *moving, uint64_t size_meanwhile);
void moving_multifd(Moving *moving, uint64_t size_meanwhile);
void moving_postcopy(Moving *moving, uint64_t size_meanwhile);
void moving_ignore_shared(Moving *moving, uint64_t size_meanwhile);
void moving_transfer(Moving *moving, uint64_t size_meanwhile);
void moving_file(Moving *moving, uint64_t size_meanwhile);
void moving_snapshot(Moving *moving, uint64_t size_meanwhile);
void moving_background(Moving *moving, uint64_t size_meanwhile);
void moving_cancelled(Moving *moving, uint64_t size_meanwhile);
void moving_failed(Moving *moving, uint64_t size_meanwhile);

/* Ask for a size and do not wait */
void moving_request(Moving *moving, uint64_t size);

/* Wait for the size that was asked for, which nobody asks for once more */
void moving_settle(Moving *moving);

/* The data must be as it was, and the kernel must have no complaint */
void moving_check(Moving *moving);

#endif /* MHP_SYSTEM_MOVING_H */
