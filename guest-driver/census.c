// SPDX-License-Identifier: GPL-2.0
/*
 * Counting the pages of a unit and judging the result; see census.h.
 */
#include <linux/hugetlb.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/sched.h>
#include <linux/swap.h>

#include "census.h"
#include "compat.h"
#include "virtio_mhp.h"

/* The page may be freed, split or merged under our eyes. */
static unsigned long virtio_mhp_free_run(struct page *page)
{
	unsigned long order;

	if (!PageBuddy(page))
		return 0;
	order = READ_ONCE(page_private(page));
	return order <= VIRTIO_MHP_MAX_ORDER ? 1UL << order : 1;
}

/*
 * In use, but by more than what maps it and caches it: somebody else holds it
 * and may not let go. Huge pages are not judged.
 */
static bool virtio_mhp_page_looks_stuck(struct page *page)
{
	int expected = atomic_read(&page->_mapcount) + 1;

	if (PageCompound(page) || !page_count(page))
		return false;
	if (!PageLRU(page))
		return true;
	if (PageAnon(page))
		expected += folio_test_swapcache(page_folio(page));
	else
		expected += 1 + !!PagePrivate(page);
	return page_count(page) > expected;
}

static void virtio_mhp_count_used(struct virtio_mhp_census *census,
				  struct page *page)
{
	census->nr_used++;
	if (PageHuge(page))
		census->nr_hugetlb++;
	else if (virtio_mhp_page_looks_stuck(page))
		census->nr_stuck++;
}

static void virtio_mhp_mb_count(struct virtio_mhp *vmhp, unsigned int mb,
				struct virtio_mhp_census *census)
{
	const u64 addr = virtio_mhp_mb_addr(&vmhp->blocks, mb);
	unsigned long pfn = PHYS_PFN(addr + vmhp->mbs[mb].memmap_size);
	const unsigned long end = PHYS_PFN(addr + vmhp->blocks.mb_size);

	if (virtio_mhp_mb_get_state(vmhp, mb) != VIRTIO_MHP_MB_ONLINE)
		return;
	while (pfn < end) {
		struct page *page = pfn_to_page(pfn);
		unsigned long nr = min(virtio_mhp_free_run(page), end - pfn);

		if (!nr)
			virtio_mhp_count_used(census, page);
		census->nr_free += nr;
		pfn += nr ?: 1;
	}
}

/**
 * virtio_mhp_census_take() - count the pages of a unit
 * @vmhp: the device
 * @unit: the unit; memory blocks of it that are not ONLINE count as empty
 * @census: where to put the result
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
	for (i = 0; i < nr_mbs; i++)
		virtio_mhp_mb_count(vmhp, first + i, census);
	cond_resched();
}

/**
 * virtio_mhp_census_cost() - what it would take to vacate a unit
 * @census: its census
 *
 * Huge pages need a free one elsewhere, and a stuck page takes all the time
 * there is: such units come last.
 *
 * Context: any.
 * Return: a figure to compare with that of other units.
 */
unsigned int virtio_mhp_census_cost(const struct virtio_mhp_census *census)
{
	unsigned long cost = census->nr_used + 8 * census->nr_hugetlb;

	if (census->nr_stuck)
		cost += census->nr_free + census->nr_used;
	return min_t(unsigned long, cost, INT_MAX);
}

/**
 * virtio_mhp_census_has_room() - is there room for the pages elsewhere
 * @census: a unit's census
 *
 * Without, the kernel would complain about failed allocations until the
 * deadline. What is swapped out makes room as well.
 *
 * Context: any.
 * Return: true if there probably is.
 */
bool virtio_mhp_census_has_room(const struct virtio_mhp_census *census)
{
	const long available = si_mem_available() + get_nr_swap_pages();

	/* Its own free pages are available too, but not to its own pages. */
	return !census->nr_used ||
	       available >= (long)(census->nr_free + census->nr_used);
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
	return !census->nr_stuck && census->nr_used < census->nr_free / 8;
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
	if (error == -EBUSY)
		return VIRTIO_MHP_REASON_KERNEL_MEMORY;
	if (census->nr_hugetlb)
		return VIRTIO_MHP_REASON_HUGETLB;
	if (census->nr_stuck)
		return VIRTIO_MHP_REASON_PINNED;
	return VIRTIO_MHP_REASON_BUSY;
}
