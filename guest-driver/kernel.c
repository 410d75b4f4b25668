// SPDX-License-Identifier: GPL-2.0
/*
 * Units for the kernel's own memory. What plugged memory is used for takes page
 * tables, heads of buffers, inodes and pinned buffers, none of which can be in
 * ZONE_MOVABLE: a guest can run short of the one while it has plenty of the
 * other. It is warned of that; and if the administrator allows it, a unit of
 * ZONE_MOVABLE is taken out of Linux and brought back for the kernel, at the
 * risk that it stays. So that is done only when the kernel looks for memory and
 * finds little, unit by unit.
 *
 * Who notices is a look ten times a second, or, as one allocation may take more
 * than there is, a shrinker that has nothing to give. The worker acts; and
 * before a process is killed, the kernel waits for that.
 */
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "census.h"
#include "compat.h"
#include "virtio_mhp.h"

/*
 * What the kernel should have, at the least, before it begins to look for more:
 * with less the next unit is due, as it would give up cache of any size, in
 * ZONE_MOVABLE, for the few pages of its own that come with it. With even less
 * it is said that there is no next one.
 */
#define VIRTIO_MHP_KERNEL_DUE	   ((64UL << 20) / PAGE_SIZE)
#define VIRTIO_MHP_KERNEL_SHORT	   ((16UL << 20) / PAGE_SIZE)
/* Looks, as long as there is anything to be had */
#define VIRTIO_MHP_KERNEL_PERIOD   (HZ / 10)
/* A unit of which one page in so many is in use is as good as any */
#define VIRTIO_MHP_KERNEL_CHEAP	   32
/* What was in vain rests so many times as long as it took */
#define VIRTIO_MHP_KERNEL_REST	   20
/* How long the end of a process is put off for a unit */
#define VIRTIO_MHP_KERNEL_OOM_WAIT (2 * HZ)

/* What each region may give to the kernel, in bytes; 0 is nothing */
static u64 virtio_mhp_kernel_max;

static int virtio_mhp_kernel_blocks_set(const char *val,
					const struct kernel_param *kp)
{
	char *end;
	u64 max;

	if (sysfs_streq(val, "off")) {
		WRITE_ONCE(virtio_mhp_kernel_max, 0);
		return 0;
	}
	if (sysfs_streq(val, "demand")) {
		WRITE_ONCE(virtio_mhp_kernel_max, U64_MAX);
		return 0;
	}
	if (!strstarts(val, "demand:"))
		return -EINVAL;
	val += strlen("demand:");
	max = memparse(val, &end);
	if (end == val || (*end && *end != '\n'))
		return -EINVAL;
	WRITE_ONCE(virtio_mhp_kernel_max, max);
	return 0;
}

static int virtio_mhp_kernel_blocks_get(char *buf,
					const struct kernel_param *kp)
{
	const u64 max = READ_ONCE(virtio_mhp_kernel_max);

	if (!max)
		return sysfs_emit(buf, "off\n");
	if (max == U64_MAX)
		return sysfs_emit(buf, "demand\n");
	return sysfs_emit(buf, "demand:%llu\n", max);
}

static const struct kernel_param_ops virtio_mhp_kernel_blocks_ops = {
	.set = virtio_mhp_kernel_blocks_set,
	.get = virtio_mhp_kernel_blocks_get,
};

module_param_cb(kernel_blocks, &virtio_mhp_kernel_blocks_ops, NULL, 0644);
MODULE_PARM_DESC(kernel_blocks,
		 "memory for the kernel itself: off (default) or demand[:MAX]");

/**
 * virtio_mhp_kernel_size() - what the kernel has of a region for itself
 * @vmhp: the device
 *
 * Context: any.
 * Return: bytes.
 */
u64 virtio_mhp_kernel_size(const struct virtio_mhp *vmhp)
{
	unsigned int unit;
	u64 size = 0;

	for (unit = 0; unit < vmhp->blocks.nr_units; unit++)
		if (READ_ONCE(vmhp->units[unit].is_kernels))
			size += vmhp->blocks.unit_size;
	return size;
}

