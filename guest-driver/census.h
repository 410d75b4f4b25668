/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the pages of a unit are used for: what it would cost to vacate it, and
 * what keeps it from being vacated. Looks at the struct pages of our own added
 * blocks without locks: the figures may be stale at once, so they only choose,
 * estimate and explain. Only the worker removes blocks, and only the worker
 * takes a census, so the struct pages stay while it looks.
 */
#ifndef _VIRTIO_MHP_CENSUS_H
#define _VIRTIO_MHP_CENSUS_H

#include <linux/types.h>

struct virtio_mhp;

#define VIRTIO_MHP_SUSPECTS_MAX 8

/**
 * struct virtio_mhp_census - what the pages of a unit are used for
 * @nr_free: free pages, those in per-CPU lists not included
 * @nr_used: all others, without those that hold the memmap or are in @nr_pool
 * @nr_cache: used pages that cache files and could be dropped
 * @nr_hugetlb: used pages that belong to hugetlb
 * @nr_pool: pages in hugetlb's pools, not used by anybody
 * @nr_pinned: used pages that are held by more than what maps and caches them
 * @nr_kernel: used pages that nobody but the kernel can have allocated
 * @stuck_pfn: the first page that is in @nr_pinned or @nr_kernel, or 0
 * @pinned_pfn: the first page that is in @nr_pinned, or 0
 * @nr_suspects: how many of @suspects there are
 * @suspects: the first folios whose pages are in @nr_kernel
 */
struct virtio_mhp_census {
	unsigned long nr_free;
	unsigned long nr_used;
	unsigned long nr_cache;
	unsigned long nr_hugetlb;
	unsigned long nr_pool;
	unsigned long nr_pinned;
	unsigned long nr_kernel;
	unsigned long stuck_pfn;
	unsigned long pinned_pfn;
	unsigned int nr_suspects;
	unsigned long suspects[VIRTIO_MHP_SUSPECTS_MAX];
};

void virtio_mhp_census_take(struct virtio_mhp *vmhp, unsigned int unit,
			    struct virtio_mhp_census *census);
void virtio_mhp_census_confirm(struct virtio_mhp *vmhp,
			       struct virtio_mhp_census *after,
			       const struct virtio_mhp_census *before);
unsigned int virtio_mhp_census_cost(const struct virtio_mhp_census *census);
bool virtio_mhp_census_is_promising(const struct virtio_mhp_census *census);
u16 virtio_mhp_census_reason(const struct virtio_mhp_census *census, int error);
bool virtio_mhp_pfn_is_stuck(unsigned long pfn);

/* room.c: where the pages could go */
unsigned long virtio_mhp_room(const struct virtio_mhp *vmhp);
unsigned long virtio_mhp_room_needed(const struct virtio_mhp *vmhp,
				     const struct virtio_mhp_census *census);

#endif /* _VIRTIO_MHP_CENSUS_H */
