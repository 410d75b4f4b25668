/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's resizable memory device, ours or stock virtio-mem: both have the
 * same properties on the host. Guest-side names are those of our driver alone.
 */
#ifndef MHP_MEMDEV_H
#define MHP_MEMDEV_H

#include "guest.h"

#define MEMDEV_PATH "/machine/peripheral/hp0"
/* As a user has it, with its defaults */
#define MEMDEV_DEFAULT "mhp-vmemmap-mem"
/*
 * The guest does not report free pages: for as long as those are under way they
 * are missing from what is free, which most tests compare to the page
 */
#define MEMDEV_OURS MEMDEV_DEFAULT ",free-page-reporting=off"
#define MEMDEV_STOCK "virtio-mem-pci"
/* Our device for the stock driver */
#define MEMDEV_OURS_AS_STOCK MEMDEV_OURS ",compat=virtio-mem"

/* Called while a resize goes on; @size is what is plugged now */
typedef void (*MemdevProgress)(uint64_t size, void *opaque);

/*
 * Give the guest a device with a region of @region_size, before the start; its
 * type can have properties behind it
 */
void memdev_add(Guest *guest, const char *type, uint64_t region_size);
/* The same with a size that is requested from the start */
void memdev_add_requested(Guest *guest, const char *type, uint64_t region_size,
                          uint64_t size);

/* Load our driver with these module parameters ("" for none) */
bool memdev_load_driver(Guest *guest, const char *parameters, GError **error);

bool memdev_request(Guest *guest, uint64_t size, GError **error);
bool memdev_size(Guest *guest, uint64_t *size, GError **error);

/*
 * Wait until exactly @size is plugged. It may take any time, but no more than
 * @stall_ms without coming closer. @progress may be NULL.
 */
bool memdev_wait(Guest *guest, uint64_t size, unsigned stall_ms,
                 MemdevProgress progress, void *opaque, GError **error);

/* memdev_request() and memdev_wait() */
bool memdev_resize(Guest *guest, uint64_t size, unsigned stall_ms,
                   GError **error);

/* Where the region is in the guest's address space */
bool memdev_region(Guest *guest, uint64_t *addr, uint64_t *size,
                   GError **error);

/* A memory block of the region, as the guest's kernel sees it */
typedef struct MemdevBlock {
    uint64_t addr;
    bool online;
    char zone[16];         /* the zone it is in; "" while it is offline */
    unsigned memmap_pages; /* at its start, holding its own memmap */
} MemdevBlock;

/* All blocks of the region that the kernel has, by address; g_array_unref() */
GArray *memdev_blocks(Guest *guest, GError **error);

/* How many of @blocks are in @zone ("" for those that are offline) */
unsigned memdev_count_zone(GArray *blocks, const char *zone);

/* How many of @blocks hold their whole memmap themselves */
unsigned memdev_count_self_hosted(GArray *blocks);

/* An attribute of our driver, without the newline at its end */
char *memdev_attr(Guest *guest, const char *name, GError **error);
bool memdev_attr_uint(Guest *guest, const char *name, uint64_t *value,
                      GError **error);

#endif /* MHP_MEMDEV_H */
