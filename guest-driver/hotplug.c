// SPDX-License-Identifier: GPL-2.0
/*
 * Memory blocks into Linux and out of it: the reservation of the region, adding
 * a block with its memmap on it, removing it in bounded time. Nothing here
 * talks to the device; states follow by the notifiers of zone.c.
 */
#include <linux/device.h>
#include <linux/ioport.h>
#include <linux/kthread.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/freezer.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "census.h"
#include "virtio_mhp.h"

static unsigned int virtio_mhp_block_timeout_ms = 500;
module_param_named(block_timeout_ms, virtio_mhp_block_timeout_ms, uint, 0644);
MODULE_PARM_DESC(block_timeout_ms,
		 "deadline for vacating a memory block in ms (default 500)");

/*
 * The region is reserved as a whole, so that nobody else uses its addresses,
 * and is not busy, so that memory can be added in it.
 */
static int virtio_mhp_reserve_region(struct virtio_mhp *vmhp)
{
	const char *name = kstrdup(vmhp->name, GFP_KERNEL);
	const int flags = IORESOURCE_SYSTEM_RAM | IORESOURCE_EXCLUSIVE;

	if (!name)
		return -ENOMEM;
	vmhp->resource = __request_region(&iomem_resource, vmhp->geo.addr,
					  vmhp->geo.region_size, name, flags);
	if (!vmhp->resource) {
		virtio_mhp_err(vmhp,
			       "the region %#llx-%#llx is in use, possibly by memory whose device is gone\n",
			       vmhp->geo.addr,
			       vmhp->geo.addr + vmhp->geo.region_size - 1);
		kfree(name);
		return -EBUSY;
	}
	vmhp->resource->flags &= ~IORESOURCE_BUSY;
	return 0;
}

static void virtio_mhp_release_region(struct virtio_mhp *vmhp)
{
	const char *name = vmhp->resource->name;

	release_resource(vmhp->resource);
	kfree(vmhp->resource);
	kfree(name);
}

/**
 * virtio_mhp_hotplug_init() - prepare for adding memory
 * @vmhp: the device, with blocks laid out
 *
 * Context: may sleep.
 * Return: 0 or negative errno.
 */
int virtio_mhp_hotplug_init(struct virtio_mhp *vmhp)
{
	int rc;

	vmhp->resource_name =
		kstrdup("System RAM (mhp_vmemmap_mem)", GFP_KERNEL);
	if (!vmhp->resource_name)
		return -ENOMEM;
	rc = virtio_mhp_reserve_region(vmhp);
	if (rc)
		goto out_free_name;
	rc = memory_group_register_dynamic(vmhp->geo.nid,
					   PHYS_PFN(vmhp->blocks.unit_size));
	if (rc < 0) {
		virtio_mhp_err(vmhp,
			       "the kernel makes no group for memory on node %d: %d\n",
			       vmhp->geo.nid, rc);
		goto out_release_region;
	}
	vmhp->mgid = rc;
	return 0;

out_release_region:
	virtio_mhp_release_region(vmhp);
out_free_name:
	kfree(vmhp->resource_name);
	return rc;
}

/**
 * virtio_mhp_hotplug_deinit() - give back what virtio_mhp_hotplug_init() took
 * @vmhp: the device
 *
 * Not while memory is added: that refers to its name and group.
 *
 * Context: may sleep.
 */
void virtio_mhp_hotplug_deinit(struct virtio_mhp *vmhp)
{
	if (WARN_ON_ONCE(memory_group_unregister(vmhp->mgid)))
		return;
	virtio_mhp_release_region(vmhp);
	kfree(vmhp->resource_name);
}

/**
 * virtio_mhp_mb_add() - add a memory block to Linux
 * @vmhp: the device
 * @mb: a PLUGGED memory block
 *
 * The kernel's policy may online it right away. On failure it may be added all
 * the same: it is for the caller to remove what is not PLUGGED.
 *
 * Context: worker.
 * Return: 0 and the block may be onlined, or negative errno.
 */
int virtio_mhp_mb_add(struct virtio_mhp *vmhp, unsigned int mb)
{
	const u64 addr = virtio_mhp_mb_addr(&vmhp->blocks, mb);
	mhp_t flags = MHP_NID_IS_MGID | MHP_MERGE_RESOURCE;
	struct device *dev;
	int rc;

	if (vmhp->memmap_on_block)
		flags |= MHP_MEMMAP_ON_MEMORY;
	vmhp->adding = true;
	/* One block a call: 6.1 demands it, and a failure concerns one block. */
	rc = add_memory_driver_managed(vmhp->mgid, addr, vmhp->blocks.mb_size,
				       vmhp->resource_name, flags);
	vmhp->adding = false;
	virtio_mhp_dbg(vmhp, "add %#llx-%#llx: %d\n", addr,
		       addr + vmhp->blocks.mb_size - 1, rc);
	if (rc)
		return rc;

	dev = virtio_mhp_mb_get_device(vmhp, mb);
	if (!dev)
		return -ENODEV;
	rc = virtio_mhp_memmap_check(vmhp, mb, dev);
	put_device(dev);
	return rc;
}

/**
 * virtio_mhp_is_superseded() - is what the worker does against a newer request
 * @vmhp: the device
 * @size: what is requested now
 *
 * A request for less while there is more than that does not end a shrink: what
 * is being vacated would have to go all the same.
 *
 * Context: any.
 * Return: true if the worker should turn round.
 */
bool virtio_mhp_is_superseded(const struct virtio_mhp *vmhp, u64 size)
{
	return READ_ONCE(vmhp->is_shrinking) !=
	       (READ_ONCE(vmhp->plugged_size) > size);
}

