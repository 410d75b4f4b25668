// SPDX-License-Identifier: GPL-2.0
/*
 * Counting the pages of a unit and judging the result; see census.h.
 */
#include <linux/hugetlb.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/sched.h>
#include <linux/vmstat.h>

#include "census.h"
#include "compat.h"
#include "virtio_mhp.h"

/* At a page, one jiffy after the other, before it is the kernel's for good */
#define VIRTIO_MHP_LOOKS 8

static void virtio_mhp_count_hugetlb(struct virtio_mhp_census *census,
				     struct page *page)
{
	if (!page_count(page)) {
		census->nr_pool++;
		return;
	}
	census->nr_used++;
	census->nr_hugetlb++;
}

static void virtio_mhp_count_kernels(struct virtio_mhp_census *census,
				     struct folio *folio)
{
	const unsigned int nr = census->nr_suspects;
	const unsigned long pfn = folio_pfn(folio);

	census->nr_kernel++;
	if (nr == VIRTIO_MHP_SUSPECTS_MAX ||
	    (nr && census->suspects[nr - 1] == pfn))
		return;
	census->suspects[census->nr_suspects++] = pfn;
}

static void virtio_mhp_count_pinned(struct virtio_mhp_census *census,
				    struct page *page)
{
	if (!census->nr_pinned++)
		census->pinned_pfn = page_to_pfn(page);
}

static void virtio_mhp_count_used(struct virtio_mhp_census *census,
				  struct page *page)
{
	struct folio *folio = page_folio(page);

	/* It is not moved, and nobody misses it. */
	if (PageHWPoison(page)) {
		census->nr_poisoned++;
		return;
	}
	if (PageHuge(page)) {
		virtio_mhp_count_hugetlb(census, page);
		return;
	}
	census->nr_used++;
	if (folio_test_lru(folio) && !folio_test_swapbacked(folio))
		census->nr_cache++;
	if (virtio_mhp_page_is_dirty(page))
		census->nr_dirty++;
	if (virtio_mhp_page_is_in_io(page) && !census->nr_io++)
		census->io_pfn = page_to_pfn(page);
	if (virtio_mhp_page_is_kernels(page))
		virtio_mhp_count_kernels(census, folio);
	else if (virtio_mhp_page_is_pinned(page))
		virtio_mhp_count_pinned(census, page);
	else
		return;
	if (!census->stuck_pfn)
		census->stuck_pfn = page_to_pfn(page);
}

static void virtio_mhp_mb_count(struct virtio_mhp *vmhp, unsigned int mb,
				struct virtio_mhp_census *census)
{
	const u64 addr = virtio_mhp_mb_addr(&vmhp->blocks, mb);
	unsigned long pfn = PHYS_PFN(addr + vmhp->mbs[mb].memmap_size);
	const unsigned long end = PHYS_PFN(addr + vmhp->blocks.mb_size);
	const int rc = virtio_mhp_mb_hold_pages(vmhp, mb);

	if (rc) {
		/* Who is about to offline it may be stuck in there. */
		census->is_held |= rc == -EBUSY;
		return;
	}
	while (pfn < end) {
		struct page *page = pfn_to_page(pfn);
		unsigned long nr =
			min(virtio_mhp_page_free_run(page), end - pfn);

		/* Neither used nor room. */
		if (page == READ_ONCE(vmhp->mbs[mb].kept)) {
			pfn += 1UL << vmhp->mbs[mb].kept_order;
			continue;
		}
		if (!nr)
			virtio_mhp_count_used(census, page);
		census->nr_free += nr;
		pfn += nr ?: 1;
	}
	virtio_mhp_mb_release_pages(vmhp, mb);
}

/**
 * virtio_mhp_census_take() - count the pages of a unit
 * @vmhp: the device
 * @unit: the unit; memory blocks of it that are not ONLINE count as empty
 * @census: where to put the result, incomplete if the worker is interrupted
 *
 * Context: worker.
 */
void virtio_mhp_census_take(struct virtio_mhp *vmhp, unsigned int unit,
			    struct virtio_mhp_census *census)
{
	const unsigned int first =
		virtio_mhp_unit_first_mb(&vmhp->blocks, unit);
	const unsigned int nr_mbs = virtio_mhp_unit_nr_mbs(&vmhp->blocks);
	unsigned int i;

	*census = (struct virtio_mhp_census){};
	for (i = 0; i < nr_mbs && !virtio_mhp_is_interrupted(vmhp); i++) {
		virtio_mhp_mb_count(vmhp, first + i, census);
		cond_resched();
	}
}

static bool virtio_mhp_pfn_is_kernels(struct virtio_mhp *vmhp,
				      unsigned long pfn)
{
	const unsigned int mb = virtio_mhp_mb_at(&vmhp->blocks, PFN_PHYS(pfn));
	struct page *page = pfn_to_page(pfn);
	bool is_kernels;

	if (virtio_mhp_mb_hold_pages(vmhp, mb))
		return false;
	is_kernels = !PageBuddy(page) && virtio_mhp_page_is_kernels(page);
	virtio_mhp_mb_release_pages(vmhp, mb);
	return is_kernels;
}

