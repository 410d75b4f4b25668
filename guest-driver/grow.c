// SPDX-License-Identifier: GPL-2.0
/*
 * Growing: units from UNPLUGGED to ONLINE. Decides which unit is next; how
 * often it is tried is for the worker.
 */
#include <linux/module.h>
#include <linux/sched/mm.h>

#include "virtio_mhp.h"

/* Failures after which an attempt ends */
#define VIRTIO_MHP_GROW_FAILURES_MAX 3

static unsigned int virtio_mhp_usable_units(const struct virtio_mhp *vmhp)
{
	return virtio_mhp_blocks_usable_units(&vmhp->blocks,
					      vmhp->geo.addr +
						      vmhp->usable_region_size);
}

/* The module must stay as long as anything is plugged. */
static bool virtio_mhp_hold_module(struct virtio_mhp *vmhp)
{
	if (!vmhp->module_held)
		vmhp->module_held = try_module_get(THIS_MODULE);
	return vmhp->module_held;
}

/**
 * virtio_mhp_release_module() - let the module go once nothing is plugged
 * @vmhp: the device
 *
 * Context: worker.
 */
void virtio_mhp_release_module(struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;

	if (!vmhp->module_held ||
	    blocks->count[VIRTIO_MHP_MB_UNPLUGGED] != blocks->nr_mbs)
		return;
	vmhp->module_held = false;
	module_put(THIS_MODULE);
}

static bool virtio_mhp_wants_unit(const struct virtio_mhp *vmhp)
{
	if (vmhp->plugged_size > virtio_mhp_target_size(vmhp))
		return false;
	return virtio_mhp_target_size(vmhp) - vmhp->plugged_size >=
	       vmhp->blocks.unit_size;
}

static int virtio_mhp_prepare_to_plug(struct virtio_mhp *vmhp)
{
	const int rc = virtio_mhp_tell_memmap(vmhp);

	if (rc)
		return rc;
	if (virtio_mhp_memmap_is_refused(vmhp))
		return -EOPNOTSUPP;
	return virtio_mhp_hold_module(vmhp) ? 0 : -ENOSPC;
}

/**
 * struct virtio_mhp_growth - how far an attempt to grow has got
 * @nr_units: number of units that can be plugged
 * @position: of the next unit, in the order of plugging
 * @is_retry: units that failed earlier have their turn, after all others
 * @nr_failures: units that failed
 * @can_retry: there are units that failed, now or earlier
 */
struct virtio_mhp_growth {
	unsigned int nr_units;
	unsigned int position;
	bool is_retry;
	unsigned int nr_failures;
	bool can_retry;
};

static void virtio_mhp_count_failure(struct virtio_mhp_growth *growth)
{
	growth->can_retry = true;
	growth->nr_failures++;
}

/* The next unit in order, twice: of those that never failed, and the others */
static bool virtio_mhp_next_in_order(struct virtio_mhp_growth *growth,
				     unsigned int *unit)
{
	if (growth->position == growth->nr_units) {
		if (growth->is_retry || !growth->can_retry)
			return false;
		growth->is_retry = true;
		growth->position = 0;
	}
	*unit = virtio_mhp_unit_in_plug_order(growth->nr_units,
					      growth->position++);
	return true;
}

static int virtio_mhp_next_unit(struct virtio_mhp *vmhp,
				struct virtio_mhp_growth *growth,
				unsigned int *unit)
{
	bool failed;

	while (virtio_mhp_wants_unit(vmhp) &&
	       growth->nr_failures < VIRTIO_MHP_GROW_FAILURES_MAX &&
	       virtio_mhp_next_in_order(growth, unit)) {
		if (!virtio_mhp_unit_is(&vmhp->blocks, *unit,
					VIRTIO_MHP_MB_UNPLUGGED))
			continue;
		failed = vmhp->units[*unit].failed;
		if (failed)
			growth->can_retry = true;
		if (failed == growth->is_retry &&
		    virtio_mhp_unit_is_due(vmhp, *unit))
			return 0;
	}
	return -ENOENT;
}

/* -ENOENT: there is no unit to be plugged; else 0 or why it cannot be now */
static int virtio_mhp_grow_begin(struct virtio_mhp *vmhp,
				 struct virtio_mhp_growth *growth,
				 unsigned int *unit)
{
	int rc;

	/* First, as it takes up a newer size. */
	if (virtio_mhp_is_interrupted(vmhp))
		return -EAGAIN;
	rc = virtio_mhp_next_unit(vmhp, growth, unit);
	if (rc)
		return rc;
	rc = virtio_mhp_prepare_to_plug(vmhp);
	if (rc == -EOPNOTSUPP)
		virtio_mhp_report(vmhp, *unit, VIRTIO_MHP_REASON_NO_MEMMAP, rc);
	if (rc)
		return rc;
	rc = virtio_mhp_reserve_ready(vmhp);
	if (rc) {
		virtio_mhp_report(vmhp, *unit, VIRTIO_MHP_REASON_NOT_ADDED, rc);
		return rc;
	}
	return virtio_mhp_unit_plug_begin(vmhp, *unit);
}

/* -ENXIO: of this unit the device thinks otherwise than we do; try another */
static int virtio_mhp_grow_end(struct virtio_mhp *vmhp,
			       struct virtio_mhp_growth *growth,
			       unsigned int unit)
{
	int rc = virtio_mhp_unit_plug_end(vmhp, unit);

	if (rc != -EINVAL)
		return rc;
	virtio_mhp_unit_skip(vmhp, unit);
	virtio_mhp_count_failure(growth);
	return -ENXIO;
}

