/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The region: memory that a device can plug, and all that is known of it.
 *
 * Threads: one kthread, the region's worker, makes every call into memory
 * hotplug and sends every request. Notifiers run in whatever context adds,
 * onlines or offlines memory, with the kernel's hotplug locks held: there we
 * take the spinlock and nothing else. Attributes take the spinlock too.
 *
 * Locks, each inside of those before it: the list of regions (region.c), pass,
 * the kernel's hotplug locks, lock. link_lock is inside of the first two, and
 * never held together with the hotplug locks.
 */
#ifndef _VIRTIO_MHP_REGION_H
#define _VIRTIO_MHP_REGION_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "block.h"
#include "config.h"

struct device;
struct page;
struct resource;
struct shrinker;
struct task_struct;
struct virtio_mhp_link;
struct work_struct;

/* Seconds after which anything that failed is tried again, at the latest */
#define VIRTIO_MHP_BACKOFF_MAX	     60
/* The same for a unit with a page that does not look as if it could move */
#define VIRTIO_MHP_BACKOFF_STUCK_MAX 3600
/* Jiffies after which anything that failed is tried again, at the soonest */
#define VIRTIO_MHP_RETRY_MIN	     (1 * HZ)

/* Room for "virtio" and a number */
#define VIRTIO_MHP_NAME_SIZE	     20

/**
 * enum virtio_mhp_memmap - where the administrator wants memmaps
 * @VIRTIO_MHP_MEMMAP_PREFER: on the block if the kernel can, else ordinary
 * @VIRTIO_MHP_MEMMAP_REQUIRE: on the block, or nothing is plugged
 * @VIRTIO_MHP_MEMMAP_NEVER: ordinary, that is in memory that is there already
 */
enum virtio_mhp_memmap {
	VIRTIO_MHP_MEMMAP_PREFER,
	VIRTIO_MHP_MEMMAP_REQUIRE,
	VIRTIO_MHP_MEMMAP_NEVER
};

/**
 * enum virtio_mhp_flag - why the worker is woken: bits of struct
 *	virtio_mhp.flags, set and cleared atomically
 * @VIRTIO_MHP_CHANGED: the configuration changed, or there is another device
 * @VIRTIO_MHP_RETRY: something happened that may make a retry worthwhile
 * @VIRTIO_MHP_MOVED: userspace brought blocks on- or offline, which is told
 * @VIRTIO_MHP_SHORT: the kernel's own memory is short, see kernel.c
 * @VIRTIO_MHP_PRESSED: all memory is, see shortage.c
 */
enum virtio_mhp_flag {
	VIRTIO_MHP_CHANGED,
	VIRTIO_MHP_RETRY,
	VIRTIO_MHP_MOVED,
	VIRTIO_MHP_SHORT,
	VIRTIO_MHP_PRESSED
};

/**
 * struct virtio_mhp_mb - what is known of one memory block besides its state
 * @dev: its device, referenced from when it is added until it is removed
 * @zone: name of its zone while it is ONLINE, else NULL
 * @memmap_size: bytes of memmap on it while it is added
 * @is_memmap_known: @memmap_size is valid
 * @kept: first page of its remainder, NULL if that is not kept
 * @kept_order: order of that
 * @claimed_pfn: first of the pages that the worker has allocated to vacate it
 * @nr_claimed: how many these are; changes with its device locked
 */
struct virtio_mhp_mb {
	struct device *dev;
	const char *zone;
	u32 memmap_size;
	bool is_memmap_known;
	u8 kept_order;
	struct page *kept;
	unsigned long claimed_pfn;
	unsigned long nr_claimed;
};

/**
 * struct virtio_mhp_unit - what is known of one unit
 * @next_try: jiffies before which it is not tried again
 * @soonest: and before which not even if what was in its way is gone
 * @backoff: seconds from the latest failure to @next_try, 0 if none failed for
 *	the present request
 * @reason: VIRTIO_MHP_REASON_* of the latest failure
 * @told: what of these the host knows
 * @suspicion: likewise, as expected before it is tried
 * @left: used pages that were left after the best attempt to vacate it
 * @needs: virtio_mhp_room() that it takes to vacate it, 0 if it failed
 *	otherwise
 * @stuck_pfn: a page that kept it from being vacated, 0 if none is known
 * @failed: it could not be plugged or vacated, in the present state or request
 * @came_closer: but the latest attempt was not in vain
 * @is_counted: the present shrink has judged it already
 * @is_kernels: it is for the kernel's own memory, not for ZONE_MOVABLE
 */
