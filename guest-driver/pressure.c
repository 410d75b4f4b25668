// SPDX-License-Identifier: GPL-2.0
/*
 * Growing on pressure: what is plugged beyond what the host requests, within
 * what it allows, while the guest is short of memory, and given back when it
 * has not been for a while (DRV-PRESSURE-1, DRV-PRESSURE-2).
 *
 * shortage.c notices. Only the worker decides, and acts.
 *
 * What the worker aims at is pressure_target: a size, not a difference, so that
 * what the host requests meanwhile counts against it.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/wait.h>

#include "census.h"
#include "trace.h"
#include "virtio_mhp.h"

/* A step to grow by begins with a unit and doubles while memory stays short */
#define VIRTIO_MHP_STEP_UNITS_MAX 8
#define VIRTIO_MHP_STEP_MEMORY	  (5 * HZ)

/* Seconds for which there must have been enough before it is given back */
static unsigned int virtio_mhp_pressure_hold = 30;
module_param_named(pressure_hold, virtio_mhp_pressure_hold, uint, 0644);
MODULE_PARM_DESC(pressure_hold,
		 "seconds of enough memory before it is given back (30)");

/**
 * virtio_mhp_pressure_keeps() - is it no time to give memory back
 * @vmhp: the device
 *
 * What goes takes a unit from what is to be had, wherever its pages are.
 *
 * Context: worker.
 * Return: true if what is plugged may stay, and with a unit less memory would
 *	    be short.
 */
bool virtio_mhp_pressure_keeps(const struct virtio_mhp *vmhp)
{
	return vmhp->pressure_size &&
	       vmhp->plugged_size <= virtio_mhp_limit_size(vmhp) &&
	       virtio_mhp_room_anywhere() <
		       virtio_mhp_shortage_mark(vmhp) +
			       PHYS_PFN(vmhp->blocks.unit_size);
}

static void virtio_mhp_pressure_aim(struct virtio_mhp *vmhp, u64 size)
{
	const u64 old = vmhp->pressure_target;

	if (size <= vmhp->requested_size)
		size = 0;
	if (size == old)
		return;
	WRITE_ONCE(vmhp->pressure_target, size);
	trace_virtio_mhp_pressure(vmhp->index, size, vmhp->plugged_size,
				  (u64)virtio_mhp_room_anywhere()
					  << PAGE_SHIFT);
	if (!old)
		virtio_mhp_info_ratelimited(vmhp,
					    "memory is short: up to %llu MiB more than the requested %llu MiB are used\n",
					    vmhp->pressure_size >> 20,
					    vmhp->requested_size >> 20);
}

/* What is plugged stays, and a step more is aimed at, once that is there. */
static void virtio_mhp_pressure_grow(struct virtio_mhp *vmhp)
{
	const u64 unit = vmhp->blocks.unit_size;
	const u64 limit = virtio_mhp_pressure_limit(vmhp);
	const u64 plugged = vmhp->plugged_size;

	if (time_after(jiffies, vmhp->pressed + VIRTIO_MHP_STEP_MEMORY))
		vmhp->step_units = 1;
	WRITE_ONCE(vmhp->pressed, jiffies);
	vmhp->give_back_units = 1;
	if (plugged >= limit || virtio_mhp_target_size(vmhp) >= plugged + unit)
		return virtio_mhp_pressure_aim(vmhp, max(vmhp->pressure_target,
							 min(plugged, limit)));
	virtio_mhp_pressure_aim(vmhp, min(plugged + vmhp->step_units * unit,
					  plugged + round_down(limit - plugged,
							       unit)));
	vmhp->step_units = min(2 * vmhp->step_units, VIRTIO_MHP_STEP_UNITS_MAX);
}

static unsigned long
virtio_mhp_pressure_held_until(const struct virtio_mhp *vmhp)
{
	return READ_ONCE(vmhp->pressed) +
	       min(READ_ONCE(virtio_mhp_pressure_hold), INT_MAX / HZ) * HZ;
}

/* Steps double here, too, as far as there is enough left afterwards. */
static void virtio_mhp_pressure_give_back(struct virtio_mhp *vmhp)
{
	const u64 unit = vmhp->blocks.unit_size;
	const u64 surplus = virtio_mhp_surplus(vmhp);
	/* What is not there yet is not wanted any more. */
	u64 size = min(vmhp->pressure_target, vmhp->plugged_size), step;

	if (surplus < unit)
		WRITE_ONCE(vmhp->pressed, jiffies);
	/* One after the other */
	if (vmhp->plugged_size <= size && surplus >= unit &&
	    time_after_eq(jiffies, virtio_mhp_pressure_held_until(vmhp))) {
		step = min(vmhp->give_back_units * unit,
			   round_down(surplus, unit));
		size -= min(size, step);
		vmhp->give_back_units *= 2;
	}
	virtio_mhp_pressure_aim(vmhp, size);
}

/* What the host wants to go is what memory would be short without. */
static void virtio_mhp_pressure_stay(struct virtio_mhp *vmhp)
{
	WRITE_ONCE(vmhp->pressed, jiffies);
	virtio_mhp_pressure_aim(vmhp, vmhp->plugged_size);
}

