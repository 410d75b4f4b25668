// SPDX-License-Identifier: GPL-2.0
/*
 * The virtqueues: one request at a time is sent and waited for, and a device
 * that breaks can be reset: a reset keeps what is plugged (DEV-RESET-1) and,
 * unlike the device's other requests, cannot be refused. See link.h.
 */
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>

#include "compat.h"
#include "link.h"
#include "trace.h"

/* Resets after which nothing was plugged or unplugged */
#define VIRTIO_MHP_RESETS_MAX  5

/* All bits: nothing answers there, and nothing would confirm a reset. */
#define VIRTIO_MHP_STATUS_GONE 0xff

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

/**
 * virtio_mhp_link_new() - a link to a device
 * @vdev: the virtio device, whose priv it becomes
 *
 * Context: may sleep.
 * Return: the link, not open yet; NULL without memory.
 */
struct virtio_mhp_link *virtio_mhp_link_new(struct virtio_device *vdev)
{
	struct virtio_mhp_link *link = kzalloc(sizeof(*link), GFP_KERNEL);

	if (!link)
		return NULL;
	link->vdev = vdev;
	init_waitqueue_head(&link->response);
	link->req = kzalloc(sizeof(*link->req), GFP_KERNEL);
	link->resp = kzalloc(sizeof(*link->resp), GFP_KERNEL);
	link->stats =
		kcalloc(VIRTIO_MHP_STATS_MAX, sizeof(*link->stats), GFP_KERNEL);
	spin_lock_init(&link->stats_lock);
	link->report = kcalloc(VIRTIO_MHP_REPORT_MAX, sizeof(*link->report),
			       GFP_KERNEL);
	link->report_resp = kzalloc(sizeof(*link->report_resp), GFP_KERNEL);
	init_waitqueue_head(&link->reported);
	spin_lock_init(&link->report_lock);
	INIT_LIST_HEAD(&link->report_links);
	if (!link->req || !link->resp || !link->stats || !link->report ||
	    !link->report_resp) {
		virtio_mhp_link_free(link);
		return NULL;
	}
	vdev->priv = link;
	return link;
}

/**
 * virtio_mhp_link_free() - end a link
 * @link: the link, not open
 *
 * Context: may sleep.
 */
void virtio_mhp_link_free(struct virtio_mhp_link *link)
{
	kfree(link->report_resp);
	kfree(link->report);
	kfree(link->stats);
	kfree(link->resp);
	kfree(link->req);
	kfree(link);
}

static void virtio_mhp_handle_response(struct virtqueue *vq)
{
	struct virtio_mhp_link *link = vq->vdev->priv;

	wake_up(&link->response);
}

static void virtio_mhp_handle_question(struct virtqueue *vq)
{
	struct virtio_mhp_link *link = vq->vdev->priv;
	unsigned long flags;

	spin_lock_irqsave(&link->stats_lock, flags);
	if (link->is_telling)
		queue_work(system_freezable_wq, &link->tell);
	spin_unlock_irqrestore(&link->stats_lock, flags);
}

static void virtio_mhp_handle_report(struct virtqueue *vq)
{
	struct virtio_mhp_link *link = vq->vdev->priv;

	wake_up(&link->reported);
}

/* All features that have a queue are accepted, so those are all that exist. */
static int virtio_mhp_link_find_vqs(struct virtio_mhp_link *link)
{
	const char *names[VIRTIO_MHP_NR_VQS];
	vq_callback_t *callbacks[VIRTIO_MHP_NR_VQS];
	struct virtqueue *vqs[VIRTIO_MHP_NR_VQS];
	unsigned int nr = 1, stats = 0, report = 0;
	int rc;

	names[0] = "guest-request";
	callbacks[0] = virtio_mhp_handle_response;
	if (virtio_has_feature(link->vdev, VIRTIO_MHP_F_STATS)) {
		stats = nr++;
		names[stats] = "stats";
		callbacks[stats] = virtio_mhp_handle_question;
	}
	if (virtio_has_feature(link->vdev, VIRTIO_MHP_F_REPORTING)) {
		report = nr++;
		names[report] = "report";
		callbacks[report] = virtio_mhp_handle_report;
	}
	rc = virtio_mhp_find_vqs(link->vdev, nr, vqs, callbacks, names);
	if (rc)
		return rc;
	link->vq = vqs[0];
	link->stats_vq = stats ? vqs[stats] : NULL;
	link->report_vq = report ? vqs[report] : NULL;
	return 0;
}