struct virtio_mhp_unit {
	unsigned long next_try;
	unsigned long soonest;
	u16 backoff;
	u16 reason;
	u16 told;
	u16 suspicion;
	u32 left;
	unsigned long needs;
	unsigned long stuck_pfn;
	bool failed;
	bool came_closer;
	bool is_counted;
	bool is_kernels;
};

/**
 * struct virtio_mhp_told - what userspace is told of in an event
 * @plugged_size: what is plugged
 * @requested_size: what is aimed at
 * @online_size: what of it is online
 */
struct virtio_mhp_told {
	u64 plugged_size;
	u64 requested_size;
	u64 online_size;
};

/**
 * struct virtio_mhp - one region: memory that a device can plug, for as long as
 *	there is a device or any of it is in Linux
 * @list: all regions
 * @geo: where it is; never changes
 * @index: number of its virtio device, or of the latest one
 * @name: its name, likewise
 * @link: the way to its device, NULL while it has none
 * @usable_region_size: as of the worker's latest look; this and the next two
 *	are written by the worker alone
 * @plugged_size: likewise, and kept up to date with each request
 * @requested_size: likewise
 * @pressure_size: likewise: what may be plugged beyond that; both together are
 *	no more than the region
 * @pressure_target: what is aimed at besides @requested_size, 0 if nothing
 *	(written by the worker alone)
 * @taken_up_size: value of @requested_size that each unit had its chance for
 * @ratio_size: what of @requested_size is counted in the sum over all regions
 * @is_ratio_warned: a request went far once (worker only)
 * @mgid: memory group of the region
 * @resource: reservation of the region
 * @resource_name: name of all memory added; outlives the module if need be
 * @memmap: what the administrator wants
 * @memmap_on_block: what is in effect
 * @memmap_told: the device knows about the memmaps (worker only)
 * @unplug_all_first: blocks of an earlier driver are to be unplugged (worker)
 * @module_held: the module cannot be unloaded (worker, and who stopped it)
 * @pass: held by the worker from one sleep to the next; can be tried to see
 *	whether it is idle, and waited for only where hotplug can be waited for
 * @sweep: scheduled after a pass without a link: it may have been the last one
 * @worker: the kthread
 * @wait: what the worker waits on
 * @flags: enum virtio_mhp_flag
 * @is_shrinking: what it is doing, or did last (written by the worker)
 * @superseded: and that this is no longer wanted (worker only)
 * @rest_until: ktime until which it does nothing that may be in vain (worker)
 * @nr_failures: of units that it tried to vacate, one after the other (worker)
 * @told: what userspace was told last (worker only)
 * @deadline: signals the worker when a block takes too long to vacate
 * @adding: the worker is adding a block, and not yet onlining it
 * @vacating: a block is being vacated; a signal will end that
 * @timed_out: it was @deadline that ended it
 * @any_mb: some memory block's device, referenced because it leads to their bus
 * @bus_nb: follows memory blocks being added and removed
 * @memory_nb: follows memory blocks going on- and offline, vetoes wrong zones
 * @slab_nb: spares the slab allocator what is not about its memory
 * @pm_nb: vetoes hibernation
 * @is_still: the worker has to begin nothing, for the time of a hibernation
 * @lock: taken by notifiers with the hotplug locks held: nothing sleeps under it
 * @blocks: states of memory blocks
 * @mbs: one for each memory block
 * @nr_kept: pages in remainders that are kept
 * @shrinker: asks for them
 * @kernel_shrinker: notices that the kernel's own memory is short
 * @kernel_look: likewise, before the kernel looks for some
 * @kernel_nb: puts off the killing of processes for that
 * @kernel_next: jiffies before which there is nothing to be had for it
 * @kernel_pressed: jiffies of when a process was to be killed all the same
 * @kernel_supplied: jiffies of when it got a unit
 * @is_supplying: the worker looks for something to give
 * @nr_supplies: how often the worker has looked for something
 * @is_kernel_warned: it was short once, and there was nothing to be had
 * @pressure_look: looks whether memory is short
 * @pressure_shrinker: likewise, when the kernel begins to reclaim
 * @pressure_nb: puts off the killing of processes
 * @pressure_next: jiffies before which growing on pressure is not tried
 * @pressed: jiffies of when there was not enough memory to give any back
 * @pressure_backoff: seconds from the latest failure to @pressure_next
 * @step_units: units to grow by next, while memory is short (worker only)
 * @give_back_units: units to give back next (worker only)
 * @pressure_asked: how often somebody waited for the worker's next pass
 * @pressure_asking: those that the present pass is for (worker only)
 * @pressure_answered: those that a pass has ended for (written by the worker)
 * @is_thrashing: what was reclaimed is missed; until the worker has seen it
 * @refaults_since: jiffies of the latest look at that, and what it found:
 * @nr_refaults: pages that were missed
 * @nr_stalls: allocations that waited for others to be reclaimed
 * @spare: pages kept back for page tables
 * @nr_spare: how many pieces these are
 * @units: one for each unit
 * @candidates: room for what is known of units, one for each (worker only)
 * @reserve: pages put aside for growing (worker only)
 * @nr_reserve: how many there are
 * @nr_reserve_max: how many there should be
 * @last_error_addr: address of the unit of the latest failure
 * @last_error_what: the word for it: a reason, or the request that failed
 * @last_error: errno of the latest failure, 0 if there was none
 */