static bool virtio_mhp_kernel_may_have(const struct virtio_mhp *vmhp)
{
	const u64 max = READ_ONCE(virtio_mhp_kernel_max);

	return max >= vmhp->blocks.unit_size &&
	       virtio_mhp_kernel_size(vmhp) <= max - vmhp->blocks.unit_size;
}

/* Two units make that vacating others is cheap: these stay what they are. */
static bool virtio_mhp_unit_is_spare(unsigned int unit)
{
	return unit != VIRTIO_MHP_UNIT_MOAT && unit != VIRTIO_MHP_UNIT_LOWEST;
}

/**
 * virtio_mhp_kernel_wants_unit() - should a unit be the kernel's
 * @vmhp: the device
 * @unit: a unit that is about to be added
 *
 * Context: any.
 * Return: true if its memory runs short, ZONE_MOVABLE has plenty, and it may.
 */
bool virtio_mhp_kernel_wants_unit(const struct virtio_mhp *vmhp,
				  unsigned int unit)
{
	return virtio_mhp_unit_is_spare(unit) &&
	       virtio_mhp_kernel_may_have(vmhp) &&
	       virtio_mhp_kernel_memory_is_short(vmhp, VIRTIO_MHP_KERNEL_DUE);
}

/* What it costs to take a unit, ULONG_MAX if it is none to be taken */
static unsigned long virtio_mhp_kernel_cost(struct virtio_mhp *vmhp,
					    unsigned int unit)
{
	struct virtio_mhp_census census;

	if (!virtio_mhp_unit_is_spare(unit) || vmhp->units[unit].is_kernels ||
	    !virtio_mhp_unit_is(&vmhp->blocks, unit, VIRTIO_MHP_MB_ONLINE))
		return ULONG_MAX;
	virtio_mhp_census_take(vmhp, unit, &census);
	if (census.stuck_pfn || census.is_held || census.nr_io ||
	    census.nr_hugetlb || census.nr_pool || census.nr_poisoned)
		return ULONG_MAX;
	if (virtio_mhp_room_needed(vmhp, &census) > virtio_mhp_room(vmhp))
		return ULONG_MAX;
	return census.nr_used;
}

/* The emptiest unit, or one that is nearly empty; nr_units if there is none */
static unsigned int virtio_mhp_kernel_choose(struct virtio_mhp *vmhp)
{
	const unsigned int nr = vmhp->blocks.nr_units;
	const unsigned long cheap =
		PHYS_PFN(vmhp->blocks.unit_size) / VIRTIO_MHP_KERNEL_CHEAP;
	unsigned long cost, best_cost = ULONG_MAX;
	unsigned int position, unit, best = nr;

	for (position = nr; position-- > 0 && best_cost > cheap;) {
		if (virtio_mhp_is_interrupted(vmhp))
			return nr;
		unit = virtio_mhp_unit_in_plug_order(nr, position);
		cost = virtio_mhp_kernel_cost(vmhp, unit);
		if (cost >= best_cost)
			continue;
		best = unit;
		best_cost = cost;
	}
	return best;
}

static int virtio_mhp_kernel_take(struct virtio_mhp *vmhp, unsigned int unit)
{
	u16 reason;
	int rc;

	WRITE_ONCE(vmhp->units[unit].is_kernels, true);
	rc = virtio_mhp_unit_remove(vmhp, unit);
	if (rc) {
		WRITE_ONCE(vmhp->units[unit].is_kernels, false);
		/* Blocks of it may have gone already. */
		virtio_mhp_unit_add(vmhp, unit, &reason);
		return rc;
	}
	rc = virtio_mhp_unit_add(vmhp, unit, &reason);
	if (!rc)
		WRITE_ONCE(vmhp->kernel_supplied, jiffies);
	else if (rc != -EAGAIN)
		virtio_mhp_unit_roll_back(vmhp, unit, reason, rc);
	return rc;
}

