// SPDX-License-Identifier: GPL-2.0
/*
 * Which units to vacate, in which order, and what keeps one from it. Looks at
 * the struct pages of our own added blocks without locks: the figures may be
 * stale at once, so they only choose, estimate and explain. Only the worker
 * removes blocks, so the struct pages stay while it looks.
 */
#include <linux/hugetlb.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/sched.h>
#include <linux/sort.h>
#include <linux/swap.h>

#include "compat.h"
#include "virtio_mhp.h"

#define VIRTIO_MHP_UNIT_BACKOFF_MAX 60

/**
 * struct virtio_mhp_census - what the pages of a unit are used for
 * @nr_free: free pages, those in per-CPU lists not included
 * @nr_used: all others, without those that hold the memmap
 * @nr_hugetlb: used pages that belong to hugetlb
 * @nr_stuck: used pages that hint at a pin
 */
struct virtio_mhp_census {
	unsigned long nr_free;
	unsigned long nr_used;
	unsigned long nr_hugetlb;
	unsigned long nr_stuck;
};

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

static void virtio_mhp_unit_count(struct virtio_mhp *vmhp, unsigned int unit,
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

/*
 * Huge pages need a free one elsewhere, and a stuck page takes all the time
 * there is: such units come last.
 */
static unsigned int virtio_mhp_census_cost(const struct virtio_mhp_census *c)
{
	unsigned long cost = c->nr_used + 8 * c->nr_hugetlb;

	if (c->nr_stuck)
		cost += c->nr_free + c->nr_used;
	return min_t(unsigned long, cost, INT_MAX);
}

/*
 * Without room to move the pages to, the kernel would complain about failed
 * allocations until the deadline. What is swapped out makes room as well.
 */
static bool virtio_mhp_census_has_room(const struct virtio_mhp_census *census)
{
	const long available = si_mem_available() + get_nr_swap_pages();

	return available >= (long)(census->nr_free + census->nr_used);
}

/*
 * The kernel sees the signal of the deadline only after a pass that may have
 * moved most pages: then the rest takes no time.
 */
static bool virtio_mhp_census_is_promising(const struct virtio_mhp_census *c)
{
	return !c->nr_stuck && c->nr_used < c->nr_free / 8;
}

static bool virtio_mhp_unit_is_due(struct virtio_mhp *vmhp, unsigned int unit)
{
	return !vmhp->units[unit].backoff ||
	       time_after_eq(jiffies, vmhp->units[unit].next_try);
}

/**
 * virtio_mhp_sort_candidates() - sort the units that are worth vacating
 * @vmhp: the device
 *
 * Units whose latest failure is too recent are left out.
 *
 * Context: worker.
 * Return: number of units, in candidates[], the first to vacate first.
 */
unsigned int virtio_mhp_sort_candidates(struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	struct virtio_mhp_census census;
	unsigned int unit, nr = 0;

	for (unit = 0; unit < blocks->nr_units; unit++) {
		if (virtio_mhp_unit_is(blocks, unit, VIRTIO_MHP_MB_UNPLUGGED) ||
		    !virtio_mhp_unit_is_due(vmhp, unit))
			continue;
		if (virtio_mhp_is_interrupted(vmhp))
			return 0;
		virtio_mhp_unit_count(vmhp, unit, &census);
		vmhp->candidates[nr].unit = unit;
		vmhp->candidates[nr].cost = virtio_mhp_census_cost(&census);
		nr++;
	}
	sort(vmhp->candidates, nr, sizeof(*vmhp->candidates),
	     virtio_mhp_candidate_cmp, NULL);
	return nr;
}

static u16 virtio_mhp_explain(int error, const struct virtio_mhp_census *after)
{
	if (error == -EBUSY)
		return VIRTIO_MHP_REASON_KERNEL_MEMORY;
	if (after->nr_hugetlb)
		return VIRTIO_MHP_REASON_HUGETLB;
	if (after->nr_stuck)
		return VIRTIO_MHP_REASON_PINNED;
	return VIRTIO_MHP_REASON_BUSY;
}

static void virtio_mhp_unit_failed(struct virtio_mhp *vmhp, unsigned int unit,
				   u16 reason, int error)
{
	struct virtio_mhp_unit *u = &vmhp->units[unit];

	u->backoff = clamp(2 * u->backoff, 1, VIRTIO_MHP_UNIT_BACKOFF_MAX);
	u->next_try = jiffies + u->backoff * HZ;
	dev_dbg(&vmhp->vdev->dev, "unit at %#llx stays: %s (%d)\n",
		virtio_mhp_unit_addr(&vmhp->blocks, unit),
		virtio_mhp_reason_name(reason), error);
	virtio_mhp_report(vmhp, unit, reason, error);
}

static int virtio_mhp_unit_remove(struct virtio_mhp *vmhp, unsigned int unit)
{
	const unsigned int first =
		virtio_mhp_unit_first_mb(&vmhp->blocks, unit);
	unsigned int mb = first + virtio_mhp_unit_nr_mbs(&vmhp->blocks);
	int rc;

	while (mb-- > first) {
		if (virtio_mhp_mb_get_state(vmhp, mb) < VIRTIO_MHP_MB_OFFLINE)
			continue;
		rc = virtio_mhp_mb_remove(vmhp, mb);
		if (rc)
			return rc;
	}
	return 0;
}

/**
 * virtio_mhp_unit_vacate() - offline and remove all of a unit
 * @vmhp: the device
 * @unit: a plugged unit
 *
 * A failure is explained to the host and to the administrator, and keeps the
 * unit from being tried again for a while.
 *
 * Context: worker.
 * Return: 0 and the unit is PLUGGED; -EAGAIN: interrupted; else negative errno.
 */
int virtio_mhp_unit_vacate(struct virtio_mhp *vmhp, unsigned int unit)
{
	struct virtio_mhp_census before, after;
	int rc;

	virtio_mhp_unit_count(vmhp, unit, &before);
	if (before.nr_used && !virtio_mhp_census_has_room(&before)) {
		virtio_mhp_unit_failed(vmhp, unit, VIRTIO_MHP_REASON_NO_ROOM,
				       -ENOSPC);
		return -ENOSPC;
	}
	rc = virtio_mhp_unit_remove(vmhp, unit);
	if (!rc || rc == -EAGAIN)
		return rc;

	virtio_mhp_unit_count(vmhp, unit, &after);
	if (rc == -ETIME && virtio_mhp_census_is_promising(&after)) {
		rc = virtio_mhp_unit_remove(vmhp, unit);
		if (!rc || rc == -EAGAIN)
			return rc;
		virtio_mhp_unit_count(vmhp, unit, &after);
	}
	virtio_mhp_unit_failed(vmhp, unit, virtio_mhp_explain(rc, &after), rc);
	return rc;
}
