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

#include "virtio_mhp.h"

/**
 * struct virtio_mhp_vmcore - what a reader of /proc/vmcore is told
 * @cb: what the kernel calls for each page
 * @vmhp: the device
 * @lock: requests are sent by one reader at a time
 * @block: number of the device block that was asked for last, -1 at first
 * @is_plugged: what the device said of it
 */
struct virtio_mhp_vmcore {
	struct vmcore_cb cb;
	struct virtio_mhp *vmhp;
	/* protects the virtqueue and what it said */
	struct mutex lock;
	u64 block;
	bool is_plugged;
};

/* What the device does not say to be plugged is not touched. */
static bool virtio_mhp_block_is_plugged(struct virtio_mhp *vmhp, u64 block)
{
	const u64 addr = vmhp->addr + (block << ilog2(vmhp->block_size));
	struct device *dev = &vmhp->vdev->dev;
	int state;

	/* DEV-REQ-3: asking would be an error. */
	if (addr - vmhp->addr >= vmhp->usable_region_size)
		return false;
	state = virtio_mhp_query_state(vmhp, addr, 1);
	if (state >= 0)
		return state == VIRTIO_MHP_STATE_PLUGGED;
	dev_err_ratelimited(dev,
			    "the device does not say whether %#llx is plugged: %d\n",
			    addr, state);
	return false;
}

/* Readers sleep, so the device may be waited for. They come page by page. */
static bool virtio_mhp_pfn_is_ram(struct vmcore_cb *cb, unsigned long pfn)
{
	struct virtio_mhp_vmcore *vmcore =
		container_of(cb, struct virtio_mhp_vmcore, cb);
	struct virtio_mhp *vmhp = vmcore->vmhp;
	const u64 addr = PFN_PHYS(pfn);
	bool is_plugged;
	u64 block;

	if (addr < vmhp->addr || addr - vmhp->addr >= vmhp->region_size)
		return true;
	block = (addr - vmhp->addr) >> ilog2(vmhp->block_size);

	mutex_lock(&vmcore->lock);
	if (block != vmcore->block) {
		vmcore->is_plugged = virtio_mhp_block_is_plugged(vmhp, block);
		vmcore->block = block;
	}
	is_plugged = vmcore->is_plugged;
	mutex_unlock(&vmcore->lock);
	return is_plugged;
}

/**
 * virtio_mhp_vmcore_init() - start telling what can be read
 * @vmhp: the device, ready for requests
 *
 * Context: may sleep.
 * Return: 0 or negative errno.
 */
int virtio_mhp_vmcore_init(struct virtio_mhp *vmhp)
{
	struct virtio_mhp_vmcore *vmcore = kzalloc(sizeof(*vmcore), GFP_KERNEL);

	if (!vmcore)
		return -ENOMEM;
	vmcore->vmhp = vmhp;
	vmcore->block = U64_MAX;
	vmcore->cb.pfn_is_ram = virtio_mhp_pfn_is_ram;
	mutex_init(&vmcore->lock);
	vmhp->vmcore = vmcore;
	register_vmcore_cb(&vmcore->cb);
	dev_info(&vmhp->vdev->dev,
		 "kdump kernel: of %#llx-%#llx only the %llu MiB that are plugged are read\n",
		 vmhp->addr, vmhp->addr + vmhp->region_size - 1,
		 vmhp->plugged_size >> 20);
	return 0;
}

/**
 * virtio_mhp_vmcore_deinit() - end telling what can be read
 * @vmhp: the device
 *
 * Context: may sleep.
 */
void virtio_mhp_vmcore_deinit(struct virtio_mhp *vmhp)
{
	unregister_vmcore_cb(&vmhp->vmcore->cb);
	kfree(vmhp->vmcore);
	vmhp->vmcore = NULL;
}
