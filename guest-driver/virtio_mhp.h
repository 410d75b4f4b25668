/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The verbs that the driver's files share. A file uses those before it in this
 * list and no others; tests/static/layers.sh reads it.
 *
 *   block.c    where memory blocks are and what state each is in (block.h)
 *   trace.c    tracepoints (trace.h)
 *   ids.c      which devices are driven
 *   config.c   the configuration space (config.h)
 *   link.c     the device, from probe to remove (link.h)
 *   ratio.c    how far a request goes for the kernel's own memory
 *   memmap.c   can the memmap be on the block, and is it
 *   reason.c   why a request is not fulfilled
 *   request.c  requests of a region, over its link
 *   event.c    what userspace is told of a resize
 *   stats.c    what the host is told of the guest's memory
 *   report.c   what the host is told of free memory, and gets back
 *   remainder.c  what is beside a memmap, kept until memory gets short
 *   slab.c     sparing the slab allocator what is not about its memory
 *   zone.c     every block in ZONE_MOVABLE; follows what happens to blocks
 *   online.c   an added block to its zone
 *   pages.c    what single pages are used for (census.h)
 *   hotplug.c  blocks into Linux and out of it
 *   census.c   what the pages of a unit are used for (census.h)
 *   room.c     where they could go (census.h)
 *   reserve.c  boot memory for growing a guest that is full
 *   claim.c    vacating a unit within its NUMA node
 *   retry.c    when what failed is tried again
 *   vacate.c   a unit out of Linux
 *   add.c      a unit into Linux
 *   kernel.c   units for the kernel's own memory
 *   spare.c    boot memory for page tables, kept back until a guest grows
 *   shortage.c  noticing that memory is short
 *   pressure.c  growing by itself for as long as it is
 *   shrink.c   units out of Linux and back to the device
 *   grow.c     units from the device and into Linux
 *   recover.c  devices that break or are others than before
 *   resize.c   the worker
 *   vmcore.c   reading the memory of a crashed kernel
 *   pm.c       shutting down, suspending and hibernating
 *   region.c   regions (region.h) come and go
 *   sysfs.c    attributes
 *   main.c     the virtio driver
 */
#ifndef _VIRTIO_MHP_H
#define _VIRTIO_MHP_H

#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <uapi/linux/virtio_mhp.h>

#include "message.h"
#include "region.h"

struct attribute_group;
struct device;
struct virtio_device;
struct virtio_device_id;

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
 * virtio_mhp_target_of() - the size that would be aimed at
 * @vmhp: the device
 * @sizes: what the host says
 *
 * Context: any.
 * Return: bytes: what is requested, or more of what it allows on pressure.
 */
static inline u64 virtio_mhp_target_of(const struct virtio_mhp *vmhp,
				       const struct virtio_mhp_sizes *sizes)
{
	return max(sizes->requested, min(READ_ONCE(vmhp->pressure_target),
					 sizes->requested + sizes->pressure));
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
	const struct virtio_mhp_sizes sizes = {
		.requested = READ_ONCE(vmhp->requested_size),
		.pressure = READ_ONCE(vmhp->pressure_size),
	};

	return virtio_mhp_target_of(vmhp, &sizes);
}

/**
 * virtio_mhp_limit_size() - what may be plugged at the most
 * @vmhp: the device
 *
 * Context: any.
 * Return: bytes, likewise.
 */
static inline u64 virtio_mhp_limit_size(const struct virtio_mhp *vmhp)
{
	return READ_ONCE(vmhp->requested_size) + READ_ONCE(vmhp->pressure_size);
}

/**
 * virtio_mhp_on_pressure_size() - what is plugged beyond what is requested
 * @vmhp: the device
 *
 * Context: any.
 * Return: bytes, without what is about to be unplugged.
 */
static inline u64 virtio_mhp_on_pressure_size(const struct virtio_mhp *vmhp)
{
	const u64 size = min(READ_ONCE(vmhp->plugged_size),
			     virtio_mhp_target_size(vmhp));
	const u64 requested = READ_ONCE(vmhp->requested_size);

	return size > requested ? size - requested : 0;
}