static int virtio_mhp_grow_first(struct virtio_mhp *vmhp,
				 struct virtio_mhp_growth *growth,
				 unsigned int *unit)
{
	int rc = virtio_mhp_grow_begin(vmhp, growth, unit);

	return rc ?: virtio_mhp_grow_end(vmhp, growth, *unit);
}

/*
 * What the kernel says of one block says nothing of the others, but who keeps
 * one keeps all.
 */
static int virtio_mhp_unit_not_added(struct virtio_mhp *vmhp,
				     struct virtio_mhp_growth *growth,
				     unsigned int unit, u16 reason, int error)
{
	if (error == -EAGAIN)
		return error;
	virtio_mhp_unit_roll_back(vmhp, unit, reason, error);
	virtio_mhp_count_failure(growth);
	return error == -ENOMEM || error == -EXDEV ? error : 0;
}

/* Who waits for memory need not wait for the next unit. */
static void virtio_mhp_unit_came(struct virtio_mhp *vmhp, unsigned int unit)
{
	vmhp->units[unit].failed = false;
	wake_up(&vmhp->wait);
}

/*
 * Adds a PLUGGED unit. While the kernel has its work with that, the device has
 * its with the next one, and the answer is taken before anything else is asked.
 * 0: the next one is PLUGGED; else what came of it, or of this one.
 */
static int virtio_mhp_grow_by(struct virtio_mhp *vmhp,
			      struct virtio_mhp_growth *growth,
			      unsigned int unit, unsigned int *next)
{
	int ahead = virtio_mhp_grow_begin(vmhp, growth, next);
	u16 reason;
	int rc;

	WRITE_ONCE(vmhp->units[unit].is_kernels,
		   virtio_mhp_kernel_wants_unit(vmhp, unit));
	rc = virtio_mhp_unit_add(vmhp, unit, &reason);
	if (!ahead)
		ahead = virtio_mhp_grow_end(vmhp, growth, *next);
	if (rc)
		rc = virtio_mhp_unit_not_added(vmhp, growth, unit, reason, rc);
	else
		virtio_mhp_unit_came(vmhp, unit);
	if (rc && !ahead)
		virtio_mhp_unit_unplug(vmhp, *next);
	return rc ?: ahead;
}

static int virtio_mhp_plug_units(struct virtio_mhp *vmhp)
{
	struct virtio_mhp_growth growth = {
		.nr_units = virtio_mhp_usable_units(vmhp),
	};
	unsigned int unit = 0, next = 0;
	int rc = -ENXIO;

	while (!rc || rc == -ENXIO) {
		if (!rc)
			rc = virtio_mhp_grow_by(vmhp, &growth, unit, &next);
		else
			rc = virtio_mhp_grow_first(vmhp, &growth, &next);
		unit = next;
	}
	if (rc != -ENOENT)
		return rc;
	if (!virtio_mhp_wants_unit(vmhp))
		return 0;
	if (growth.can_retry)
		return -EINPROGRESS;
	virtio_mhp_note_error(vmhp, 0, "region-full", -ENOSPC);
	return -ENOSPC;
}

static int virtio_mhp_complete_unit(struct virtio_mhp *vmhp, unsigned int unit)
{
	u16 reason;
	int rc;

	if (!virtio_mhp_unit_is_due(vmhp, unit))
		return -EINPROGRESS;
	rc = virtio_mhp_unit_add(vmhp, unit, &reason);
	if (rc && rc != -EAGAIN) {
		virtio_mhp_report(vmhp, unit, reason, rc);
		virtio_mhp_unit_skip(vmhp, unit);
		return -EINPROGRESS;
	}
	if (!rc)
		vmhp->units[unit].failed = false;
	return rc;
}

/*
 * Adds what is missing of plugged units of several memory blocks: a shrink that
 * is no longer wanted may have removed a part of one. -EINPROGRESS: that is to
 * be tried again.
 */
static int virtio_mhp_complete_units(struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	unsigned int unit;
	int rc, result = 0;

	for (unit = 0; unit < blocks->nr_units; unit++) {
		if (!blocks->count[VIRTIO_MHP_MB_PLUGGED])
			break;
		/* What the device did not want to unplug stays out of use. */
		if (virtio_mhp_unit_is(blocks, unit, VIRTIO_MHP_MB_PLUGGED) ||
		    !virtio_mhp_unit_has(blocks, unit, VIRTIO_MHP_MB_PLUGGED))
			continue;
		rc = virtio_mhp_complete_unit(vmhp, unit);
		if (rc == -EAGAIN)
			return rc;
		result = rc ?: result;
	}
	return result;
}

/**
 * virtio_mhp_grow() - plug units until plugged_size is what is aimed at
 * @vmhp: the device
 *
 * Context: worker.
 * Return: 0; -EAGAIN: interrupted or not granted; -EBUSY: the device
 *	cannot now; -ENOMEM: no memory to grow with; -EINPROGRESS: units are
 *	left that failed; -ENOSPC: nothing more can be plugged; -EOPNOTSUPP:
 *	nothing may be, for lack of memmaps on blocks; -EXDEV: or because
 *	another driver keeps it; else as
 *	virtio_mhp_unit_plug_end().
 */
int virtio_mhp_grow(struct virtio_mhp *vmhp)
{
	const int incomplete = virtio_mhp_complete_units(vmhp);
	unsigned int noreclaim;
	int rc;

	if (incomplete == -EAGAIN)
		return incomplete;
	/* Who waits for it may hold what the allocator wants (oom_lock). */
	if (vmhp->pressure_target)
		noreclaim = memalloc_noreclaim_save();
	rc = virtio_mhp_plug_units(vmhp);
	if (vmhp->pressure_target)
		memalloc_noreclaim_restore(noreclaim);
	return incomplete && (!rc || rc == -ENOSPC) ? incomplete : rc;
}