static int virtio_mhp_kernel_supply_one(struct virtio_mhp *vmhp)
{
	unsigned int unit;

	if (!virtio_mhp_kernel_may_have(vmhp))
		return -EDQUOT;
	unit = virtio_mhp_kernel_choose(vmhp);
	if (unit == vmhp->blocks.nr_units)
		return -ENOSPC;
	return virtio_mhp_kernel_take(vmhp, unit);
}

/* What was in vain is not to be done all the time. */
static void virtio_mhp_kernel_rest(struct virtio_mhp *vmhp, u64 ns)
{
	const unsigned long rest =
		nsecs_to_jiffies(ns * VIRTIO_MHP_KERNEL_REST);

	WRITE_ONCE(vmhp->kernel_next,
		   jiffies + max_t(unsigned long, rest, VIRTIO_MHP_RETRY_MIN));
}

/**
 * virtio_mhp_kernel_supply() - give units to the kernel as long as it is short
 * @vmhp: the device
 *
 * Without waiting for memory: who waits for us may hold what the allocator
 * wants for that (oom_lock). What is used of the kernel's reserves comes back
 * with the unit.
 *
 * Context: worker.
 */
void virtio_mhp_kernel_supply(struct virtio_mhp *vmhp)
{
	const unsigned int noreclaim = memalloc_noreclaim_save();
	const u64 since = ktime_get_ns();
	int rc = 0;

	WRITE_ONCE(vmhp->is_supplying, true);
	while (!rc && READ_ONCE(virtio_mhp_kernel_max) &&
	       virtio_mhp_kernel_memory_is_short(vmhp, VIRTIO_MHP_KERNEL_DUE) &&
	       !virtio_mhp_is_interrupted(vmhp))
		rc = virtio_mhp_kernel_supply_one(vmhp);
	if (rc)
		virtio_mhp_kernel_rest(vmhp, ktime_get_ns() - since);
	memalloc_noreclaim_restore(noreclaim);
	WRITE_ONCE(vmhp->is_supplying, false);
	WRITE_ONCE(vmhp->nr_supplies, vmhp->nr_supplies + 1);
	wake_up(&vmhp->wait);
	if (READ_ONCE(virtio_mhp_kernel_max))
		schedule_delayed_work(&vmhp->kernel_look,
				      VIRTIO_MHP_KERNEL_PERIOD);
}

static void virtio_mhp_kernel_warn(struct virtio_mhp *vmhp)
{
	if (xchg(&vmhp->is_kernel_warned, true))
		return;
	virtio_mhp_warn(vmhp,
			"the kernel's own memory runs short, of %llu MiB outside ZONE_MOVABLE, while ZONE_MOVABLE has plenty: boot with more memory, or allow more than %llu MiB by kernel_blocks=demand\n",
			virtio_mhp_kernel_memory_size() >> 20,
			READ_ONCE(virtio_mhp_kernel_max) >> 20);
}

/* True if the worker looks for something, or was told to */
static bool virtio_mhp_kernel_notice(struct virtio_mhp *vmhp)
{
	const bool may_have = virtio_mhp_kernel_may_have(vmhp);

	if (READ_ONCE(vmhp->is_supplying))
		return true;
	if ((!may_have && READ_ONCE(vmhp->is_kernel_warned)) ||
	    time_before(jiffies, READ_ONCE(vmhp->kernel_next)) ||
	    !virtio_mhp_kernel_memory_is_short(vmhp,
					       may_have
						       ? VIRTIO_MHP_KERNEL_DUE
						       : VIRTIO_MHP_KERNEL_SHORT))
		return false;
	if (may_have)
		virtio_mhp_wake(vmhp, VIRTIO_MHP_SHORT);
	else
		virtio_mhp_kernel_warn(vmhp);
	return may_have;
}

static void virtio_mhp_kernel_look(struct work_struct *work)
{
	struct virtio_mhp *vmhp = container_of(to_delayed_work(work),
					       struct virtio_mhp, kernel_look);

	if (!READ_ONCE(virtio_mhp_kernel_max))
		return;
	virtio_mhp_kernel_notice(vmhp);
	schedule_delayed_work(&vmhp->kernel_look, VIRTIO_MHP_KERNEL_PERIOD);
}