/**
 * virtio_mhp_mb_is_kernels() - is a memory block for the kernel's own memory
 * @vmhp: the device
 * @mb: the memory block
 *
 * Context: any.
 * Return: true if it is, false if it is for ZONE_MOVABLE.
 */
static inline bool virtio_mhp_mb_is_kernels(const struct virtio_mhp *vmhp,
					    unsigned int mb)
{
	const unsigned int unit = virtio_mhp_unit_of_mb(&vmhp->blocks, mb);

	return READ_ONCE(vmhp->units[unit].is_kernels);
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
u64 virtio_mhp_memmap_on_block_size(const struct virtio_mhp *vmhp);
int virtio_mhp_memmap_check(struct virtio_mhp *vmhp, unsigned int mb,
			    const struct device *dev);

/* trace.c: tracepoints, see trace.h */
void virtio_mhp_mb_move(struct virtio_mhp *vmhp, unsigned int mb,
			enum virtio_mhp_mb_state state);

/* reason.c: why a request is not fulfilled */
const char *virtio_mhp_reason_name(u16 reason);
void virtio_mhp_note_error(struct virtio_mhp *vmhp, unsigned int unit,
			   const char *what, int error);

/* request.c: requests of a region, over its link */
bool virtio_mhp_has_feature(struct virtio_mhp *vmhp, unsigned int feature);
int virtio_mhp_read_sizes(struct virtio_mhp *vmhp,
			  struct virtio_mhp_link *link);
int virtio_mhp_refresh(struct virtio_mhp *vmhp);
int virtio_mhp_refresh_target(struct virtio_mhp *vmhp);
int virtio_mhp_unit_plug_begin(struct virtio_mhp *vmhp, unsigned int unit);
int virtio_mhp_unit_plug_end(struct virtio_mhp *vmhp, unsigned int unit);
int virtio_mhp_unit_unplug(struct virtio_mhp *vmhp, unsigned int unit);
int virtio_mhp_unplug_all(struct virtio_mhp *vmhp);
int virtio_mhp_tell_memmap(struct virtio_mhp *vmhp);
void virtio_mhp_unit_set_state(struct virtio_mhp *vmhp, unsigned int unit,
			       enum virtio_mhp_mb_state state);
void virtio_mhp_report(struct virtio_mhp *vmhp, unsigned int unit, u16 reason,
		       int error);

/* event.c: what userspace is told of a resize */
void virtio_mhp_event_hush(struct device *dev);
void virtio_mhp_event_tell(struct virtio_mhp *vmhp);

/* stats.c: what the host is told of the guest's memory */
void virtio_mhp_stats_tell(struct work_struct *work);

/* remainder.c: what is beside a memmap, kept until memory gets short */
bool virtio_mhp_remainder_begin(struct virtio_mhp *vmhp, unsigned int mb);
void virtio_mhp_remainder_end(void);
unsigned long virtio_mhp_remainder_give(struct virtio_mhp *vmhp,
					unsigned int mb);
void virtio_mhp_remainder_init(struct virtio_mhp *vmhp);
void virtio_mhp_remainder_deinit(struct virtio_mhp *vmhp);

/* slab.c: sparing the slab allocator what is not about its memory */
int virtio_mhp_slab_init(struct virtio_mhp *vmhp);
void virtio_mhp_slab_deinit(struct virtio_mhp *vmhp);

/* zone.c: every block in ZONE_MOVABLE; follows what happens to blocks */
int virtio_mhp_zone_init(struct virtio_mhp *vmhp, const struct device *any);
void virtio_mhp_zone_deinit(struct virtio_mhp *vmhp);
struct device *virtio_mhp_mb_get_device(struct virtio_mhp *vmhp,
					unsigned int mb);
enum virtio_mhp_mb_state virtio_mhp_mb_get_state(struct virtio_mhp *vmhp,
						 unsigned int mb);
void virtio_mhp_mb_unclaim(struct virtio_mhp *vmhp, unsigned int mb);

/* online.c: an added block to its zone */
int virtio_mhp_mb_online(struct virtio_mhp *vmhp, unsigned int mb);

/* hotplug.c: blocks into Linux and out of it */
int virtio_mhp_hotplug_init(struct virtio_mhp *vmhp);
void virtio_mhp_hotplug_deinit(struct virtio_mhp *vmhp);
int virtio_mhp_mb_add(struct virtio_mhp *vmhp, unsigned int mb);
int virtio_mhp_mb_remove(struct virtio_mhp *vmhp, unsigned int mb);
bool virtio_mhp_is_superseded(const struct virtio_mhp *vmhp, u64 size);
bool virtio_mhp_is_interrupted(struct virtio_mhp *vmhp);
void virtio_mhp_interrupt(struct virtio_mhp *vmhp);

/* reserve.c: boot memory for growing a guest that is full */
void virtio_mhp_reserve_init(struct virtio_mhp *vmhp);
void virtio_mhp_reserve_deinit(struct virtio_mhp *vmhp);
void virtio_mhp_reserve_fill(struct virtio_mhp *vmhp);
bool virtio_mhp_kernel_memory_is_short(const struct virtio_mhp *vmhp,
				       unsigned long nr);
int virtio_mhp_reserve_ready(struct virtio_mhp *vmhp);
bool virtio_mhp_reserve_enter(const struct virtio_mhp *vmhp,
			      unsigned int *cookie);
void virtio_mhp_reserve_leave(unsigned int cookie);

/* claim.c: vacating a unit within its NUMA node */
int virtio_mhp_unit_claim(struct virtio_mhp *vmhp, unsigned int unit);
void virtio_mhp_unit_unclaim(struct virtio_mhp *vmhp, unsigned int unit);

/* retry.c: when what failed is tried again */
void virtio_mhp_spent_in_vain(struct virtio_mhp *vmhp, u64 ns);
bool virtio_mhp_is_resting(const struct virtio_mhp *vmhp);
bool virtio_mhp_unit_is_due(const struct virtio_mhp *vmhp, unsigned int unit);
void virtio_mhp_unit_back_off(struct virtio_mhp *vmhp, unsigned int unit,
			      int first, int last);
void virtio_mhp_unit_stays(struct virtio_mhp *vmhp, unsigned int unit, u64 ns);
bool virtio_mhp_unit_may_go(struct virtio_mhp *vmhp, unsigned int unit,
			    unsigned long room);
bool virtio_mhp_shrink_is_worthwhile(struct virtio_mhp *vmhp);
void virtio_mhp_take_up_request(struct virtio_mhp *vmhp);
long virtio_mhp_until_due(const struct virtio_mhp *vmhp);

/* vacate.c: a unit out of Linux */
int virtio_mhp_unit_remove(struct virtio_mhp *vmhp, unsigned int unit);
int virtio_mhp_unit_vacate(struct virtio_mhp *vmhp, unsigned int unit);

/* add.c: a unit into Linux */
int virtio_mhp_unit_add(struct virtio_mhp *vmhp, unsigned int unit,
			u16 *reason);
void virtio_mhp_unit_skip(struct virtio_mhp *vmhp, unsigned int unit);
void virtio_mhp_unit_roll_back(struct virtio_mhp *vmhp, unsigned int unit,
			       u16 reason, int error);

/* kernel.c: units for the kernel's own memory */
u64 virtio_mhp_kernel_size(const struct virtio_mhp *vmhp);
bool virtio_mhp_kernel_wants_unit(const struct virtio_mhp *vmhp,
				  unsigned int unit);
void virtio_mhp_kernel_supply(struct virtio_mhp *vmhp);
void virtio_mhp_kernel_init(struct virtio_mhp *vmhp);
void virtio_mhp_kernel_deinit(struct virtio_mhp *vmhp);

/* spare.c: boot memory for page tables, kept back until a guest grows */
unsigned long virtio_mhp_spare_give(struct virtio_mhp *vmhp);
void virtio_mhp_spare_adjust(struct virtio_mhp *vmhp, bool may_take);
u64 virtio_mhp_spare_size(const struct virtio_mhp *vmhp);
void virtio_mhp_spare_deinit(struct virtio_mhp *vmhp);

/* shortage.c: noticing that memory is short */
unsigned long virtio_mhp_shortage_mark(const struct virtio_mhp *vmhp);
bool virtio_mhp_memory_is_short(const struct virtio_mhp *vmhp);
u64 virtio_mhp_surplus(const struct virtio_mhp *vmhp);
u64 virtio_mhp_pressure_limit(const struct virtio_mhp *vmhp);
void virtio_mhp_shortage_look(struct virtio_mhp *vmhp);
void virtio_mhp_shortage_init(struct virtio_mhp *vmhp);
void virtio_mhp_shortage_deinit(struct virtio_mhp *vmhp);

/* pressure.c: growing by itself for as long as it is */
void virtio_mhp_pressure_begin(struct virtio_mhp *vmhp);
void virtio_mhp_pressure_decide(struct virtio_mhp *vmhp);
bool virtio_mhp_pressure_keeps(const struct virtio_mhp *vmhp);
void virtio_mhp_pressure_end(struct virtio_mhp *vmhp, int rc);
void virtio_mhp_pressure_changed(struct virtio_mhp *vmhp);
long virtio_mhp_pressure_timeout(const struct virtio_mhp *vmhp);
void virtio_mhp_pressure_init(struct virtio_mhp *vmhp);
void virtio_mhp_pressure_deinit(struct virtio_mhp *vmhp);

/* shrink.c: units out of Linux and back to the device */
int virtio_mhp_shrink(struct virtio_mhp *vmhp);

/* grow.c: units from the device and into Linux */
void virtio_mhp_release_module(struct virtio_mhp *vmhp);
int virtio_mhp_grow(struct virtio_mhp *vmhp);

/* recover.c: devices that break or are others than before */
bool virtio_mhp_can_recover(struct virtio_mhp *vmhp);
int virtio_mhp_recover(struct virtio_mhp *vmhp);

/* resize.c: the worker */
int virtio_mhp_worker_start(struct virtio_mhp *vmhp);
void virtio_mhp_worker_stop(struct virtio_mhp *vmhp);

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

/* report.c: what the host is told of free memory, and gets back */
#ifdef CONFIG_PAGE_REPORTING
void virtio_mhp_report_begin(struct virtio_mhp_link *link);
void virtio_mhp_report_leave(struct virtio_mhp_link *link);
void virtio_mhp_report_end(struct virtio_mhp_link *link);
#else
static inline void virtio_mhp_report_begin(struct virtio_mhp_link *link)
{
}

static inline void virtio_mhp_report_leave(struct virtio_mhp_link *link)
{
}

static inline void virtio_mhp_report_end(struct virtio_mhp_link *link)
{
}
#endif

/* pm.c: shutting down, suspending and hibernating */
int virtio_mhp_pm_init(struct virtio_mhp *vmhp);
void virtio_mhp_pm_deinit(struct virtio_mhp *vmhp);
int virtio_mhp_freeze(struct virtio_device *vdev);
int virtio_mhp_restore(struct virtio_device *vdev);
void virtio_mhp_shutdown(struct virtio_device *vdev);

/* region.c: regions come and go */
int virtio_mhp_region_attach(struct virtio_mhp_link *link,
			     const struct virtio_mhp_geometry *geo,
			     const struct virtio_mhp_sizes *sizes);
void virtio_mhp_region_detach(struct virtio_mhp_link *link);
void virtio_mhp_regions_end(void);

/* sysfs.c: attributes */
extern const struct attribute_group *virtio_mhp_groups[];

#endif /* _VIRTIO_MHP_H */
