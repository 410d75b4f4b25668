// SPDX-License-Identifier: GPL-2.0
/*
 * Growing on pressure: what is plugged beyond what the host requests, within
 * what it allows, while the guest is short of memory, and given back when it
 * has not been for a while (DRV-PRESSURE-1, DRV-PRESSURE-2).
 *
 * Who notices is a look once a second, ten times a second while there is
 * little, or, as memory can be taken faster than that, the kernel when it
 * begins to reclaim (a shrinker that has nothing to give), or when it is about
 * to kill a process, which it puts off until the worker has tried. Only the
 * worker decides, and acts.
 *
 * What the worker aims at is pressure_target: a size, not a difference, so that
 * what the host requests meanwhile counts against it.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/vmstat.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "census.h"
#include "compat.h"
#include "trace.h"
#include "virtio_mhp.h"

/* Memory is short with less than a unit, or this share of it, to be had */
#define VIRTIO_MHP_SHORT_SHARE	     8
/* With so many times as much it is looked at more often */
#define VIRTIO_MHP_NEAR		     4
#define VIRTIO_MHP_LOOK_PERIOD	     HZ
#define VIRTIO_MHP_LOOK_PERIOD_NEAR  (HZ / 10)
/* Units that must be to be had beyond that before anything is given back */
#define VIRTIO_MHP_GIVE_BACK_UNITS   2
/* Bytes a second that are read again soon after they were reclaimed */
#define VIRTIO_MHP_REFAULTS_MANY     (16UL << 20)
/* And with allocations that waited for it */
#define VIRTIO_MHP_REFAULTS_STALLING (4UL << 20)
/* A step to grow by begins with a unit and doubles while memory stays short */
#define VIRTIO_MHP_STEP_UNITS_MAX    8
#define VIRTIO_MHP_STEP_MEMORY	     (5 * HZ)
/* How long the end of a process is put off, and then not again */
#define VIRTIO_MHP_PRESSURE_OOM_WAIT (2 * HZ)
#define VIRTIO_MHP_PRESSURE_OOM_REST (10 * HZ)
/* Free memory of ZONE_MOVABLE with which it is the kernel's that is short */
#define VIRTIO_MHP_MOVABLE_PLENTY    ((16UL << 20) / PAGE_SIZE)

/* Seconds for which there must have been enough before it is given back */
static unsigned int virtio_mhp_pressure_hold = 30;
module_param_named(pressure_hold, virtio_mhp_pressure_hold, uint, 0644);
MODULE_PARM_DESC(pressure_hold,
		 "seconds of enough memory before it is given back (30)");

/* Pages */
static unsigned long virtio_mhp_pressure_mark(const struct virtio_mhp *vmhp)
{
	return min_t(unsigned long, PHYS_PFN(vmhp->blocks.unit_size),
		     totalram_pages() / VIRTIO_MHP_SHORT_SHARE);
}

static bool virtio_mhp_user_memory_is_short(const struct virtio_mhp *vmhp)
{
	return virtio_mhp_room_anywhere() < virtio_mhp_pressure_mark(vmhp);
}

/* How much can be given back, and still there is enough; in bytes */
static u64 virtio_mhp_surplus(const struct virtio_mhp *vmhp)
{
	const u64 kept = ((u64)virtio_mhp_pressure_mark(vmhp) << PAGE_SHIFT) +
			 VIRTIO_MHP_GIVE_BACK_UNITS * vmhp->blocks.unit_size;
	const u64 room = (u64)virtio_mhp_room_anywhere() << PAGE_SHIFT;

	return room > kept ? room - kept : 0;
}

/* What can be plugged at most, in whole units */
static u64 virtio_mhp_pressure_limit(const struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	const u64 end = vmhp->geo.addr + READ_ONCE(vmhp->usable_region_size);
	const u64 usable =
		virtio_mhp_blocks_usable_units(blocks, end) * blocks->unit_size;

	return min(virtio_mhp_limit_size(vmhp), usable);
}

/**
 * virtio_mhp_pressure_keeps() - is it no time to give memory back
 * @vmhp: the device
 *
 * What goes takes a unit from what is to be had, wherever its pages are.
 *
 * Context: worker.
 * Return: true if what is plugged may stay, and with a unit less memory would
 *be short.
 */
bool virtio_mhp_pressure_keeps(const struct virtio_mhp *vmhp)
{
	return vmhp->pressure_size &&
	       vmhp->plugged_size <= virtio_mhp_limit_size(vmhp) &&
	       virtio_mhp_room_anywhere() <
		       virtio_mhp_pressure_mark(vmhp) +
			       PHYS_PFN(vmhp->blocks.unit_size);
}

