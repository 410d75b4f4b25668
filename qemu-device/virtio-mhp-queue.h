/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The request queue: requests are taken from it one by one, in their order.
 */
#ifndef VIRTIO_MHP_QUEUE_H
#define VIRTIO_MHP_QUEUE_H

#include "hw/virtio/virtio.h"
#include "qemu/notify.h"

#include <uapi/linux/virtio_mhp.h>

/* Index of the request queue; those of others depend on which there are */
#define VIRTIO_MHP_QUEUE_REQUESTS 0

typedef struct VirtIOMHP VirtIOMHP;

/**
 * struct VirtIOMHPQueueHandlers - who knows what a request means
 * @handle: leads to virtio_mhp_queue_answer(), before or after it returns
 * @settle: leave the request at hand not half done: answer it or put it back
 */
typedef struct VirtIOMHPQueueHandlers {
    void (*handle)(VirtIOMHP *vmhp, const struct virtio_mhp_req *req);
    void (*settle)(VirtIOMHP *vmhp);
} VirtIOMHPQueueHandlers;

/**
 * struct VirtIOMHPQueue - the request queue; see virtio-mhp-queue.c
 * @vq: the virtqueue
 * @handlers: what is done with a request
 * @bh: goes on with the queue, in the main loop
 * @vm_state: tells when the machine stops and runs
 * @idle: tells when the memory has nothing to do
 * @elem: buffer of the request that is being carried out, NULL if there is none
 * @type: its VIRTIO_MHP_REQ_*, or what the driver sent in place of it
 * @start_ns: when it was taken from the queue
 * @deadline: when the work at hand must let the main loop go on, 0 outside it
 * @is_stopped: the machine is stopped, no request is taken from the queue
 */
typedef struct VirtIOMHPQueue {
    VirtQueue *vq;
    const VirtIOMHPQueueHandlers *handlers;
    QEMUBH *bh;
    VMChangeStateEntry *vm_state;
    Notifier idle;
    VirtQueueElement *elem;
    uint16_t type;
    int64_t start_ns;
    int64_t deadline;
    bool is_stopped;
} VirtIOMHPQueue;

void virtio_mhp_queue_init(VirtIOMHP *vmhp,
                           const VirtIOMHPQueueHandlers *handlers);
void virtio_mhp_queue_cleanup(VirtIOMHP *vmhp);
/* Give the buffer of the request at hand back with the response */
void virtio_mhp_queue_answer(VirtIOMHP *vmhp,
                             const struct virtio_mhp_resp *resp);
/* Take a buffer, to be pushed, put back or detached; NULL if there is none */
VirtQueueElement *virtio_mhp_queue_pop(VirtIOMHP *vmhp, VirtQueue *vq);
/* Give a buffer back, and tell the driver */
void virtio_mhp_queue_push(VirtIOMHP *vmhp, VirtQueue *vq,
                           const VirtQueueElement *elem, unsigned int len);
/* Do not answer it: it broke the device, which has no more requests then */
void virtio_mhp_queue_refuse(VirtIOMHP *vmhp);
/* Put it back into the ring, as if it had not been taken */
void virtio_mhp_queue_put_back(VirtIOMHP *vmhp);
/* The driver has forgotten its requests */
void virtio_mhp_queue_forget(VirtIOMHP *vmhp);
/* The same for one queue; the driver may name one that is not there */
void virtio_mhp_queue_reset(VirtIOMHP *vmhp, uint32_t index);
/*
 * Leave no request half done, for whoever is about to look at all of the
 * device's state
 */
void virtio_mhp_queue_settle(VirtIOMHP *vmhp);

#endif
