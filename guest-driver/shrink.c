// SPDX-License-Identifier: GPL-2.0
/*
 * Shrinking: units from ONLINE to UNPLUGGED, the cheapest first, each in
 * bounded time. Decides which unit is next, and explains those that stay.
 */
#include <linux/device.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/pfn.h>
#include <linux/sort.h>

#include "census.h"
#include "trace.h"
#include "virtio_mhp.h"

/* Pages */
#define VIRTIO_MHP_PROGRESS_MIN 512U

/* Is what kept a unit from going gone? Cheap enough to be asked often. */
static bool virtio_mhp_unit_has_cleared(struct virtio_mhp *vmhp,
					unsigned int unit)
{
	const struct virtio_mhp_unit *u = &vmhp->units[unit];

	if (u->needs)
		return virtio_mhp_room(vmhp) >= u->needs;
	if (!u->stuck_pfn)
		return false;
	return !virtio_mhp_pfn_is_stuck(vmhp, u->stuck_pfn);
}

/**
 * virtio_mhp_shrink_is_worthwhile() - may a unit that would not go, go now
 * @vmhp: the device
 *
 * Context: worker.
 * Return: true if what was in its way is no longer there.
 */
bool virtio_mhp_shrink_is_worthwhile(struct virtio_mhp *vmhp)
{
	unsigned int unit;

	if (vmhp->plugged_size <= virtio_mhp_target_size(vmhp))
		return false;
	for (unit = 0; unit < vmhp->blocks.nr_units; unit++)
		if (virtio_mhp_unit_has_cleared(vmhp, unit))
			return true;
	return false;
}

/*
 * Sorts into candidates[] the units that are worth vacating, the first to
 * vacate first. Those whose latest failure is too recent are left out, unless
 * its cause is gone.
 */
static unsigned int virtio_mhp_sort_candidates(struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	struct virtio_mhp_census census;
	unsigned int unit, nr = 0;

	for (unit = 0; unit < blocks->nr_units; unit++) {
		if (virtio_mhp_unit_is(blocks, unit, VIRTIO_MHP_MB_UNPLUGGED))
			continue;
		if (!virtio_mhp_unit_is_due(vmhp, unit) &&
		    !virtio_mhp_unit_has_cleared(vmhp, unit))
			continue;
		virtio_mhp_census_take(vmhp, unit, &census);
		if (virtio_mhp_is_interrupted(vmhp))
			return 0;
		vmhp->candidates[nr].unit = unit;
		vmhp->candidates[nr].cost = virtio_mhp_census_cost(&census);
		nr++;
	}
	sort(vmhp->candidates, nr, sizeof(*vmhp->candidates),
	     virtio_mhp_candidate_cmp, NULL);
	return nr;
}

/*
 * Progress is a reason to try again soon. What others allocate and free in the
 * meantime is none, so it must be an eighth of the best so far, and not just a
 * few pages.
 */
static bool virtio_mhp_unit_came_closer(struct virtio_mhp_unit *u,
					unsigned long left)
{
	if (u->backoff &&
	    left + max(u->left / 8, VIRTIO_MHP_PROGRESS_MIN) > u->left)
		return false;
	u->left = min_t(unsigned long, left, U32_MAX);
	return true;
}

static void virtio_mhp_unit_failed(struct virtio_mhp *vmhp, unsigned int unit,
				   u16 reason, int error,
				   const struct virtio_mhp_census *census)
{
	struct virtio_mhp_unit *u = &vmhp->units[unit];

	if (virtio_mhp_unit_came_closer(u, census->nr_used))
		u->backoff = 0;
	virtio_mhp_unit_back_off(vmhp, unit, 1);
	u->stuck_pfn = error == -EINPROGRESS ? census->io_pfn
					     : census->stuck_pfn;
	u->needs = error == -ENOSPC ? virtio_mhp_room_needed(vmhp, census) : 0;
	trace_virtio_mhp_vacate(vmhp->index,
				virtio_mhp_unit_addr(&vmhp->blocks, unit),
				reason, error, u->backoff, census);
	virtio_mhp_dbg(vmhp, "unit at %#llx stays for %u s: %s (%d)\n",
		       virtio_mhp_unit_addr(&vmhp->blocks, unit), u->backoff,
		       virtio_mhp_reason_name(reason), error);
	virtio_mhp_report(vmhp, unit, reason, error);
}

