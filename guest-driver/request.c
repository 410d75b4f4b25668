// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to the device: built, sent and waited for here, one at a time and
 * by the worker only. Says nothing to memory hotplug; the caller makes sure
 * that a unit is not in use before it is unplugged (DRV-UNPLUG-1).
 */
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/scatterlist.h>
#include <linux/virtio_config.h>

#include "trace.h"
#include "virtio_mhp.h"

static const char *const virtio_mhp_reason_names[] = {
	[VIRTIO_MHP_REASON_NONE] = "none",
	[VIRTIO_MHP_REASON_BUSY] = "busy",
	[VIRTIO_MHP_REASON_PINNED] = "pinned",
	[VIRTIO_MHP_REASON_HUGETLB] = "hugetlb",
	[VIRTIO_MHP_REASON_NO_ROOM] = "no-room",
	[VIRTIO_MHP_REASON_KERNEL_MEMORY] = "kernel-memory",
	[VIRTIO_MHP_REASON_NOT_ADDED] = "not-added",
	[VIRTIO_MHP_REASON_NOT_ONLINE] = "not-online",
	[VIRTIO_MHP_REASON_NO_MEMMAP] = "no-memmap",
};

/*
 * What a response means to the worker: -EAGAIN is worth another look at the
 * configuration, -EBUSY worth waiting.
 */
static const int virtio_mhp_resp_errno[] = {
	[VIRTIO_MHP_RESP_ACK] = 0,
	[VIRTIO_MHP_RESP_NACK] = -EAGAIN,
	[VIRTIO_MHP_RESP_BUSY] = -EBUSY,
	[VIRTIO_MHP_RESP_ERROR] = -EINVAL,
};

static void virtio_mhp_handle_response(struct virtqueue *vq)
{
	struct virtio_mhp *vmhp = vq->vdev->priv;

	wake_up(&vmhp->response);
}

/**
 * virtio_mhp_vq_init() - find the virtqueue
 * @vmhp: the device
 *
 * Context: may sleep.
 * Return: 0 or negative errno.
 */
int virtio_mhp_vq_init(struct virtio_mhp *vmhp)
{
	struct virtqueue *vq = virtio_find_single_vq(vmhp->vdev,
						     virtio_mhp_handle_response,
						     "guest-request");

	if (IS_ERR(vq))
		return PTR_ERR(vq);
	vmhp->vq = vq;
	return 0;
}

/**
 * virtio_mhp_vq_deinit() - give the virtqueue up
 * @vmhp: the device, which has been reset or is gone
 *
 * Context: worker, or while none runs; may sleep.
 */
void virtio_mhp_vq_deinit(struct virtio_mhp *vmhp)
{
	/* A request that was never answered may have indirect descriptors. */
	if (vmhp->vq)
		virtqueue_detach_unused_buf(vmhp->vq);
	vmhp->vq = NULL;
	vmhp->vdev->config->del_vqs(vmhp->vdev);
}

/* One that somebody reset, or that is gone, does not say that it is ready. */
static bool virtio_mhp_can_answer(struct virtio_mhp *vmhp)
{
	const u8 status = vmhp->vdev->config->get_status(vmhp->vdev);

	return !virtqueue_is_broken(vmhp->vq) &&
	       status & VIRTIO_CONFIG_S_DRIVER_OK &&
	       !(status & VIRTIO_CONFIG_S_NEEDS_RESET) &&
	       !test_bit(VIRTIO_MHP_REMOVING, &vmhp->flags);
}

/* The device may take its time, but one that is broken ends the wait. */
static int virtio_mhp_wait_response(struct virtio_mhp *vmhp)
{
	unsigned int len;

	while (!wait_event_timeout(vmhp->response,
				   virtqueue_get_buf(vmhp->vq, &len), HZ))
		if (!virtio_mhp_can_answer(vmhp))
			return -EIO;
	return len < sizeof(vmhp->resp) ? -EIO : 0;
}

static int virtio_mhp_submit(struct virtio_mhp *vmhp)
{
	struct scatterlist sg_req, sg_resp;
	struct scatterlist *sgs[] = { &sg_req, &sg_resp };
	int rc;

	sg_init_one(&sg_req, &vmhp->req, sizeof(vmhp->req));
	sg_init_one(&sg_resp, &vmhp->resp, sizeof(vmhp->resp));
	/* An indirect descriptor is nice to have, and nobody waits for it. */
	rc = virtqueue_add_sgs(vmhp->vq, sgs, 1, 1, vmhp,
			       GFP_NOWAIT | __GFP_NOWARN);
	if (rc < 0)
		return rc;
	return virtqueue_kick(vmhp->vq) ? 0 : -EIO;
}

static void virtio_mhp_set_broken(struct virtio_mhp *vmhp)
{
	if (!vmhp->broken && !test_bit(VIRTIO_MHP_REMOVING, &vmhp->flags))
		virtio_mhp_err(vmhp, "the device is broken\n");
	WRITE_ONCE(vmhp->broken, true);
}

