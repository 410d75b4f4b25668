/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The request queue: take a request, check its shape, decide, answer.
 *
 * The driver is not trusted. A buffer of the wrong shape breaks the device,
 * a wrong value gets ERROR, a legal wish that the host does not grant gets
 * NACK, "not now" gets BUSY; what is not ACKed changes nothing (DEV-REQ-5).
 *
 * A request that takes time stays in vmhp->request until its work is over, and
 * those behind it wait in the queue, so that their order is kept. The main
 * loop is given back after a while even if the driver sends ever more.
 */
#include "qemu/osdep.h"
#include "hw/qdev-core.h"
#include "qemu/iov.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "system/runstate.h"
#include "virtio-mhp.h"

/* What the main loop is held for by the requests of one device */
#define VIRTIO_MHP_REQUESTS_NS (4 * SCALE_MS)

/* In place of a response: virtio_mhp_request_done() was or will be called */
#define VIRTIO_MHP_RESP_PENDING UINT16_MAX

/* Little-endian fields of struct virtio_mhp_range to a range (DEV-REQ-3) */
static bool virtio_mhp_request_range(const VirtIOMHP *vmhp, uint64_t addr,
                                     uint16_t nb_blocks, VirtIOMHPRange *range)
{
    return virtio_mhp_blocks_range(&vmhp->blocks, le64_to_cpu(addr),
                                   le16_to_cpu(nb_blocks), range);
}

/* Count the blocks that the request does not get, and why. */
static uint16_t virtio_mhp_refuse(VirtIOMHP *vmhp, VirtIOMHPRefusal why,
                                  uint64_t nb_blocks, uint16_t response)
{
    vmhp->counters.refused[why] += nb_blocks;
    return response;
}

static uint16_t virtio_mhp_plug_request(VirtIOMHP *vmhp,
                                        const struct virtio_mhp_range *req)
{
    const VirtIOMHPBlocks *blocks = &vmhp->blocks;
    VirtIOMHPRange range;
    uint64_t plugged_size;

    if (!virtio_mhp_request_range(vmhp, req->addr, req->nb_blocks, &range)) {
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_RANGE,
                                 le16_to_cpu(req->nb_blocks),
                                 VIRTIO_MHP_RESP_ERROR);
    }
    /* Neither addend exceeds the region, so the sum cannot overflow. */
    plugged_size = virtio_mhp_blocks_plugged_size(blocks);
    if (plugged_size + virtio_mhp_blocks_size(blocks, &range) >
        vmhp->requested_size) {
        /* DEV-PLUG-2 */
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_REQUESTED_SIZE,
                                 range.nb_blocks, VIRTIO_MHP_RESP_NACK);
    }
    if (virtio_mhp_blocks_state(blocks, &range) != VIRTIO_MHP_STATE_UNPLUGGED) {
        /* DEV-PLUG-1 */
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_STATE,
                                 range.nb_blocks, VIRTIO_MHP_RESP_ERROR);
    }
    if (virtio_mhp_migration_forbids_change(vmhp)) {
        /* DEV-PLUG-3 */
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_MIGRATION,
                                 range.nb_blocks, VIRTIO_MHP_RESP_BUSY);
    }
    virtio_mhp_memory_plug(vmhp, &range);
    return VIRTIO_MHP_RESP_PENDING;
}

static uint16_t virtio_mhp_unplug_request(VirtIOMHP *vmhp,
                                          const struct virtio_mhp_range *req)
{
    VirtIOMHPRange range;

    if (!virtio_mhp_request_range(vmhp, req->addr, req->nb_blocks, &range)) {
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_RANGE,
                                 le16_to_cpu(req->nb_blocks),
                                 VIRTIO_MHP_RESP_ERROR);
    }
    if (virtio_mhp_blocks_state(&vmhp->blocks, &range) !=
        VIRTIO_MHP_STATE_PLUGGED) {
        /* DEV-UNPLUG-1 */
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_STATE,
                                 range.nb_blocks, VIRTIO_MHP_RESP_ERROR);
    }
    if (virtio_mhp_migration_forbids_change(vmhp)) {
        /* DEV-UNPLUG-2 */
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_MIGRATION,
                                 range.nb_blocks, VIRTIO_MHP_RESP_BUSY);
    }
    virtio_mhp_memory_unplug(vmhp, &range);
    return VIRTIO_MHP_RESP_PENDING;
}

