/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The request queue: take a request, check its shape, answer it.
 *
 * A request that takes time stays in the queue's struct until its work is over,
 * and those behind it wait in the ring, so that their order is kept. The main
 * loop is given back after a while even if the driver sends ever more.
 *
 * What a request means is not known here: virtio-mhp-request.c handles each.
 */
#include "qemu/osdep.h"
#include "hw/qdev-core.h"
#include "qemu/iov.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "system/runstate.h"
#include "trace.h"
#include "virtio-mhp.h"

/* Requests are handled one by one; a driver needs no more than one slot. */
#define VIRTIO_MHP_QUEUE_SIZE 128

/* What the main loop is held for by the requests of one device */
#define VIRTIO_MHP_QUEUE_NS (4 * SCALE_MS)

/*
 * Whether the buffer has room for both messages (DEV-REQ-1). virtio-mem takes a
 * longer request and ignores what it does not know.
 */
static bool virtio_mhp_queue_check_shape(VirtIOMHP *vmhp,
                                         const VirtQueueElement *elem)
{
    const size_t req_size = iov_size(elem->out_sg, elem->out_num);
    const size_t resp_size = iov_size(elem->in_sg, elem->in_num);

    if (req_size < sizeof(struct virtio_mhp_req) ||
        (req_size > sizeof(struct virtio_mhp_req) &&
         !virtio_mhp_is_virtio_mem(vmhp))) {
        virtio_error(VIRTIO_DEVICE(vmhp),
                     "virtio-mhp: wanted a request of %zu bytes, got %zu",
                     sizeof(struct virtio_mhp_req), req_size);
        return false;
    }
    if (resp_size < sizeof(struct virtio_mhp_resp)) {
        virtio_error(
            VIRTIO_DEVICE(vmhp),
            "virtio-mhp: wanted room for a response of %zu bytes, got %zu",
            sizeof(struct virtio_mhp_resp), resp_size);
        return false;
    }
    return true;
}

/*
 * A ring can lie in the device's own registers, and must not make it serve the
 * next request.
 */
static bool virtio_mhp_queue_engage(VirtIOMHP *vmhp, bool is_engaged)
{
    DeviceState *transport = qdev_get_parent_bus(DEVICE(vmhp))->parent;
    MemReentrancyGuard *guard = &transport->mem_reentrancy_guard;
    const bool was_engaged = guard->engaged_in_io;

    guard->engaged_in_io = is_engaged;
    return was_engaged;
}

VirtQueueElement *virtio_mhp_queue_pop(VirtIOMHP *vmhp, VirtQueue *vq)
{
    const bool was_engaged = virtio_mhp_queue_engage(vmhp, true);
    VirtQueueElement *elem = virtqueue_pop(vq, sizeof(*elem));

    virtio_mhp_queue_engage(vmhp, was_engaged);
    return elem;
}

void virtio_mhp_queue_push(VirtIOMHP *vmhp, VirtQueue *vq,
                           const VirtQueueElement *elem, unsigned int len)
{
    const bool was_engaged = virtio_mhp_queue_engage(vmhp, true);

    virtqueue_push(vq, elem, len);
    virtio_notify(VIRTIO_DEVICE(vmhp), vq);
    virtio_mhp_queue_engage(vmhp, was_engaged);
}

/* Called from anywhere: where work ends, where the machine stops. */
void virtio_mhp_queue_answer(VirtIOMHP *vmhp,
                             const struct virtio_mhp_resp *resp)
{
    VirtIOMHPQueue *queue = &vmhp->queue;
    VirtQueueElement *elem = g_steal_pointer(&queue->elem);

    iov_from_buf(elem->in_sg, elem->in_num, 0, resp, sizeof(*resp));
    virtio_mhp_queue_push(vmhp, queue->vq, elem, sizeof(*resp));
    g_free(elem);
}

void virtio_mhp_queue_put_back(VirtIOMHP *vmhp)
{
    VirtQueueElement *elem = g_steal_pointer(&vmhp->queue.elem);

    trace_virtio_mhp_request_put_back(vmhp->addr, vmhp->queue.type);
    virtqueue_unpop(vmhp->queue.vq, elem, 0);
    g_free(elem);
}

/* Without an answer */
static void virtio_mhp_queue_drop(VirtIOMHP *vmhp)
{
    VirtQueueElement *elem = g_steal_pointer(&vmhp->queue.elem);

    virtqueue_detach_element(vmhp->queue.vq, elem, 0);
    g_free(elem);
}

void virtio_mhp_queue_refuse(VirtIOMHP *vmhp)
{
    trace_virtio_mhp_request_malformed(vmhp->addr);
    vmhp->counters.nb_malformed++;
    virtio_mhp_queue_drop(vmhp);
}

