/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The region, and the verbs that the driver's files share. A file uses those
 * before it in this list and no others; tests/static/layers.sh reads it.
 *
 *   block.c    where memory blocks are and what state each is in (block.h)
 *   trace.c    tracepoints (trace.h)
 *   ids.c      which devices are driven
 *   config.c   the configuration space (config.h)
 *   link.c     the device, from probe to remove (link.h)
 *   ratio.c    how far a request goes for the kernel's own memory
 *   memmap.c   can the memmap be on the block, and is it
 *   request.c  requests of a region, over its link
 *   zone.c     every block in ZONE_MOVABLE; follows what happens to blocks
 *   pages.c    what single pages are used for (census.h)
 *   hotplug.c  blocks into Linux and out of it
 *   census.c   what the pages of a unit are used for (census.h)
 *   room.c     where they could go (census.h)
 *   reserve.c  boot memory for growing a guest that is full
 *   shrink.c   units out of Linux and back to the device
 *   grow.c     units from the device and into Linux
 *   recover.c  devices that break or are others than before
 *   resize.c   the worker
 *   pm.c       suspending and hibernating
 *   region.c   regions come and go
 *   vmcore.c   reading the memory of a crashed kernel
 *   sysfs.c    attributes
 *   main.c     the virtio driver
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
#ifndef _VIRTIO_MHP_H
#define _VIRTIO_MHP_H

#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <uapi/linux/virtio_mhp.h>

#include "block.h"
#include "config.h"
#include "message.h"

struct attribute_group;
struct device;
struct resource;
struct virtio_device;
struct virtio_device_id;
struct virtio_mhp_link;
struct work_struct;

/* Seconds after which anything that failed is tried again, at the latest */
#define VIRTIO_MHP_BACKOFF_MAX 60

/* Room for "virtio" and a number */
#define VIRTIO_MHP_NAME_SIZE   20

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
 */
enum virtio_mhp_flag {
	VIRTIO_MHP_CHANGED,
	VIRTIO_MHP_RETRY,
	VIRTIO_MHP_MOVED
};

/**
 * struct virtio_mhp_mb - what is known of one memory block besides its state
 * @dev: its device, referenced from when it is added until it is removed
 * @zone: name of its zone while it is ONLINE, else NULL
 * @memmap_size: bytes of memmap on it while it is added
 * @is_memmap_known: @memmap_size is valid
 */
struct virtio_mhp_mb {
	struct device *dev;
	const char *zone;
	u32 memmap_size;
	bool is_memmap_known;
};

/**
 * struct virtio_mhp_unit - what is known of one unit
 * @next_try: jiffies before which vacating it is not tried again
 * @backoff: seconds from the latest failure to @next_try, 0 if none failed
 * @reason: VIRTIO_MHP_REASON_* of the latest failure
 * @told: what of these the host knows
 * @left: used pages that were left after the best attempt to vacate it
 * @needs: virtio_mhp_room() that it takes to vacate it, 0 if it failed
 *	otherwise
 * @stuck_pfn: a page that kept it from being vacated, 0 if none is known
 */
struct virtio_mhp_unit {
	unsigned long next_try;
	u16 backoff;
	u16 reason;
	u16 told;
	u32 left;
	unsigned long needs;
	unsigned long stuck_pfn;
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
 * @deadline: signals the worker when a block takes too long to vacate
 * @adding: the worker is adding a block, and not yet onlining it
 * @vacating: a block is being vacated; a signal will end that
 * @timed_out: it was @deadline that ended it
 * @any_mb: some memory block's device, referenced because it leads to their bus
 * @bus_nb: follows memory blocks being added and removed
 * @memory_nb: follows memory blocks going on- and offline, vetoes wrong zones
 * @pm_nb: vetoes hibernation
 * @lock: taken by notifiers with the hotplug locks held: nothing sleeps under it
 * @blocks: states of memory blocks
 * @mbs: one for each memory block
 * @units: one for each unit
 * @candidates: room to sort units, one for each (worker only)
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
	struct timer_list deadline;
	bool adding;
	bool vacating;
	bool timed_out;

	struct device *any_mb;
	struct notifier_block bus_nb;
	struct notifier_block memory_nb;
	struct notifier_block pm_nb;

