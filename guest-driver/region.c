// SPDX-License-Identifier: GPL-2.0
/*
 * Regions. One is made when its first device is found, and ends when it has
 * neither a device nor memory in use. Without its device it stays as it is, an
 * orphan, with its notifiers and its states: a device cannot be kept from going
 * and its memory cannot be taken from Linux at once. The device that comes back
 * with the same region goes on where the earlier one left.
 *
 * A device leaves by losing its link: that waits for nothing but requests. What
 * is left of a region is freed when its worker is idle, because the worker may
 * be inside memory hotplug, waiting for a lock of whoever removes the device.
 */
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/kthread.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/range.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "link.h"
#include "virtio_mhp.h"

/* What is noted of all blocks takes at most one in so many bytes of memory. */
#define VIRTIO_MHP_TABLES_SHARE_MAX 16

static LIST_HEAD(virtio_mhp_regions);
/* protects the list, and whether a region in it has a link */
static DEFINE_MUTEX(virtio_mhp_regions_lock);

static void virtio_mhp_regions_sweep(struct work_struct *work);
static DECLARE_WORK(virtio_mhp_sweep, virtio_mhp_regions_sweep);

static int virtio_mhp_lay_out_blocks(struct virtio_mhp *vmhp)
{
	struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	const struct virtio_mhp_geometry *geo = &vmhp->geo;
	const u64 mb_size = memory_block_size_bytes();
	const u64 last = geo->addr + geo->region_size - 1;
	const struct range can = mhp_get_pluggable_range(true);
	int rc = virtio_mhp_blocks_lay_out(blocks, geo->addr, geo->region_size,
					   geo->block_size, mb_size, can.start,
					   can.end);

	if (geo->addr < can.start || last > can.end)
		virtio_mhp_warn(vmhp,
				"the region %#llx-%#llx is not used beyond %#llx-%#llx, where this kernel can add memory\n",
				geo->addr, last, can.start, can.end);
	if (rc) {
		virtio_mhp_err(vmhp,
			       "the region %#llx-%#llx cannot be divided into memory blocks of %#llx: %d\n",
			       geo->addr, last, mb_size, rc);
		return rc;
	}
	if (blocks->unit_size / geo->block_size > U16_MAX) {
		virtio_mhp_err(vmhp,
			       "block_size %#llx is too small for memory blocks of %#llx: one request holds %u\n",
			       geo->block_size, mb_size, U16_MAX);
		return -EINVAL;
	}
	return 0;
}

static void virtio_mhp_free_tables(struct virtio_mhp *vmhp)
{
	kvfree(vmhp->candidates);
	kvfree(vmhp->units);
	kvfree(vmhp->mbs);
	kvfree(vmhp->blocks.states);
}

/* What the host asks of our own memory must not be what others live on. */
static int virtio_mhp_check_tables(const struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	const u64 size = (u64)blocks->nr_mbs * (sizeof(*blocks->states) +
						sizeof(*vmhp->mbs)) +
			 (u64)blocks->nr_units * (sizeof(*vmhp->units) +
						  sizeof(*vmhp->candidates));
	const u64 max = ((u64)totalram_pages() << PAGE_SHIFT) /
			VIRTIO_MHP_TABLES_SHARE_MAX;

	if (size <= max)
		return 0;
	virtio_mhp_err(vmhp,
		       "the region has %u memory blocks: what is noted of them would take %llu MiB, at most %llu MiB are right for a guest of this size\n",
		       blocks->nr_mbs, size >> 20, max >> 20);
	return -E2BIG;
}

static int virtio_mhp_alloc_tables(struct virtio_mhp *vmhp)
{
	const unsigned int nr_mbs = vmhp->blocks.nr_mbs;
	const unsigned int nr_units = vmhp->blocks.nr_units;
	u8 *states = kvcalloc(nr_mbs, sizeof(*states), GFP_KERNEL);

	if (states)
		virtio_mhp_blocks_reset(&vmhp->blocks, states);
	vmhp->mbs = kvcalloc(nr_mbs, sizeof(*vmhp->mbs), GFP_KERNEL);
	vmhp->units = kvcalloc(nr_units, sizeof(*vmhp->units), GFP_KERNEL);
	vmhp->candidates =
		kvcalloc(nr_units, sizeof(*vmhp->candidates), GFP_KERNEL);
	if (states && vmhp->mbs && vmhp->units && vmhp->candidates)
		return 0;
	virtio_mhp_free_tables(vmhp);
	return -ENOMEM;
}