static void virtio_mhp_link_start_reporting(struct virtio_mhp_link *link)
{
	spin_lock_irq(&link->report_lock);
	link->is_reporting = link->report_vq;
	spin_unlock_irq(&link->report_lock);
}

/* What the device was told of is the guest's once more: it has been reset. */
static void virtio_mhp_link_end_reporting(struct virtio_mhp_link *link)
{
	spin_lock_irq(&link->report_lock);
	link->is_reporting = false;
	link->is_reported = false;
	spin_unlock_irq(&link->report_lock);
	wake_up(&link->reported);
}

/* A kdump kernel has no memory to spare, and nothing of its own to tell. */
static void virtio_mhp_link_start_telling(struct virtio_mhp_link *link)
{
	if (!link->stats_vq || !link->region)
		return;
	spin_lock_irq(&link->stats_lock);
	link->is_telling = true;
	link->is_told = false;
	queue_work(system_freezable_wq, &link->tell);
	spin_unlock_irq(&link->stats_lock);
}

/**
 * virtio_mhp_link_hush() - end telling the device figures
 * @link: the link, open or not
 *
 * Before its region goes, which they are about, and before it is closed. Until
 * it is opened again the device asks in vain.
 *
 * Context: may sleep; nobody opens the link meanwhile.
 */
void virtio_mhp_link_hush(struct virtio_mhp_link *link)
{
	spin_lock_irq(&link->stats_lock);
	link->is_telling = false;
	spin_unlock_irq(&link->stats_lock);
	cancel_work_sync(&link->tell);
}

/**
 * virtio_mhp_link_open() - start talking to the device
 * @link: the link, its device's features negotiated
 *
 * Context: may sleep.
 * Return: 0 and the link is NEW, or negative errno.
 */
int virtio_mhp_link_open(struct virtio_mhp_link *link)
{
	int rc = virtio_mhp_link_find_vqs(link);

	if (rc)
		return rc;
	link->is_pending = false;
	virtio_device_ready(link->vdev);
	virtio_mhp_link_start_telling(link);
	virtio_mhp_link_start_reporting(link);
	WRITE_ONCE(link->state, VIRTIO_MHP_LINK_NEW);
	return 0;
}

/* A reset of one that was torn out of the machine would never end. */
static bool virtio_mhp_link_is_gone(struct virtio_mhp_link *link)
{
	return link->vdev->config->get_status(link->vdev) ==
	       VIRTIO_MHP_STATUS_GONE;
}

/**
 * virtio_mhp_link_close() - stop talking to the device, which is reset
 * @link: the link, open or not
 *
 * Context: may sleep.
 */
void virtio_mhp_link_close(struct virtio_mhp_link *link)
{
	struct virtio_device *vdev = link->vdev;

	virtio_mhp_link_hush(link);
	if (!virtio_mhp_link_is_gone(link))
		virtio_reset_device(vdev);
	virtio_mhp_link_end_reporting(link);
	/* A request that was never answered may have indirect descriptors. */
	if (link->vq)
		virtqueue_detach_unused_buf(link->vq);
	if (link->stats_vq)
		virtqueue_detach_unused_buf(link->stats_vq);
	if (link->report_vq)
		virtqueue_detach_unused_buf(link->report_vq);
	link->vq = NULL;
	link->stats_vq = NULL;
	link->report_vq = NULL;
	vdev->config->del_vqs(vdev);
	WRITE_ONCE(link->state, VIRTIO_MHP_LINK_BROKEN);
}

/**
 * virtio_mhp_link_leave() - have nobody wait for the device any more
 * @link: the link, which is about to be taken from its user
 *
 * Context: any, without the user's lock.
 */
void virtio_mhp_link_leave(struct virtio_mhp_link *link)
{
	WRITE_ONCE(link->is_leaving, true);
	wake_up(&link->response);
}