/**
 * virtio_mhp_pressure_decide() - set what is aimed at besides the request
 * @vmhp: the device, with its sizes up to date
 *
 * Context: worker, at the start of a pass.
 */
void virtio_mhp_pressure_decide(struct virtio_mhp *vmhp)
{
	const bool was_thrashing = xchg(&vmhp->is_thrashing, false);
	bool is_short;

	if (!vmhp->pressure_size) {
		virtio_mhp_pressure_aim(vmhp, 0);
		return;
	}
	virtio_mhp_pressure_aim(vmhp, min(vmhp->pressure_target,
					  virtio_mhp_pressure_limit(vmhp)));
	is_short = vmhp->pressure_asking != vmhp->pressure_answered ||
		   was_thrashing || virtio_mhp_memory_is_short(vmhp);
	if (is_short)
		virtio_mhp_pressure_grow(vmhp);
	else if (vmhp->plugged_size > virtio_mhp_target_size(vmhp) &&
		 virtio_mhp_pressure_keeps(vmhp))
		virtio_mhp_pressure_stay(vmhp);
	else if (vmhp->pressure_target)
		virtio_mhp_pressure_give_back(vmhp);
	virtio_mhp_shortage_look(vmhp);
}

/**
 * virtio_mhp_pressure_begin() - a pass begins
 * @vmhp: the device
 *
 * Context: worker.
 */
void virtio_mhp_pressure_begin(struct virtio_mhp *vmhp)
{
	clear_bit(VIRTIO_MHP_PRESSED, &vmhp->flags);
	/* Pairs with the increment before the flag is set. */
	smp_mb__after_atomic();
	vmhp->pressure_asking = atomic_read(&vmhp->pressure_asked);
}

/* Not if it is only a shrink that is at its end, or ended by pressure */
static bool virtio_mhp_pressure_has_failed(const struct virtio_mhp *vmhp,
					   int rc)
{
	if (!rc || vmhp->superseded)
		return false;
	return vmhp->pressure_target > vmhp->plugged_size ||
	       (rc != -EINPROGRESS && rc != -EAGAIN);
}

/**
 * virtio_mhp_pressure_end() - a pass ends: who waits for it can go on
 * @vmhp: the device
 * @rc: what it came to
 *
 * What the host does not grant, or the kernel does not add, is left alone for a
 * while, as it would be without pressure.
 *
 * Context: worker.
 */
void virtio_mhp_pressure_end(struct virtio_mhp *vmhp, int rc)
{
	if (!virtio_mhp_pressure_has_failed(vmhp, rc)) {
		vmhp->pressure_backoff = 0;
	} else {
		vmhp->pressure_backoff = clamp(2 * vmhp->pressure_backoff, 1,
					       VIRTIO_MHP_BACKOFF_MAX);
		WRITE_ONCE(vmhp->pressure_next,
			   jiffies + vmhp->pressure_backoff * HZ);
		/* Nobody need wait until then. */
		virtio_mhp_pressure_begin(vmhp);
	}
	WRITE_ONCE(vmhp->pressure_answered, vmhp->pressure_asking);
	wake_up(&vmhp->wait);
	virtio_mhp_spare_adjust(vmhp, virtio_mhp_surplus(vmhp));
}

/**
 * virtio_mhp_pressure_changed() - the host may grant more than it did
 * @vmhp: the device
 *
 * Context: worker.
 */
void virtio_mhp_pressure_changed(struct virtio_mhp *vmhp)
{
	vmhp->pressure_backoff = 0;
	WRITE_ONCE(vmhp->pressure_next, jiffies);
}

/**
 * virtio_mhp_pressure_timeout() - until when the worker may sleep
 * @vmhp: the device
 *
 * Context: worker.
 * Return: jiffies.
 */
long virtio_mhp_pressure_timeout(const struct virtio_mhp *vmhp)
{
	const long left = virtio_mhp_pressure_held_until(vmhp) - jiffies;
	const u64 plugged = vmhp->plugged_size;

	/* What is still on its way has its own time. */
	if (!READ_ONCE(vmhp->link) || plugged > vmhp->pressure_target ||
	    vmhp->pressure_target - plugged >= vmhp->blocks.unit_size ||
	    !vmhp->pressure_target)
		return MAX_SCHEDULE_TIMEOUT;
	return max_t(long, left, VIRTIO_MHP_RETRY_MIN);
}

/**
 * virtio_mhp_pressure_init() - notice when memory runs short
 * @vmhp: the device, with blocks laid out
 *
 * Context: may sleep.
 */
void virtio_mhp_pressure_init(struct virtio_mhp *vmhp)
{
	vmhp->pressure_next = jiffies;
	vmhp->pressed = jiffies;
	vmhp->step_units = 1;
	vmhp->give_back_units = 1;
	INIT_LIST_HEAD(&vmhp->spare);
	virtio_mhp_shortage_init(vmhp);
}

/**
 * virtio_mhp_pressure_deinit() - undo virtio_mhp_pressure_init()
 * @vmhp: the device, without a worker
 *
 * Context: may sleep.
 */
void virtio_mhp_pressure_deinit(struct virtio_mhp *vmhp)
{
	virtio_mhp_shortage_deinit(vmhp);
	virtio_mhp_spare_deinit(vmhp);
}