struct virtio_mhp {
	struct list_head list;
	struct virtio_mhp_geometry geo;
	int index;
	char name[VIRTIO_MHP_NAME_SIZE];

	/* protects the link, and is held while it is used */
	struct mutex link_lock;
	struct virtio_mhp_link *link;

	u64 usable_region_size;
	u64 plugged_size;
	u64 requested_size;
	u64 pressure_size;
	u64 pressure_target;
	u64 taken_up_size;
	u64 ratio_size;
	bool is_ratio_warned;

	int mgid;
	struct resource *resource;
	const char *resource_name;

	enum virtio_mhp_memmap memmap;
	bool memmap_on_block;
	bool memmap_told;
	bool unplug_all_first;
	bool module_held;

	/* held by the worker while it is not idle */
	struct mutex pass;
	struct work_struct *sweep;
	struct task_struct *worker;
	wait_queue_head_t wait;
	unsigned long flags;
	bool is_shrinking;
	bool superseded;
	s64 rest_until;
	unsigned int nr_failures;
	struct virtio_mhp_told told;
	struct timer_list deadline;
	bool adding;
	bool vacating;
	bool timed_out;

	struct device *any_mb;
	struct notifier_block bus_nb;
	struct notifier_block memory_nb;
	struct notifier_block slab_nb;
	struct notifier_block pm_nb;
	bool is_still;

	struct delayed_work pressure_look;
	struct shrinker *pressure_shrinker;
	struct notifier_block pressure_nb;
	unsigned long pressure_next;
	unsigned long pressed;
	unsigned int pressure_backoff;
	unsigned int step_units;
	unsigned int give_back_units;
	atomic_t pressure_asked;
	unsigned int pressure_asking;
	unsigned int pressure_answered;
	bool is_thrashing;
	unsigned long refaults_since;
	unsigned long nr_refaults;
	unsigned long nr_stalls;

	/* protects states, counters, mbs, nr_kept, spare, units, the last error
	 */
	spinlock_t lock;
	struct virtio_mhp_blocks blocks;
	struct virtio_mhp_mb *mbs;
	unsigned long nr_kept;
	struct shrinker *shrinker;
	struct shrinker *kernel_shrinker;
	struct delayed_work kernel_look;
	struct notifier_block kernel_nb;
	unsigned long kernel_next;
	unsigned long kernel_pressed;
	unsigned long kernel_supplied;
	bool is_supplying;
	unsigned int nr_supplies;
	bool is_kernel_warned;
	struct list_head spare;
	unsigned long nr_spare;
	struct virtio_mhp_unit *units;
	struct virtio_mhp_candidate *candidates;
	struct list_head reserve;
	unsigned long nr_reserve;
	unsigned long nr_reserve_max;
	u64 last_error_addr;
	const char *last_error_what;
	int last_error;
};

#endif /* _VIRTIO_MHP_REGION_H */