static uint16_t virtio_mhp_unplug_all_request(VirtIOMHP *vmhp)
{
    if (virtio_mhp_migration_forbids_change(vmhp)) {
        /* Where nothing is plugged, nothing changes (DEV-UNPLUGALL-2). */
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_MIGRATION,
                                 vmhp->blocks.nb_plugged,
                                 vmhp->blocks.nb_plugged ? VIRTIO_MHP_RESP_BUSY
                                                         : VIRTIO_MHP_RESP_ACK);
    }
    virtio_mhp_memory_unplug_all(vmhp);
    return VIRTIO_MHP_RESP_PENDING;
}

static uint16_t virtio_mhp_state_request(const VirtIOMHP *vmhp,
                                         const struct virtio_mhp_range *req,
                                         struct virtio_mhp_resp_state *resp)
{
    VirtIOMHPRange range;

    if (!virtio_mhp_request_range(vmhp, req->addr, req->nb_blocks, &range)) {
        return VIRTIO_MHP_RESP_ERROR;
    }
    resp->state = cpu_to_le16(virtio_mhp_blocks_state(&vmhp->blocks, &range));
    return VIRTIO_MHP_RESP_ACK;
}

static uint16_t
virtio_mhp_memmap_request(VirtIOMHP *vmhp,
                          const struct virtio_mhp_req_memmap *req)
{
    const VirtIOMHPMemmap memmap = {
        .unit_size = le64_to_cpu(req->unit_size),
        .memmap_size = le64_to_cpu(req->memmap_size),
    };

    if (!virtio_mhp_memmap_is_valid(&memmap)) {
        return VIRTIO_MHP_RESP_ERROR; /* DEV-MEMMAP-1 */
    }
    vmhp->memmap = memmap;
    return VIRTIO_MHP_RESP_ACK;
}

static uint16_t
virtio_mhp_status_request(VirtIOMHP *vmhp,
                          const struct virtio_mhp_req_status *req)
{
    const uint16_t reason = le16_to_cpu(req->reason);
    VirtIOMHPRange range;

    if (!virtio_mhp_request_range(vmhp, req->addr, req->nb_blocks, &range)) {
        return VIRTIO_MHP_RESP_ERROR;
    }
    if (!virtio_mhp_reason_name(reason)) {
        return VIRTIO_MHP_RESP_ERROR; /* DEV-STATUS-1 */
    }
    virtio_mhp_blocks_set_reason(&vmhp->blocks, &range, reason);
    return VIRTIO_MHP_RESP_ACK;
}

/* Whether the driver may send this type of request (DEV-REQ-2) */
static bool virtio_mhp_has_request(VirtIOMHP *vmhp, uint16_t type)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(vmhp);

    switch (type) {
    case VIRTIO_MHP_REQ_PLUG:
    case VIRTIO_MHP_REQ_UNPLUG:
    case VIRTIO_MHP_REQ_UNPLUG_ALL:
    case VIRTIO_MHP_REQ_STATE:
        return true;
    case VIRTIO_MHP_REQ_MEMMAP:
        return virtio_vdev_has_feature(vdev, VIRTIO_MHP_F_MEMMAP_ON_BLOCK);
    case VIRTIO_MHP_REQ_STATUS:
        return virtio_vdev_has_feature(vdev, VIRTIO_MHP_F_STATUS);
    default:
        return false;
    }
}

/* Returns the response type; fills in the payload of an ACK to STATE. */
static uint16_t virtio_mhp_decide(VirtIOMHP *vmhp,
                                  const struct virtio_mhp_req *req,
                                  struct virtio_mhp_resp *resp)
{
    const uint16_t type = le16_to_cpu(req->type);

