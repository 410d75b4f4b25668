// SPDX-License-Identifier: GPL-2.0
/*
 * Which devices are driven: ours, and with drive_virtio_mem=1 virtio memory
 * devices as well, whose protocol ours contains. What those lack, MEMMAP and
 * STATUS, stands behind feature bits; nothing else asks which of the two it is.
 *
 * Without the parameter an ID of theirs must not even match: a probe that
 * fails leaves features negotiated, which spoils the device for the kernel's
 * own driver.
 */
#include <linux/device.h>
#include <linux/module.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "virtio_mhp.h"

/* As in linux/virtio_ids.h, which has no name for ours */
#define VIRTIO_MHP_ID_VIRTIO_MEM 24

static bool virtio_mhp_drive_virtio_mem;
module_param_named(drive_virtio_mem, virtio_mhp_drive_virtio_mem, bool, 0444);
MODULE_PARM_DESC(drive_virtio_mem,
		 "drive virtio-mem devices, too (default no)");

/* The module is loaded for ours alone: theirs have a driver of their own. */
static const struct virtio_device_id virtio_mhp_ids[] = {
	{ VIRTIO_ID_MHP, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, virtio_mhp_ids);

static const struct virtio_device_id virtio_mhp_all_ids[] = {
	{ VIRTIO_ID_MHP, VIRTIO_DEV_ANY_ID },
	{ VIRTIO_MHP_ID_VIRTIO_MEM, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

/**
 * virtio_mhp_id_table() - which devices are driven
 *
 * Context: once, before the driver is registered.
 * Return: the table for struct virtio_driver.
 */
const struct virtio_device_id *virtio_mhp_id_table(void)
{
	return virtio_mhp_drive_virtio_mem ? virtio_mhp_all_ids
					   : virtio_mhp_ids;
}

/**
 * virtio_mhp_check_features() - can the device be driven
 * @vdev: the device, its features negotiated
 *
 * A virtio memory device need not promise UNPLUGGED_INACCESSIBLE (DRV-FEAT-1):
 * it then allows more than the driver will do.
 *
 * Context: any.
 * Return: 0, or -EOPNOTSUPP after a message.
 */
int virtio_mhp_check_features(struct virtio_device *vdev)
{
	const bool is_ours = vdev->id.device == VIRTIO_ID_MHP;

	if (!virtio_has_feature(vdev, VIRTIO_F_VERSION_1)) {
		dev_err(&vdev->dev, "the device does not offer VERSION_1\n");
		return -EOPNOTSUPP;
	}
	if (is_ours &&
	    !virtio_has_feature(vdev, VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE)) {
		dev_err(&vdev->dev,
			"the device does not offer UNPLUGGED_INACCESSIBLE\n");
		return -EOPNOTSUPP;
	}
	return 0;
}
