// SPDX-License-Identifier: GPL-2.0
/*
 * Shutting down, suspending and hibernating; the last two are refused while
 * memory is plugged, because what is plugged would not be there any more
 * afterwards.
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

/*
 * hibernate() freezes the worker with the hotplug lock held, so the worker must
 * not wait for that lock: from here on it begins nothing.
 */
static u64 virtio_mhp_pm_hold_still(struct virtio_mhp *vmhp)
{
	u64 plugged_size;

	WRITE_ONCE(vmhp->is_still, true);
	virtio_mhp_interrupt(vmhp);
	mutex_lock(&vmhp->pass);
	plugged_size = vmhp->plugged_size;
	mutex_unlock(&vmhp->pass);
	return plugged_size;
}

static int virtio_mhp_pm_go_on(struct virtio_mhp *vmhp)
{
	WRITE_ONCE(vmhp->is_still, false);
	virtio_mhp_wake(vmhp, VIRTIO_MHP_CHANGED);
	return NOTIFY_OK;
}

static int virtio_mhp_pm_notify(struct notifier_block *nb, unsigned long action,
				void *data)
{
	struct virtio_mhp *vmhp = container_of(nb, struct virtio_mhp, pm_nb);

	if (READ_ONCE(vmhp->is_still))
		return virtio_mhp_pm_go_on(vmhp);
	if (!virtio_mhp_pm_is_our_business(vmhp, action))
		return NOTIFY_DONE;
	if (!virtio_mhp_pm_hold_still(vmhp))
		return NOTIFY_OK;
	virtio_mhp_pm_go_on(vmhp);
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

/**
 * virtio_mhp_shutdown() - leave the device alone for good
 * @vdev: the virtio device
 *
 * The machine goes down or another kernel takes over: the device is reset, and
 * the worker must not take it for broken and start over. All the rest stays.
 *
 * Context: may sleep.
 */
void virtio_mhp_shutdown(struct virtio_device *vdev)
{
	struct virtio_mhp_link *link = vdev->priv;

	cancel_work_sync(&link->look);
	if (link->vmcore)
		virtio_mhp_vmcore_deinit(link);
	virtio_mhp_link_leave(link);
	if (link->region)
		mutex_lock(&link->region->link_lock);
	virtio_mhp_link_close(link);
	if (link->region)
		mutex_unlock(&link->region->link_lock);
}
