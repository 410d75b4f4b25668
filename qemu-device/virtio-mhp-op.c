/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One operation on the memory at a time: a range of blocks, what the worker
 * does with it, and what is done when that is over.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "virtio-mhp.h"

/* How long a migration waits for the piece at hand */
#define VIRTIO_MHP_OP_REST_MS 1000

bool virtio_mhp_op_is_on(const VirtIOMHP *vmhp)
{
    return virtio_mhp_worker_is_working(vmhp->op.worker);
}

static void virtio_mhp_op_add_part(const VirtIOMHP *vmhp, GArray *parts,
                                   const VirtIOMHPRange *range)
{
    const VirtIOMHPPart part = {
        .offset = virtio_mhp_blocks_offset(&vmhp->blocks, range),
        .size = virtio_mhp_blocks_size(&vmhp->blocks, range),
    };

    g_array_append_val(parts, part);
}

GArray *virtio_mhp_op_parts(const VirtIOMHP *vmhp, const VirtIOMHPRange *range)
{
    GArray *parts = g_array_new(false, false, sizeof(VirtIOMHPPart));

    virtio_mhp_op_add_part(vmhp, parts, range);
    return parts;
}

GArray *virtio_mhp_op_plugged_parts(const VirtIOMHP *vmhp)
{
    GArray *parts = g_array_new(false, false, sizeof(VirtIOMHPPart));
    VirtIOMHPRange run = {0};

    while (virtio_mhp_blocks_next_run(&vmhp->blocks, true, &run)) {
        virtio_mhp_op_add_part(vmhp, parts, &run);
    }
    return parts;
}

void virtio_mhp_op_start(VirtIOMHP *vmhp, const VirtIOMHPRange *range,
                         const VirtIOMHPWork *work, int64_t deadline,
                         VirtIOMHPOpEnded *ended)
{
    VirtIOMHPWork own = *work;

    if (!own.parts) {
        own.parts = virtio_mhp_op_parts(vmhp, range);
    }
    own.addr = vmhp->addr;
    vmhp->op.range = *range;
    vmhp->op.ended = ended;
    virtio_mhp_worker_start(vmhp->op.worker, &own, deadline);
}

static void virtio_mhp_op_ended(void *opaque, const VirtIOMHPJob *job)
{
    VirtIOMHP *vmhp = opaque;
    const VirtIOMHPRange range = vmhp->op.range;

    virtio_mhp_count_host(&vmhp->counters, &job->counters);
    vmhp->op.ended(vmhp, &range, job);
    notifier_list_notify(&vmhp->op.idle_notifiers, vmhp);
}

void virtio_mhp_op_cancel(VirtIOMHP *vmhp)
{
    virtio_mhp_worker_cancel(vmhp->op.worker);
}

bool virtio_mhp_op_rest(VirtIOMHP *vmhp, Error **errp)
{
    if (!virtio_mhp_worker_rest(vmhp->op.worker, VIRTIO_MHP_OP_REST_MS)) {
        error_setg(
            errp,
            "mhp-vmemmap-mem wants the host to give memory back or take it within %d ms, got no end of it on backend '%s'",
            VIRTIO_MHP_OP_REST_MS, virtio_mhp_memdev_id(vmhp));
        return false;
    }
    return true;
}

void virtio_mhp_op_init(VirtIOMHP *vmhp)
{
    notifier_list_init(&vmhp->op.idle_notifiers);
    vmhp->op.worker = virtio_mhp_worker_new(vmhp->memdev, virtio_mhp_op_ended,
                                            vmhp);
}

void virtio_mhp_op_cleanup(VirtIOMHP *vmhp,
                           void (*gone)(HostMemoryBackend *memdev))
{
    virtio_mhp_worker_free(vmhp->op.worker, gone);
}
