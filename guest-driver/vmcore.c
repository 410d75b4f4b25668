// SPDX-License-Identifier: GPL-2.0
/*
 * In a kdump kernel: tells /proc/vmcore which pages of the region the crashed
 * kernel had plugged, so that nothing else of it is read
 * (VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE). Plugs nothing and knows no memory
 * blocks: those of the crashed kernel may have had another size than ours.
 */
#include <linux/crash_dump.h>
#include <linux/device.h>
#include <linux/log2.h>
#include <linux/mutex.h>
#include <linux/pfn.h>
#include <linux/slab.h>

#include "link.h"
#include "virtio_mhp.h"

/**
 * struct virtio_mhp_vmcore - what a reader of /proc/vmcore is told
 * @cb: what the kernel calls for each page
 * @link: the device
 * @geo: its geometry
 * @end: of the usable part of its region
 * @lock: requests are sent by one reader at a time
 * @block: number of the device block that was asked for last, -1 at first
 * @is_plugged: what the device said of it
 */
struct virtio_mhp_vmcore {
	struct vmcore_cb cb;
	struct virtio_mhp_link *link;
	struct virtio_mhp_geometry geo;
	u64 end;
	/* protects the virtqueue and what it said */
	struct mutex lock;
	u64 block;
	bool is_plugged;
};

/* What the device does not say to be plugged is not touched. */
static bool virtio_mhp_block_is_plugged(struct virtio_mhp_vmcore *vmcore,
					u64 block)
{
	const struct virtio_mhp_geometry *geo = &vmcore->geo;
	const u64 addr = geo->addr + (block << ilog2(geo->block_size));
	int state;

	/* DEV-REQ-3: asking would be an error. */
	if (addr >= vmcore->end)
		return false;
	state = virtio_mhp_link_query_state(vmcore->link, addr, 1);
	if (state >= 0)
		return state == VIRTIO_MHP_STATE_PLUGGED;
	dev_err_ratelimited(&vmcore->link->vdev->dev,
			    "the device does not say whether %#llx is plugged: %d\n",
			    addr, state);
	return false;
}

/* Readers sleep, so the device may be waited for. They come page by page. */
static bool virtio_mhp_pfn_is_ram(struct vmcore_cb *cb, unsigned long pfn)
{
	struct virtio_mhp_vmcore *vmcore =
		container_of(cb, struct virtio_mhp_vmcore, cb);
	const struct virtio_mhp_geometry *geo = &vmcore->geo;
	const u64 addr = PFN_PHYS(pfn);
	bool is_plugged;
	u64 block;

	if (addr < geo->addr || addr - geo->addr >= geo->region_size)
		return true;
	block = (addr - geo->addr) >> ilog2(geo->block_size);

	mutex_lock(&vmcore->lock);
	if (block != vmcore->block) {
		vmcore->is_plugged = virtio_mhp_block_is_plugged(vmcore, block);
		vmcore->block = block;
	}
	is_plugged = vmcore->is_plugged;
	mutex_unlock(&vmcore->lock);
	return is_plugged;
}

/**
 * virtio_mhp_vmcore_init() - start telling what can be read
 * @link: the device's link, open
 * @geo: its geometry
 * @sizes: its sizes
 *
 * Context: may sleep.
 * Return: 0 or negative errno.
 */
int virtio_mhp_vmcore_init(struct virtio_mhp_link *link,
			   const struct virtio_mhp_geometry *geo,
			   const struct virtio_mhp_sizes *sizes)
{
	struct virtio_mhp_vmcore *vmcore = kzalloc(sizeof(*vmcore), GFP_KERNEL);

	if (!vmcore)
		return -ENOMEM;
	vmcore->link = link;
	vmcore->geo = *geo;
	vmcore->end = geo->addr + sizes->usable_region;
	vmcore->block = U64_MAX;
	vmcore->cb.pfn_is_ram = virtio_mhp_pfn_is_ram;
	mutex_init(&vmcore->lock);
	link->vmcore = vmcore;
	register_vmcore_cb(&vmcore->cb);
	dev_info(&link->vdev->dev,
		 "kdump kernel: of %#llx-%#llx only the %llu MiB that are plugged are read\n",
		 geo->addr, geo->addr + geo->region_size - 1,
		 sizes->plugged >> 20);
	return 0;
}

/**
 * virtio_mhp_vmcore_deinit() - end telling what can be read
 * @link: the device's link
 *
 * Context: may sleep.
 */
void virtio_mhp_vmcore_deinit(struct virtio_mhp_link *link)
{
	/* A reader may be waiting for the device. */
	virtio_mhp_link_leave(link);
	unregister_vmcore_cb(&link->vmcore->cb);
	kfree(link->vmcore);
	link->vmcore = NULL;
}