	/* protects states, counters, mbs, units and the last error */
	spinlock_t lock;
	struct virtio_mhp_blocks blocks;
	struct virtio_mhp_mb *mbs;
	struct virtio_mhp_unit *units;
	struct virtio_mhp_candidate *candidates;
	struct list_head reserve;
	unsigned long nr_reserve;
	unsigned long nr_reserve_max;
	u64 last_error_addr;
	const char *last_error_what;
	int last_error;
};

/**
 * virtio_mhp_wake() - have the worker look again
 * @vmhp: the device
 * @why: what to tell it
 *
 * Context: any.
 */
static inline void virtio_mhp_wake(struct virtio_mhp *vmhp,
				   enum virtio_mhp_flag why)
{
	set_bit(why, &vmhp->flags);
	wake_up(&vmhp->wait);
}

/**
 * virtio_mhp_target_size() - the size that is aimed at
 * @vmhp: the device
 *
 * Context: any.
 * Return: bytes, as of the worker's latest look at the configuration.
 */
static inline u64 virtio_mhp_target_size(const struct virtio_mhp *vmhp)
{
	return READ_ONCE(vmhp->requested_size);
}

/**
 * virtio_mhp_unit_is_due() - may a unit be tried
 * @vmhp: the device
 * @unit: the unit
 *
 * Context: worker.
 * Return: false if its latest failure is too recent.
 */
static inline bool virtio_mhp_unit_is_due(const struct virtio_mhp *vmhp,
					  unsigned int unit)
{
	return !vmhp->units[unit].backoff ||
	       time_after_eq(jiffies, vmhp->units[unit].next_try);
}

/**
 * virtio_mhp_unit_back_off() - leave a unit alone for a while
 * @vmhp: the device
 * @unit: the unit
 * @first: seconds after a first failure, twice as many after each further one
 *
 * Context: worker.
 */
static inline void virtio_mhp_unit_back_off(struct virtio_mhp *vmhp,
					    unsigned int unit, int first)
{
	struct virtio_mhp_unit *u = &vmhp->units[unit];

	u->backoff = clamp(2 * u->backoff, first, VIRTIO_MHP_BACKOFF_MAX);
	u->next_try = jiffies + u->backoff * HZ;
}

/* ids.c: which devices are driven */
const struct virtio_device_id *virtio_mhp_id_table(void);
int virtio_mhp_check_features(struct virtio_device *vdev);

/* ratio.c: how far a request goes for the kernel's own memory */
u64 virtio_mhp_page_tables_size(u64 size);
u64 virtio_mhp_kernel_memory_size(void);
void virtio_mhp_ratio_check(struct virtio_mhp *vmhp);
void virtio_mhp_ratio_forget(struct virtio_mhp *vmhp);

/* memmap.c: can the memmap be on the block, and is it */
extern const char *const virtio_mhp_memmap_names[];
int virtio_mhp_memmap_init(struct virtio_mhp *vmhp);
bool virtio_mhp_memmap_is_refused(const struct virtio_mhp *vmhp);
u32 virtio_mhp_memmap_size(const struct virtio_mhp *vmhp);
int virtio_mhp_memmap_check(struct virtio_mhp *vmhp, unsigned int mb,
			    const struct device *dev);

/* trace.c: tracepoints, see trace.h */
void virtio_mhp_mb_move(struct virtio_mhp *vmhp, unsigned int mb,
			enum virtio_mhp_mb_state state);

/* request.c: requests of a region, over its link */
bool virtio_mhp_has_feature(struct virtio_mhp *vmhp, unsigned int feature);
int virtio_mhp_read_sizes(struct virtio_mhp *vmhp,
			  struct virtio_mhp_link *link);
int virtio_mhp_refresh(struct virtio_mhp *vmhp);
int virtio_mhp_unit_plug_begin(struct virtio_mhp *vmhp, unsigned int unit);
int virtio_mhp_unit_plug_end(struct virtio_mhp *vmhp, unsigned int unit);
int virtio_mhp_unit_unplug(struct virtio_mhp *vmhp, unsigned int unit);
int virtio_mhp_unplug_all(struct virtio_mhp *vmhp);
int virtio_mhp_tell_memmap(struct virtio_mhp *vmhp);
void virtio_mhp_unit_set_state(struct virtio_mhp *vmhp, unsigned int unit,
			       enum virtio_mhp_mb_state state);
void virtio_mhp_note_error(struct virtio_mhp *vmhp, unsigned int unit,
			   const char *what, int error);
