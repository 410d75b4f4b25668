/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/zoneinfo as numbers: the kernel's own word on where memory is and what
 * of it is free. Sums are in bytes.
 */
#ifndef MHP_ZONEINFO_H
#define MHP_ZONEINFO_H

#include <stdint.h>

#include <glib.h>

/* In pages, as the kernel counts */
typedef struct Zone {
    unsigned node;
    char name[16];
    uint64_t free;    /* in the buddy lists */
    uint64_t pcp;     /* free, too, but in the per-CPU lists */
    uint64_t present; /* there at all */
    uint64_t managed; /* given to the page allocator */
} Zone;

/* An array of Zone; free with g_array_unref() */
GArray *zoneinfo_parse(const char *text);

/* Sums over the zones called @name, on all nodes */
uint64_t zoneinfo_present(GArray *zones, const char *name);
uint64_t zoneinfo_managed(GArray *zones, const char *name);

/* Free memory of the zones that boot memory is in: DMA, DMA32, Normal */
uint64_t zoneinfo_boot_free(GArray *zones);

#endif /* MHP_ZONEINFO_H */
