/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's trip from 1 GiB to 96 GiB and back, and all that is observed on
 * the way. What the figures have to be is not this file's matter.
 */
#ifndef MHP_SYSTEM_TRIP_H
#define MHP_SYSTEM_TRIP_H

#include "support.h"

#define TRIP_GROWTH (95 * GiB)
#define TRIP_BLOCKS (TRIP_GROWTH / MEMORY_BLOCK_SIZE)

/* One moment of the trip */
typedef struct TripView {
    uint64_t boot_free;
    uint64_t movable_present;
    uint64_t movable_managed;
    uint64_t size;         /* the device's */
    uint64_t plugged_size; /* this and the next two: the driver's */
    uint64_t online_size;
    uint64_t memmap_on_block_size;
    GArray *blocks;
} TripView;

typedef struct Trip {
    const char *policy; /* memhp_default_state */
    bool is_made;
    TripView start;
    TripView top;
    TripView end;
    char *driver_blocks; /* the driver's attribute "blocks", at the top */
    char *klog;
} Trip;

/* @trip after it was made, which happens only once */
const Trip *trip_made(const Trip *trip);

#endif /* MHP_SYSTEM_TRIP_H */
