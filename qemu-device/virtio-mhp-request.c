/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each request means: decide whether it is granted.
 *
 * The driver is not trusted. A wrong value gets ERROR, a legal wish that the
 * host does not grant gets NACK, "not now" gets BUSY; what is not ACKed changes
 * nothing (DEV-REQ-5).
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/timer.h"
#include "trace.h"
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
    trace_virtio_mhp_refused(vmhp->addr, why, nb_blocks);
    vmhp->counters.refused[why] += nb_blocks;
    return response;
}

/* Where in the table below the request at hand is, or the table's size */
static unsigned int virtio_mhp_request_index(const VirtIOMHP *vmhp);

/* Counted before the driver can see it */
static void virtio_mhp_request_answer(VirtIOMHP *vmhp, uint16_t type,
                                      struct virtio_mhp_resp *resp)
{
    const VirtIOMHPQueue *queue = &vmhp->queue;

    trace_virtio_mhp_response(vmhp->addr, queue->type, type);
    virtio_mhp_count_request(
        &vmhp->counters, virtio_mhp_request_index(vmhp), type,
        qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - queue->start_ns);
    if (type == VIRTIO_MHP_RESP_ERROR) {
        qemu_log_mask(
            LOG_GUEST_ERROR,
            "virtio-mhp: the driver sent a wrong request of type %u\n",
            queue->type);
    }
    resp->type = cpu_to_le16(type);
    virtio_mhp_queue_answer(vmhp, resp);
}

/*
 * Drivers of virtio-mem repeat at once what was answered by NACK, for ever and
 * without a pause, but wait after BUSY (DEV-PLUG-4, DEV-PLUG-9).
 */
static uint16_t virtio_mhp_request_short_of_memory(VirtIOMHP *vmhp)
{
    return virtio_vdev_has_feature(VIRTIO_DEVICE(vmhp),
                                   VIRTIO_MHP_F_MEMMAP_ON_BLOCK)
               ? VIRTIO_MHP_RESP_NACK
               : VIRTIO_MHP_RESP_BUSY;
}

/* What has just been plugged that is more than the host requests */
static void virtio_mhp_count_pressure(VirtIOMHP *vmhp,
                                      const VirtIOMHPRange *range)
{
    const uint64_t size = MIN(virtio_mhp_size_on_pressure(vmhp),
                              virtio_mhp_blocks_size(&vmhp->blocks, range));

    if (size) {
        trace_virtio_mhp_plugged_on_pressure(vmhp->addr, size);
        vmhp->counters.pressure_plugged += size;
    }
}

/* How the memory's work for a PLUG, UNPLUG or UNPLUG_ALL ended */
static void virtio_mhp_request_ended(VirtIOMHP *vmhp, VirtIOMHPRefusal why,
                                     const VirtIOMHPRange *range)
{
    struct virtio_mhp_resp resp = {0};
    uint16_t type = VIRTIO_MHP_RESP_ACK;

    if (why == VIRTIO_MHP_REFUSED_HOST_MEMORY) {
        type = virtio_mhp_request_short_of_memory(vmhp);
    } else if (why != VIRTIO_MHP_GRANTED) {
        type = VIRTIO_MHP_RESP_BUSY;
    }
    if (why != VIRTIO_MHP_GRANTED) {
        virtio_mhp_refuse(vmhp, why, range->nb_blocks, type);
    } else if (vmhp->queue.type == VIRTIO_MHP_REQ_PLUG) {
        virtio_mhp_count_pressure(vmhp, range);
    }
    virtio_mhp_request_answer(vmhp, type, &resp);
}

static uint16_t virtio_mhp_plug_request(VirtIOMHP *vmhp,
                                        const struct virtio_mhp_req *req,
                                        struct virtio_mhp_resp *resp)
{
    const VirtIOMHPBlocks *blocks = &vmhp->blocks;
    VirtIOMHPRange range;
    const uint64_t limit = virtio_mhp_size_limit(vmhp);
    uint64_t plugged_size;