/**
 * virtio_mhp_link_can_answer() - does it make sense to wait for the device
 * @link: the link, open
 *
 * One that somebody reset, or that is gone, does not say that it is ready.
 *
 * Context: any.
 * Return: false if it is broken.
 */
bool virtio_mhp_link_can_answer(struct virtio_mhp_link *link)
{
	const u8 status = link->vdev->config->get_status(link->vdev);

	return !virtqueue_is_broken(link->vq) &&
	       status & VIRTIO_CONFIG_S_DRIVER_OK &&
	       !(status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static bool virtio_mhp_link_is_up(const struct virtio_mhp_link *link)
{
	return link->state == VIRTIO_MHP_LINK_NEW ||
	       link->state == VIRTIO_MHP_LINK_UP;
}

static void virtio_mhp_link_break(struct virtio_mhp_link *link)
{
	if (virtio_mhp_link_is_up(link) && !READ_ONCE(link->is_leaving))
		dev_err(&link->vdev->dev, "the device is broken\n");
	WRITE_ONCE(link->state, VIRTIO_MHP_LINK_BROKEN);
}

/**
 * virtio_mhp_link_check() - can requests be sent
 * @link: the link
 *
 * To be asked before memory is vacated for a device that is gone.
 *
 * Context: may sleep.
 * Return: 0 or -EIO.
 */
int virtio_mhp_link_check(struct virtio_mhp_link *link)
{
	if (virtio_mhp_link_is_up(link) && !virtio_mhp_link_can_answer(link))
		virtio_mhp_link_break(link);
	return virtio_mhp_link_is_up(link) ? 0 : -EIO;
}

static int virtio_mhp_link_trace(const struct virtio_mhp_link *link, int rc)
{
	const struct virtio_mhp_req *req = link->req;
	const u16 type = le16_to_cpu(req->type);
	/* All that have a range have it in the same place. */
	const bool has_range = type != VIRTIO_MHP_REQ_MEMMAP;

	trace_virtio_mhp_request(link->vdev->index, type,
				 has_range ? le64_to_cpu(req->u.plug.addr) : 0,
				 has_range ? le16_to_cpu(req->u.plug.nb_blocks)
					   : 0,
				 rc, ktime_get_ns() - link->asked_ns);
	return rc;
}

static int virtio_mhp_link_add(struct virtio_mhp_link *link)
{
	struct scatterlist sg_req, sg_resp;
	struct scatterlist *sgs[] = { &sg_req, &sg_resp };
	int rc;

	sg_init_one(&sg_req, link->req, sizeof(*link->req));
	sg_init_one(&sg_resp, link->resp, sizeof(*link->resp));
	/* An indirect descriptor is nice to have, and nobody waits for it. */
	rc = virtqueue_add_sgs(link->vq, sgs, 1, 1, link,
			       GFP_NOWAIT | __GFP_NOWARN);
	if (rc < 0)
		return rc;
	return virtqueue_kick(link->vq) ? 0 : -EIO;
}

/**
 * virtio_mhp_link_submit() - send a request
 * @link: the link, no request of which is under way
 * @req: the request
 *
 * Context: may sleep.
 * Return: 0 and it is under way; -EIO: the device is broken, and has the
 *	buffers; else negative errno.
 */
int virtio_mhp_link_submit(struct virtio_mhp_link *link,
			   const struct virtio_mhp_req *req)
{
	int rc;

	if (!virtio_mhp_link_is_up(link))
		return -EIO;
	*link->req = *req;
	link->asked_ns = ktime_get_ns();
	rc = virtio_mhp_link_add(link);
	if (rc == -EIO)
		virtio_mhp_link_break(link);
	link->is_pending = !rc;
	return rc ? virtio_mhp_link_trace(link, rc) : 0;
}

static bool virtio_mhp_link_is_answered(struct virtio_mhp_link *link,
					unsigned int *len)
{
	return virtqueue_get_buf(link->vq, len) || READ_ONCE(link->is_leaving);
}

/* The device may take its time, but one that is broken ends the wait. */
static int virtio_mhp_link_get(struct virtio_mhp_link *link)
{
	unsigned int len = 0;

	while (!wait_event_timeout(link->response,
				   virtio_mhp_link_is_answered(link, &len), HZ))
		if (!virtio_mhp_link_can_answer(link))
			return -EIO;
	return len < sizeof(*link->resp) ? -EIO : 0;
}

/**
 * virtio_mhp_link_wait() - wait for the response to a request
 * @link: the link
 * @resp: a copy of it, which the device cannot change any more
 *
 * Context: may sleep.
 * Return: 0; -EAGAIN: NACK; -EBUSY: BUSY; -EINVAL: ERROR, after a message;
 *	-EIO: no request of this link is under way, or the device is broken.
 */
int virtio_mhp_link_wait(struct virtio_mhp_link *link,
			 struct virtio_mhp_resp *resp)
{
	u16 type;
	int rc;

	if (!link->is_pending)
		return -EIO;
	rc = virtio_mhp_link_get(link);
	link->is_pending = false;
	*resp = *link->resp;
	type = le16_to_cpu(resp->type);
	if (!rc && type >= ARRAY_SIZE(virtio_mhp_resp_errno))
		rc = -EIO;
	if (rc) {
		virtio_mhp_link_break(link);
		return virtio_mhp_link_trace(link, rc);
	}
	if (type == VIRTIO_MHP_RESP_ERROR)
		dev_err_ratelimited(&link->vdev->dev,
				    "the device calls request %#x wrong\n",
				    le16_to_cpu(link->req->type));
	return virtio_mhp_link_trace(link, virtio_mhp_resp_errno[type]);
}

/**
 * virtio_mhp_link_query_state() - ask the device whether blocks are plugged
 * @link: the link, no request of which is under way
 * @addr: address of the first device block
 * @nb_blocks: number of device blocks, at least 1
 *
 * Context: may sleep.
 * Return: VIRTIO_MHP_STATE_*; -EINVAL: refused, or no such state; else as
 *	virtio_mhp_link_submit() and virtio_mhp_link_wait().
 */
int virtio_mhp_link_query_state(struct virtio_mhp_link *link, u64 addr,
				u16 nb_blocks)
{
	const struct virtio_mhp_req req = {
		.type = cpu_to_le16(VIRTIO_MHP_REQ_STATE),
		.u.state.addr = cpu_to_le64(addr),
		.u.state.nb_blocks = cpu_to_le16(nb_blocks),
	};
	struct virtio_mhp_resp resp;
	u16 state;
	int rc = virtio_mhp_link_submit(link, &req);

	if (!rc)
		rc = virtio_mhp_link_wait(link, &resp);
	if (rc)
		return rc;
	state = le16_to_cpu(resp.u.state.state);
	return state <= VIRTIO_MHP_STATE_MIXED ? state : -EINVAL;
}

/**
 * virtio_mhp_link_can_reset() - will a broken device be reset
 * @link: the link
 *
 * Context: any.
 * Return: false if it is to be left alone, until it is bound anew.
 */
bool virtio_mhp_link_can_reset(const struct virtio_mhp_link *link)
{
	return IS_ENABLED(CONFIG_PM_SLEEP) && !READ_ONCE(link->is_leaving) &&
	       link->state != VIRTIO_MHP_LINK_LOST &&
	       link->nr_resets < VIRTIO_MHP_RESETS_MAX;
}

/**
 * virtio_mhp_link_reset() - reset a broken device and start anew
 * @link: the link, which can be reset
 *
 * Context: may sleep.
 * Return: 0 and the link is NEW; -EIO: it stays broken, or is LOST.
 */
int virtio_mhp_link_reset(struct virtio_mhp_link *link)
{
#ifdef CONFIG_PM_SLEEP
	/* Those of a device that the bus has given up are broken, too. */
	if (virtio_mhp_link_is_gone(link)) {
		WRITE_ONCE(link->state, VIRTIO_MHP_LINK_LOST);
		return -EIO;
	}
	link->nr_resets++;
	virtio_mhp_link_close(link);
	/* Ends with virtio_mhp_restore(), as after a suspend. */
	return virtio_device_restore(link->vdev) ? -EIO : 0;
#else
	return -EIO;
#endif
}
