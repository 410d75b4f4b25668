// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration space: read, verified, and believed only afterwards. The
 * device may be buggy or hostile; sums are tested for overflow before use.
 * Never written (DRV-CFG-2).
 */
#include <linux/acpi.h>
#include <linux/cc_platform.h>
#include <linux/device.h>
#include <linux/log2.h>
#include <linux/memory_hotplug.h>
#include <linux/minmax.h>
#include <linux/numa.h>
#include <linux/overflow.h>
#include <linux/virtio_config.h>

#include "config.h"

/* Memory that is encrypted has to be accepted first, which hotplug does not. */
static int virtio_mhp_check_encryption(struct device *dev)
{
	if (!cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT))
		return 0;
	dev_err(dev,
		"the guest's memory is encrypted (SEV, TDX): this kernel cannot use memory that is added later\n");
	return -EOPNOTSUPP;
}

/* DRV-CFG-1: what never changes */
static int virtio_mhp_config_check_region(struct device *dev,
					  const struct virtio_mhp_geometry *geo)
{
	u64 end;

	if (!is_power_of_2(geo->block_size) || geo->block_size < PAGE_SIZE) {
		dev_err(dev,
			"block_size %#llx is not a power of two of at least %#lx\n",
			geo->block_size, PAGE_SIZE);
		return -EINVAL;
	}
	if (!IS_ALIGNED(geo->addr, geo->block_size) ||
	    !IS_ALIGNED(geo->region_size, geo->block_size)) {
		dev_err(dev,
			"addr %#llx and region_size %#llx are not multiples of block_size %#llx\n",
			geo->addr, geo->region_size, geo->block_size);
		return -EINVAL;
	}
	if (!geo->region_size ||
	    check_add_overflow(geo->addr, geo->region_size, &end)) {
		dev_err(dev,
			"region_size %#llx is 0 or reaches beyond the address space from addr %#llx\n",
			geo->region_size, geo->addr);
		return -EINVAL;
	}
	return 0;
}

/* DRV-CFG-1: what changes */
static int virtio_mhp_config_check_size(struct device *dev,
					const struct virtio_mhp_geometry *geo,
					const char *name, u64 size)
{
	if (IS_ALIGNED(size, geo->block_size) && size <= geo->region_size)
		return 0;
	dev_err_ratelimited(dev,
			    "%s %#llx is not a multiple of %#llx up to %#llx\n",
			    name, size, geo->block_size, geo->region_size);
	return -EINVAL;
}

static int virtio_mhp_config_node(struct virtio_device *vdev, u64 addr)
{
	u16 node_id;
	int nid = NUMA_NO_NODE;

	virtio_cread_le(vdev, struct virtio_mhp_config, node_id, &node_id);
#ifdef CONFIG_ACPI_NUMA
	if (virtio_has_feature(vdev, VIRTIO_MHP_F_ACPI_PXM))
		nid = pxm_to_node(node_id);
#endif
	if (nid == NUMA_NO_NODE)
		nid = memory_add_physaddr_to_nid(addr);
	return nid;
}

/**
 * virtio_mhp_config_read_geometry() - read and verify what never changes
 * @vdev: the virtio device, its features negotiated
 * @geo: where to put it
 *
 * Context: may sleep.
 * Return: 0, or -EINVAL after a message that says what is wrong; -EOPNOTSUPP
 *	likewise if this guest can use no such device.
 */
int virtio_mhp_config_read_geometry(struct virtio_device *vdev,
				    struct virtio_mhp_geometry *geo)
{
	if (virtio_mhp_check_encryption(&vdev->dev))
		return -EOPNOTSUPP;
	virtio_cread_le(vdev, struct virtio_mhp_config, block_size,
			&geo->block_size);
	virtio_cread_le(vdev, struct virtio_mhp_config, addr, &geo->addr);
	virtio_cread_le(vdev, struct virtio_mhp_config, region_size,
			&geo->region_size);
	geo->nid = virtio_mhp_config_node(vdev, geo->addr);
	return virtio_mhp_config_check_region(&vdev->dev, geo);
}

/**
 * virtio_mhp_config_read_sizes() - read and verify what changes
 * @vdev: the virtio device
 * @geo: its geometry
 * @sizes: where to put it
 *
 * Context: may sleep.
 * Return: 0, or -EINVAL after a message that says what is wrong.
 */
int virtio_mhp_config_read_sizes(struct virtio_device *vdev,
				 const struct virtio_mhp_geometry *geo,
				 struct virtio_mhp_sizes *sizes)
{
	struct device *dev = &vdev->dev;

	virtio_cread_le(vdev, struct virtio_mhp_config, usable_region_size,
			&sizes->usable_region);
	virtio_cread_le(vdev, struct virtio_mhp_config, plugged_size,
			&sizes->plugged);
	virtio_cread_le(vdev, struct virtio_mhp_config, requested_size,
			&sizes->requested);
	sizes->pressure = 0;
	if (virtio_has_feature(vdev, VIRTIO_MHP_F_PRESSURE))
		virtio_cread_le(vdev, struct virtio_mhp_config, pressure_size,
				&sizes->pressure);

	if (virtio_mhp_config_check_size(dev, geo, "usable_region_size",
					 sizes->usable_region) ||
	    virtio_mhp_config_check_size(dev, geo, "plugged_size",
					 sizes->plugged) ||
	    virtio_mhp_config_check_size(dev, geo, "requested_size",
					 sizes->requested) ||
	    virtio_mhp_config_check_size(dev, geo, "pressure_size",
					 sizes->pressure))
		return -EINVAL;
	/* There is no more than the region to be had. */
	sizes->pressure =
		min(sizes->pressure, geo->region_size - sizes->requested);
	return 0;
}