static int virtio_mhp_set_up(struct virtio_mhp *vmhp, const struct device *dev)
{
	int rc;

	rc = virtio_mhp_memmap_init(vmhp);
	if (!rc)
		rc = virtio_mhp_check_tables(vmhp);
	if (rc)
		return rc;
	rc = virtio_mhp_alloc_tables(vmhp);
	if (rc)
		return rc;
	rc = virtio_mhp_hotplug_init(vmhp);
	if (rc)
		goto out_free_tables;
	rc = virtio_mhp_zone_init(vmhp, dev);
	if (rc)
		goto out_deinit_hotplug;
	rc = virtio_mhp_pm_init(vmhp);
	if (rc)
		goto out_deinit_zone;
	virtio_mhp_reserve_init(vmhp);
	virtio_mhp_remainder_init(vmhp);
	virtio_mhp_kernel_init(vmhp);
	virtio_mhp_pressure_init(vmhp);
	rc = virtio_mhp_worker_start(vmhp);
	if (rc)
		goto out_deinit_pm;
	return 0;

out_deinit_pm:
	virtio_mhp_pressure_deinit(vmhp);
	virtio_mhp_kernel_deinit(vmhp);
	virtio_mhp_remainder_deinit(vmhp);
	virtio_mhp_reserve_deinit(vmhp);
	virtio_mhp_pm_deinit(vmhp);
out_deinit_zone:
	virtio_mhp_zone_deinit(vmhp);
out_deinit_hotplug:
	virtio_mhp_hotplug_deinit(vmhp);
out_free_tables:
	virtio_mhp_free_tables(vmhp);
	return rc;
}

static struct virtio_mhp *
virtio_mhp_region_new(struct virtio_device *vdev,
		      const struct virtio_mhp_geometry *geo, int *rc)
{
	struct virtio_mhp *vmhp = kzalloc(sizeof(*vmhp), GFP_KERNEL);

	*rc = -ENOMEM;
	if (!vmhp)
		return NULL;
	vmhp->geo = *geo;
	vmhp->index = vdev->index;
	strscpy(vmhp->name, dev_name(&vdev->dev), sizeof(vmhp->name));
	spin_lock_init(&vmhp->lock);
	mutex_init(&vmhp->link_lock);
	mutex_init(&vmhp->pass);
	init_waitqueue_head(&vmhp->wait);
	vmhp->sweep = &virtio_mhp_sweep;
	*rc = virtio_mhp_lay_out_blocks(vmhp);
	if (!*rc)
		*rc = virtio_mhp_set_up(vmhp, &vdev->dev);
	if (!*rc)
		return vmhp;
	kfree(vmhp);
	return NULL;
}

/* Waits for a pass of the worker to end: not where it may wait for our caller */
static void virtio_mhp_region_free(struct virtio_mhp *vmhp)
{
	virtio_mhp_worker_stop(vmhp);
	virtio_mhp_pressure_deinit(vmhp);
	virtio_mhp_kernel_deinit(vmhp);
	virtio_mhp_remainder_deinit(vmhp);
	virtio_mhp_reserve_deinit(vmhp);
	virtio_mhp_pm_deinit(vmhp);
	virtio_mhp_zone_deinit(vmhp);
	virtio_mhp_hotplug_deinit(vmhp);
	virtio_mhp_free_tables(vmhp);
	if (vmhp->module_held)
		module_put(THIS_MODULE);
	kfree(vmhp);
}

static bool virtio_mhp_is_in_use(struct virtio_mhp *vmhp)
{
	unsigned int nr;

	spin_lock(&vmhp->lock);
	nr = vmhp->blocks.count[VIRTIO_MHP_MB_OFFLINE] +
	     vmhp->blocks.count[VIRTIO_MHP_MB_ONLINE];
	spin_unlock(&vmhp->lock);
	return nr;
}

/* Without memory in use there is nothing left to guard. */
static bool virtio_mhp_region_is_over(struct virtio_mhp *vmhp)
{
	bool is_over;

	if (vmhp->link || !mutex_trylock(&vmhp->pass))
		return false;
	is_over = !virtio_mhp_is_in_use(vmhp);
	mutex_unlock(&vmhp->pass);
	return is_over;
}