/**
 * virtio_mhp_check_device() - can requests be sent
 * @vmhp: the device
 *
 * To be asked before memory is vacated for a device that is gone.
 *
 * Context: worker.
 * Return: 0 or -EIO.
 */
int virtio_mhp_check_device(struct virtio_mhp *vmhp)
{
	if (!vmhp->broken && !virtio_mhp_can_answer(vmhp))
		virtio_mhp_set_broken(vmhp);
	return vmhp->broken ? -EIO : 0;
}

/* After -EIO the buffers belong to the device: nothing more can be sent. */
static int virtio_mhp_ask(struct virtio_mhp *vmhp,
			  const struct virtio_mhp_req *req)
{
	int rc;

	if (vmhp->broken)
		return -EIO;
	vmhp->req = *req;
	vmhp->asked_ns = ktime_get_ns();
	rc = virtio_mhp_submit(vmhp);
	if (rc == -EIO)
		virtio_mhp_set_broken(vmhp);
	return rc;
}

static int virtio_mhp_take_response(struct virtio_mhp *vmhp,
				    const struct virtio_mhp_req *req)
{
	int rc = virtio_mhp_wait_response(vmhp);
	const u16 type = le16_to_cpu(vmhp->resp.type);

	if (!rc && type >= ARRAY_SIZE(virtio_mhp_resp_errno))
		rc = -EIO;
	if (rc) {
		virtio_mhp_set_broken(vmhp);
		return rc;
	}
	if (type == VIRTIO_MHP_RESP_ERROR)
		virtio_mhp_err_ratelimited(vmhp,
					   "the device calls request %#x wrong\n",
					   le16_to_cpu(req->type));
	return virtio_mhp_resp_errno[type];
}

/* What came of the request that virtio_mhp_ask() has sent, or has not */
static int virtio_mhp_hear(struct virtio_mhp *vmhp,
			   const struct virtio_mhp_req *req, int error)
{
	const u16 type = le16_to_cpu(req->type);
	/* All that have a range have it in the same place. */
	const bool has_range = type != VIRTIO_MHP_REQ_MEMMAP;
	int rc = error ?: virtio_mhp_take_response(vmhp, req);

	trace_virtio_mhp_request(vmhp->index, type,
				 has_range ? le64_to_cpu(req->u.plug.addr) : 0,
				 has_range ? le16_to_cpu(req->u.plug.nb_blocks)
					   : 0,
				 rc, ktime_get_ns() - vmhp->asked_ns);
	return rc;
}

static int virtio_mhp_send(struct virtio_mhp *vmhp,
			   const struct virtio_mhp_req *req)
{
	return virtio_mhp_hear(vmhp, req, virtio_mhp_ask(vmhp, req));
}

static bool virtio_mhp_is_changed(const struct virtio_mhp *vmhp)
{
	return test_bit(VIRTIO_MHP_CHANGED, &vmhp->flags);
}

static void virtio_mhp_note_error(struct virtio_mhp *vmhp, unsigned int unit,
				  const char *what, int error)
{
	spin_lock(&vmhp->lock);
	vmhp->last_error_addr = virtio_mhp_unit_addr(&vmhp->blocks, unit);
	vmhp->last_error_what = what;
	vmhp->last_error = error;
	spin_unlock(&vmhp->lock);
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
			cpu_to_le16(blocks->unit_size / vmhp->block_size),
	};
}

static int virtio_mhp_ask_range(struct virtio_mhp *vmhp, u16 type,
				unsigned int unit)
{
	const struct virtio_mhp_req req =
		virtio_mhp_range_req(vmhp, type, unit);

	return virtio_mhp_ask(vmhp, &req);
}

static int virtio_mhp_hear_range(struct virtio_mhp *vmhp, u16 type,
				 unsigned int unit, int error)
{
	const struct virtio_mhp_req req =
		virtio_mhp_range_req(vmhp, type, unit);
	const u64 addr = virtio_mhp_unit_addr(&vmhp->blocks, unit);
	const char *what = type == VIRTIO_MHP_REQ_PLUG ? "plug" : "unplug";
	int rc = virtio_mhp_hear(vmhp, &req, error);

	virtio_mhp_dbg(vmhp, "%s %#llx-%#llx: %d\n", what, addr,
		       addr + vmhp->blocks.unit_size - 1, rc);
	if (!rc)
		vmhp->nr_recoveries = 0;
	/* That a newer request came in between is no error. */
	if (rc && !(rc == -EAGAIN && virtio_mhp_is_changed(vmhp)))
		virtio_mhp_note_error(vmhp, unit, virtio_mhp_refusal(type, rc),
				      rc);
	return rc;
}

/**
 * virtio_mhp_unit_set_state() - note that a unit was plugged or unplugged
 * @vmhp: the device
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
 * @vmhp: the device
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
	int rc = virtio_mhp_ask_range(vmhp, type, unit);

	return rc ? virtio_mhp_hear_range(vmhp, type, unit, rc) : 0;
}

/**
 * virtio_mhp_unit_plug_end() - wait until a unit is plugged
 * @vmhp: the device
 * @unit: the unit that virtio_mhp_unit_plug_begin() asked for
 *
 * Context: worker.
 * Return: 0 and the unit is PLUGGED; -EAGAIN: not wanted or no memory on the
 *	host; -EBUSY: not now; -EINVAL: refused; -EIO: the device is broken.
 */