void virtio_mhp_report(struct virtio_mhp *vmhp, unsigned int unit, u16 reason,
		       int error);
const char *virtio_mhp_reason_name(u16 reason);

/* zone.c: every block in ZONE_MOVABLE; follows what happens to blocks */
int virtio_mhp_zone_init(struct virtio_mhp *vmhp, const struct device *any);
void virtio_mhp_zone_deinit(struct virtio_mhp *vmhp);
struct device *virtio_mhp_mb_get_device(struct virtio_mhp *vmhp,
					unsigned int mb);
enum virtio_mhp_mb_state virtio_mhp_mb_get_state(struct virtio_mhp *vmhp,
						 unsigned int mb);
int virtio_mhp_mb_online(struct virtio_mhp *vmhp, unsigned int mb);

/* hotplug.c: blocks into Linux and out of it */
int virtio_mhp_hotplug_init(struct virtio_mhp *vmhp);
void virtio_mhp_hotplug_deinit(struct virtio_mhp *vmhp);
int virtio_mhp_mb_add(struct virtio_mhp *vmhp, unsigned int mb);
int virtio_mhp_mb_remove(struct virtio_mhp *vmhp, unsigned int mb);
bool virtio_mhp_is_interrupted(struct virtio_mhp *vmhp);
void virtio_mhp_interrupt(struct virtio_mhp *vmhp);

/* reserve.c: boot memory for growing a guest that is full */
void virtio_mhp_reserve_init(struct virtio_mhp *vmhp);
void virtio_mhp_reserve_deinit(struct virtio_mhp *vmhp);
void virtio_mhp_reserve_fill(struct virtio_mhp *vmhp);
int virtio_mhp_reserve_ready(struct virtio_mhp *vmhp);
bool virtio_mhp_reserve_enter(const struct virtio_mhp *vmhp,
			      unsigned int *cookie);
void virtio_mhp_reserve_leave(unsigned int cookie);

/* shrink.c: units out of Linux and back to the device */
int virtio_mhp_unit_vacate(struct virtio_mhp *vmhp, unsigned int unit);
bool virtio_mhp_shrink_is_worthwhile(struct virtio_mhp *vmhp);
int virtio_mhp_shrink(struct virtio_mhp *vmhp);

/* grow.c: units from the device and into Linux */
void virtio_mhp_release_module(struct virtio_mhp *vmhp);
int virtio_mhp_complete_units(struct virtio_mhp *vmhp);
int virtio_mhp_grow(struct virtio_mhp *vmhp);

/* recover.c: devices that break or are others than before */
bool virtio_mhp_can_recover(struct virtio_mhp *vmhp);
int virtio_mhp_recover(struct virtio_mhp *vmhp);

/* resize.c: the worker */
int virtio_mhp_worker_start(struct virtio_mhp *vmhp);
void virtio_mhp_worker_stop(struct virtio_mhp *vmhp);

/* pm.c: suspending and hibernating */
int virtio_mhp_pm_init(struct virtio_mhp *vmhp);
void virtio_mhp_pm_deinit(struct virtio_mhp *vmhp);
int virtio_mhp_freeze(struct virtio_device *vdev);
int virtio_mhp_restore(struct virtio_device *vdev);

/* region.c: regions come and go */
int virtio_mhp_region_attach(struct virtio_mhp_link *link,
			     const struct virtio_mhp_geometry *geo,
			     const struct virtio_mhp_sizes *sizes);
void virtio_mhp_region_detach(struct virtio_mhp_link *link);
void virtio_mhp_regions_end(void);

/* vmcore.c: reading the memory of a crashed kernel */
#ifdef CONFIG_PROC_VMCORE
int virtio_mhp_vmcore_init(struct virtio_mhp_link *link,
			   const struct virtio_mhp_geometry *geo,
			   const struct virtio_mhp_sizes *sizes);
void virtio_mhp_vmcore_deinit(struct virtio_mhp_link *link);
#else
static inline int virtio_mhp_vmcore_init(struct virtio_mhp_link *link,
					 const struct virtio_mhp_geometry *geo,
					 const struct virtio_mhp_sizes *sizes)
{
	return -EOPNOTSUPP;
}

static inline void virtio_mhp_vmcore_deinit(struct virtio_mhp_link *link)
{
}
#endif

/* sysfs.c: attributes */
extern const struct attribute_group *virtio_mhp_groups[];

#endif /* _VIRTIO_MHP_H */
