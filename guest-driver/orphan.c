// SPDX-License-Identifier: GPL-2.0
/*
 * Orphans: regions whose memory Linux uses and whose device is gone, because
 * it was unbound from the driver or removed from its bus. That cannot be
 * refused, and the memory cannot be taken from Linux at once. So the region
 * stays as it is, with its notifiers and its states, and keeps the module; only
 * the worker and whatever belongs to the device end. The device that comes back
 * with the same region goes on where the earlier one left.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/errno.h>
#include <linux/mutex.h>

#include "virtio_mhp.h"

static LIST_HEAD(virtio_mhp_orphans);
/* protects the list; an orphan in it belongs to nobody else */
static DEFINE_MUTEX(virtio_mhp_orphans_lock);

static bool virtio_mhp_is_in_use(struct virtio_mhp *vmhp)
{
	unsigned int nr;

	spin_lock(&vmhp->lock);
	nr = vmhp->blocks.count[VIRTIO_MHP_MB_OFFLINE] +
	     vmhp->blocks.count[VIRTIO_MHP_MB_ONLINE];
	spin_unlock(&vmhp->lock);
	return nr;
}

/**
 * virtio_mhp_orphan_leave() - make a region an orphan if its memory is in use
 * @vmhp: the region, whose worker has ended
 *
 * Context: may sleep.
 * Return: false if it is not in use, and left to the caller.
 */
bool virtio_mhp_orphan_leave(struct virtio_mhp *vmhp)
{
	if (!virtio_mhp_is_in_use(vmhp))
		return false;
	pr_info("the device of %#llx-%#llx is gone, its memory stays in use until the device is back\n",
		vmhp->addr, vmhp->addr + vmhp->region_size - 1);
	WRITE_ONCE(vmhp->vdev, NULL);
	mutex_lock(&virtio_mhp_orphans_lock);
	list_add(&vmhp->orphan, &virtio_mhp_orphans);
	mutex_unlock(&virtio_mhp_orphans_lock);
	return true;
}

static bool virtio_mhp_orphan_is(const struct virtio_mhp *orphan,
				 const struct virtio_mhp *vmhp)
{
	return orphan->addr == vmhp->addr &&
	       orphan->region_size == vmhp->region_size &&
	       orphan->block_size == vmhp->block_size &&
	       orphan->nid == vmhp->nid;
}

static struct virtio_mhp *virtio_mhp_orphan_take(const struct virtio_mhp *vmhp)
{
	struct virtio_mhp *orphan, *found = NULL;

	mutex_lock(&virtio_mhp_orphans_lock);
	list_for_each_entry(orphan, &virtio_mhp_orphans, orphan)
		if (virtio_mhp_orphan_is(orphan, vmhp)) {
			found = orphan;
			list_del(&orphan->orphan);
			break;
		}
	mutex_unlock(&virtio_mhp_orphans_lock);
	return found;
}

/**
 * virtio_mhp_orphan_adopt() - give a device the orphan that is its region
 * @vmhp: what has been read of the device
 *
 * Context: may sleep.
 * Return: the orphan with the device, to be reconciled; NULL if there is none.
 */
struct virtio_mhp *virtio_mhp_orphan_adopt(const struct virtio_mhp *vmhp)
{
	struct virtio_mhp *orphan = virtio_mhp_orphan_take(vmhp);

	if (!orphan)
		return NULL;
	orphan->usable_region_size = vmhp->usable_region_size;
	orphan->plugged_size = vmhp->plugged_size;
	orphan->requested_size = vmhp->requested_size;
	orphan->flags = 0;
	virtio_mhp_forget_requests(orphan);
	orphan->index = vmhp->index;
	strscpy(orphan->name, vmhp->name, sizeof(orphan->name));
	orphan->is_lost = false;
	orphan->nr_recoveries = 0;
	vmhp->vdev->priv = orphan;
	WRITE_ONCE(orphan->vdev, vmhp->vdev);
	return orphan;
}

static int virtio_mhp_unit_query_state(struct virtio_mhp *vmhp,
				       unsigned int unit)
{
	const u64 unit_size = vmhp->blocks.unit_size;

	return virtio_mhp_query_state(vmhp,
				      virtio_mhp_unit_addr(&vmhp->blocks, unit),
				      unit_size / vmhp->block_size);
}

static bool virtio_mhp_unit_is_in_use(struct virtio_mhp *vmhp,
				      unsigned int unit)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	bool is_in_use;

	spin_lock(&vmhp->lock);
	is_in_use = virtio_mhp_unit_has(blocks, unit, VIRTIO_MHP_MB_OFFLINE) ||
		    virtio_mhp_unit_has(blocks, unit, VIRTIO_MHP_MB_ONLINE);
	spin_unlock(&vmhp->lock);
	return is_in_use;
}

/*
 * Memory in use must be plugged. For the rest the device is right: it may have
 * done what the earlier worker did not wait for.
 */
static int virtio_mhp_unit_reconcile(struct virtio_mhp *vmhp, unsigned int unit)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	const unsigned int mb = virtio_mhp_unit_first_mb(blocks, unit);
	const int state = virtio_mhp_unit_query_state(vmhp, unit);
	enum virtio_mhp_mb_state told = VIRTIO_MHP_MB_UNPLUGGED;

	if (state < 0)
		return state;
	if (virtio_mhp_unit_is_in_use(vmhp, unit))
		return state == VIRTIO_MHP_STATE_PLUGGED ? 0 : -ENXIO;
	if (state == VIRTIO_MHP_STATE_MIXED)
		return -ENXIO;

	if (state == VIRTIO_MHP_STATE_PLUGGED)
		told = VIRTIO_MHP_MB_PLUGGED;
	if (blocks->states[mb] != told)
		virtio_mhp_unit_set_state(vmhp, unit, told);
	return 0;
}

/**
 * virtio_mhp_reconcile() - make the states of units agree with the device
 * @vmhp: the device, which does not know what it was asked last
 *
 * Context: worker, or before it starts.
 * Return: 0; -ENXIO after a message if the device has not plugged what is in
 *	use; else as virtio_mhp_query_state().
 */
int virtio_mhp_reconcile(struct virtio_mhp *vmhp)
{
	const u64 end = vmhp->addr + vmhp->usable_region_size;
	unsigned int unit, nr_units;
	u64 addr;
	int rc;

	/* DEV-REQ-3: what is beyond cannot be asked for, nor plugged. */
	nr_units = virtio_mhp_blocks_usable_units(&vmhp->blocks, end);
	for (unit = 0; unit < nr_units; unit++) {
		rc = virtio_mhp_unit_reconcile(vmhp, unit);
		if (!rc)
			continue;
		addr = virtio_mhp_unit_addr(&vmhp->blocks, unit);
		virtio_mhp_err(vmhp,
			       "the memory in use is lost: the device does not have %#llx-%#llx plugged like it: %d\n",
			       addr, addr + vmhp->blocks.unit_size - 1, rc);
		return rc;
	}
	return 0;
}

/**
 * virtio_mhp_orphan_reconcile() - see that the device has plugged what is in use
 * @vmhp: a region, adopted or new, whose device can be talked to
 *
 * Context: before the worker starts.
 * Return: 0, at once if the region is new; else as virtio_mhp_reconcile().
 */
int virtio_mhp_orphan_reconcile(struct virtio_mhp *vmhp)
{
	int rc;

	if (!virtio_mhp_is_in_use(vmhp))
		return 0;
	rc = virtio_mhp_reconcile(vmhp);
	if (!rc)
		virtio_mhp_info(vmhp,
				"went on with the memory of an earlier device\n");
	return rc;
}
