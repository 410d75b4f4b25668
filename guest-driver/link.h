/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A link: the driver's end of one virtio device, from probe to remove. It knows
 * the virtqueue, the request that is under way and whether the device can be
 * talked to, and nothing of memory blocks. The region that it serves may
 * outlive it, see region.c; a kdump kernel has links without regions.
 *
 * Whoever uses a link holds its user's lock: a region's link_lock, or that of
 * vmcore.c. Nothing of memory hotplug is called with it held, so that removing
 * the device never waits for that.
 */
#ifndef _VIRTIO_MHP_LINK_H
#define _VIRTIO_MHP_LINK_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/virtio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/virtio_mhp.h>

struct virtio_mhp;
struct virtio_mhp_vmcore;

/**
 * enum virtio_mhp_link_state - can the device be talked to
 * @VIRTIO_MHP_LINK_NEW: yes, but what is plugged has not been compared yet
 * @VIRTIO_MHP_LINK_UP: yes
 * @VIRTIO_MHP_LINK_BROKEN: no, but a reset may help
 * @VIRTIO_MHP_LINK_LOST: no, and no reset will help
 */
enum virtio_mhp_link_state {
	VIRTIO_MHP_LINK_NEW,
	VIRTIO_MHP_LINK_UP,
	VIRTIO_MHP_LINK_BROKEN,
	VIRTIO_MHP_LINK_LOST
};

/**
 * struct virtio_mhp_link - the driver's end of one virtio device
 * @vdev: the virtio device, whose priv this is
 * @vq: its virtqueue of requests, NULL while there is none
 * @response: wakes who waits for a response
 * @req: request buffer; allocated early, as there may be no memory when a
 *	request is needed, and alone, as the device reads it by DMA
 * @resp: response buffer, likewise
 * @asked_ns: when the latest request was sent
 * @is_pending: the device has it, and has not answered
 * @is_leaving: the driver leaves the device: do not wait for it
 * @nr_resets: resets since anything was plugged or unplugged
 * @state: written by the user; read by anybody
 * @region: the region that it serves, NULL in a kdump kernel; never changes
 *	between probe and remove
 * @vmcore: in a kdump kernel, what it serves there
 * @look: reads what the host wants when the configuration has changed; it needs
 *	no lock, as it ends before the link is closed
 * @stats_vq: its virtqueue of figures, NULL if it has none
 * @stats: buffer of figures, allocated like @req; this and the next two are
 *	@tell's alone
 * @nr_stats: how many are in it
 * @is_told: the device has it
 * @tell: fills it when the device asks; it needs no lock, either, see
 *	virtio_mhp_link_hush()
 * @stats_lock: protects @is_telling
 * @is_telling: @tell may be queued
 * @report_vq: its virtqueue of free memory, NULL if it has none
 * @report: buffer of ranges, allocated like @req; this and the next are page
 *	reporting's work item's alone
 * @report_resp: buffer for the answer
 * @reported: wakes who waits for that
 * @report_lock: protects @report_vq while the link is open, and the next two
 * @is_reporting: reports can be sent
 * @is_reported: the device has one
 * @report_links: in the list of those that are told of free memory, see
 *	report.c; the next two do not change while it is there
 * @report_addr: where its region starts
 * @report_region_size: size of that
 */
struct virtio_mhp_link {
	struct virtio_device *vdev;
	struct virtqueue *vq;
	wait_queue_head_t response;
	struct virtio_mhp_req *req;
	struct virtio_mhp_resp *resp;
	u64 asked_ns;
	bool is_pending;
	bool is_leaving;
	unsigned int nr_resets;
	enum virtio_mhp_link_state state;
	struct virtio_mhp *region;
	struct virtio_mhp_vmcore *vmcore;
	struct work_struct look;
	struct virtqueue *stats_vq;
	struct virtio_mhp_stat *stats;
	unsigned int nr_stats;
	bool is_told;
	struct work_struct tell;
	/* taken by interrupts */
	spinlock_t stats_lock;
	bool is_telling;
	struct virtqueue *report_vq;
	struct virtio_mhp_report *report;
	struct virtio_mhp_report_resp *report_resp;
	wait_queue_head_t reported;
	/* taken with interrupts off, as who holds it can be waited for */
	spinlock_t report_lock;
	bool is_reporting;
	bool is_reported;
	struct list_head report_links;
	u64 report_addr;
	u64 report_region_size;
};

struct virtio_mhp_link *virtio_mhp_link_new(struct virtio_device *vdev);
void virtio_mhp_link_free(struct virtio_mhp_link *link);
int virtio_mhp_link_open(struct virtio_mhp_link *link);
void virtio_mhp_link_close(struct virtio_mhp_link *link);
void virtio_mhp_link_hush(struct virtio_mhp_link *link);
void virtio_mhp_link_leave(struct virtio_mhp_link *link);
bool virtio_mhp_link_can_answer(struct virtio_mhp_link *link);
int virtio_mhp_link_check(struct virtio_mhp_link *link);
int virtio_mhp_link_submit(struct virtio_mhp_link *link,
			   const struct virtio_mhp_req *req);
int virtio_mhp_link_wait(struct virtio_mhp_link *link,
			 struct virtio_mhp_resp *resp);
int virtio_mhp_link_query_state(struct virtio_mhp_link *link, u64 addr,
				u16 nb_blocks);
bool virtio_mhp_link_can_reset(const struct virtio_mhp_link *link);
int virtio_mhp_link_reset(struct virtio_mhp_link *link);

#endif /* _VIRTIO_MHP_LINK_H */
