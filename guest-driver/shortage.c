// SPDX-License-Identifier: GPL-2.0
/*
 * Noticing that memory is short, or that what was reclaimed is needed again,
 * and telling the worker, who decides (pressure.c).
 *
 * Who notices is a look once a second, ten times a second while there is
 * little, or, as memory can be taken faster than that, the kernel when it
 * begins to reclaim (a shrinker that has nothing to give), or when it is about
 * to kill a process, which it puts off until the worker has tried.
 */
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/vmstat.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "census.h"
#include "compat.h"
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
/* How long the end of a process is put off, and then not again */
#define VIRTIO_MHP_SHORTAGE_OOM_WAIT (2 * HZ)
#define VIRTIO_MHP_SHORTAGE_OOM_REST (10 * HZ)
/* Free memory of ZONE_MOVABLE with which it is the kernel's that is short */
#define VIRTIO_MHP_MOVABLE_PLENTY    ((16UL << 20) / PAGE_SIZE)

/**
 * virtio_mhp_shortage_mark() - with how much less memory is short
 * @vmhp: the device
 *
 * Context: any.
 * Return: pages.
 */
unsigned long virtio_mhp_shortage_mark(const struct virtio_mhp *vmhp)
{
	return min_t(unsigned long, PHYS_PFN(vmhp->blocks.unit_size),
		     totalram_pages() / VIRTIO_MHP_SHORT_SHARE);
}

/**
 * virtio_mhp_memory_is_short() - is there less to be had than that
 * @vmhp: the device
 *
 * Context: any.
 * Return: true if so.
 */
bool virtio_mhp_memory_is_short(const struct virtio_mhp *vmhp)
{
	return virtio_mhp_room_anywhere() < virtio_mhp_shortage_mark(vmhp);
}

/**
 * virtio_mhp_surplus() - how much can be given back, and still there is enough
 * @vmhp: the device
 *
 * Context: any.
 * Return: bytes.
 */
u64 virtio_mhp_surplus(const struct virtio_mhp *vmhp)
{
	const u64 kept = ((u64)virtio_mhp_shortage_mark(vmhp) << PAGE_SHIFT) +
			 VIRTIO_MHP_GIVE_BACK_UNITS * vmhp->blocks.unit_size;
	const u64 room = (u64)virtio_mhp_room_anywhere() << PAGE_SHIFT;

	return room > kept ? room - kept : 0;
}

/**
 * virtio_mhp_pressure_limit() - what can be plugged at the most
 * @vmhp: the device
 *
 * Context: any.
 * Return: bytes, whole units.
 */
u64 virtio_mhp_pressure_limit(const struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	const u64 end = vmhp->geo.addr + READ_ONCE(vmhp->usable_region_size);
	const u64 usable =
		virtio_mhp_blocks_usable_units(blocks, end) * blocks->unit_size;

	return min(virtio_mhp_limit_size(vmhp), usable);
}

/* Is there anything that the worker could do about it, and has it a chance */
static bool virtio_mhp_shortage_can_help(const struct virtio_mhp *vmhp)
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

static void virtio_mhp_shortage_tell(struct virtio_mhp *vmhp)
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

static void virtio_mhp_shortage_work(struct work_struct *work)
{
	struct virtio_mhp *vmhp = container_of(to_delayed_work(work),
					       struct virtio_mhp,
					       pressure_look);
	const unsigned long near =
		VIRTIO_MHP_NEAR * virtio_mhp_shortage_mark(vmhp);
	long period = VIRTIO_MHP_LOOK_PERIOD;

	if (!READ_ONCE(vmhp->pressure_size))
		return;
	if (virtio_mhp_is_thrashing(vmhp))
		WRITE_ONCE(vmhp->is_thrashing, true);
	if (READ_ONCE(vmhp->is_thrashing) || !virtio_mhp_surplus(vmhp))
		WRITE_ONCE(vmhp->pressed, jiffies);
	if (virtio_mhp_shortage_can_help(vmhp) &&
	    (READ_ONCE(vmhp->is_thrashing) || virtio_mhp_memory_is_short(vmhp)))
		virtio_mhp_shortage_tell(vmhp);
	if (virtio_mhp_room_anywhere() < near)
		period = VIRTIO_MHP_LOOK_PERIOD_NEAR;
	schedule_delayed_work(&vmhp->pressure_look, period);
}

