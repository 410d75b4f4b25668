/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a device's configuration space says, once it is verified.
 */
#ifndef _VIRTIO_MHP_CONFIG_H
#define _VIRTIO_MHP_CONFIG_H

#include <linux/types.h>
#include <linux/virtio.h>
#include <uapi/linux/virtio_mhp.h>

/**
 * struct virtio_mhp_geometry - what never changes, and says which region it is
 * @block_size: device block size
 * @addr: start of the region
 * @region_size: size of the region
 * @nid: NUMA node of the region
 */
struct virtio_mhp_geometry {
	u64 block_size;
	u64 addr;
	u64 region_size;
	int nid;
};

/**
 * struct virtio_mhp_sizes - what changes, in bytes
 * @usable_region: from the start of the region, what may be plugged
 * @plugged: what is plugged
 * @requested: what the host wants to be plugged
 * @pressure: how much more may be while memory is short; together they are no
 *	more than the region
 */
struct virtio_mhp_sizes {
	u64 usable_region;
	u64 plugged;
	u64 requested;
	u64 pressure;
};

int virtio_mhp_config_read_geometry(struct virtio_device *vdev,
				    struct virtio_mhp_geometry *geo);
int virtio_mhp_config_read_sizes(struct virtio_device *vdev,
				 const struct virtio_mhp_geometry *geo,
				 struct virtio_mhp_sizes *sizes);

#endif /* _VIRTIO_MHP_CONFIG_H */
