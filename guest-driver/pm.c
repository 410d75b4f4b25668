// SPDX-License-Identifier: GPL-2.0
/*
 * Suspending and hibernating: refused while memory is plugged, because what is
 * plugged would not be there any more afterwards.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/suspend.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "link.h"
#include "virtio_mhp.h"

/*
 * An image would be restored into a guest that has nothing plugged. Suspending
 * is for virtio_mhp_freeze() to judge, unless there is no device to freeze.
 */
static bool virtio_mhp_pm_is_our_business(const struct virtio_mhp *vmhp,
					  unsigned long action)
{
	return action == PM_HIBERNATION_PREPARE ||
	       action == PM_RESTORE_PREPARE ||
	       (action == PM_SUSPEND_PREPARE && !READ_ONCE(vmhp->link));
}

static int virtio_mhp_pm_notify(struct notifier_block *nb, unsigned long action,
				void *data)
{
	struct virtio_mhp *vmhp = container_of(nb, struct virtio_mhp, pm_nb);

	if (!virtio_mhp_pm_is_our_business(vmhp, action))
		return NOTIFY_DONE;
	if (!READ_ONCE(vmhp->plugged_size))
		return NOTIFY_OK;
	/* The device may be leaving just now: say which by its region. */
	pr_err("%s is refused while memory is plugged in %#llx-%#llx\n",
	       action == PM_SUSPEND_PREPARE ? "suspending" : "hibernation",
	       vmhp->geo.addr, vmhp->geo.addr + vmhp->geo.region_size - 1);
	return notifier_from_errno(-EBUSY);
}

/**
 * virtio_mhp_pm_init() - start refusing to hibernate
 * @vmhp: the region
 *
 * Context: may sleep.
 * Return: 0 or negative errno.
 */
int virtio_mhp_pm_init(struct virtio_mhp *vmhp)
{
	vmhp->pm_nb.notifier_call = virtio_mhp_pm_notify;
	/* Before anybody prepares in vain */
	vmhp->pm_nb.priority = INT_MAX;
	return register_pm_notifier(&vmhp->pm_nb);
}

/**
 * virtio_mhp_pm_deinit() - end refusing to hibernate
 * @vmhp: the region
 *
 * Context: may sleep.
 */
void virtio_mhp_pm_deinit(struct virtio_mhp *vmhp)
{
	unregister_pm_notifier(&vmhp->pm_nb);
}

/**
 * virtio_mhp_freeze() - stop using the device for the time of a suspend
 * @vdev: the virtio device
 *
 * The worker is frozen, so nothing is under way. Suspending to idle keeps the
 * machine as it is, everything else may reset it and lose what is plugged.
 *
 * Context: may sleep.
 * Return: 0, or -EPERM if memory is plugged.
 */
int virtio_mhp_freeze(struct virtio_device *vdev)
{
	struct virtio_mhp_link *link = vdev->priv;

	if (link->region && link->region->plugged_size &&
	    pm_suspend_target_state != PM_SUSPEND_TO_IDLE) {
		dev_err(&vdev->dev,
			"suspending is refused while memory is plugged\n");
		return -EPERM;
	}
	/* Should restoring fail, the worker finds it broken and resets it. */
	virtio_mhp_link_close(link);
	return 0;
}

/**
 * virtio_mhp_restore() - use the device again
 * @vdev: the virtio device, reset and with its features negotiated
 *
 * Context: may sleep; nobody else uses the link.
 * Return: 0 or negative errno.
 */
int virtio_mhp_restore(struct virtio_device *vdev)
{
	struct virtio_mhp_link *link = vdev->priv;
	int rc = virtio_mhp_link_open(link);

	if (!rc && link->region)
		virtio_mhp_wake(link->region, VIRTIO_MHP_CHANGED);
	return rc;
}