/* Context: reclaim, for whatever node or zone. */
static unsigned long virtio_mhp_shortage_count(struct shrinker *shrinker,
					       struct shrink_control *sc)
{
	struct virtio_mhp *vmhp = virtio_mhp_shrinker_data(shrinker);

	if (!test_bit(VIRTIO_MHP_PRESSED, &vmhp->flags) &&
	    virtio_mhp_shortage_can_help(vmhp) &&
	    virtio_mhp_memory_is_short(vmhp))
		virtio_mhp_shortage_tell(vmhp);
	return SHRINK_EMPTY;
}

static unsigned long virtio_mhp_shortage_scan(struct shrinker *shrinker,
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
static unsigned long virtio_mhp_shortage_await(struct virtio_mhp *vmhp)
{
	const unsigned int nr = virtio_mhp_nr_online(vmhp);
	unsigned int asked, now;

	if (!virtio_mhp_shortage_can_help(vmhp))
		return 0;
	asked = atomic_inc_return(&vmhp->pressure_asked);
	virtio_mhp_shortage_tell(vmhp);
	wait_event_timeout(vmhp->wait,
			   virtio_mhp_nr_online(vmhp) > nr ||
				   (int)(READ_ONCE(vmhp->pressure_answered) -
					 asked) >= 0,
			   VIRTIO_MHP_SHORTAGE_OOM_WAIT);
	now = virtio_mhp_nr_online(vmhp);
	if (now > nr)
		return (now - nr) * PHYS_PFN(vmhp->blocks.mb_size);
	WRITE_ONCE(vmhp->pressure_next, jiffies + VIRTIO_MHP_SHORTAGE_OOM_REST);
	return 0;
}

/*
 * Nobody is killed while there is memory to be had. Who waits here may hold
 * what the worker needs: so not for long, and not the worker itself.
 */
static int virtio_mhp_shortage_oom(struct notifier_block *nb,
				   unsigned long dummy, void *data)
{
	struct virtio_mhp *vmhp =
		container_of(nb, struct virtio_mhp, pressure_nb);
	unsigned long *freed = data;

	if (*freed || current == vmhp->worker)
		return NOTIFY_OK;
	if (!virtio_mhp_movable_has_plenty())
		*freed += virtio_mhp_shortage_await(vmhp);
	if (!*freed)
		*freed += virtio_mhp_spare_give(vmhp);
	return NOTIFY_OK;
}

/**
 * virtio_mhp_shortage_look() - look soon
 * @vmhp: the device
 *
 * Context: any.
 */
void virtio_mhp_shortage_look(struct virtio_mhp *vmhp)
{
	schedule_delayed_work(&vmhp->pressure_look,
			      VIRTIO_MHP_LOOK_PERIOD_NEAR);
}

/**
 * virtio_mhp_shortage_init() - notice when memory runs short
 * @vmhp: the device, with blocks laid out
 *
 * Context: may sleep.
 */
void virtio_mhp_shortage_init(struct virtio_mhp *vmhp)
{
	/* A CPU that sleeps allocates nothing, and sleeps on. */
	INIT_DEFERRABLE_WORK(&vmhp->pressure_look, virtio_mhp_shortage_work);
	vmhp->pressure_shrinker =
		virtio_mhp_shrinker_new(KBUILD_MODNAME "-pressure", vmhp,
					virtio_mhp_shortage_count,
					virtio_mhp_shortage_scan);
	vmhp->pressure_nb.notifier_call = virtio_mhp_shortage_oom;
	register_oom_notifier(&vmhp->pressure_nb);
}

/**
 * virtio_mhp_shortage_deinit() - undo virtio_mhp_shortage_init()
 * @vmhp: the device, without a worker
 *
 * Context: may sleep.
 */
void virtio_mhp_shortage_deinit(struct virtio_mhp *vmhp)
{
	unregister_oom_notifier(&vmhp->pressure_nb);
	cancel_delayed_work_sync(&vmhp->pressure_look);
	virtio_mhp_shrinker_free(vmhp->pressure_shrinker);
}
