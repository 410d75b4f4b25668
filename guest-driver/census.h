/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the pages of a unit are used for: what it would cost to vacate it, and
 * what keeps it from being vacated. Looks at the struct pages of our own added
 * blocks without locks: the figures may be stale at once, so they only choose,
 * estimate and explain.
 */
#ifndef _VIRTIO_MHP_CENSUS_H
#define _VIRTIO_MHP_CENSUS_H

#include <linux/types.h>

struct page;
struct virtio_mhp;

/* pages.c: what a page is used for */
unsigned long virtio_mhp_page_free_run(struct page *page);
bool virtio_mhp_page_is_kernels(struct page *page);
bool virtio_mhp_page_is_pinned(struct page *page);
bool virtio_mhp_page_is_in_io(struct page *page);
bool virtio_mhp_page_is_dirty(struct page *page);
int virtio_mhp_mb_hold_pages(struct virtio_mhp *vmhp, unsigned int mb);
void virtio_mhp_mb_release_pages(struct virtio_mhp *vmhp, unsigned int mb);
bool virtio_mhp_pfn_is_stuck(struct virtio_mhp *vmhp, unsigned long pfn);
int virtio_mhp_mb_wait_for_io(struct virtio_mhp *vmhp, unsigned int mb);

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
 * @nr_poisoned: pages with a fault in the memory itself, not in @nr_used
 * @nr_dirty: used pages that cache files and are newer than these
 * @nr_io: used pages that are being read or written, or are locked otherwise
 * @io_pfn: the first page that is in @nr_io, or 0
 * @is_held: somebody else is onlining or offlining a block of the unit
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
	unsigned long nr_poisoned;
	unsigned long nr_dirty;
	unsigned long nr_io;
	unsigned long io_pfn;
	bool is_held;
	unsigned long stuck_pfn;
	unsigned long pinned_pfn;
	unsigned int nr_suspects;
	unsigned long suspects[VIRTIO_MHP_SUSPECTS_MAX];
};

void virtio_mhp_census_take(struct virtio_mhp *vmhp, unsigned int unit,
			    struct virtio_mhp_census *census);
bool virtio_mhp_unit_has_poison(struct virtio_mhp *vmhp, unsigned int unit);
void virtio_mhp_census_confirm(struct virtio_mhp *vmhp,
			       struct virtio_mhp_census *after,
			       const struct virtio_mhp_census *before);
unsigned int virtio_mhp_census_cost(const struct virtio_mhp_census *census);
bool virtio_mhp_census_is_promising(const struct virtio_mhp_census *census);
u16 virtio_mhp_census_reason(const struct virtio_mhp_census *census, int error);

/* room.c: where the pages could go */
unsigned long virtio_mhp_room(const struct virtio_mhp *vmhp);
unsigned long virtio_mhp_room_anywhere(void);
unsigned long virtio_mhp_room_needed(const struct virtio_mhp *vmhp,
				     const struct virtio_mhp_census *census);
bool virtio_mhp_has_room_nearby(const struct virtio_mhp *vmhp,
				const struct virtio_mhp_census *census);

#endif /* _VIRTIO_MHP_CENSUS_H */
