/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each request means: decide whether it is granted.
 *
 * The driver is not trusted. A wrong value gets ERROR, a legal wish that the
 * host does not grant gets NACK, "not now" gets BUSY; what is not ACKed changes
 * nothing (DEV-REQ-5).
 */
#include "qemu/osdep.h"
#include "virtio-mhp.h"

/* In place of a response: virtio_mhp_request_ended() was or will be called */
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

static void virtio_mhp_request_answer(VirtIOMHP *vmhp, uint16_t type)
{
    const struct virtio_mhp_resp resp = {.type = cpu_to_le16(type)};

    virtio_mhp_queue_answer(vmhp, &resp);
}

/* How the memory's work for a PLUG, UNPLUG or UNPLUG_ALL ended */
static void virtio_mhp_request_ended(VirtIOMHP *vmhp, VirtIOMHPRefusal why,
                                     const VirtIOMHPRange *range)
{
    uint16_t type = VIRTIO_MHP_RESP_ACK;

    if (why != VIRTIO_MHP_GRANTED) {
        type = virtio_mhp_refuse(vmhp, why, range->nb_blocks,
                                 why == VIRTIO_MHP_REFUSED_HOST_MEMORY
                                     ? VIRTIO_MHP_RESP_NACK
                                     : VIRTIO_MHP_RESP_BUSY);
    }
    virtio_mhp_request_answer(vmhp, type);
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
        virtio_mhp_size_limit(vmhp)) {
        /* DEV-PLUG-2 */
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_REQUESTED_SIZE,
                                 range.nb_blocks, VIRTIO_MHP_RESP_NACK);
    }
    if (virtio_mhp_blocks_state(blocks, &range) != VIRTIO_MHP_STATE_UNPLUGGED) {
        /* DEV-PLUG-1 */
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_STATE,
                                 range.nb_blocks, VIRTIO_MHP_RESP_ERROR);
    }
    if (virtio_mhp_busy_for_driver(vmhp)) {
        /* DEV-PLUG-3 */
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_MIGRATION,
                                 range.nb_blocks, VIRTIO_MHP_RESP_BUSY);
    }
    virtio_mhp_memory_plug(vmhp, &range, vmhp->queue.deadline,
                           virtio_mhp_request_ended);
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
    if (virtio_mhp_busy_for_driver(vmhp)) {
        /* DEV-UNPLUG-2 */
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_MIGRATION,
                                 range.nb_blocks, VIRTIO_MHP_RESP_BUSY);
    }
    virtio_mhp_memory_unplug(vmhp, &range, vmhp->queue.deadline,
                             virtio_mhp_request_ended);
    return VIRTIO_MHP_RESP_PENDING;
}

/* Discards the whole region: unplugged blocks hold no data either way. */
static uint16_t virtio_mhp_unplug_all_request(VirtIOMHP *vmhp)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(&vmhp->blocks);

    if (virtio_mhp_busy_for_driver(vmhp)) {
        /* Where nothing is plugged, nothing changes (DEV-UNPLUGALL-2). */
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_MIGRATION,
                                 vmhp->blocks.nb_plugged,
                                 vmhp->blocks.nb_plugged ? VIRTIO_MHP_RESP_BUSY
                                                         : VIRTIO_MHP_RESP_ACK);
    }
    virtio_mhp_memory_unplug(vmhp, &all, vmhp->queue.deadline,
                             virtio_mhp_request_ended);
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

void virtio_mhp_handle_request(VirtIOMHP *vmhp,
                               const struct virtio_mhp_req *req)
{
    /* Zeros: padding and unused payload stay zero (DEV-REQ-6) */
    struct virtio_mhp_resp resp = {0};
    const uint16_t type = virtio_mhp_decide(vmhp, req, &resp);

    if (type != VIRTIO_MHP_RESP_PENDING) {
        resp.type = cpu_to_le16(type);
        virtio_mhp_queue_answer(vmhp, &resp);
    }
}
