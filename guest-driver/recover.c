// SPDX-License-Identifier: GPL-2.0
/*
 * A device that breaks is reset and used again: a reset keeps what is plugged
 * (DEV-RESET-1) and unlike the device's other requests cannot be refused. What
 * it did with the request that was under way is found out by STATE. A device
 * that breaks again and again is left alone, until it is bound anew.
 */
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "virtio_mhp.h"

/* Resets after which nothing was plugged or unplugged */
#define VIRTIO_MHP_RECOVERIES_MAX 5

/* All bits: nothing answers there, and nothing would confirm a reset. */
#define VIRTIO_MHP_STATUS_GONE	  0xff

/**
 * virtio_mhp_is_gone() - has the device been torn out of the machine
 * @vdev: the virtio device
 *
 * Context: may sleep.
 * Return: true if it must not be reset: that would never end.
 */
bool virtio_mhp_is_gone(struct virtio_device *vdev)
{
	return vdev->config->get_status(vdev) == VIRTIO_MHP_STATUS_GONE;
}

/**
 * virtio_mhp_can_recover() - will a broken device be reset
 * @vmhp: the device
 *
 * Context: worker.
 * Return: false if it is to be left alone.
 */
bool virtio_mhp_can_recover(struct virtio_mhp *vmhp)
{
	return IS_ENABLED(CONFIG_PM_SLEEP) && !vmhp->is_lost &&
	       vmhp->nr_recoveries < VIRTIO_MHP_RECOVERIES_MAX &&
	       !test_bit(VIRTIO_MHP_REMOVING, &vmhp->flags);
}

static int virtio_mhp_reset(struct virtio_mhp *vmhp)
{
#ifdef CONFIG_PM_SLEEP
	struct virtio_device *vdev = vmhp->vdev;

	virtio_reset_device(vdev);
	virtio_mhp_vq_deinit(vmhp);
	/* This ends with virtio_mhp_restore(), as after a suspend. */
	return virtio_device_restore(vdev);
#else
	return -EOPNOTSUPP;
#endif
}

/**
 * virtio_mhp_recover() - make a broken device usable again, if that can be done
 * @vmhp: the device
 *
 * Context: worker.
 * Return: 0 if it is not broken, or not any more; -EIO if it is.
 */
int virtio_mhp_recover(struct virtio_mhp *vmhp)
{
	int rc;

	if (!vmhp->broken)
		return 0;
	if (!virtio_mhp_can_recover(vmhp))
		return -EIO;
	/* Those of a device that the bus has given up are broken, too. */
	vmhp->is_lost = virtio_mhp_is_gone(vmhp->vdev);
	if (vmhp->is_lost)
		return -EIO;

	vmhp->nr_recoveries++;
	rc = virtio_mhp_reset(vmhp);
	if (!rc)
		rc = virtio_mhp_config_refresh(vmhp);
	if (!rc)
		rc = virtio_mhp_reconcile(vmhp);
	/* Memory in use that is not plugged any more: no reset brings it back. */
	vmhp->is_lost = rc == -ENXIO;
	WRITE_ONCE(vmhp->broken, rc);
	if (!rc)
		virtio_mhp_info(vmhp, "the device has been reset\n");
	else if (!virtio_mhp_can_recover(vmhp))
		virtio_mhp_err(vmhp,
			       "the device stays broken: %d; bind it anew to try again\n",
			       rc);
	return rc ? -EIO : 0;
}
