// SPDX-License-Identifier: GPL-2.0
/*
 * Shrinking: units from ONLINE to UNPLUGGED, the cheapest first, each in
 * bounded time. Decides which unit is next, and explains those that stay.
 */
#include <linux/device.h>
#include <linux/sort.h>

#include "census.h"
#include "virtio_mhp.h"

/*
 * Sorts into candidates[] the units that are worth vacating, the first to
 * vacate first. Those whose latest failure is too recent are left out.
 */
static unsigned int virtio_mhp_sort_candidates(struct virtio_mhp *vmhp)
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
		virtio_mhp_census_take(vmhp, unit, &census);
		vmhp->candidates[nr].unit = unit;
		vmhp->candidates[nr].cost = virtio_mhp_census_cost(&census);
		nr++;
	}
	sort(vmhp->candidates, nr, sizeof(*vmhp->candidates),
	     virtio_mhp_candidate_cmp, NULL);
	return nr;
}

static void virtio_mhp_unit_failed(struct virtio_mhp *vmhp, unsigned int unit,
				   u16 reason, int error)
{
	virtio_mhp_unit_back_off(vmhp, unit, 1);
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

	virtio_mhp_census_take(vmhp, unit, &before);
	if (!virtio_mhp_census_has_room(&before)) {
		virtio_mhp_unit_failed(vmhp, unit, VIRTIO_MHP_REASON_NO_ROOM,
				       -ENOSPC);
		return -ENOSPC;
	}
	rc = virtio_mhp_unit_remove(vmhp, unit);
	if (!rc || rc == -EAGAIN)
		return rc;

	virtio_mhp_census_take(vmhp, unit, &after);
	if (rc == -ETIME && virtio_mhp_census_is_promising(&after)) {
		rc = virtio_mhp_unit_remove(vmhp, unit);
		if (!rc || rc == -EAGAIN)
			return rc;
		virtio_mhp_census_take(vmhp, unit, &after);
	}
	/* Progress is a reason to try again soon. */
	if (after.nr_used < before.nr_used)
		vmhp->units[unit].backoff = 0;
	virtio_mhp_unit_failed(vmhp, unit, virtio_mhp_census_reason(&after, rc),
			       rc);
	return rc;
}

/**
 * virtio_mhp_shrink() - unplug units until plugged_size is requested_size
 * @vmhp: the device
 *
 * Each unit that is due is tried once.
 *
 * Context: worker.
 * Return: 0; -EAGAIN: interrupted; -EBUSY: units are left that would not go;
 *else as virtio_mhp_unit_unplug().
 */
int virtio_mhp_shrink(struct virtio_mhp *vmhp)
{
	const unsigned int nr = virtio_mhp_sort_candidates(vmhp);
	unsigned int i;
	int rc;

	for (i = 0; i < nr; i++) {
		const unsigned int unit = vmhp->candidates[i].unit;

		if (vmhp->plugged_size <= vmhp->requested_size)
			return 0;
		if (virtio_mhp_is_interrupted(vmhp))
			return -EAGAIN;
		rc = virtio_mhp_unit_vacate(vmhp, unit);
		if (rc == -EAGAIN)
			return rc;
		if (rc)
			continue;
		rc = virtio_mhp_unit_unplug(vmhp, unit);
		if (rc)
			return rc;
	}
	if (virtio_mhp_is_interrupted(vmhp))
		return -EAGAIN;
	return vmhp->plugged_size <= vmhp->requested_size ? 0 : -EINPROGRESS;
}