    trace_virtio_mhp_plug_request(le64_to_cpu(req->u.plug.addr),
                                  le16_to_cpu(req->u.plug.nb_blocks));
    if (!virtio_mhp_request_range(vmhp, req->u.plug.addr, req->u.plug.nb_blocks,
                                  &range)) {
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_RANGE,
                                 le16_to_cpu(req->u.plug.nb_blocks),
                                 VIRTIO_MHP_RESP_ERROR);
    }
    /* Neither addend exceeds the region, so the sum cannot overflow. */
    plugged_size = virtio_mhp_blocks_plugged_size(blocks);
    if (plugged_size + virtio_mhp_blocks_size(blocks, &range) > limit) {
        /* DEV-PLUG-2 */
        return virtio_mhp_refuse(vmhp,
                                 limit > vmhp->requested_size
                                     ? VIRTIO_MHP_REFUSED_PRESSURE_SIZE
                                     : VIRTIO_MHP_REFUSED_REQUESTED_SIZE,
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
                                          const struct virtio_mhp_req *req,
                                          struct virtio_mhp_resp *resp)
{
    VirtIOMHPRange range;

    trace_virtio_mhp_unplug_request(le64_to_cpu(req->u.unplug.addr),
                                    le16_to_cpu(req->u.unplug.nb_blocks));
    if (!virtio_mhp_request_range(vmhp, req->u.unplug.addr,
                                  req->u.unplug.nb_blocks, &range)) {
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_RANGE,
                                 le16_to_cpu(req->u.unplug.nb_blocks),
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
static uint16_t virtio_mhp_unplug_all_request(VirtIOMHP *vmhp,
                                              const struct virtio_mhp_req *req,
                                              struct virtio_mhp_resp *resp)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(&vmhp->blocks);

    trace_virtio_mhp_unplug_all_request(vmhp->addr);
    /* For nothing the driver cannot keep the host busy (DEV-UNPLUGALL-2). */
    if (!vmhp->blocks.nb_plugged) {
        virtio_mhp_blocks_clear_reasons(&vmhp->blocks); /* DEV-STATUS-2 */
        return VIRTIO_MHP_RESP_ACK;
    }
    if (virtio_mhp_busy_for_driver(vmhp)) {
        return virtio_mhp_refuse(vmhp, VIRTIO_MHP_REFUSED_MIGRATION,
                                 vmhp->blocks.nb_plugged, VIRTIO_MHP_RESP_BUSY);
    }
    virtio_mhp_memory_unplug(vmhp, &all, vmhp->queue.deadline,
                             virtio_mhp_request_ended);
    return VIRTIO_MHP_RESP_PENDING;
}

static uint16_t virtio_mhp_state_request(VirtIOMHP *vmhp,
                                         const struct virtio_mhp_req *req,
                                         struct virtio_mhp_resp *resp)
{
    VirtIOMHPRange range;
    uint16_t state;

    trace_virtio_mhp_state_request(le64_to_cpu(req->u.state.addr),
                                   le16_to_cpu(req->u.state.nb_blocks));
    if (!virtio_mhp_request_range(vmhp, req->u.state.addr,
                                  req->u.state.nb_blocks, &range)) {
        return VIRTIO_MHP_RESP_ERROR;
    }
    state = virtio_mhp_blocks_state(&vmhp->blocks, &range);
    trace_virtio_mhp_state_response(vmhp->addr, state);
    resp->u.state.state = cpu_to_le16(state);
    return VIRTIO_MHP_RESP_ACK;
}

static uint16_t virtio_mhp_memmap_request(VirtIOMHP *vmhp,
                                          const struct virtio_mhp_req *req,
                                          struct virtio_mhp_resp *resp)
{
    const VirtIOMHPMemmap memmap = {
        .unit_size = le64_to_cpu(req->u.memmap.unit_size),
        .memmap_size = le64_to_cpu(req->u.memmap.memmap_size),
    };

    trace_virtio_mhp_memmap_request(vmhp->addr, memmap.unit_size,
                                    memmap.memmap_size);
    if (!virtio_mhp_memmap_is_valid(&memmap)) {
        return VIRTIO_MHP_RESP_ERROR; /* DEV-MEMMAP-1 */
    }
    vmhp->memmap = memmap;
    return VIRTIO_MHP_RESP_ACK;
}

static uint16_t virtio_mhp_status_request(VirtIOMHP *vmhp,
                                          const struct virtio_mhp_req *req,
                                          struct virtio_mhp_resp *resp)
{
    const uint16_t reason = le16_to_cpu(req->u.status.reason);
    VirtIOMHPRange range;

    trace_virtio_mhp_status_request(le64_to_cpu(req->u.status.addr),
                                    le16_to_cpu(req->u.status.nb_blocks),
                                    reason);
    if (!virtio_mhp_request_range(vmhp, req->u.status.addr,
                                  req->u.status.nb_blocks, &range)) {
        return VIRTIO_MHP_RESP_ERROR;
    }
    if (!virtio_mhp_reason_name(reason)) {
        return VIRTIO_MHP_RESP_ERROR; /* DEV-STATUS-1 */
    }
    virtio_mhp_blocks_set_reason(&vmhp->blocks, &range, reason);
    return VIRTIO_MHP_RESP_ACK;
}

/**
 * struct VirtIOMHPRequestType - a type of request
 * @type: VIRTIO_MHP_REQ_*
 * @feature: what a driver that sends it must have accepted (DEV-REQ-2)
 * @name: what its counters are called
 * @decide: returns the type of the response and fills in its payload
 */
typedef struct VirtIOMHPRequestType {
    uint16_t type;
    unsigned int feature;
    const char *name;
    uint16_t (*decide)(VirtIOMHP *vmhp, const struct virtio_mhp_req *req,
                       struct virtio_mhp_resp *resp);
} VirtIOMHPRequestType;

/* What virtio-mem has, too, asks for what every driver has (DEV-FEAT-2). */
static const VirtIOMHPRequestType virtio_mhp_request_types[] = {
    {VIRTIO_MHP_REQ_PLUG, VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE, "plug",
     virtio_mhp_plug_request},
    {VIRTIO_MHP_REQ_UNPLUG, VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE, "unplug",
     virtio_mhp_unplug_request},
    {VIRTIO_MHP_REQ_UNPLUG_ALL, VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE,
     "unplug-all", virtio_mhp_unplug_all_request},
    {VIRTIO_MHP_REQ_STATE, VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE, "state",
     virtio_mhp_state_request},
    {VIRTIO_MHP_REQ_MEMMAP, VIRTIO_MHP_F_MEMMAP_ON_BLOCK, "memmap",
     virtio_mhp_memmap_request},
    {VIRTIO_MHP_REQ_STATUS, VIRTIO_MHP_F_STATUS, "status",
     virtio_mhp_status_request},
};

#define VIRTIO_MHP_REQUEST_UNKNOWN ARRAY_SIZE(virtio_mhp_request_types)
QEMU_BUILD_BUG_ON(VIRTIO_MHP_REQUEST_UNKNOWN + 1 !=
                  VIRTIO_MHP_NB_COUNTED_TYPES);

static unsigned int virtio_mhp_request_index(const VirtIOMHP *vmhp)
{
    unsigned int i = 0;

    while (i < VIRTIO_MHP_REQUEST_UNKNOWN &&
           virtio_mhp_request_types[i].type != vmhp->queue.type) {
        i++;
    }
    return i;
}

const char *virtio_mhp_request_name(unsigned int index)
{
    return index < VIRTIO_MHP_REQUEST_UNKNOWN
               ? virtio_mhp_request_types[index].name
               : "unknown";
}

/* What the request at hand is, NULL if that is unknown (DEV-REQ-2) */
static const VirtIOMHPRequestType *virtio_mhp_request_type(VirtIOMHP *vmhp)
{
    const unsigned int index = virtio_mhp_request_index(vmhp);

    if (index == VIRTIO_MHP_REQUEST_UNKNOWN ||
        !virtio_vdev_has_feature(VIRTIO_DEVICE(vmhp),
                                 virtio_mhp_request_types[index].feature)) {
        return NULL;
    }
    return &virtio_mhp_request_types[index];
}

static void virtio_mhp_request_handle(VirtIOMHP *vmhp,
                                      const struct virtio_mhp_req *req)
{
    const VirtIOMHPRequestType *type = virtio_mhp_request_type(vmhp);
    /* Zeros: padding and unused payload stay zero (DEV-REQ-6) */
    struct virtio_mhp_resp resp = {0};
    uint16_t response = VIRTIO_MHP_RESP_ERROR;

    if (!type) {
        trace_virtio_mhp_unknown_request(vmhp->addr, vmhp->queue.type);
    }
    if (!type && virtio_mhp_is_virtio_mem(vmhp)) {
        virtio_error(
            VIRTIO_DEVICE(vmhp),
            "virtio-mhp: wanted a request that virtio-mem knows, got one of type %u",
            vmhp->queue.type);
        virtio_mhp_queue_refuse(vmhp);
        return;
    }
    if (type) {
        response = type->decide(vmhp, req, &resp);
    }
    if (response != VIRTIO_MHP_RESP_PENDING) {
        virtio_mhp_request_answer(vmhp, response, &resp);
    }
}

/* A PLUG starts anew later, blocks that were being unplugged are unplugged. */
static void virtio_mhp_request_settle(VirtIOMHP *vmhp)
{
    struct virtio_mhp_resp resp = {0};

    virtio_mhp_memory_abandon(vmhp);
    if (vmhp->queue.type == VIRTIO_MHP_REQ_PLUG) {
        virtio_mhp_queue_put_back(vmhp);
    } else {
        virtio_mhp_request_answer(vmhp, VIRTIO_MHP_RESP_ACK, &resp);
    }
}

const VirtIOMHPQueueHandlers virtio_mhp_request_handlers = {
    .handle = virtio_mhp_request_handle,
    .settle = virtio_mhp_request_settle,
};