/* Context: reclaim, for whatever node or zone. */
static unsigned long virtio_mhp_kernel_count(struct shrinker *shrinker,
					     struct shrink_control *sc)
{
	struct virtio_mhp *vmhp = virtio_mhp_shrinker_data(shrinker);

	if (!test_bit(VIRTIO_MHP_SHORT, &vmhp->flags))
		virtio_mhp_kernel_notice(vmhp);
	return SHRINK_EMPTY;
}

static unsigned long virtio_mhp_kernel_scan(struct shrinker *shrinker,
					    struct shrink_control *sc)
{
	return SHRINK_STOP;
}

/* A unit that came after the allocator had looked, and while it was called */
static bool virtio_mhp_kernel_was_supplied(const struct virtio_mhp *vmhp)
{
	return virtio_mhp_kernel_size(vmhp) &&
	       time_before(jiffies, READ_ONCE(vmhp->kernel_supplied) + HZ);
}

/* Until the worker has tried, if it is to try at all */
static void virtio_mhp_kernel_await(struct virtio_mhp *vmhp)
{
	const unsigned int nr = READ_ONCE(vmhp->nr_supplies);

	if (virtio_mhp_kernel_notice(vmhp))
		wait_event_timeout(vmhp->wait,
				   READ_ONCE(vmhp->nr_supplies) != nr,
				   VIRTIO_MHP_KERNEL_OOM_WAIT);
}

/*
 * Nobody is killed while there is memory to be had. Who waits here may hold
 * what the worker needs: so not for long, and not the worker itself. A worker
 * that got no CPU until now will have met a deadline: it has another go, once
 * in a while, as it may be in vain for good.
 */
static int virtio_mhp_kernel_oom(struct notifier_block *nb, unsigned long dummy,
				 void *data)
{
	struct virtio_mhp *vmhp =
		container_of(nb, struct virtio_mhp, kernel_nb);
	unsigned long *freed = data;

	if (current == vmhp->worker)
		return NOTIFY_OK;
	virtio_mhp_kernel_await(vmhp);
	if (!virtio_mhp_kernel_was_supplied(vmhp) &&
	    time_after_eq(jiffies, READ_ONCE(vmhp->kernel_pressed) + HZ)) {
		WRITE_ONCE(vmhp->kernel_pressed, jiffies);
		WRITE_ONCE(vmhp->kernel_next, jiffies);
		virtio_mhp_kernel_await(vmhp);
	}
	if (virtio_mhp_kernel_was_supplied(vmhp))
		*freed += PHYS_PFN(vmhp->blocks.unit_size);
	return NOTIFY_OK;
}

/**
 * virtio_mhp_kernel_init() - notice when the kernel's own memory runs short
 * @vmhp: the device, with blocks laid out
 *
 * Without that it gets nothing.
 *
 * Context: may sleep.
 */
void virtio_mhp_kernel_init(struct virtio_mhp *vmhp)
{
	vmhp->kernel_next = jiffies;
	vmhp->kernel_pressed = jiffies - HZ;
	/* A CPU that sleeps allocates nothing, and sleeps on. */
	INIT_DEFERRABLE_WORK(&vmhp->kernel_look, virtio_mhp_kernel_look);
	vmhp->kernel_shrinker =
		virtio_mhp_shrinker_new(KBUILD_MODNAME "-kernel", vmhp,
					virtio_mhp_kernel_count,
					virtio_mhp_kernel_scan);
	vmhp->kernel_nb.notifier_call = virtio_mhp_kernel_oom;
	register_oom_notifier(&vmhp->kernel_nb);
}

/**
 * virtio_mhp_kernel_deinit() - undo virtio_mhp_kernel_init()
 * @vmhp: the device
 *
 * Context: may sleep.
 */
void virtio_mhp_kernel_deinit(struct virtio_mhp *vmhp)
{
	unregister_oom_notifier(&vmhp->kernel_nb);
	cancel_delayed_work_sync(&vmhp->kernel_look);
	virtio_mhp_shrinker_free(vmhp->kernel_shrinker);
}