/* Takes up a newer size; all else that may have changed can wait. */
static void virtio_mhp_look_again(struct virtio_mhp *vmhp)
{
	set_bit(VIRTIO_MHP_RETRY, &vmhp->flags);
	if (virtio_mhp_refresh_target(vmhp) ||
	    virtio_mhp_is_superseded(vmhp, virtio_mhp_target_size(vmhp)))
		vmhp->superseded = true;
}

/* DRV-PRESSURE-4: memory is short, and what is plugged may stay */
static bool virtio_mhp_yields(const struct virtio_mhp *vmhp)
{
	return vmhp->is_shrinking &&
	       test_bit(VIRTIO_MHP_PRESSED, &vmhp->flags) &&
	       vmhp->plugged_size <= virtio_mhp_limit_size(vmhp);
}

/**
 * virtio_mhp_is_interrupted() - should the worker drop what it is doing
 * @vmhp: the device
 *
 * Context: worker.
 * Return: true if a newer request wants the contrary, or pressure does, the
 *	device has gone, or the worker is to hold still or freeze.
 */
bool virtio_mhp_is_interrupted(struct virtio_mhp *vmhp)
{
	if (test_and_clear_bit(VIRTIO_MHP_CHANGED, &vmhp->flags))
		virtio_mhp_look_again(vmhp);
	return vmhp->superseded || virtio_mhp_yields(vmhp) ||
	       !READ_ONCE(vmhp->link) || READ_ONCE(vmhp->is_still) ||
	       freezing(current);
}

/*
 * Any signal ends the kernel's attempts at a block, but only a fatal one ends
 * what it may wait for in each of them: while most pages that it could reclaim
 * are isolated, compaction waits for them to be put back, and it may have been
 * called by the one who isolated them, to find a huge page to move to.
 */
static void virtio_mhp_end_vacating(struct virtio_mhp *vmhp)
{
	send_sig(SIGKILL, vmhp->worker, 1);
}

/**
 * virtio_mhp_interrupt() - end the vacating of a block, if one is under way
 * @vmhp: the device, with the reason noted in flags
 *
 * Context: any.
 */
void virtio_mhp_interrupt(struct virtio_mhp *vmhp)
{
	/* Pairs with virtio_mhp_mb_remove(): one of the two sees the other. */
	smp_mb();
	if (READ_ONCE(vmhp->vacating))
		virtio_mhp_end_vacating(vmhp);
}

/**
 * virtio_mhp_deadline() - a block has taken too long
 * @timer: the timer
 *
 * Context: softirq.
 */
static void virtio_mhp_deadline(struct timer_list *timer)
{
	struct virtio_mhp *vmhp =
		container_of(timer, struct virtio_mhp, deadline);

	WRITE_ONCE(vmhp->timed_out, true);
	virtio_mhp_end_vacating(vmhp);
}

static int virtio_mhp_offline_and_remove(struct virtio_mhp *vmhp,
					 unsigned int mb)
{
	int rc;

	/*
	 * A newer request, coming just now, must not wait for the deadline. A
	 * block that is not online takes no time and may as well go.
	 */
	if (virtio_mhp_mb_get_state(vmhp, mb) == VIRTIO_MHP_MB_ONLINE) {
		if (virtio_mhp_is_interrupted(vmhp))
			return -EINTR;
		rc = virtio_mhp_mb_wait_for_io(vmhp, mb);
		if (rc)
			return rc;
	}
	return offline_and_remove_memory(virtio_mhp_mb_addr(&vmhp->blocks, mb),
					 vmhp->blocks.mb_size);
}

/**
 * virtio_mhp_mb_remove() - offline a memory block and remove it from Linux
 * @vmhp: the device
 * @mb: an added memory block
 *
 * The kernel would try for ever to vacate a block with a pinned page, so a
 * signal to the worker ends it: at the deadline, or when there is a newer
 * request. It then rolls back. For a page in I/O it would not even see that:
 * wait for these before.
 *
 * Context: worker.
 * Return: 0 and the block is PLUGGED; -EAGAIN: interrupted; -ETIME: the
 *	deadline passed; -EINPROGRESS: before the pages were out of I/O; else
 *	negative errno.
 */
int virtio_mhp_mb_remove(struct virtio_mhp *vmhp, unsigned int mb)
{
	const u64 addr = virtio_mhp_mb_addr(&vmhp->blocks, mb);
	const unsigned int ms = READ_ONCE(virtio_mhp_block_timeout_ms);
	int rc;

	flush_signals(current);
	WRITE_ONCE(vmhp->timed_out, false);
	timer_setup(&vmhp->deadline, virtio_mhp_deadline, 0);
	mod_timer(&vmhp->deadline, jiffies + msecs_to_jiffies(ms));
	WRITE_ONCE(vmhp->vacating, true);
	/* Pairs with virtio_mhp_interrupt(). */
	smp_mb();
	rc = virtio_mhp_offline_and_remove(vmhp, mb);
	WRITE_ONCE(vmhp->vacating, false);
	timer_delete_sync(&vmhp->deadline);
	flush_signals(current);
	/* As of 7.3 the kernel only warns if nothing but offlining worked. */
	if (!rc && virtio_mhp_mb_get_state(vmhp, mb) != VIRTIO_MHP_MB_PLUGGED)
		rc = -EBUSY;

	virtio_mhp_dbg(vmhp, "remove %#llx-%#llx: %d\n", addr,
		       addr + vmhp->blocks.mb_size - 1, rc);
	if (rc != -EINTR && rc != -EINPROGRESS)
		return rc;
	/* Who was not given the time is not to blame. */
	if (!READ_ONCE(vmhp->timed_out) || virtio_mhp_is_interrupted(vmhp))
		return -EAGAIN;
	return rc == -EINTR ? -ETIME : rc;
}
