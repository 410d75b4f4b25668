// SPDX-License-Identifier: GPL-2.0
/*
 * Growing a guest whose memory is full. Of boot memory a block takes a page or
 * two (its device, sysfs nodes, page tables), but just then there may be none.
 * So pages for the whole way are put aside at probe, given to the kernel when
 * it is short of them, and put aside again when it is not. The worker adds and
 * onlines blocks with access to the kernel's own reserves, so that it neither
 * waits for memory nor has a process killed for it.
 *
 * All this concerns growing only: what vacates a block may need any amount of
 * memory, and has to take no for an answer.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sched/mm.h>
#include <linux/vmstat.h>

#include "virtio_mhp.h"

/* Boot memory for a memory block, and page tables for a GiB, in pages */
#define VIRTIO_MHP_PAGES_PER_MB		1
#define VIRTIO_MHP_PAGES_PER_GIB	4
/* At most this share of all memory that there is at probe is put aside */
#define VIRTIO_MHP_RESERVE_SHARE_MAX	32
/* Leave so many to others, who need memory to get on as well */
#define VIRTIO_MHP_BOOT_PAGES_MIN	64
/* Where a block takes more than that, leave this share of boot memory */
#define VIRTIO_MHP_BOOT_SHARE_MIN	8
/* Free pages of ZONE_MOVABLE with which growing is no matter of life */
#define VIRTIO_MHP_MOVABLE_PAGES_PLENTY ((16UL << 20) / PAGE_SIZE)

/**
 * struct virtio_mhp_free - free pages
 * @low: of boot memory, before the kernel begins to look for more
 * @min: of boot memory, before it begins to refuse others
 * @all: of boot memory, all of them
 * @cache: of boot memory, not free, but soon if wanted: half of clean files
 * @movable: of ZONE_MOVABLE, before the kernel has all that it wants there
 * @movable_cache: likewise, what @cache is of boot memory
 */
struct virtio_mhp_free {
	long low;
	long min;
	long all;
	long cache;
	long movable;
	long movable_cache;
};

static long virtio_mhp_zone_clean(struct zone *zone)
{
	const long nr = zone_page_state(zone, NR_ZONE_INACTIVE_FILE) +
			zone_page_state(zone, NR_ZONE_ACTIVE_FILE) -
			zone_page_state(zone, NR_ZONE_WRITE_PENDING);

	return max(nr, 0L);
}

static void virtio_mhp_count_free(struct virtio_mhp_free *sum)
{
	struct zone *zone;
	long free, usable;
	int nid;

	*sum = (struct virtio_mhp_free){};
	for_each_online_node(nid) {
		zone = NODE_DATA(nid)->node_zones;
		for (; zone_idx(zone) < ZONE_MOVABLE; zone++) {
			free = zone_page_state(zone, NR_FREE_PAGES);
			/* What is kept for DMA is not for us. */
			usable = free - zone->lowmem_reserve[ZONE_NORMAL];
			sum->low +=
				max(usable - (long)low_wmark_pages(zone), 0L);
			sum->min +=
				max(usable - (long)min_wmark_pages(zone), 0L);
			sum->all += free;
			sum->cache += virtio_mhp_zone_clean(zone) / 2;
		}
		free = zone_page_state(zone, NR_FREE_PAGES);
		sum->movable += max(free - (long)high_wmark_pages(zone), 0L);
		sum->movable_cache += virtio_mhp_zone_clean(zone) / 2;
	}
}

/**
 * virtio_mhp_kernel_memory_is_short() - has the kernel little for itself
 * @vmhp: the device
 * @nr: pages that it should have
 *
 * Context: any.
 * Return: true if fewer are to be had outside ZONE_MOVABLE, while that can do
 *	without a unit.
 */
bool virtio_mhp_kernel_memory_is_short(const struct virtio_mhp *vmhp,
				       unsigned long nr)
{
	const long plenty = 2 * PHYS_PFN(vmhp->blocks.unit_size);
	struct virtio_mhp_free now;

	virtio_mhp_count_free(&now);
	return now.low + now.cache < (long)nr &&
	       now.movable + now.movable_cache >= plenty;
}

/*
 * Boot memory that adding and onlining a memory block takes. Next to nothing,
 * but for ordinary memmaps, and where KASAN keeps a byte for each so many.
 */
static unsigned long virtio_mhp_pages_per_mb(const struct virtio_mhp *vmhp)
{
	const unsigned long nr_pages = vmhp->blocks.mb_size >> PAGE_SHIFT;
	unsigned long nr = VIRTIO_MHP_PAGES_PER_MB;

	if (!vmhp->memmap_on_block)
		nr += DIV_ROUND_UP(nr_pages * sizeof(struct page), PAGE_SIZE);
	if (IS_ENABLED(CONFIG_KASAN))
		nr += nr_pages >> 3;
	return nr;
}

static bool virtio_mhp_mb_is_cheap(const struct virtio_mhp *vmhp)
{
	return virtio_mhp_pages_per_mb(vmhp) == VIRTIO_MHP_PAGES_PER_MB;
}