/* Is there anything that the worker could do about it, and has it a chance */
static bool virtio_mhp_pressure_can_help(const struct virtio_mhp *vmhp)
{
	const u64 plugged = READ_ONCE(vmhp->plugged_size);
	const u64 limit = virtio_mhp_pressure_limit(vmhp);

	if (!READ_ONCE(vmhp->pressure_size) ||
	    time_before(jiffies, READ_ONCE(vmhp->pressure_next)) ||
	    !READ_ONCE(vmhp->link) || READ_ONCE(vmhp->is_still))
		return false;
	return READ_ONCE(vmhp->is_shrinking)
		       ? plugged <= limit
		       : plugged + vmhp->blocks.unit_size <= limit;
}

static void virtio_mhp_pressure_tell(struct virtio_mhp *vmhp)
{
	virtio_mhp_wake(vmhp, VIRTIO_MHP_PRESSED);
	if (READ_ONCE(vmhp->is_shrinking))
		virtio_mhp_interrupt(vmhp);
}

#ifdef CONFIG_VM_EVENT_COUNTERS
static unsigned long virtio_mhp_nr_stalls(void)
{
	unsigned long events[NR_VM_EVENT_ITEMS];
	unsigned long nr = 0;
	int zone;

	all_vm_events(events);
	for (zone = 0; zone < MAX_NR_ZONES; zone++)
		nr += events[ALLOCSTALL_NORMAL - ZONE_NORMAL + zone];
	return nr;
}
#else
static unsigned long virtio_mhp_nr_stalls(void)
{
	return 0;
}
#endif

/* Is what was reclaimed needed again, since the latest look at that */
static bool virtio_mhp_is_thrashing(struct virtio_mhp *vmhp)
{
	const unsigned long nr_stalls = virtio_mhp_nr_stalls();
	const unsigned long nr_refaults =
		global_node_page_state(WORKINGSET_REFAULT_ANON) +
		global_node_page_state(WORKINGSET_REFAULT_FILE);
	const unsigned long elapsed = jiffies - vmhp->refaults_since;
	const bool has_stalled = nr_stalls != vmhp->nr_stalls;
	u64 rate = nr_refaults - vmhp->nr_refaults;

	if (elapsed < VIRTIO_MHP_LOOK_PERIOD)
		return false;
	rate = div64_ul((rate << PAGE_SHIFT) * HZ, elapsed);
	vmhp->refaults_since = jiffies;
	vmhp->nr_refaults = nr_refaults;
	vmhp->nr_stalls = nr_stalls;
	return rate >= VIRTIO_MHP_REFAULTS_MANY ||
	       (has_stalled && rate >= VIRTIO_MHP_REFAULTS_STALLING);
}

static void virtio_mhp_pressure_look(struct work_struct *work)
{
	struct virtio_mhp *vmhp = container_of(to_delayed_work(work),
					       struct virtio_mhp,
					       pressure_look);
	const unsigned long near =
		VIRTIO_MHP_NEAR * virtio_mhp_pressure_mark(vmhp);
	long period = VIRTIO_MHP_LOOK_PERIOD;

	if (!READ_ONCE(vmhp->pressure_size))
		return;
	if (virtio_mhp_is_thrashing(vmhp))
		WRITE_ONCE(vmhp->is_thrashing, true);
	if (READ_ONCE(vmhp->is_thrashing) || !virtio_mhp_surplus(vmhp))
		WRITE_ONCE(vmhp->pressed, jiffies);
	if (virtio_mhp_pressure_can_help(vmhp) &&
	    (READ_ONCE(vmhp->is_thrashing) ||
	     virtio_mhp_user_memory_is_short(vmhp)))
		virtio_mhp_pressure_tell(vmhp);
	if (virtio_mhp_room_anywhere() < near)
		period = VIRTIO_MHP_LOOK_PERIOD_NEAR;
	schedule_delayed_work(&vmhp->pressure_look, period);
}

/* Context: reclaim, for whatever node or zone. */
static unsigned long virtio_mhp_pressure_count(struct shrinker *shrinker,
					       struct shrink_control *sc)
{
	struct virtio_mhp *vmhp = virtio_mhp_shrinker_data(shrinker);

	if (!test_bit(VIRTIO_MHP_PRESSED, &vmhp->flags) &&
	    virtio_mhp_pressure_can_help(vmhp) &&
	    virtio_mhp_user_memory_is_short(vmhp))
		virtio_mhp_pressure_tell(vmhp);
	return SHRINK_EMPTY;
}

