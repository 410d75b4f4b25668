// SPDX-License-Identifier: GPL-2.0
/*
 * The worker: one kthread that drives plugged_size towards requested_size, and
 * the one place where the outcome of an attempt decides what happens next. It
 * never ends before the driver does, and each attempt starts from the states
 * that the blocks really have.
 */
#include <linux/device.h>
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/signal.h>

#include "virtio_mhp.h"

#define VIRTIO_MHP_RETRY_MIN	     (1 * HZ)
#define VIRTIO_MHP_RETRY_MAX	     (60 * HZ)
/* Failures of one attempt after which growing is not tried further */
#define VIRTIO_MHP_GROW_FAILURES_MAX 3

static unsigned int virtio_mhp_usable_units(const struct virtio_mhp *vmhp)
{
	return virtio_mhp_blocks_usable_units(&vmhp->blocks,
					      vmhp->addr +
						      vmhp->usable_region_size);
}

/* Nothing is left to take over from an earlier driver: it uses no block yet. */
static int virtio_mhp_unplug_leftovers(struct virtio_mhp *vmhp)
{
	int rc;

	if (!vmhp->unplug_all_first)
		return 0;
	rc = virtio_mhp_unplug_all(vmhp);
	if (rc)
		return rc;
	vmhp->unplug_all_first = false;
	return virtio_mhp_config_refresh(vmhp);
}

/* Units that were to be unplugged when the device was busy */
static int virtio_mhp_unplug_vacated(struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	unsigned int unit;
	int rc;

	for (unit = 0; unit < blocks->nr_units; unit++) {
		if (!blocks->count[VIRTIO_MHP_MB_PLUGGED])
			return 0;
		if (!virtio_mhp_unit_is(blocks, unit, VIRTIO_MHP_MB_PLUGGED))
			continue;
		rc = virtio_mhp_unit_unplug(vmhp, unit);
		if (rc)
			return rc;
	}
	return 0;
}

static int virtio_mhp_mb_add_online(struct virtio_mhp *vmhp, unsigned int mb,
				    u16 *reason)
{
	int rc;

	*reason = VIRTIO_MHP_REASON_NOT_ADDED;
	rc = virtio_mhp_mb_add(vmhp, mb);
	if (rc == -EOPNOTSUPP)
		*reason = VIRTIO_MHP_REASON_NO_MEMMAP;
	if (rc)
		return rc;
	*reason = VIRTIO_MHP_REASON_NOT_ONLINE;
	return virtio_mhp_mb_online(vmhp, mb);
}

/* Adds what is missing of a plugged unit. */
static int virtio_mhp_unit_add(struct virtio_mhp *vmhp, unsigned int unit,
			       u16 *reason)
{
	const unsigned int first =
		virtio_mhp_unit_first_mb(&vmhp->blocks, unit);
	const unsigned int nr_mbs = virtio_mhp_unit_nr_mbs(&vmhp->blocks);
	unsigned int mb;
	int rc;

	for (mb = first; mb < first + nr_mbs; mb++) {
		if (virtio_mhp_mb_get_state(vmhp, mb) != VIRTIO_MHP_MB_PLUGGED)
			continue;
		rc = virtio_mhp_mb_add_online(vmhp, mb, reason);
		if (rc)
			return rc;
	}
	return 0;
}

/* Units of which a shrink that is no longer wanted removed only a part */
static int virtio_mhp_complete_units(struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	unsigned int unit;
	u16 reason;
	int rc;

	for (unit = 0; unit < blocks->nr_units; unit++) {
		if (!blocks->count[VIRTIO_MHP_MB_PLUGGED])
			return 0;
		rc = virtio_mhp_unit_add(vmhp, unit, &reason);
		if (rc) {
			virtio_mhp_report(vmhp, unit, reason, rc);
			return -EBUSY;
		}
	}
	return 0;
}

/* The way back of a unit that could not be brought online */
static void virtio_mhp_unit_roll_back(struct virtio_mhp *vmhp,
				      unsigned int unit, u16 reason, int error)
{
	dev_warn_ratelimited(&vmhp->vdev->dev,
			     "the unit at %#llx cannot be used: %s (%d)\n",
			     virtio_mhp_unit_addr(&vmhp->blocks, unit),
			     virtio_mhp_reason_name(reason), error);
	if (!virtio_mhp_unit_vacate(vmhp, unit))
		virtio_mhp_unit_unplug(vmhp, unit);
	/* Only now: unplugging drops the report (DEV-STATUS-2). */
	virtio_mhp_report(vmhp, unit, reason, error);
}