/* Take the next request from the ring, false if there is none. */
static bool virtio_mhp_queue_next(VirtIOMHP *vmhp)
{
    VirtIOMHPQueue *queue = &vmhp->queue;
    VirtQueueElement *elem = virtqueue_pop(queue->vq, sizeof(*elem));
    struct virtio_mhp_req req;

    if (!elem) {
        return false;
    }
    queue->elem = elem;
    if (!virtio_mhp_queue_check_shape(vmhp, elem)) {
        virtio_mhp_queue_refuse(vmhp);
        return true;
    }
    /* Once: the driver may change it any time. */
    iov_to_buf(elem->out_sg, elem->out_num, 0, &req, sizeof(req));
    queue->type = le16_to_cpu(req.type);
    queue->start_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    queue->handlers->handle(vmhp, &req);
    return true;
}

static void virtio_mhp_queue_serve(VirtIOMHP *vmhp)
{
    VirtIOMHPQueue *queue = &vmhp->queue;

    queue->deadline = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                      VIRTIO_MHP_QUEUE_NS;
    while (!virtio_mhp_op_is_on(vmhp) && virtio_mhp_queue_next(vmhp)) {
        if (qemu_clock_get_ns(QEMU_CLOCK_REALTIME) >= queue->deadline) {
            qemu_bh_schedule(queue->bh);
            break;
        }
    }
    queue->deadline = 0;
    virtio_mhp_pending_go_on(vmhp);
}

static void virtio_mhp_queue_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOMHP *vmhp = VIRTIO_MHP(vdev);

    if (!(vdev->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
        virtio_error(
            vdev,
            "virtio-mhp: wanted FEATURES_OK before the first request, got status 0x%x",
            vdev->status);
        return;
    }
    if (!vmhp->queue.is_stopped) {
        virtio_mhp_queue_serve(vmhp);
    }
}

static void virtio_mhp_queue_bh(void *opaque)
{
    VirtIOMHP *vmhp = opaque;

    if (!vmhp->queue.is_stopped &&
        VIRTIO_DEVICE(vmhp)->status & VIRTIO_CONFIG_S_FEATURES_OK) {
        virtio_mhp_queue_serve(vmhp);
    } else {
        virtio_mhp_pending_go_on(vmhp);
    }
}

/* Inside virtio_mhp_queue_serve() its loop goes on. */
static void virtio_mhp_queue_continue(VirtIOMHP *vmhp)
{
    if (!virtio_mhp_op_is_on(vmhp) && !vmhp->queue.deadline) {
        qemu_bh_schedule(vmhp->queue.bh);
    }
}

static void virtio_mhp_queue_idle(Notifier *notifier, void *data)
{
    virtio_mhp_queue_continue(container_of(notifier, VirtIOMHP, queue.idle));
}

void virtio_mhp_queue_forget(VirtIOMHP *vmhp)
{
    if (vmhp->queue.elem) {
        trace_virtio_mhp_request_forgotten(vmhp->addr, vmhp->queue.type);
        virtio_mhp_queue_drop(vmhp);
    }
    virtio_mhp_memory_abandon(vmhp);
}

void virtio_mhp_queue_reset(VirtIOMHP *vmhp, uint32_t index)
{
    if (index == VIRTIO_MHP_QUEUE_REQUESTS) {
        virtio_mhp_queue_forget(vmhp);
    }
}

void virtio_mhp_queue_settle(VirtIOMHP *vmhp)
{
    if (vmhp->queue.elem) {
        vmhp->queue.handlers->settle(vmhp);
    }
}

static void virtio_mhp_queue_vm_state(void *opaque, bool running,
                                      RunState state)
{
    VirtIOMHP *vmhp = opaque;

    vmhp->queue.is_stopped = !running;
    if (running) {
        virtio_mhp_queue_continue(vmhp);
    } else {
        virtio_mhp_queue_settle(vmhp);
    }
}

void virtio_mhp_queue_init(VirtIOMHP *vmhp,
                           const VirtIOMHPQueueHandlers *handlers)
{
    VirtIOMHPQueue *queue = &vmhp->queue;

    queue->handlers = handlers;
    queue->vq = virtio_add_queue(VIRTIO_DEVICE(vmhp), VIRTIO_MHP_QUEUE_SIZE,
                                 virtio_mhp_queue_kicked);
    queue->bh = virtio_bh_new_guarded(DEVICE(vmhp), virtio_mhp_queue_bh, vmhp);
    queue->vm_state = qdev_add_vm_change_state_handler(
        DEVICE(vmhp), virtio_mhp_queue_vm_state, vmhp);
    queue->idle.notify = virtio_mhp_queue_idle;
    notifier_list_add(&vmhp->op.idle_notifiers, &queue->idle);
}

void virtio_mhp_queue_cleanup(VirtIOMHP *vmhp)
{
    VirtIOMHPQueue *queue = &vmhp->queue;

    notifier_remove(&queue->idle);
    qemu_del_vm_change_state_handler(queue->vm_state);
    virtio_mhp_queue_forget(vmhp);
    qemu_bh_delete(queue->bh);
    virtio_delete_queue(queue->vq);
}