    if (!virtio_mhp_has_request(vmhp, type)) {
        return VIRTIO_MHP_RESP_ERROR;
    }
    switch (type) {
    case VIRTIO_MHP_REQ_PLUG:
        return virtio_mhp_plug_request(vmhp, &req->u.plug);
    case VIRTIO_MHP_REQ_UNPLUG:
        return virtio_mhp_unplug_request(vmhp, &req->u.unplug);
    case VIRTIO_MHP_REQ_UNPLUG_ALL:
        return virtio_mhp_unplug_all_request(vmhp);
    case VIRTIO_MHP_REQ_STATE:
        return virtio_mhp_state_request(vmhp, &req->u.state, &resp->u.state);
    case VIRTIO_MHP_REQ_MEMMAP:
        return virtio_mhp_memmap_request(vmhp, &req->u.memmap);
    default:
        return virtio_mhp_status_request(vmhp, &req->u.status);
    }
}

/* Whether the buffer has room for both messages (DEV-REQ-1) */
static bool virtio_mhp_check_shape(VirtIODevice *vdev,
                                   const VirtQueueElement *elem)
{
    const size_t req_size = iov_size(elem->out_sg, elem->out_num);
    const size_t resp_size = iov_size(elem->in_sg, elem->in_num);

    if (req_size != sizeof(struct virtio_mhp_req)) {
        virtio_error(vdev, "virtio-mhp: wanted a request of %zu bytes, got %zu",
                     sizeof(struct virtio_mhp_req), req_size);
        return false;
    }
    if (resp_size < sizeof(struct virtio_mhp_resp)) {
        virtio_error(
            vdev,
            "virtio-mhp: wanted room for a response of %zu bytes, got %zu",
            sizeof(struct virtio_mhp_resp), resp_size);
        return false;
    }
    return true;
}

/* Give the request's buffer back with the response. */
static void virtio_mhp_answer(VirtIOMHP *vmhp, uint16_t type,
                              struct virtio_mhp_resp *resp)
{
    VirtQueueElement *elem = g_steal_pointer(&vmhp->request.elem);

    virtio_mhp_count_request(&vmhp->counters, vmhp->request.type, type,
                             qemu_clock_get_ns(QEMU_CLOCK_REALTIME) -
                                 vmhp->request.start_ns);
    if (type == VIRTIO_MHP_RESP_ERROR) {
        qemu_log_mask(
            LOG_GUEST_ERROR,
            "virtio-mhp: the driver sent a wrong request of type %u\n",
            vmhp->request.type);
    }
    resp->type = cpu_to_le16(type);
    iov_from_buf(elem->in_sg, elem->in_num, 0, resp, sizeof(*resp));
    virtqueue_push(vmhp->vq, elem, sizeof(*resp));
    virtio_notify(VIRTIO_DEVICE(vmhp), vmhp->vq);
    g_free(elem);
}

void virtio_mhp_request_done(VirtIOMHP *vmhp, uint16_t type)
{
    struct virtio_mhp_resp resp = {0};

    virtio_mhp_answer(vmhp, type, &resp);
}

static void virtio_mhp_handle_request(VirtIOMHP *vmhp, VirtQueueElement *elem)
{
    /* Zeros: padding and unused payload stay zero (DEV-REQ-6) */
    struct virtio_mhp_resp resp = {0};
    struct virtio_mhp_req req;
    uint16_t type;

    iov_to_buf(elem->out_sg, elem->out_num, 0, &req, sizeof(req));
    vmhp->request = (VirtIOMHPRequest){
        .elem = elem,
        .type = le16_to_cpu(req.type),
        .start_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME),
    };
    type = virtio_mhp_decide(vmhp, &req, &resp);
    if (type != VIRTIO_MHP_RESP_PENDING) {
        virtio_mhp_answer(vmhp, type, &resp);
    }
}