static int virtio_mhp_unit_grow(struct virtio_mhp *vmhp, unsigned int unit)
{
	u16 reason;
	int rc;

	rc = virtio_mhp_unit_plug(vmhp, unit);
	if (rc)
		return rc;
	rc = virtio_mhp_unit_add(vmhp, unit, &reason);
	if (!rc)
		return 0;
	virtio_mhp_unit_roll_back(vmhp, unit, reason, rc);
	/* What the kernel says of one block says nothing of the device. */
	return rc == -ENOMEM ? rc : -ENXIO;
}

/* The module must stay as long as anything is plugged. */
static bool virtio_mhp_hold_module(struct virtio_mhp *vmhp)
{
	if (!vmhp->module_held)
		vmhp->module_held = try_module_get(THIS_MODULE);
	return vmhp->module_held;
}

static void virtio_mhp_release_module(struct virtio_mhp *vmhp)
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
	if (vmhp->plugged_size > vmhp->requested_size)
		return false;
	return vmhp->requested_size - vmhp->plugged_size >=
	       vmhp->blocks.unit_size;
}

static int virtio_mhp_prepare_to_plug(struct virtio_mhp *vmhp)
{
	int rc;

	if (virtio_mhp_memmap_is_refused(vmhp))
		return -ENOSPC;
	if (!virtio_mhp_hold_module(vmhp))
		return -ENOSPC;
	if (vmhp->memmap_told)
		return 0;
	rc = virtio_mhp_tell_memmap(vmhp);
	vmhp->memmap_told = !rc;
	return rc;
}

static int virtio_mhp_grow(struct virtio_mhp *vmhp)
{
	const unsigned int nr_units = virtio_mhp_usable_units(vmhp);
	unsigned int i, unit, nr_failures = 0;
	int rc;

	for (i = 0; i < nr_units && virtio_mhp_wants_unit(vmhp); i++) {
		unit = virtio_mhp_unit_in_plug_order(nr_units, i);
		if (!virtio_mhp_unit_is(&vmhp->blocks, unit,
					VIRTIO_MHP_MB_UNPLUGGED))
			continue;
		if (virtio_mhp_is_interrupted(vmhp))
			return -EAGAIN;
		rc = virtio_mhp_prepare_to_plug(vmhp);
		if (!rc)
			rc = virtio_mhp_unit_grow(vmhp, unit);
		if (rc && rc != -ENXIO)
			return rc;
		if (rc && ++nr_failures >= VIRTIO_MHP_GROW_FAILURES_MAX)
			break;
	}
	if (!virtio_mhp_wants_unit(vmhp))
		return 0;
	return nr_failures ? -EBUSY : -ENOSPC;
}

static int virtio_mhp_shrink(struct virtio_mhp *vmhp)
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
	return vmhp->plugged_size <= vmhp->requested_size ? 0 : -EBUSY;
}

/* What kept a shrink from its end is of no interest once it is not wanted. */
static void virtio_mhp_forget_failures(struct virtio_mhp *vmhp)
{
	unsigned int unit;

	for (unit = 0; unit < vmhp->blocks.nr_units; unit++) {
		vmhp->units[unit].backoff = 0;
		if (vmhp->units[unit].reason)
			virtio_mhp_report(vmhp, unit, VIRTIO_MHP_REASON_NONE,
					  0);
	}
}

static int virtio_mhp_resize(struct virtio_mhp *vmhp)
{
	int rc = virtio_mhp_config_refresh(vmhp);

	if (!rc)
		rc = virtio_mhp_unplug_leftovers(vmhp);
	if (!rc)
		rc = virtio_mhp_unplug_vacated(vmhp);
	if (rc)
		return rc;

	if (vmhp->plugged_size > vmhp->requested_size)
		rc = virtio_mhp_shrink(vmhp);
	else
		rc = virtio_mhp_complete_units(vmhp) ?: virtio_mhp_grow(vmhp);
	if (!rc)
		virtio_mhp_forget_failures(vmhp);
	return rc;
}

