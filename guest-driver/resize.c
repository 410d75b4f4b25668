// SPDX-License-Identifier: GPL-2.0
/*
 * The worker: one kthread that drives plugged_size towards what is aimed at,
 * and the one place where the outcome of an attempt decides what happens next.
 * It never ends before the driver does, and each attempt starts from the states
 * that the blocks really have.
 */
#include <linux/device.h>
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "trace.h"
#include "virtio_mhp.h"

/* Looking takes one part in so many of the time */
#define VIRTIO_MHP_WATCH_RATIO 100

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
	return virtio_mhp_refresh(vmhp);
}

/*
 * Units that were to be unplugged when the device was busy. One that it will
 * not unplug is in the way of no other.
 */
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
		if (virtio_mhp_is_interrupted(vmhp))
			return -EAGAIN;
		rc = virtio_mhp_unit_unplug(vmhp, unit);
		if (rc && rc != -EINVAL)
			return rc;
	}
	return 0;
}

/* Is any of a unit added and not online, or all of it online */
static bool virtio_mhp_unit_is_offline(struct virtio_mhp *vmhp,
				       unsigned int unit)
{
	bool is_offline;

	spin_lock(&vmhp->lock);
	is_offline =
		virtio_mhp_unit_has(&vmhp->blocks, unit, VIRTIO_MHP_MB_OFFLINE);
	spin_unlock(&vmhp->lock);
	return is_offline;
}

/*
 * Once the request is fulfilled, what was in its way is of no interest; but
 * what is plugged and of no use is.
 */
static void virtio_mhp_take_back_reports(struct virtio_mhp *vmhp)
{
	unsigned int unit;

	spin_lock(&vmhp->lock);
	vmhp->last_error = 0;
	spin_unlock(&vmhp->lock);
	for (unit = 0; unit < vmhp->blocks.nr_units; unit++)
		virtio_mhp_report(vmhp, unit,
				  virtio_mhp_unit_is_offline(vmhp, unit)
					  ? VIRTIO_MHP_REASON_NOT_ONLINE
					  : VIRTIO_MHP_REASON_NONE,
				  0);
}

/*
 * Done, as near as whole units come: the host may have asked for less than one,
 * or for something between two of them, which it can see by their size.
 */
static void virtio_mhp_settle(struct virtio_mhp *vmhp)
{
	virtio_mhp_take_back_reports(vmhp);
	if (vmhp->plugged_size != virtio_mhp_target_size(vmhp))
		virtio_mhp_note_error(vmhp, 0, "unit-size", -ERANGE);
}

static int virtio_mhp_come_closer(struct virtio_mhp *vmhp)
{
	int rc;

	vmhp->superseded = false;
	if (READ_ONCE(vmhp->is_still))
		return -EAGAIN;
	rc = virtio_mhp_recover(vmhp);
	if (!rc)
		rc = virtio_mhp_refresh(vmhp);
	if (!rc)
		virtio_mhp_ratio_check(vmhp);
	if (!rc)
		rc = virtio_mhp_unplug_leftovers(vmhp);
	if (rc)
		return rc;

	virtio_mhp_pressure_decide(vmhp);
	virtio_mhp_take_up_request(vmhp);
	vmhp->superseded = false;
	WRITE_ONCE(vmhp->is_shrinking,
		   vmhp->plugged_size > virtio_mhp_target_size(vmhp));
	rc = virtio_mhp_unplug_vacated(vmhp);
	if (rc)
		return rc;
	virtio_mhp_kernel_supply(vmhp);
	rc = vmhp->is_shrinking ? virtio_mhp_shrink(vmhp)
				: virtio_mhp_grow(vmhp);
	/* Growing has told it before: here that nothing is to be plugged. */
	if (!rc)
		rc = virtio_mhp_tell_memmap(vmhp);
	if (!rc)
		virtio_mhp_settle(vmhp);
	return rc;
}

static int virtio_mhp_resize(struct virtio_mhp *vmhp)
{
	const int index = vmhp->index;
	int rc;

	trace_virtio_mhp_resize_begin(index);
	rc = virtio_mhp_come_closer(vmhp);
	trace_virtio_mhp_resize_end(index, vmhp->plugged_size,
				    virtio_mhp_target_size(vmhp), rc);
	return rc;
}

