// SPDX-License-Identifier: GPL-2.0
/*
 * Links that are not UP: a broken device is reset, and what a device that was
 * reset, or is another than before, has plugged is compared with what is in
 * use. A device that breaks again and again is left alone.
 */
#include <linux/errno.h>
#include <linux/mutex.h>

#include "link.h"
#include "virtio_mhp.h"

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
 * done what the worker did not wait for.
 */
static int virtio_mhp_unit_reconcile(struct virtio_mhp *vmhp,
				     struct virtio_mhp_link *link,
				     unsigned int unit)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	const unsigned int mb = virtio_mhp_unit_first_mb(blocks, unit);
	const int state =
		virtio_mhp_link_query_state(link,
					    virtio_mhp_unit_addr(blocks, unit),
					    blocks->unit_size /
						    vmhp->geo.block_size);
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

/* Of a region that is new nothing is in use: what is plugged will be unplugged.
 */
static bool virtio_mhp_can_differ(const struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;

	return !vmhp->unplug_all_first &&
	       (vmhp->plugged_size ||
		blocks->count[VIRTIO_MHP_MB_UNPLUGGED] != blocks->nr_mbs);
}

static int virtio_mhp_reconcile(struct virtio_mhp *vmhp,
				struct virtio_mhp_link *link)
{
	const u64 end = vmhp->geo.addr + vmhp->usable_region_size;
	unsigned int unit, nr_units;
	u64 addr;
	int rc;

	if (!virtio_mhp_can_differ(vmhp))
		return 0;
	/* DEV-REQ-3: what is beyond cannot be asked for, nor plugged. */
	nr_units = virtio_mhp_blocks_usable_units(&vmhp->blocks, end);
	for (unit = 0; unit < nr_units; unit++) {
		rc = virtio_mhp_unit_reconcile(vmhp, link, unit);
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

/*
 * A reset makes the device forget where memmaps are (DEV-MEMMAP-2) and why
 * units are stuck (DEV-STATUS-2), and another device never knew.
 */
static void virtio_mhp_forget_told(struct virtio_mhp *vmhp)
{
	unsigned int unit;

	vmhp->memmap_told = false;
	spin_lock(&vmhp->lock);
	for (unit = 0; unit < vmhp->blocks.nr_units; unit++)
		vmhp->units[unit] = (struct virtio_mhp_unit){
			/* What Linux has it for is none of the device's. */
			.is_kernels = vmhp->units[unit].is_kernels,
		};
	spin_unlock(&vmhp->lock);
}

static int virtio_mhp_link_recover(struct virtio_mhp *vmhp,
				   struct virtio_mhp_link *link)
{
	const bool is_broken = link->state != VIRTIO_MHP_LINK_NEW;
	int rc = 0;

	if (link->state == VIRTIO_MHP_LINK_UP)
		return 0;
	if (is_broken && !virtio_mhp_link_can_reset(link))
		return -EIO;
	if (is_broken)
		rc = virtio_mhp_link_reset(link);
	if (!rc)
		rc = virtio_mhp_read_sizes(vmhp, link);
	if (!rc)
		rc = virtio_mhp_reconcile(vmhp, link);
	if (!rc) {
		virtio_mhp_forget_told(vmhp);
		WRITE_ONCE(link->state, VIRTIO_MHP_LINK_UP);
	} else if (rc == -ENXIO) {
		/* No reset brings back what is not plugged any more. */
		WRITE_ONCE(link->state, VIRTIO_MHP_LINK_LOST);
	} else if (link->state != VIRTIO_MHP_LINK_LOST) {
		WRITE_ONCE(link->state, VIRTIO_MHP_LINK_BROKEN);
	}

	if (is_broken && !rc)
		virtio_mhp_info(vmhp, "the device has been reset\n");
	else if (is_broken && !virtio_mhp_link_can_reset(link))
		virtio_mhp_err(vmhp,
			       "the device stays broken: %d; bind it anew to try again\n",
			       rc);
	return rc ? -EIO : 0;
}

/**
 * virtio_mhp_recover() - see that the device can be talked to
 * @vmhp: the region
 *
 * Context: worker, or who holds it up.
 * Return: 0 if the region's link is UP now; -EIO if it is not, or there is none.
 */
int virtio_mhp_recover(struct virtio_mhp *vmhp)
{
	int rc = -EIO;

	mutex_lock(&vmhp->link_lock);
	if (vmhp->link)
		rc = virtio_mhp_link_recover(vmhp, vmhp->link);
	mutex_unlock(&vmhp->link_lock);
	return rc;
}

/**
 * virtio_mhp_can_recover() - is there a device that may be UP once more
 * @vmhp: the region
 *
 * Context: worker.
 * Return: false if there is none, or it is to be left alone.
 */
bool virtio_mhp_can_recover(struct virtio_mhp *vmhp)
{
	bool can;

	mutex_lock(&vmhp->link_lock);
	can = vmhp->link && virtio_mhp_link_can_reset(vmhp->link);
	mutex_unlock(&vmhp->link_lock);
	return can;
}