static void virtio_mhp_regions_sweep(struct work_struct *work)
{
	struct virtio_mhp *vmhp, *next;

	mutex_lock(&virtio_mhp_regions_lock);
	list_for_each_entry_safe(vmhp, next, &virtio_mhp_regions, list) {
		if (!virtio_mhp_region_is_over(vmhp))
			continue;
		list_del(&vmhp->list);
		virtio_mhp_region_free(vmhp);
	}
	mutex_unlock(&virtio_mhp_regions_lock);
}

static struct virtio_mhp *
virtio_mhp_find_orphan(const struct virtio_mhp_geometry *geo)
{
	struct virtio_mhp *vmhp;

	list_for_each_entry(vmhp, &virtio_mhp_regions, list)
		if (!vmhp->link && vmhp->geo.addr == geo->addr &&
		    vmhp->geo.region_size == geo->region_size &&
		    vmhp->geo.block_size == geo->block_size &&
		    vmhp->geo.nid == geo->nid)
			return vmhp;
	return NULL;
}

static void virtio_mhp_set_link(struct virtio_mhp *vmhp,
				struct virtio_mhp_link *link)
{
	mutex_lock(&vmhp->link_lock);
	WRITE_ONCE(vmhp->link, link);
	mutex_unlock(&vmhp->link_lock);
}

static int virtio_mhp_find_or_make(struct virtio_mhp_link *link,
				   const struct virtio_mhp_geometry *geo,
				   const struct virtio_mhp_sizes *sizes)
{
	struct virtio_mhp *vmhp = virtio_mhp_find_orphan(geo);
	int rc;

	if (vmhp) {
		vmhp->index = link->vdev->index;
		strscpy(vmhp->name, dev_name(&link->vdev->dev),
			sizeof(vmhp->name));
	} else {
		vmhp = virtio_mhp_region_new(link->vdev, geo, &rc);
		if (!vmhp)
			return rc;
		/* DRV-RESET-1 */
		vmhp->unplug_all_first = sizes->plugged;
		list_add(&vmhp->list, &virtio_mhp_regions);
	}
	link->region = vmhp;
	rc = virtio_mhp_link_open(link);
	if (rc)
		return rc;
	virtio_mhp_set_link(vmhp, link);
	return 0;
}

/**
 * virtio_mhp_region_attach() - give a device the region that is its own
 * @link: its link, not open yet
 * @geo: its geometry
 * @sizes: its sizes
 *
 * Context: may sleep; probe.
 * Return: 0 and the link is open and has a region; or negative errno.
 */
int virtio_mhp_region_attach(struct virtio_mhp_link *link,
			     const struct virtio_mhp_geometry *geo,
			     const struct virtio_mhp_sizes *sizes)
{
	int rc;

	/* What is left of another one may be in the way. */
	virtio_mhp_regions_sweep(NULL);
	mutex_lock(&virtio_mhp_regions_lock);
	rc = virtio_mhp_find_or_make(link, geo, sizes);
	mutex_unlock(&virtio_mhp_regions_lock);
	if (rc)
		virtio_mhp_regions_sweep(NULL);
	return rc;
}

/**
 * virtio_mhp_region_detach() - take its device from a region
 * @link: the link, not to be used by the region any more
 *
 * Does not wait for the worker, only for a request, which is given up.
 *
 * Context: may sleep.
 */
void virtio_mhp_region_detach(struct virtio_mhp_link *link)
{
	struct virtio_mhp *vmhp = link->region;

	virtio_mhp_link_leave(link);
	mutex_lock(&virtio_mhp_regions_lock);
	virtio_mhp_set_link(vmhp, NULL);
	virtio_mhp_link_hush(link);
	virtio_mhp_interrupt(vmhp);
	if (virtio_mhp_is_in_use(vmhp))
		virtio_mhp_info(vmhp,
				"the device of %#llx-%#llx is gone, its memory stays in use until the device is back\n",
				vmhp->geo.addr,
				vmhp->geo.addr + vmhp->geo.region_size - 1);
	mutex_unlock(&virtio_mhp_regions_lock);
	virtio_mhp_regions_sweep(NULL);
}

/**
 * virtio_mhp_regions_end() - free the regions that are left, none of it in use
 *
 * Context: may sleep; when there are no devices any more.
 */
void virtio_mhp_regions_end(void)
{
	struct virtio_mhp *vmhp, *next;

	list_for_each_entry_safe(vmhp, next, &virtio_mhp_regions, list)
		virtio_mhp_region_free(vmhp);
	/* Their workers may have had it scheduled until they ended. */
	cancel_work_sync(&virtio_mhp_sweep);
}