static bool virtio_mhp_is_woken(const struct virtio_mhp *vmhp)
{
	return kthread_should_stop() ||
	       test_bit(VIRTIO_MHP_CHANGED, &vmhp->flags) ||
	       test_bit(VIRTIO_MHP_RETRY, &vmhp->flags) ||
	       test_bit(VIRTIO_MHP_SHORT, &vmhp->flags) ||
	       test_bit(VIRTIO_MHP_PRESSED, &vmhp->flags);
}

static bool virtio_mhp_has_news(const struct virtio_mhp *vmhp)
{
	return virtio_mhp_is_woken(vmhp) ||
	       test_bit(VIRTIO_MHP_MOVED, &vmhp->flags);
}

/* Without a device it may have been the last one. */
static void virtio_mhp_end_pass(struct virtio_mhp *vmhp)
{
	mutex_unlock(&vmhp->pass);
	if (READ_ONCE(vmhp->link))
		return;
	virtio_mhp_ratio_forget(vmhp);
	schedule_work(vmhp->sweep);
}

/*
 * Userspace moves many blocks at a time, and can do so for ever: it gets a
 * second before the host is told. Other reports have their own end.
 */
static void virtio_mhp_tell_moved(struct virtio_mhp *vmhp)
{
	unsigned int unit;
	bool is_offline;

	wait_event_freezable_timeout(vmhp->wait, virtio_mhp_is_woken(vmhp),
				     VIRTIO_MHP_RETRY_MIN);
	/* Before looking, so that what moves from now on is seen. */
	if (!test_and_clear_bit(VIRTIO_MHP_MOVED, &vmhp->flags))
		return;
	mutex_lock(&vmhp->pass);
	for (unit = 0; unit < vmhp->blocks.nr_units; unit++) {
		is_offline = virtio_mhp_unit_is_offline(vmhp, unit);
		if (is_offline && !vmhp->units[unit].reason)
			virtio_mhp_report(vmhp, unit,
					  VIRTIO_MHP_REASON_NOT_ONLINE, 0);
		else if (!is_offline && vmhp->units[unit].reason ==
						VIRTIO_MHP_REASON_NOT_ONLINE)
			virtio_mhp_report(vmhp, unit, VIRTIO_MHP_REASON_NONE,
					  0);
	}
	virtio_mhp_event_tell(vmhp);
	virtio_mhp_end_pass(vmhp);
}

static void virtio_mhp_sleep(struct virtio_mhp *vmhp, long timeout)
{
	flush_signals(current);
	do {
		timeout =
			wait_event_freezable_timeout(vmhp->wait,
						     virtio_mhp_has_news(vmhp),
						     timeout);
		if (test_bit(VIRTIO_MHP_MOVED, &vmhp->flags))
			virtio_mhp_tell_moved(vmhp);
	} while (timeout > 0 && !virtio_mhp_is_woken(vmhp));
}

/*
 * Sleeps, but looks every second whether what kept a unit from going is gone:
 * nobody says when a page is let go or memory becomes free. Of very many units
 * that takes a while, and is done less often.
 */
static void virtio_mhp_sleep_watching(struct virtio_mhp *vmhp, long timeout)
{
	const unsigned long end = jiffies + timeout;
	long left = timeout, pause;
	u64 since;

	while (left > 0 && !virtio_mhp_is_woken(vmhp)) {
		since = ktime_get_ns();
		if (virtio_mhp_shrink_is_worthwhile(vmhp))
			return;
		pause = nsecs_to_jiffies((ktime_get_ns() - since) *
					 VIRTIO_MHP_WATCH_RATIO);
		virtio_mhp_sleep(vmhp, min(left, max_t(long, pause,
						       VIRTIO_MHP_RETRY_MIN)));
		left = end - jiffies;
	}
}

/*
 * What an attempt came to, and what follows:
 *   0        done: sleep until the configuration changes
 *   -EAGAIN  the configuration changed, or the host does not grant what it
 *            asked for: at once if it did change, else back off
 *   -EBUSY   the device cannot now: back off
 *   -ENOMEM  no memory to grow with: back off
 *   -EINVAL  the device breaks its promises: back off, it may come to itself
 *   -EINPROGRESS  units failed, each of which backs off by itself: sleep until
 *            one of them is due
 *   -ENOSPC  nothing more can be done: sleep until the configuration changes
 *   -EIO     the device is broken: back off before it is reset, or likewise
 */
