// SPDX-License-Identifier: GPL-2.0
/*
 * The region's requests: built here, and sent by the worker over the region's
 * link, if it has one just then. The link's lock is held only while a request
 * is submitted and while its response is waited for, so a device can go at any
 * time; what was asked of it then fails with -EIO. Says nothing to memory
 * hotplug; the caller makes sure that a unit is not in use before it is
 * unplugged (DRV-UNPLUG-1).
 */
#include <linux/errno.h>
#include <linux/mutex.h>
#include <linux/virtio_config.h>

#include "link.h"
#include "virtio_mhp.h"

static int virtio_mhp_submit(struct virtio_mhp *vmhp,
			     const struct virtio_mhp_req *req)
{
	int rc = -EIO;

	mutex_lock(&vmhp->link_lock);
	/* One that is NEW is compared first: see recover.c. */
	if (vmhp->link && vmhp->link->state == VIRTIO_MHP_LINK_UP)
		rc = virtio_mhp_link_submit(vmhp->link, req);
	mutex_unlock(&vmhp->link_lock);
	return rc;
}

static int virtio_mhp_wait(struct virtio_mhp *vmhp)
{
	struct virtio_mhp_resp resp;
	int rc = -EIO;

	mutex_lock(&vmhp->link_lock);
	if (vmhp->link)
		rc = virtio_mhp_link_wait(vmhp->link, &resp);
	mutex_unlock(&vmhp->link_lock);
	return rc;
}

static int virtio_mhp_send(struct virtio_mhp *vmhp,
			   const struct virtio_mhp_req *req)
{
	return virtio_mhp_submit(vmhp, req) ?: virtio_mhp_wait(vmhp);
}

/**
 * virtio_mhp_has_feature() - was a feature negotiated
 * @vmhp: the region
 * @feature: VIRTIO_MHP_F_*
 *
 * Context: worker.
 * Return: true if the region has a device and it was.
 */
bool virtio_mhp_has_feature(struct virtio_mhp *vmhp, unsigned int feature)
{
	bool has;

	mutex_lock(&vmhp->link_lock);
	has = vmhp->link && virtio_has_feature(vmhp->link->vdev, feature);
	mutex_unlock(&vmhp->link_lock);
	return has;
}

static void virtio_mhp_set_target(struct virtio_mhp *vmhp,
				  const struct virtio_mhp_sizes *sizes)
{
	WRITE_ONCE(vmhp->requested_size, sizes->requested);
	WRITE_ONCE(vmhp->pressure_size, sizes->pressure);
}

/**
 * virtio_mhp_read_sizes() - read the sizes that the host sets and sees
 * @vmhp: the region
 * @link: its link
 *
 * On failure the former values stay in force.
 *
 * Context: link_lock held.
 * Return: 0, or -EINVAL after a message: they are wrong.
 */
int virtio_mhp_read_sizes(struct virtio_mhp *vmhp, struct virtio_mhp_link *link)
{
	struct virtio_mhp_sizes sizes;
	int rc = virtio_mhp_config_read_sizes(link->vdev, &vmhp->geo, &sizes);

	if (rc)
		return rc;
	WRITE_ONCE(vmhp->usable_region_size, sizes.usable_region);
	WRITE_ONCE(vmhp->plugged_size, sizes.plugged);
	virtio_mhp_set_target(vmhp, &sizes);
	return 0;
}

/**
 * virtio_mhp_refresh() - see what the host wants now
 * @vmhp: the region
 *
 * To be asked before memory is vacated for a device that is gone.
 *
 * Context: worker.
 * Return: as virtio_mhp_read_sizes(), or -EIO: there is no device, or it is
 *	broken.
 */
int virtio_mhp_refresh(struct virtio_mhp *vmhp)
{
	int rc = -EIO;

	mutex_lock(&vmhp->link_lock);
	if (vmhp->link)
		rc = virtio_mhp_link_check(vmhp->link)
			     ?: virtio_mhp_read_sizes(vmhp, vmhp->link);
	mutex_unlock(&vmhp->link_lock);
	return rc;
}

/**
 * virtio_mhp_refresh_target() - see what size the host wants now, and no more
 * @vmhp: the region
 *
 * May be asked while a request is under way, which changes plugged_size.
 *
 * Context: worker.
 * Return: 0; -EINVAL after a message that says what is wrong; -EIO: there is no
 *	device.
 */
int virtio_mhp_refresh_target(struct virtio_mhp *vmhp)
{
	struct virtio_mhp_sizes sizes;
	int rc = -EIO;

	mutex_lock(&vmhp->link_lock);
	if (vmhp->link)
		rc = virtio_mhp_config_read_sizes(vmhp->link->vdev, &vmhp->geo,
						  &sizes);
	mutex_unlock(&vmhp->link_lock);
	if (!rc)
		virtio_mhp_set_target(vmhp, &sizes);
	return rc;
}

