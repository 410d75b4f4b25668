/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The request queue: take a request, check its shape, decide, answer.
 *
 * The driver is not trusted. A buffer of the wrong shape breaks the device,
 * a wrong value gets ERROR, a legal wish that the host does not grant gets
 * NACK, "not now" gets BUSY; what is not ACKed changes nothing (DEV-REQ-5).
 */
#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "qemu/log.h"
#include "virtio-mhp.h"

/* Little-endian fields of struct virtio_mhp_range to a range (DEV-REQ-3) */
static bool virtio_mhp_request_range(const VirtIOMHP *vmhp, uint64_t addr,
                                     uint16_t nb_blocks, VirtIOMHPRange *range)
{
    return virtio_mhp_blocks_range(&vmhp->blocks, le64_to_cpu(addr),
                                   le16_to_cpu(nb_blocks), range);
}

static uint16_t virtio_mhp_plug_request(VirtIOMHP *vmhp,
                                        const struct virtio_mhp_range *req)
{
    const VirtIOMHPBlocks *blocks = &vmhp->blocks;
    VirtIOMHPRange range;
    uint64_t plugged_size;

    if (!virtio_mhp_request_range(vmhp, req->addr, req->nb_blocks, &range)) {
        return VIRTIO_MHP_RESP_ERROR;
    }
    /* Neither addend exceeds the region, so the sum cannot overflow. */
    plugged_size = virtio_mhp_blocks_plugged_size(blocks);
    if (plugged_size + virtio_mhp_blocks_size(blocks, &range) >
        vmhp->requested_size) {
        return VIRTIO_MHP_RESP_NACK; /* DEV-PLUG-2 */
    }
    if (virtio_mhp_blocks_state(blocks, &range) != VIRTIO_MHP_STATE_UNPLUGGED) {
        return VIRTIO_MHP_RESP_ERROR; /* DEV-PLUG-1 */
    }
    return virtio_mhp_memory_plug(vmhp, &range);
}

static uint16_t virtio_mhp_unplug_request(VirtIOMHP *vmhp,
                                          const struct virtio_mhp_range *req)
{
    VirtIOMHPRange range;

    if (!virtio_mhp_request_range(vmhp, req->addr, req->nb_blocks, &range)) {
        return VIRTIO_MHP_RESP_ERROR;
    }
    if (virtio_mhp_blocks_state(&vmhp->blocks, &range) !=
        VIRTIO_MHP_STATE_PLUGGED) {
        return VIRTIO_MHP_RESP_ERROR; /* DEV-UNPLUG-1 */
    }
    return virtio_mhp_memory_unplug(vmhp, &range);
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

    if (!virtio_mhp_memmap_is_valid(&memmap, vmhp->block_size)) {
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
        return virtio_mhp_memory_unplug_all(vmhp);
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

static void virtio_mhp_handle_request(VirtIOMHP *vmhp, VirtQueueElement *elem)
{
    /* Zeros: padding and unused payload stay zero (DEV-REQ-6) */
    struct virtio_mhp_resp resp = {0};
    struct virtio_mhp_req req;
    uint16_t type;

    iov_to_buf(elem->out_sg, elem->out_num, 0, &req, sizeof(req));
    type = virtio_mhp_decide(vmhp, &req, &resp);
    if (type == VIRTIO_MHP_RESP_ERROR) {
        qemu_log_mask(
            LOG_GUEST_ERROR,
            "virtio-mhp: the driver sent a wrong request of type %u\n",
            le16_to_cpu(req.type));
    }
    resp.type = cpu_to_le16(type);
    iov_from_buf(elem->in_sg, elem->in_num, 0, &resp, sizeof(resp));
    virtqueue_push(vmhp->vq, elem, sizeof(resp));
    virtio_notify(VIRTIO_DEVICE(vmhp), vmhp->vq);
}

void virtio_mhp_handle_requests(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOMHP *vmhp = VIRTIO_MHP(vdev);
    VirtQueueElement *elem;

    if (!(vdev->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
        virtio_error(
            vdev,
            "virtio-mhp: wanted FEATURES_OK before the first request, got status 0x%x",
            vdev->status);
        return;
    }
    /* A broken device has no more requests: the loop ends by itself. */
    while ((elem = virtqueue_pop(vq, sizeof(*elem)))) {
        if (virtio_mhp_check_shape(vdev, elem)) {
            virtio_mhp_handle_request(vmhp, elem);
        } else {
            virtqueue_detach_element(vq, elem, 0);
        }
        g_free(elem);
    }
}