static long virtio_mhp_next_timeout(struct virtio_mhp *vmhp, int rc,
				    long *backoff)
{
	long timeout = *backoff;

	switch (rc) {
	case -EINPROGRESS:
		return virtio_mhp_until_due(vmhp);
	case -EAGAIN:
		if (vmhp->superseded ||
		    test_bit(VIRTIO_MHP_CHANGED, &vmhp->flags) ||
		    test_bit(VIRTIO_MHP_PRESSED, &vmhp->flags))
			return 0;
		break;
	case -EIO:
		if (!virtio_mhp_can_recover(vmhp))
			return MAX_SCHEDULE_TIMEOUT;
		break;
	case -EBUSY:
	case -ENOMEM:
	case -EINVAL:
		break;
	default:
		return MAX_SCHEDULE_TIMEOUT;
	}
	*backoff = min_t(long, 2 * timeout, VIRTIO_MHP_BACKOFF_MAX * HZ);
	return timeout;
}

static int virtio_mhp_worker(void *data)
{
	struct virtio_mhp *vmhp = data;
	long backoff = VIRTIO_MHP_RETRY_MIN;
	u64 plugged_size;
	long timeout;
	int rc;

	set_freezable();
	/* Sent by virtio_mhp_interrupt() and at a block's deadline. */
	allow_kernel_signal(SIGKILL);
	while (!kthread_should_stop()) {
		mutex_lock(&vmhp->pass);
		clear_bit(VIRTIO_MHP_RETRY, &vmhp->flags);
		clear_bit(VIRTIO_MHP_SHORT, &vmhp->flags);
		virtio_mhp_pressure_begin(vmhp);
		/* Before looking, so that a change from now on is seen. */
		if (test_and_clear_bit(VIRTIO_MHP_CHANGED, &vmhp->flags)) {
			backoff = VIRTIO_MHP_RETRY_MIN;
			virtio_mhp_pressure_changed(vmhp);
		}
		plugged_size = vmhp->plugged_size;
		rc = virtio_mhp_resize(vmhp);
		virtio_mhp_pressure_end(vmhp, rc);
		virtio_mhp_release_module(vmhp);
		virtio_mhp_reserve_fill(vmhp);
		virtio_mhp_dbg(vmhp, "plugged %#llx of %#llx: %d\n",
			       vmhp->plugged_size, virtio_mhp_target_size(vmhp),
			       rc);
		virtio_mhp_end_pass(vmhp);
		if (vmhp->plugged_size != plugged_size)
			backoff = VIRTIO_MHP_RETRY_MIN;
		timeout = virtio_mhp_next_timeout(vmhp, rc, &backoff);
		timeout = min(timeout, virtio_mhp_pressure_timeout(vmhp));
		/* An attempt that is gone on with at once is none that ended. */
		if (timeout)
			virtio_mhp_event_tell(vmhp);
		if (rc == -EINPROGRESS)
			virtio_mhp_sleep_watching(vmhp, timeout);
		else
			virtio_mhp_sleep(vmhp, timeout);
	}
	virtio_mhp_ratio_forget(vmhp);
	return 0;
}

/**
 * virtio_mhp_worker_start() - start the worker
 * @vmhp: the region, which may have no link yet
 *
 * Context: may sleep.
 * Return: 0 or negative errno.
 */
int virtio_mhp_worker_start(struct virtio_mhp *vmhp)
{
	struct task_struct *worker;

	worker = kthread_create(virtio_mhp_worker, vmhp, "mhp-%s", vmhp->name);
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	vmhp->worker = worker;
	wake_up_process(worker);
	return 0;
}

/**
 * virtio_mhp_worker_stop() - end the worker
 * @vmhp: the region, which has no link
 *
 * Context: may sleep; waits for the worker, which may be in memory hotplug.
 */
void virtio_mhp_worker_stop(struct virtio_mhp *vmhp)
{
	kthread_stop(vmhp->worker);
}