/* What the device has plugged or unplugged shows that it works. */
static void virtio_mhp_link_works(struct virtio_mhp *vmhp)
{
	mutex_lock(&vmhp->link_lock);
	if (vmhp->link)
		vmhp->link->nr_resets = 0;
	mutex_unlock(&vmhp->link_lock);
}

static bool virtio_mhp_is_changed(const struct virtio_mhp *vmhp)
{
	return test_bit(VIRTIO_MHP_CHANGED, &vmhp->flags);
}

/* The word for a request that was not granted, after the device's own words */
static const char *virtio_mhp_refusal(u16 type, int error)
{
	const bool is_plug = type == VIRTIO_MHP_REQ_PLUG;

	switch (error) {
	case -EAGAIN:
		return is_plug ? "plug-nack" : "unplug-nack";
	case -EBUSY:
		return is_plug ? "plug-busy" : "unplug-busy";
	case -EINVAL:
		return is_plug ? "plug-error" : "unplug-error";
	default:
		return is_plug ? "plug-not-sent" : "unplug-not-sent";
	}
}

static struct virtio_mhp_req virtio_mhp_range_req(const struct virtio_mhp *vmhp,
						  u16 type, unsigned int unit)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;

	return (struct virtio_mhp_req){
		.type = cpu_to_le16(type),
		.u.plug.addr = cpu_to_le64(virtio_mhp_unit_addr(blocks, unit)),
		.u.plug.nb_blocks =
			cpu_to_le16(blocks->unit_size / vmhp->geo.block_size),
	};
}

static int virtio_mhp_submit_range(struct virtio_mhp *vmhp, u16 type,
				   unsigned int unit)
{
	const struct virtio_mhp_req req =
		virtio_mhp_range_req(vmhp, type, unit);

	return virtio_mhp_submit(vmhp, &req);
}

static int virtio_mhp_wait_range(struct virtio_mhp *vmhp, u16 type,
				 unsigned int unit, int error)
{
	const u64 addr = virtio_mhp_unit_addr(&vmhp->blocks, unit);
	const char *what = type == VIRTIO_MHP_REQ_PLUG ? "plug" : "unplug";
	int rc = error ?: virtio_mhp_wait(vmhp);

	virtio_mhp_dbg(vmhp, "%s %#llx-%#llx: %d\n", what, addr,
		       addr + vmhp->blocks.unit_size - 1, rc);
	if (!rc)
		virtio_mhp_link_works(vmhp);
	/* That a newer request came in between is no error. */
	if (rc && !(rc == -EAGAIN && virtio_mhp_is_changed(vmhp)))
		virtio_mhp_note_error(vmhp, unit, virtio_mhp_refusal(type, rc),
				      rc);
	return rc;
}

/**
 * virtio_mhp_unit_set_state() - note that a unit was plugged or unplugged
 * @vmhp: the region
 * @unit: the unit, none of it added
 * @state: PLUGGED or UNPLUGGED, and not what it is
 *
 * Context: worker, or before it starts.
 */
void virtio_mhp_unit_set_state(struct virtio_mhp *vmhp, unsigned int unit,
			       enum virtio_mhp_mb_state state)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	const unsigned int first = virtio_mhp_unit_first_mb(blocks, unit);
	const unsigned int nr_mbs = virtio_mhp_unit_nr_mbs(blocks);
	unsigned int i;

	spin_lock(&vmhp->lock);
	for (i = 0; i < nr_mbs; i++)
		virtio_mhp_mb_move(vmhp, first + i, state);
	spin_unlock(&vmhp->lock);
}

/**
 * virtio_mhp_unit_plug_begin() - ask the device to plug a unit
 * @vmhp: the region
 * @unit: an UNPLUGGED unit (DRV-PLUG-2)
 *
 * Backing the memmap takes the device a while, in which the caller may do
 * something else. It can send no other request before it has called
 * virtio_mhp_unit_plug_end().
 *
 * Context: worker.
 * Return: 0; -EIO: the device is broken.
 */
int virtio_mhp_unit_plug_begin(struct virtio_mhp *vmhp, unsigned int unit)
{
	const u16 type = VIRTIO_MHP_REQ_PLUG;
	int rc = virtio_mhp_submit_range(vmhp, type, unit);

	return rc ? virtio_mhp_wait_range(vmhp, type, unit, rc) : 0;
}

/**
 * virtio_mhp_unit_plug_end() - wait until a unit is plugged
 * @vmhp: the region
 * @unit: the unit that virtio_mhp_unit_plug_begin() asked for
 *
 * Context: worker.
 * Return: 0 and the unit is PLUGGED; -EAGAIN: not wanted or no memory on the
 *	host; -EBUSY: not now; -EINVAL: refused; -EIO: the device is broken.
 */
