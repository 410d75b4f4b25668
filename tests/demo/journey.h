/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One guest's journey: from its boot memory to the wanted size and back. The
 * same for our device and for stock virtio-mem; a guest that dies on the way
 * is a result, not an accident.
 */
#ifndef MHP_DEMO_JOURNEY_H
#define MHP_DEMO_JOURNEY_H

#include "memdev.h"

#define JOURNEY_UNKNOWN -1

typedef struct Journey {
    const char *type;  /* MEMDEV_OURS or MEMDEV_STOCK */
    const char *guest; /* its kind, such as "debian" */
    const char *kver;
    const char *accel;
    uint64_t size; /* of the guest in all, at the turning point */

    /* Results; a negative figure is unknown */
    char *release;
    char *free_before; /* what free -h says in the guest */
    char *free_full;   /* at its full size */
    char *free_after;  /* after the shrink */
    uint64_t reached;  /* the most it had in all */
    uint64_t left;     /* what it had at the end */
    double grow_seconds;
    double shrink_seconds;
    double boot_per_gib; /* bytes of boot memory */
    double boot_lost;    /* bytes, after the shrink */
    unsigned nb_movable;
    unsigned nb_other;
    unsigned nb_self_hosted;
    bool ok;
    bool is_dead;  /* the guest's kernel panicked */
    char *failure; /* why not, or NULL */
} Journey;

/* Make the journey and fill in the results */
void journey_run(Journey *journey);
void journey_clear(Journey *journey);

#endif /* MHP_DEMO_JOURNEY_H */