static void virtio_mhp_sleep(struct virtio_mhp *vmhp, long timeout)
{
	flush_signals(current);
	wait_event_freezable_timeout(vmhp->wait,
				     kthread_should_stop() ||
					     test_bit(VIRTIO_MHP_CHANGED,
						      &vmhp->flags) ||
					     test_bit(VIRTIO_MHP_RETRY,
						      &vmhp->flags),
				     timeout);
}

/*
 * What an attempt came to, and what follows:
 *   0        done: sleep until the configuration changes
 *   -EAGAIN  the configuration changed, or the host does not grant what it
 *            asked for: at once if it did change, else back off
 *   -EBUSY   the device or the guest cannot now: back off
 *   -ENOMEM  no memory to grow with: back off
 *   -ENOSPC  nothing more can be done: sleep until the configuration changes
 *   else     the device breaks its promises or is broken: likewise
 */
static long virtio_mhp_next_timeout(struct virtio_mhp *vmhp, int rc,
				    long *backoff)
{
	long timeout = *backoff;

	switch (rc) {
	case -EAGAIN:
		if (test_bit(VIRTIO_MHP_CHANGED, &vmhp->flags))
			return 0;
		fallthrough;
	case -EBUSY:
	case -ENOMEM:
		*backoff = min_t(long, 2 * timeout, VIRTIO_MHP_RETRY_MAX);
		return timeout;
	default:
		return MAX_SCHEDULE_TIMEOUT;
	}
}

static int virtio_mhp_worker(void *data)
{
	struct virtio_mhp *vmhp = data;
	long backoff = VIRTIO_MHP_RETRY_MIN;
	u64 plugged_size;
	int rc;

	set_freezable();
	allow_kernel_signal(SIGUSR1);
	while (!kthread_should_stop()) {
		clear_bit(VIRTIO_MHP_RETRY, &vmhp->flags);
		/* Before looking, so that a change from now on is seen. */
		if (test_and_clear_bit(VIRTIO_MHP_CHANGED, &vmhp->flags)) {
			backoff = VIRTIO_MHP_RETRY_MIN;
			virtio_mhp_forget_failures(vmhp);
		}
		plugged_size = vmhp->plugged_size;
		rc = virtio_mhp_resize(vmhp);
		virtio_mhp_release_module(vmhp);
		dev_dbg(&vmhp->vdev->dev, "plugged %#llx of %#llx: %d\n",
			vmhp->plugged_size, vmhp->requested_size, rc);
		if (vmhp->plugged_size != plugged_size)
			backoff = VIRTIO_MHP_RETRY_MIN;
		virtio_mhp_sleep(vmhp,
				 virtio_mhp_next_timeout(vmhp, rc, &backoff));
	}
	return 0;
}

/**
 * virtio_mhp_worker_start() - start the worker
 * @vmhp: the device, ready for requests
 *
 * Context: may sleep.
 * Return: 0 or negative errno.
 */
int virtio_mhp_worker_start(struct virtio_mhp *vmhp)
{
	struct task_struct *worker;

	worker = kthread_create(virtio_mhp_worker, vmhp, "mhp-%s",
				dev_name(&vmhp->vdev->dev));
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	vmhp->worker = worker;
	set_bit(VIRTIO_MHP_CHANGED, &vmhp->flags);
	wake_up_process(worker);
	return 0;
}

/**
 * virtio_mhp_worker_stop() - end the worker
 * @vmhp: the device
 *
 * A block that is being vacated is given up, a request without response too.
 *
 * Context: may sleep.
 */
void virtio_mhp_worker_stop(struct virtio_mhp *vmhp)
{
	set_bit(VIRTIO_MHP_REMOVING, &vmhp->flags);
	virtio_mhp_interrupt(vmhp);
	kthread_stop(vmhp->worker);
}

/**
 * virtio_mhp_worker_wake() - have the worker look again
 * @vmhp: the device
 * @why: what to tell it
 *
 * Context: any.
 */
void virtio_mhp_worker_wake(struct virtio_mhp *vmhp, enum virtio_mhp_flag why)
{
	set_bit(why, &vmhp->flags);
	wake_up(&vmhp->wait);
}