int virtio_mhp_unit_plug_end(struct virtio_mhp *vmhp, unsigned int unit)
{
	int rc = virtio_mhp_hear_range(vmhp, VIRTIO_MHP_REQ_PLUG, unit, 0);

	if (rc)
		return rc;
	WRITE_ONCE(vmhp->plugged_size,
		   vmhp->plugged_size + vmhp->blocks.unit_size);
	virtio_mhp_unit_set_state(vmhp, unit, VIRTIO_MHP_MB_PLUGGED);
	return 0;
}

/**
 * virtio_mhp_unit_unplug() - ask the device to unplug a unit
 * @vmhp: the device
 * @unit: a PLUGGED unit, none of it added
 *
 * Context: worker.
 * Return: 0 and the unit is UNPLUGGED, or as virtio_mhp_unit_plug_end().
 */
int virtio_mhp_unit_unplug(struct virtio_mhp *vmhp, unsigned int unit)
{
	const u16 type = VIRTIO_MHP_REQ_UNPLUG;
	int rc = virtio_mhp_ask_range(vmhp, type, unit);

	rc = virtio_mhp_hear_range(vmhp, type, unit, rc);

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
 * virtio_mhp_tell_memmap() - tell the device where memmaps will be
 * @vmhp: the device
 *
 * To be done before the first PLUG after each device reset (DRV-MEMMAP-1).
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

	if (!virtio_mhp_has_feature(vmhp, VIRTIO_MHP_F_MEMMAP_ON_BLOCK))
		return 0;
	return virtio_mhp_send(vmhp, &req);
}

/**
 * virtio_mhp_query_state() - ask the device whether blocks are plugged
 * @vmhp: the device
 * @addr: address of the first device block
 * @nb_blocks: number of device blocks, at least 1
 *
 * Context: worker, or whoever uses the device instead of it.
 * Return: VIRTIO_MHP_STATE_*; -EINVAL: refused, or no such state; -EIO: the
 *	device is broken.
 */
int virtio_mhp_query_state(struct virtio_mhp *vmhp, u64 addr, u16 nb_blocks)
{
	const struct virtio_mhp_req req = {
		.type = cpu_to_le16(VIRTIO_MHP_REQ_STATE),
		.u.state.addr = cpu_to_le64(addr),
		.u.state.nb_blocks = cpu_to_le16(nb_blocks),
	};
	u16 state;
	int rc = virtio_mhp_send(vmhp, &req);

	if (rc)
		return rc;
	state = le16_to_cpu(vmhp->resp.u.state.state);
	return state <= VIRTIO_MHP_STATE_MIXED ? state : -EINVAL;
}

/**
 * virtio_mhp_forget_requests() - forget what a reset made the device forget
 * @vmhp: the device
 *
 * That is where memmaps are (DEV-MEMMAP-2) and why units are stuck
 * (DEV-STATUS-2).
 *
 * Context: while no worker runs.
 */
void virtio_mhp_forget_requests(struct virtio_mhp *vmhp)
{
	unsigned int unit;

	vmhp->memmap_told = false;
	WRITE_ONCE(vmhp->broken, false);
	spin_lock(&vmhp->lock);
	for (unit = 0; unit < vmhp->blocks.nr_units; unit++)
		vmhp->units[unit] = (struct virtio_mhp_unit){};
	spin_unlock(&vmhp->lock);
}

/**
 * virtio_mhp_reason_name() - word for a reason
 * @reason: VIRTIO_MHP_REASON_*
 *
 * Context: any.
 * Return: the word, the same in all messages and attributes.
 */
const char *virtio_mhp_reason_name(u16 reason)
{
	if (reason >= ARRAY_SIZE(virtio_mhp_reason_names))
		return "invalid";
	return virtio_mhp_reason_names[reason];
}

/**
 * virtio_mhp_report() - note why a unit is stuck, and tell the host
 * @vmhp: the device
 * @unit: the unit
 * @reason: VIRTIO_MHP_REASON_*; NONE takes back an earlier report
 * @error: negative errno that goes with it, 0 with NONE
 *
 * The host is told only what is new, and never asked what it makes of it.
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
			cpu_to_le16(blocks->unit_size / vmhp->block_size),
		.u.status.reason = cpu_to_le16(reason),
	};
	bool is_new;

	spin_lock(&vmhp->lock);
	is_new = vmhp->units[unit].reason != reason;
	vmhp->units[unit].reason = reason;
	spin_unlock(&vmhp->lock);
	if (error)
		virtio_mhp_note_error(vmhp, unit,
				      virtio_mhp_reason_name(reason), error);

	if (is_new && virtio_mhp_has_feature(vmhp, VIRTIO_MHP_F_STATUS))
		virtio_mhp_send(vmhp, &req);
}