int virtio_mhp_unit_plug_end(struct virtio_mhp *vmhp, unsigned int unit)
{
	int rc = virtio_mhp_wait_range(vmhp, VIRTIO_MHP_REQ_PLUG, unit, 0);

	if (rc)
		return rc;
	WRITE_ONCE(vmhp->plugged_size,
		   vmhp->plugged_size + vmhp->blocks.unit_size);
	virtio_mhp_unit_set_state(vmhp, unit, VIRTIO_MHP_MB_PLUGGED);
	return 0;
}

/**
 * virtio_mhp_unit_unplug() - ask the device to unplug a unit
 * @vmhp: the region
 * @unit: a PLUGGED unit, none of it added
 *
 * Context: worker.
 * Return: 0 and the unit is UNPLUGGED, or as virtio_mhp_unit_plug_end().
 */
int virtio_mhp_unit_unplug(struct virtio_mhp *vmhp, unsigned int unit)
{
	const u16 type = VIRTIO_MHP_REQ_UNPLUG;
	int rc = virtio_mhp_submit_range(vmhp, type, unit);

	rc = virtio_mhp_wait_range(vmhp, type, unit, rc);

	if (rc)
		return rc;
	WRITE_ONCE(vmhp->plugged_size,
		   vmhp->plugged_size - vmhp->blocks.unit_size);
	virtio_mhp_unit_set_state(vmhp, unit, VIRTIO_MHP_MB_UNPLUGGED);
	/* DEV-STATUS-2: unplugging drops the report. */
	spin_lock(&vmhp->lock);
	vmhp->units[unit] = (struct virtio_mhp_unit){};
	spin_unlock(&vmhp->lock);
	return 0;
}

/**
 * virtio_mhp_unplug_all() - ask the device to unplug every block
 * @vmhp: a device of which no block is in use (DRV-UNPLUGALL-1)
 *
 * Context: worker.
 * Return: 0, -EBUSY: not now; -EINVAL: refused; -EIO: the device is broken.
 */
int virtio_mhp_unplug_all(struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_req req = {
		.type = cpu_to_le16(VIRTIO_MHP_REQ_UNPLUG_ALL),
	};
	int rc = virtio_mhp_send(vmhp, &req);

	virtio_mhp_dbg(vmhp, "unplug all: %d\n", rc);
	return rc;
}

/**
 * virtio_mhp_tell_memmap() - tell the device where memmaps will be, and in
 *	which units we plug
 * @vmhp: the region
 *
 * To be done after each device reset (DRV-MEMMAP-2) and before the first PLUG
 * (DRV-MEMMAP-1); once is enough.
 *
 * Context: worker.
 * Return: 0, also if the device does not want to know; else as
 *	virtio_mhp_unplug_all().
 */
int virtio_mhp_tell_memmap(struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_req req = {
		.type = cpu_to_le16(VIRTIO_MHP_REQ_MEMMAP),
		.u.memmap.unit_size = cpu_to_le64(vmhp->blocks.mb_size),
		.u.memmap.memmap_size =
			cpu_to_le64(virtio_mhp_memmap_size(vmhp)),
	};
	int rc;

	if (vmhp->memmap_told ||
	    !virtio_mhp_has_feature(vmhp, VIRTIO_MHP_F_MEMMAP_ON_BLOCK))
		return 0;
	rc = virtio_mhp_send(vmhp, &req);
	vmhp->memmap_told = !rc;
	return rc;
}

/**
 * virtio_mhp_report() - note why a unit is stuck, and tell the host
 * @vmhp: the region
 * @unit: the unit
 * @reason: VIRTIO_MHP_REASON_*; NONE takes back an earlier report
 * @error: negative errno that goes with it, 0 with NONE
 *
 * The host is told only what it does not know; if it would not hear, again with
 * the next report of the unit.
 *
 * Context: worker.
 */
void virtio_mhp_report(struct virtio_mhp *vmhp, unsigned int unit, u16 reason,
		       int error)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	const struct virtio_mhp_req req = {
		.type = cpu_to_le16(VIRTIO_MHP_REQ_STATUS),
		.u.status.addr =
			cpu_to_le64(virtio_mhp_unit_addr(blocks, unit)),
		.u.status.nb_blocks =
			cpu_to_le16(blocks->unit_size / vmhp->geo.block_size),
		.u.status.reason = cpu_to_le16(reason),
	};

	spin_lock(&vmhp->lock);
	vmhp->units[unit].reason = reason;
	spin_unlock(&vmhp->lock);
	if (error)
		virtio_mhp_note_error(vmhp, unit,
				      virtio_mhp_reason_name(reason), error);

	if (vmhp->units[unit].told == reason ||
	    !virtio_mhp_has_feature(vmhp, VIRTIO_MHP_F_STATUS))
		return;
	if (!virtio_mhp_send(vmhp, &req))
		vmhp->units[unit].told = reason;
}