/* Nothing is tried that would make the kernel complain. */
static int virtio_mhp_unit_check_room(struct virtio_mhp *vmhp,
				      unsigned int unit,
				      const struct virtio_mhp_census *census)
{
	const unsigned long needed = virtio_mhp_room_needed(vmhp, census);
	const unsigned long room = needed ? virtio_mhp_room(vmhp) : 0;
	u16 reason = VIRTIO_MHP_REASON_NO_ROOM;

	/* For its huge pages alone, hugetlb looks for room without a word. */
	if (room >= needed || census->nr_hugetlb == census->nr_used)
		return 0;
	if (needed - room <= census->nr_hugetlb)
		reason = VIRTIO_MHP_REASON_HUGETLB;
	virtio_mhp_unit_failed(vmhp, unit, reason, -ENOSPC, census);
	return -ENOSPC;
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

static void virtio_mhp_unit_explain(struct virtio_mhp *vmhp, unsigned int unit,
				    const struct virtio_mhp_census *before,
				    struct virtio_mhp_census *after)
{
	virtio_mhp_census_take(vmhp, unit, after);
	virtio_mhp_census_confirm(vmhp, after, before);
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
	const u64 addr = virtio_mhp_unit_addr(&vmhp->blocks, unit);
	struct virtio_mhp_census before, after;
	int rc;

	virtio_mhp_census_take(vmhp, unit, &before);
	rc = virtio_mhp_unit_check_room(vmhp, unit, &before);
	if (rc)
		return rc;
	rc = virtio_mhp_unit_remove(vmhp, unit);
	if (rc && rc != -EAGAIN)
		virtio_mhp_unit_explain(vmhp, unit, &before, &after);
	if (rc == -ETIME && virtio_mhp_census_is_promising(&after)) {
		rc = virtio_mhp_unit_remove(vmhp, unit);
		if (rc && rc != -EAGAIN)
			virtio_mhp_unit_explain(vmhp, unit, &before, &after);
	}
	if (!rc)
		trace_virtio_mhp_vacate(vmhp->index, addr,
					VIRTIO_MHP_REASON_NONE, 0, 0, &before);
	else if (rc != -EAGAIN)
		virtio_mhp_unit_failed(vmhp, unit,
				       virtio_mhp_census_reason(&after, rc), rc,
				       &after);
	return rc;
}

/**
 * virtio_mhp_shrink() - unplug units until plugged_size is requested_size
 * @vmhp: the device
 *
 * Each unit that is due is tried once.
 *
 * Context: worker.
 * Return: 0; -EAGAIN: interrupted; -EINPROGRESS: units are left that would
 *	not go; else as virtio_mhp_unit_unplug().
 */
int virtio_mhp_shrink(struct virtio_mhp *vmhp)
{
	const unsigned int nr = virtio_mhp_sort_candidates(vmhp);
	unsigned int i;
	int rc;

	for (i = 0; i < nr; i++) {
		const unsigned int unit = vmhp->candidates[i].unit;

		if (vmhp->plugged_size <= virtio_mhp_target_size(vmhp))
			return 0;
		if (virtio_mhp_is_interrupted(vmhp))
			return -EAGAIN;
		rc = virtio_mhp_unit_vacate(vmhp, unit);
		if (rc == -EAGAIN)
			return rc;
		if (rc)
			continue;
		rc = virtio_mhp_unit_unplug(vmhp, unit);
		if (rc == -EINVAL)
			virtio_mhp_unit_back_off(vmhp, unit, 1);
		else if (rc)
			return rc;
	}
	if (virtio_mhp_is_interrupted(vmhp))
		return -EAGAIN;
	return vmhp->plugged_size <= virtio_mhp_target_size(vmhp)
		       ? 0
		       : -EINPROGRESS;
}
