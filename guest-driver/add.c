// SPDX-License-Identifier: GPL-2.0
/*
 * A unit into Linux: from PLUGGED to ONLINE, and back again if a step of it
 * fails.
 */
#include <linux/device.h>

#include "virtio_mhp.h"

/* Seconds for which others are tried instead: longer than the worker's first */
#define VIRTIO_MHP_GROW_BACKOFF 4

static int virtio_mhp_mb_add_online(struct virtio_mhp *vmhp, unsigned int mb,
				    u16 *reason)
{
	unsigned int cookie;
	/* Not to be asked later: adding may find that memmaps are ordinary. */
	const bool entered = virtio_mhp_reserve_enter(vmhp, &cookie);
	const bool keeps = !virtio_mhp_mb_is_kernels(vmhp, mb) &&
			   virtio_mhp_remainder_begin(vmhp, mb);
	int rc;

	*reason = VIRTIO_MHP_REASON_NOT_ADDED;
	rc = virtio_mhp_mb_add(vmhp, mb);
	if (rc == -EOPNOTSUPP)
		*reason = VIRTIO_MHP_REASON_NO_MEMMAP;
	if (!rc) {
		*reason = VIRTIO_MHP_REASON_NOT_ONLINE;
		rc = virtio_mhp_mb_online(vmhp, mb);
	}
	if (keeps)
		virtio_mhp_remainder_end();
	if (entered)
		virtio_mhp_reserve_leave(cookie);
	return rc;
}

/**
 * virtio_mhp_unit_add() - add and online what is missing of a unit
 * @vmhp: the device
 * @unit: a plugged unit
 * @reason: where to put VIRTIO_MHP_REASON_* if that fails
 *
 * Context: worker.
 * Return: 0 and the unit is ONLINE, unless userspace has offlined it since;
 *	-EAGAIN: there is a newer request; else negative errno.
 */
int virtio_mhp_unit_add(struct virtio_mhp *vmhp, unsigned int unit, u16 *reason)
{
	const unsigned int first =
		virtio_mhp_unit_first_mb(&vmhp->blocks, unit);
	const unsigned int nr_mbs = virtio_mhp_unit_nr_mbs(&vmhp->blocks);
	unsigned int mb;
	int rc;

	for (mb = first; mb < first + nr_mbs; mb++) {
		if (virtio_mhp_mb_get_state(vmhp, mb) != VIRTIO_MHP_MB_PLUGGED)
			continue;
		if (mb > first && virtio_mhp_is_interrupted(vmhp))
			return -EAGAIN;
		rc = virtio_mhp_mb_add_online(vmhp, mb, reason);
		if (rc)
			return rc;
	}
	return 0;
}

/**
 * virtio_mhp_unit_skip() - try others for a while
 * @vmhp: the device
 * @unit: a unit that failed
 *
 * Context: worker.
 */
void virtio_mhp_unit_skip(struct virtio_mhp *vmhp, unsigned int unit)
{
	virtio_mhp_unit_back_off(vmhp, unit, VIRTIO_MHP_GROW_BACKOFF,
				 VIRTIO_MHP_BACKOFF_MAX);
}

/**
 * virtio_mhp_unit_roll_back() - unplug a unit that could not be added
 * @vmhp: the device
 * @unit: the unit
 * @reason: from virtio_mhp_unit_add()
 * @error: likewise
 *
 * Context: worker.
 */
void virtio_mhp_unit_roll_back(struct virtio_mhp *vmhp, unsigned int unit,
			       u16 reason, int error)
{
	virtio_mhp_warn_ratelimited(vmhp,
				    "the unit at %#llx cannot be used: %s (%d)\n",
				    virtio_mhp_unit_addr(&vmhp->blocks, unit),
				    virtio_mhp_reason_name(reason), error);
	if (!virtio_mhp_unit_vacate(vmhp, unit))
		virtio_mhp_unit_unplug(vmhp, unit);
	/* Only now: unplugging drops the report (DEV-STATUS-2). */
	virtio_mhp_report(vmhp, unit, reason, error);
	virtio_mhp_unit_skip(vmhp, unit);
}