/* Take the next request from the queue, false if there is none. */
static bool virtio_mhp_next_request(VirtIOMHP *vmhp)
{
    VirtQueueElement *elem = virtqueue_pop(vmhp->vq, sizeof(*elem));

    if (!elem) {
        return false;
    }
    if (virtio_mhp_check_shape(VIRTIO_DEVICE(vmhp), elem)) {
        virtio_mhp_handle_request(vmhp, elem);
    } else {
        /* A broken device has no more requests. */
        vmhp->counters.nb_malformed++;
        virtqueue_detach_element(vmhp->vq, elem, 0);
        g_free(elem);
    }
    return true;
}

static void virtio_mhp_serve(VirtIOMHP *vmhp)
{
    vmhp->deadline = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                     VIRTIO_MHP_REQUESTS_NS;
    while (!vmhp->job && virtio_mhp_next_request(vmhp)) {
        if (qemu_clock_get_ns(QEMU_CLOCK_REALTIME) >= vmhp->deadline) {
            qemu_bh_schedule(vmhp->requests_bh);
            break;
        }
    }
    vmhp->deadline = 0;
}

void virtio_mhp_handle_requests(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOMHP *vmhp = VIRTIO_MHP(vdev);

    if (!(vdev->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
        virtio_error(
            vdev,
            "virtio-mhp: wanted FEATURES_OK before the first request, got status 0x%x",
            vdev->status);
        return;
    }
    if (!vmhp->is_suspended) {
        virtio_mhp_serve(vmhp);
    }
}

static void virtio_mhp_requests_bh(void *opaque)
{
    VirtIOMHP *vmhp = opaque;

    if (!vmhp->is_suspended &&
        VIRTIO_DEVICE(vmhp)->status & VIRTIO_CONFIG_S_FEATURES_OK) {
        virtio_mhp_serve(vmhp);
    }
}

void virtio_mhp_requests_continue(VirtIOMHP *vmhp)
{
    /* Inside virtio_mhp_serve() its loop goes on. */
    if (!vmhp->job && !vmhp->deadline) {
        qemu_bh_schedule(vmhp->requests_bh);
    }
}

void virtio_mhp_requests_forget(VirtIOMHP *vmhp)
{
    VirtQueueElement *elem = g_steal_pointer(&vmhp->request.elem);

    if (elem) {
        virtqueue_detach_element(vmhp->vq, elem, 0);
        g_free(elem);
    }
    virtio_mhp_memory_abandon(vmhp);
}

void virtio_mhp_requests_settle(VirtIOMHP *vmhp)
{
    const VirtIOMHPOp op = vmhp->op;

    if (!op.is_requested) {
        return;
    }
    virtio_mhp_memory_abandon(vmhp);
    if (op.kind == VIRTIO_MHP_OP_PLUG) {
        VirtQueueElement *elem = g_steal_pointer(&vmhp->request.elem);

        virtqueue_unpop(vmhp->vq, elem, 0);
        g_free(elem);
    } else {
        virtio_mhp_request_done(vmhp, op.kind == VIRTIO_MHP_OP_UNPLUG
                                          ? VIRTIO_MHP_RESP_ACK
                                          : op.answer);
    }
}

static void virtio_mhp_requests_vm_state(void *opaque, bool running,
                                         RunState state)
{
    VirtIOMHP *vmhp = opaque;

    vmhp->is_suspended = !running;
    if (running) {
        virtio_mhp_requests_continue(vmhp);
    } else {
        virtio_mhp_requests_settle(vmhp);
    }
}

void virtio_mhp_requests_init(VirtIOMHP *vmhp)
{
    vmhp->requests_bh = qemu_bh_new(virtio_mhp_requests_bh, vmhp);
    vmhp->vm_state = qdev_add_vm_change_state_handler(
        DEVICE(vmhp), virtio_mhp_requests_vm_state, vmhp);
}

void virtio_mhp_requests_cleanup(VirtIOMHP *vmhp)
{
    qemu_del_vm_change_state_handler(vmhp->vm_state);
    virtio_mhp_requests_forget(vmhp);
    qemu_bh_delete(vmhp->requests_bh);
}