static unsigned long virtio_mhp_pressure_scan(struct shrinker *shrinker,
					      struct shrink_control *sc)
{
	return SHRINK_STOP;
}

/*
 * A page table cannot be in ZONE_MOVABLE. Nobody says what was to be allocated,
 * but while there is plenty of that zone it was not what could be there.
 */
static bool virtio_mhp_movable_has_plenty(void)
{
	unsigned long free, nr = 0;
	struct zone *zone;
	int nid;

	for_each_online_node(nid) {
		zone = &NODE_DATA(nid)->node_zones[ZONE_MOVABLE];
		free = zone_page_state(zone, NR_FREE_PAGES);
		if (free > high_wmark_pages(zone))
			nr += free - high_wmark_pages(zone);
	}
	return nr > VIRTIO_MHP_MOVABLE_PLENTY;
}

static unsigned int virtio_mhp_nr_online(const struct virtio_mhp *vmhp)
{
	return READ_ONCE(vmhp->blocks.count[VIRTIO_MHP_MB_ONLINE]);
}

/* Until something came online, or the worker has tried; pages that came */
static unsigned long virtio_mhp_pressure_await(struct virtio_mhp *vmhp)
{
	const unsigned int nr = virtio_mhp_nr_online(vmhp);
	unsigned int asked, now;

	if (!virtio_mhp_pressure_can_help(vmhp))
		return 0;
	asked = atomic_inc_return(&vmhp->pressure_asked);
	virtio_mhp_pressure_tell(vmhp);
	wait_event_timeout(vmhp->wait,
			   virtio_mhp_nr_online(vmhp) > nr ||
				   (int)(READ_ONCE(vmhp->pressure_answered) -
					 asked) >= 0,
			   VIRTIO_MHP_PRESSURE_OOM_WAIT);
	now = virtio_mhp_nr_online(vmhp);
	if (now > nr)
		return (now - nr) * PHYS_PFN(vmhp->blocks.mb_size);
	WRITE_ONCE(vmhp->pressure_next, jiffies + VIRTIO_MHP_PRESSURE_OOM_REST);
	return 0;
}

/*
 * Nobody is killed while there is memory to be had. Who waits here may hold
 * what the worker needs: so not for long, and not the worker itself.
 */
static int virtio_mhp_pressure_oom(struct notifier_block *nb,
				   unsigned long dummy, void *data)
{
	struct virtio_mhp *vmhp =
		container_of(nb, struct virtio_mhp, pressure_nb);
	unsigned long *freed = data;

	if (*freed || current == vmhp->worker)
		return NOTIFY_OK;
	if (!virtio_mhp_movable_has_plenty())
		*freed += virtio_mhp_pressure_await(vmhp);
	if (!*freed)
		*freed += virtio_mhp_spare_give(vmhp);
	return NOTIFY_OK;
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
		   was_thrashing || virtio_mhp_user_memory_is_short(vmhp);
	if (is_short)
		virtio_mhp_pressure_grow(vmhp);
	else if (vmhp->plugged_size > virtio_mhp_target_size(vmhp) &&
		 virtio_mhp_pressure_keeps(vmhp))
		virtio_mhp_pressure_stay(vmhp);
	else if (vmhp->pressure_target)
		virtio_mhp_pressure_give_back(vmhp);
	schedule_delayed_work(&vmhp->pressure_look,
			      VIRTIO_MHP_LOOK_PERIOD_NEAR);
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
	/* A CPU that sleeps allocates nothing, and sleeps on. */
	INIT_DEFERRABLE_WORK(&vmhp->pressure_look, virtio_mhp_pressure_look);
	vmhp->pressure_shrinker =
		virtio_mhp_shrinker_new(KBUILD_MODNAME "-pressure", vmhp,
					virtio_mhp_pressure_count,
					virtio_mhp_pressure_scan);
	vmhp->pressure_nb.notifier_call = virtio_mhp_pressure_oom;
	register_oom_notifier(&vmhp->pressure_nb);
}

/**
 * virtio_mhp_pressure_deinit() - undo virtio_mhp_pressure_init()
 * @vmhp: the device, without a worker
 *
 * Context: may sleep.
 */
void virtio_mhp_pressure_deinit(struct virtio_mhp *vmhp)
{
	unregister_oom_notifier(&vmhp->pressure_nb);
	cancel_delayed_work_sync(&vmhp->pressure_look);
	virtio_mhp_shrinker_free(vmhp->pressure_shrinker);
	virtio_mhp_spare_deinit(vmhp);
}
