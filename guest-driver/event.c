// SPDX-License-Identifier: GPL-2.0
/*
 * What userspace is told of a resize: one event of the virtio device when the
 * worker comes to rest, in place of four for each memory block. A guest's udevd
 * handles those while the worker wants the CPU, and whoever reloads something
 * at each of them does so hundreds of times.
 */
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/virtio.h>

#include "link.h"
#include "virtio_mhp.h"

/* Room for a name, "=" and a number */
#define VIRTIO_MHP_EVENT_SIZE 48

enum virtio_mhp_uevents {
	VIRTIO_MHP_UEVENTS_RESIZE,
	VIRTIO_MHP_UEVENTS_BLOCK
};

static const char *const virtio_mhp_uevents_names[] = {
	[VIRTIO_MHP_UEVENTS_RESIZE] = "resize",
	[VIRTIO_MHP_UEVENTS_BLOCK] = "block",
};

static int virtio_mhp_uevents = VIRTIO_MHP_UEVENTS_RESIZE;

static int virtio_mhp_uevents_set(const char *value,
				  const struct kernel_param *param)
{
	int choice = sysfs_match_string(virtio_mhp_uevents_names, value);

	if (choice < 0) {
		pr_err(KBUILD_MODNAME
		       ": parameter uevents is '%.*s', not resize or block\n",
		       (int)strcspn(value, "\n"), value);
		return choice;
	}
	WRITE_ONCE(virtio_mhp_uevents, choice);
	return 0;
}

static int virtio_mhp_uevents_get(char *buf, const struct kernel_param *param)
{
	const int choice = READ_ONCE(virtio_mhp_uevents);

	return sysfs_emit(buf, "%s\n", virtio_mhp_uevents_names[choice]);
}

static const struct kernel_param_ops virtio_mhp_uevents_ops = {
	.set = virtio_mhp_uevents_set,
	.get = virtio_mhp_uevents_get,
};
module_param_cb(uevents, &virtio_mhp_uevents_ops, NULL, 0644);
MODULE_PARM_DESC(uevents,
		 "resize: one event each (default); block: blocks' as well");

/**
 * virtio_mhp_event_hush() - have a memory block make no events, if so wanted
 * @dev: its device, which has made none yet
 *
 * Context: any.
 */
void virtio_mhp_event_hush(struct device *dev)
{
	if (READ_ONCE(virtio_mhp_uevents) == VIRTIO_MHP_UEVENTS_RESIZE)
		dev_set_uevent_suppress(dev, true);
}

static void virtio_mhp_event_send(struct virtio_mhp *vmhp,
				  const struct virtio_mhp_told *now)
{
	char plugged[VIRTIO_MHP_EVENT_SIZE], requested[VIRTIO_MHP_EVENT_SIZE];
	char online[VIRTIO_MHP_EVENT_SIZE];
	char *env[4] = { plugged, requested, online, NULL };

	snprintf(plugged, sizeof(plugged), "MHP_PLUGGED_SIZE=%llu",
		 now->plugged_size);
	snprintf(requested, sizeof(requested), "MHP_REQUESTED_SIZE=%llu",
		 now->requested_size);
	snprintf(online, sizeof(online), "MHP_ONLINE_SIZE=%llu",
		 now->online_size);
	mutex_lock(&vmhp->link_lock);
	/* Of a device that is not there nobody can be told, until it is. */
	if (vmhp->link &&
	    !kobject_uevent_env(&vmhp->link->vdev->dev.kobj, KOBJ_CHANGE, env))
		vmhp->told = *now;
	mutex_unlock(&vmhp->link_lock);
}

/**
 * virtio_mhp_event_tell() - tell userspace what there is, if that is new
 * @vmhp: the region
 *
 * Context: worker.
 */
void virtio_mhp_event_tell(struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	const struct virtio_mhp_told now = {
		.plugged_size = vmhp->plugged_size,
		.requested_size = READ_ONCE(vmhp->requested_size),
		.online_size = READ_ONCE(blocks->count[VIRTIO_MHP_MB_ONLINE]) *
			       blocks->mb_size,
	};

	if (memcmp(&now, &vmhp->told, sizeof(now)))
		virtio_mhp_event_send(vmhp, &now);
}
