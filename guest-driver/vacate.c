// SPDX-License-Identifier: GPL-2.0
/*
 * A unit out of Linux, in bounded time: nothing is begun that cannot end well,
 * and what keeps a unit is explained to the host.
 */
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/minmax.h>

#include "census.h"
#include "trace.h"
#include "virtio_mhp.h"

/* Pages */
#define VIRTIO_MHP_PROGRESS_MIN 512UL

/*
 * Progress is a reason to try again soon, and not in vain. What others allocate
 * and free in the meantime is none, so it must be an eighth of the best so far,
 * and not just a few pages.
 */
static bool virtio_mhp_unit_came_closer(struct virtio_mhp_unit *u,
					unsigned long before,
					unsigned long left)
{
	const unsigned long best = u->failed ? u->left : before;

	u->left = min3(best, left, (unsigned long)U32_MAX);
	return left + max(best / 8, VIRTIO_MHP_PROGRESS_MIN) <= best;
}

static void virtio_mhp_unit_failed(struct virtio_mhp *vmhp, unsigned int unit,
				   u16 reason, int error, u64 since,
				   const struct virtio_mhp_census *before,
				   const struct virtio_mhp_census *after)
{
	struct virtio_mhp_unit *u = &vmhp->units[unit];
	const bool was_stuck = u->failed && u->stuck_pfn;

	u->stuck_pfn = error == -EINPROGRESS ? after->io_pfn : after->stuck_pfn;
	u->came_closer =
		virtio_mhp_unit_came_closer(u, before->nr_used, after->nr_used);
	/* Where something is stuck, progress leads nowhere. */
	if (u->stuck_pfn)
		u->came_closer = false;
	/* What keeps it now is another matter, and may be of short duration. */
	if (u->came_closer || (was_stuck && !u->stuck_pfn))
		u->backoff = 0;
	u->needs = error == -ENOSPC ? virtio_mhp_room_needed(vmhp, after) : 0;
	virtio_mhp_unit_stays(vmhp, unit, ktime_get_ns() - since);
	trace_virtio_mhp_vacate(vmhp->index,
				virtio_mhp_unit_addr(&vmhp->blocks, unit),
				reason, error, u->backoff, after);
	virtio_mhp_dbg(vmhp, "unit at %#llx stays for %u s: %s (%d)\n",
		       virtio_mhp_unit_addr(&vmhp->blocks, unit), u->backoff,
		       virtio_mhp_reason_name(reason), error);
	virtio_mhp_report(vmhp, unit, reason, error);
}

/* What is in I/O would be waited for, with no end to it. */
static int virtio_mhp_unit_try_nearby(struct virtio_mhp *vmhp,
				      unsigned int unit,
				      const struct virtio_mhp_census *census)
{
	int rc = -ENOSPC;

	if (!census->nr_io && virtio_mhp_has_room_nearby(vmhp, census))
		rc = virtio_mhp_unit_claim(vmhp, unit);
	if (rc)
		virtio_mhp_unit_unclaim(vmhp, unit);
	return rc;
}

/*
 * Nothing is tried that would make the kernel complain. Returns 0; -EAGAIN if
 * interrupted; -ENOSPC if there is none, which has been told.
 */
static int virtio_mhp_unit_make_room(struct virtio_mhp *vmhp, unsigned int unit,
				     const struct virtio_mhp_census *census)
{
	const unsigned long needed = virtio_mhp_room_needed(vmhp, census);
	const u64 since = ktime_get_ns();
	const unsigned long room = needed ? virtio_mhp_room(vmhp) : 0;
	u16 reason = VIRTIO_MHP_REASON_NO_ROOM;
	int rc;

	/* For its huge pages alone, hugetlb looks for room without a word. */
	if (room >= needed || census->nr_hugetlb == census->nr_used)
		return 0;
	rc = virtio_mhp_unit_try_nearby(vmhp, unit, census);
	if (!rc || rc == -EAGAIN)
		return rc;
	if (needed - room <= census->nr_hugetlb)
		reason = VIRTIO_MHP_REASON_HUGETLB;
	virtio_mhp_unit_failed(vmhp, unit, reason, -ENOSPC, since, census,
			       census);
	return -ENOSPC;
}

/**
 * virtio_mhp_unit_remove() - offline and remove all of a unit
 * @vmhp: the device
 * @unit: a plugged unit
 *
 * Context: worker.
 * Return: as virtio_mhp_mb_remove() of the block that it ended at.
 */
int virtio_mhp_unit_remove(struct virtio_mhp *vmhp, unsigned int unit)
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
	const u64 since = ktime_get_ns();
	struct virtio_mhp_census before, after;
	int rc;

	virtio_mhp_census_take(vmhp, unit, &before);
	rc = virtio_mhp_unit_make_room(vmhp, unit, &before);
	if (rc)
		return rc;
	rc = virtio_mhp_unit_remove(vmhp, unit);
	if (rc)
		virtio_mhp_unit_unclaim(vmhp, unit);
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
				       since, &before, &after);
	return rc;
}