/* The next one on its way may be where the earlier one was: look repeatedly. */
static bool virtio_mhp_pfn_stays_kernels(struct virtio_mhp *vmhp,
					 unsigned long pfn)
{
	unsigned int looks = VIRTIO_MHP_LOOKS;

	while (looks-- && virtio_mhp_pfn_is_kernels(vmhp, pfn))
		schedule_timeout_uninterruptible(1);
	return looks == UINT_MAX;
}

/**
 * virtio_mhp_unit_has_poison() - is any memory of a unit broken
 * @vmhp: the device
 * @unit: the unit
 *
 * Does not look at its pages, so that it can be asked of all units.
 *
 * Context: worker.
 * Return: true if it is, as far as the kernel keeps count.
 */
bool virtio_mhp_unit_has_poison(struct virtio_mhp *vmhp, unsigned int unit)
{
	const unsigned int first =
		virtio_mhp_unit_first_mb(&vmhp->blocks, unit);
	const unsigned int nr_mbs = virtio_mhp_unit_nr_mbs(&vmhp->blocks);
	bool has_poison = false;
	struct device *dev;
	unsigned int i;

	for (i = 0; i < nr_mbs && !has_poison; i++) {
		dev = virtio_mhp_mb_get_device(vmhp, first + i);
		has_poison = dev && virtio_mhp_has_poison(dev);
		put_device(dev);
	}
	return has_poison;
}

/**
 * virtio_mhp_census_confirm() - forget pages that only looked stuck
 * @vmhp: the device
 * @after: a unit's census after it could not be vacated
 * @before: its census before that
 *
 * Until whoever allocates a page has given it to its user, it looks like the
 * kernel's own, and as soon as an attempt has failed, a unit's free pages are
 * allocated again. What made it fail was there before, and still is.
 *
 * Context: worker.
 */
void virtio_mhp_census_confirm(struct virtio_mhp *vmhp,
			       struct virtio_mhp_census *after,
			       const struct virtio_mhp_census *before)
{
	unsigned int i;

	for (i = 0; i < before->nr_suspects; i++) {
		if (virtio_mhp_pfn_stays_kernels(vmhp, before->suspects[i])) {
			after->stuck_pfn = before->suspects[i];
			return;
		}
	}
	after->nr_kernel = 0;
	after->stuck_pfn = after->pinned_pfn;
}

/**
 * virtio_mhp_census_cost() - what it would take to vacate a unit
 * @census: its census
 *
 * A poisoned page is of no use: such units go first, so that the host can give
 * sound memory the next time. Huge pages need a free one elsewhere, and taking
 * those of a pool is not what the pool is for; dirty pages may come into I/O
 * at any time while others are: such units come after all without. A stuck page
 * takes all the time there is, and so may one that waits for storage: such
 * units come last.
 *
 * Context: any.
 * Return: a figure to compare with that of other units.
 */
unsigned int virtio_mhp_census_cost(const struct virtio_mhp_census *census)
{
	const unsigned long all =
		census->nr_free + census->nr_used + census->nr_pool;
	/* What is not online, and has no pages at all, before what is empty. */
	unsigned long cost = census->nr_poisoned ? 0
						 : census->nr_used + 1 + !!all;

	if (census->nr_hugetlb || census->nr_pool ||
	    (census->nr_dirty && global_node_page_state(NR_WRITEBACK)))
		cost += all;
	if (census->stuck_pfn || census->nr_io || census->is_held)
		cost += 2 * all + 1;
	return min_t(unsigned long, cost, INT_MAX);
}

/**
 * virtio_mhp_census_is_promising() - is it worth trying again at once
 * @census: a unit's census after the deadline passed on it
 *
 * The kernel sees the deadline's signal only after a pass that may have moved
 * most pages: then the rest takes no time.
 *
 * Context: any.
 * Return: true if little is left, and nothing that looks stuck.
 */
bool virtio_mhp_census_is_promising(const struct virtio_mhp_census *census)
{
	return !census->stuck_pfn && census->nr_used < census->nr_free / 8;
}

/**
 * virtio_mhp_census_reason() - why a unit could not be vacated
 * @census: its census afterwards
 * @error: what the attempt returned
 *
 * Context: any.
 * Return: VIRTIO_MHP_REASON_*.
 */
u16 virtio_mhp_census_reason(const struct virtio_mhp_census *census, int error)
{
	if (error == -EINPROGRESS)
		return VIRTIO_MHP_REASON_WRITEBACK;
	if (census->nr_kernel)
		return VIRTIO_MHP_REASON_KERNEL_MEMORY;
	/* A pool's pages refuse to go when they are promised to somebody. */
	if (census->nr_hugetlb || (census->nr_pool && error == -EBUSY))
		return VIRTIO_MHP_REASON_HUGETLB;
	if (census->nr_pinned)
		return VIRTIO_MHP_REASON_PINNED;
	return VIRTIO_MHP_REASON_BUSY;
}
