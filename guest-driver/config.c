// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration space: read, verified, and believed only afterwards. The
 * device may be buggy or hostile; sums are tested for overflow before use.
 * Never written (DRV-CFG-2).
 */
#include <linux/acpi.h>
#include <linux/device.h>
#include <linux/log2.h>
#include <linux/memory_hotplug.h>
#include <linux/numa.h>
#include <linux/overflow.h>
#include <linux/virtio_config.h>

#include "virtio_mhp.h"

/* DRV-CFG-1: what never changes */
static int virtio_mhp_config_check_region(struct virtio_mhp *vmhp)
{
	struct device *dev = &vmhp->vdev->dev;
	u64 end;

	if (!is_power_of_2(vmhp->block_size) || vmhp->block_size < PAGE_SIZE) {
		dev_err(dev,
			"block_size %#llx is not a power of two of at least %#lx\n",
			vmhp->block_size, PAGE_SIZE);
		return -EINVAL;
	}
	if (!IS_ALIGNED(vmhp->addr, vmhp->block_size) ||
	    !IS_ALIGNED(vmhp->region_size, vmhp->block_size)) {
		dev_err(dev,
			"addr %#llx and region_size %#llx are not multiples of block_size %#llx\n",
			vmhp->addr, vmhp->region_size, vmhp->block_size);
		return -EINVAL;
	}
	if (!vmhp->region_size ||
	    check_add_overflow(vmhp->addr, vmhp->region_size, &end)) {
		dev_err(dev,
			"region_size %#llx is 0 or reaches beyond the address space from addr %#llx\n",
			vmhp->region_size, vmhp->addr);
		return -EINVAL;
	}
	return 0;
}

/* DRV-CFG-1: what changes */
static int virtio_mhp_config_check_size(const struct virtio_mhp *vmhp,
					const char *name, u64 size)
{
	struct device *dev = &vmhp->vdev->dev;

	if (IS_ALIGNED(size, vmhp->block_size) && size <= vmhp->region_size)
		return 0;
	dev_err_ratelimited(dev,
			    "%s %#llx is not a multiple of %#llx up to %#llx\n",
			    name, size, vmhp->block_size, vmhp->region_size);
	return -EINVAL;
}

static int virtio_mhp_config_node(struct virtio_mhp *vmhp)
{
	u16 node_id;
	int nid = NUMA_NO_NODE;

	virtio_cread_le(vmhp->vdev, struct virtio_mhp_config, node_id,
			&node_id);
#ifdef CONFIG_ACPI_NUMA
	if (virtio_has_feature(vmhp->vdev, VIRTIO_MHP_F_ACPI_PXM))
		nid = pxm_to_node(node_id);
#endif
	if (nid == NUMA_NO_NODE)
		nid = memory_add_physaddr_to_nid(vmhp->addr);
	return nid;
}

/**
 * virtio_mhp_config_init() - read and verify what never changes
 * @vmhp: the device
 *
 * Context: may sleep.
 * Return: 0, or -EINVAL after a message that says what is wrong.
 */
int virtio_mhp_config_init(struct virtio_mhp *vmhp)
{
	virtio_cread_le(vmhp->vdev, struct virtio_mhp_config, block_size,
			&vmhp->block_size);
	virtio_cread_le(vmhp->vdev, struct virtio_mhp_config, addr,
			&vmhp->addr);
	virtio_cread_le(vmhp->vdev, struct virtio_mhp_config, region_size,
			&vmhp->region_size);
	vmhp->nid = virtio_mhp_config_node(vmhp);
	if (virtio_mhp_config_check_region(vmhp))
		return -EINVAL;
	return virtio_mhp_config_refresh(vmhp);
}

/**
 * virtio_mhp_config_refresh() - read and verify what changes
 * @vmhp: the device
 *
 * On failure the former values stay in force.
 *
 * Context: may sleep; only probe and the worker.
 * Return: 0, or -EINVAL after a message that says what is wrong.
 */
int virtio_mhp_config_refresh(struct virtio_mhp *vmhp)
{
	struct virtio_device *vdev = vmhp->vdev;
	u64 usable, plugged, requested;

	virtio_cread_le(vdev, struct virtio_mhp_config, usable_region_size,
			&usable);
	virtio_cread_le(vdev, struct virtio_mhp_config, plugged_size, &plugged);
	virtio_cread_le(vdev, struct virtio_mhp_config, requested_size,
			&requested);

	if (virtio_mhp_config_check_size(vmhp, "usable_region_size", usable) ||
	    virtio_mhp_config_check_size(vmhp, "plugged_size", plugged) ||
	    virtio_mhp_config_check_size(vmhp, "requested_size", requested))
		return -EINVAL;

	WRITE_ONCE(vmhp->usable_region_size, usable);
	WRITE_ONCE(vmhp->plugged_size, plugged);
	WRITE_ONCE(vmhp->requested_size, requested);
	return 0;
}