/**
 * virtio_mhp_reserve_fill() - put pages aside for growing
 * @vmhp: the device
 *
 * As many as are wanted, as long as that makes nobody wait.
 *
 * Context: may sleep; worker, or probe before there is a worker.
 */
void virtio_mhp_reserve_fill(struct virtio_mhp *vmhp)
{
	struct virtio_mhp_free now;
	struct page *page;
	long spare;

	virtio_mhp_count_free(&now);
	/* Half, so that what is given is not taken back at once. */
	spare = now.low / 2 - VIRTIO_MHP_BOOT_PAGES_MIN;
	while (vmhp->nr_reserve < vmhp->nr_reserve_max && spare-- > 0) {
		page = alloc_page(GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC);
		if (!page)
			return;
		list_add(&page->lru, &vmhp->reserve);
		WRITE_ONCE(vmhp->nr_reserve, vmhp->nr_reserve + 1);
	}
}

static void virtio_mhp_reserve_give(struct virtio_mhp *vmhp, long nr)
{
	struct page *page;

	while (nr-- > 0 && vmhp->nr_reserve) {
		page = list_first_entry(&vmhp->reserve, struct page, lru);
		list_del(&page->lru);
		WRITE_ONCE(vmhp->nr_reserve, vmhp->nr_reserve - 1);
		__free_page(page);
	}
}

/**
 * virtio_mhp_reserve_init() - put pages aside for growing to the whole region
 * @vmhp: the device, with blocks laid out
 *
 * Context: may sleep.
 */
void virtio_mhp_reserve_init(struct virtio_mhp *vmhp)
{
	const unsigned long nr_gib = (vmhp->geo.region_size >> 30) + 1;
	unsigned long nr;

	INIT_LIST_HEAD(&vmhp->reserve);
	nr = vmhp->blocks.nr_mbs * VIRTIO_MHP_PAGES_PER_MB;
	nr += nr_gib * VIRTIO_MHP_PAGES_PER_GIB;
	vmhp->nr_reserve_max =
		min(nr, totalram_pages() / VIRTIO_MHP_RESERVE_SHARE_MAX);
	virtio_mhp_reserve_fill(vmhp);
}

/**
 * virtio_mhp_reserve_deinit() - give back what is put aside
 * @vmhp: the device
 *
 * Context: any, without a worker.
 */
void virtio_mhp_reserve_deinit(struct virtio_mhp *vmhp)
{
	virtio_mhp_reserve_give(vmhp, vmhp->nr_reserve);
}

/**
 * virtio_mhp_reserve_ready() - see that the kernel can add a unit
 * @vmhp: the device
 *
 * A guest without free memory in ZONE_MOVABLE grows to the very end of the
 * kernel's reserves: what it gets is worth more. Otherwise boot memory is
 * what others are short of, and growing would take the last of it. Nor does it
 * where a block takes much of boot memory: it can be grown into, not lived on.
 *
 * Context: worker.
 * Return: 0 or -ENOMEM.
 */
int virtio_mhp_reserve_ready(struct virtio_mhp *vmhp)
{
	const long nr =
		virtio_mhp_unit_nr_mbs(&vmhp->blocks) *
			virtio_mhp_pages_per_mb(vmhp) +
		((vmhp->blocks.unit_size >> 30) + 1) * VIRTIO_MHP_PAGES_PER_GIB;
	const long share = (virtio_mhp_kernel_memory_size() >> PAGE_SHIFT) /
			   VIRTIO_MHP_BOOT_SHARE_MIN;
	struct virtio_mhp_free now;

	virtio_mhp_count_free(&now);
	if (!virtio_mhp_mb_is_cheap(vmhp))
		return now.low + now.cache >= nr + share ? 0 : -ENOMEM;
	if (now.low >= nr + VIRTIO_MHP_BOOT_PAGES_MIN)
		return 0;
	virtio_mhp_reserve_give(vmhp, nr);
	if (vmhp->nr_reserve)
		return 0;
	if (now.movable > VIRTIO_MHP_MOVABLE_PAGES_PLENTY)
		return now.min >= nr ? 0 : -ENOMEM;
	return now.all >= nr + VIRTIO_MHP_BOOT_PAGES_MIN ? 0 : -ENOMEM;
}

/**
 * virtio_mhp_reserve_enter() - have the worker use the kernel's reserves
 * @vmhp: the device
 * @cookie: for virtio_mhp_reserve_leave()
 *
 * Not where a block takes much of boot memory, or page_ext can make it: that
 * would use them up.
 *
 * Context: worker, before it adds and onlines memory.
 * Return: true if it does, and is to call virtio_mhp_reserve_leave().
 */
bool virtio_mhp_reserve_enter(const struct virtio_mhp *vmhp,
			      unsigned int *cookie)
{
	if (IS_ENABLED(CONFIG_PAGE_EXTENSION) || !virtio_mhp_mb_is_cheap(vmhp))
		return false;
	*cookie = memalloc_noreclaim_save();
	return true;
}

/**
 * virtio_mhp_reserve_leave() - the worker is again as everybody else
 * @cookie: from virtio_mhp_reserve_enter()
 *
 * Context: worker.
 */
void virtio_mhp_reserve_leave(unsigned int cookie)
{
	memalloc_noreclaim_restore(cookie);
}
