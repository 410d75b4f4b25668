/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done with the memory of the host: it is given back when blocks are
 * unplugged, and taken beforehand where that was asked for.
 *
 * Policy, that is whether a request may be granted, is not here. There is one
 * operation at a time. It changes the bookkeeping when its work is over, in
 * one step, so that either both are changed or neither is.
 */
#include "qemu/osdep.h"
#include "exec/cpu-common.h"
#include "exec/memory.h"
#include "qapi/error.h"
#include "qapi/qapi-events-machine.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "virtio-mhp-fault.h"
#include "virtio-mhp.h"

/* What the main loop is held for before a thread takes over */
#define VIRTIO_MHP_TIME_NS (4 * SCALE_MS)

/*
 * Who has the balloon tells it by the balloon's event, and by that alone where
 * libvirt 9 would count the memory twice. The other event carries the names of
 * the PCI device.
 */
static void virtio_mhp_memory_notify_bh(void *opaque)
{
    VirtIOMHP *vmhp = opaque;
    DeviceState *proxy = qdev_get_parent_bus(DEVICE(vmhp))->parent;
    g_autofree char *path = object_get_canonical_path(OBJECT(proxy));
    const uint64_t size = virtio_mhp_blocks_plugged_size(&vmhp->blocks);

    if (virtio_mhp_balloon_is_owner(vmhp)) {
        virtio_mhp_balloon_notify(vmhp);
    }
    if (!virtio_mhp_balloon_is_only_event(vmhp)) {
        qapi_event_send_memory_device_size_change(proxy->id, size, path);
    }
}

/* QEMU drops all but one event a second, so do not make one a request. */
void virtio_mhp_memory_notify_size(VirtIOMHP *vmhp)
{
    qemu_bh_schedule(vmhp->notify_bh);
}

void virtio_mhp_memory_notify_init(VirtIOMHP *vmhp)
{
    vmhp->notify_bh = qemu_bh_new(virtio_mhp_memory_notify_bh, vmhp);
}

void virtio_mhp_memory_notify_cleanup(VirtIOMHP *vmhp)
{
    qemu_bh_delete(vmhp->notify_bh);
}

bool virtio_mhp_memory_discard_all(VirtIOMHP *vmhp, Error **errp)
{
    HostMemoryBackend *memdev = vmhp->memdev;
    RAMBlock *rb = memdev->mr.ram_block;

    if (ram_block_discard_range(rb, 0, qemu_ram_get_used_length(rb))) {
        error_setg(errp, "cannot discard the memory of backend '%s'",
                   object_get_canonical_path_component(OBJECT(memdev)));
        return false;
    }
    return true;
}

static void virtio_mhp_memory_set_plugged(VirtIOMHP *vmhp,
                                          const VirtIOMHPRange *range,
                                          bool plugged)
{
    const uint64_t nb_plugged = vmhp->blocks.nb_plugged;

    if (!plugged) {
        virtio_mhp_listeners_unplug(vmhp, range);
    }
    virtio_mhp_blocks_set_plugged(&vmhp->blocks, range, plugged);
    if (!plugged) {
        virtio_mhp_memslots_unmap_unused(vmhp, range);
    }
    if (plugged) {
        vmhp->counters.plugged += (vmhp->blocks.nb_plugged - nb_plugged) *
                                  vmhp->block_size;
    } else {
        vmhp->counters.unplugged += (nb_plugged - vmhp->blocks.nb_plugged) *
                                    vmhp->block_size;
    }
    if (vmhp->blocks.nb_plugged != nb_plugged) {
        virtio_mhp_memory_notify_size(vmhp);
    }
}

static void virtio_mhp_memory_ended(VirtIOMHP *vmhp, VirtIOMHPJobResult result,
                                    const Error *err);

static void virtio_mhp_memory_start(VirtIOMHP *vmhp, const VirtIOMHPOp *op)
{
    VirtIOMHPWork work = {
        .offset = virtio_mhp_blocks_offset(&vmhp->blocks, &op->range),
        .size = virtio_mhp_blocks_size(&vmhp->blocks, &op->range),
    };
    int64_t deadline = vmhp->deadline;

    if (virtio_mhp_has_fault(DISCARD) && op->kind == VIRTIO_MHP_OP_UNPLUG &&
        work.offset + work.size < memory_region_size(&vmhp->memdev->mr)) {
        work.size += vmhp->block_size;
    }
    if (op->kind == VIRTIO_MHP_OP_PLUG) {
        work.populate_all = vmhp->prealloc;
        work.memmap = vmhp->memmap;
    }
    if (!deadline) {
        deadline = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) + VIRTIO_MHP_TIME_NS;
    }
    vmhp->op = *op;
    virtio_mhp_job_start(vmhp, &work, deadline, virtio_mhp_memory_ended);
}

/* Discard; then @answer is the response to the request, if there is one. */
static void virtio_mhp_memory_discard(VirtIOMHP *vmhp,
                                      const VirtIOMHPRange *range,
                                      bool is_requested, uint16_t answer)
{
    const VirtIOMHPOp op = {
        .kind = VIRTIO_MHP_OP_DISCARD,
        .range = *range,
        .is_requested = is_requested,
        .answer = answer,
    };

    virtio_mhp_memory_start(vmhp, &op);
}

static void virtio_mhp_memory_start_discard_all(VirtIOMHP *vmhp)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(&vmhp->blocks);

    vmhp->must_discard_all = false;
    virtio_mhp_memory_discard(vmhp, &all, false, VIRTIO_MHP_RESP_ACK);
}

static void virtio_mhp_memory_warn(const VirtIOMHP *vmhp,
                                   const VirtIOMHPRange *range,
                                   const Error *err)
{
    /* The driver tries again and again: say it once. */
    static bool reported;

    warn_report_once_cond(
        &reported,
        "virtio-mhp: cannot back blocks at 0x%" PRIx64 " with memory: %s",
        vmhp->addr + virtio_mhp_blocks_offset(&vmhp->blocks, range),
        error_get_pretty(err));
}

/* To the machine and to who else uses its memory, false if one refuses */
static bool virtio_mhp_memory_show(VirtIOMHP *vmhp, const VirtIOMHPRange *range)
{
    virtio_mhp_memslots_map(vmhp, range);
    if (virtio_mhp_listeners_plug(vmhp, range)) {
        return true;
    }
    virtio_mhp_memslots_unmap_unused(vmhp, range);
    return false;
}

static void virtio_mhp_memory_plug_ended(VirtIOMHP *vmhp, const VirtIOMHPOp *op,
                                         VirtIOMHPJobResult result,
                                         const Error *err)
{
    if (!op->is_requested) {
        virtio_mhp_memory_discard(vmhp, &op->range, false, 0);
    } else if (result == VIRTIO_MHP_JOB_CANNOT_DISCARD) {
        vmhp->counters.refused[VIRTIO_MHP_REFUSED_DISCARD] +=
            op->range.nb_blocks;
        virtio_mhp_request_done(vmhp, VIRTIO_MHP_RESP_BUSY);
    } else if (result != VIRTIO_MHP_JOB_DONE) {
        vmhp->counters.refused[VIRTIO_MHP_REFUSED_HOST_MEMORY] +=
            op->range.nb_blocks;
        virtio_mhp_memory_warn(vmhp, &op->range, err);
        virtio_mhp_memory_discard(vmhp, &op->range, true, VIRTIO_MHP_RESP_NACK);
    } else if (!virtio_mhp_memory_show(vmhp, &op->range)) {
        vmhp->counters.refused[VIRTIO_MHP_REFUSED_LISTENER] +=
            op->range.nb_blocks;
        virtio_mhp_memory_discard(vmhp, &op->range, true, VIRTIO_MHP_RESP_BUSY);
    } else {
        virtio_mhp_memory_set_plugged(vmhp, &op->range, true);
        virtio_mhp_request_done(vmhp, VIRTIO_MHP_RESP_ACK);
    }
}

static void virtio_mhp_memory_unplug_ended(VirtIOMHP *vmhp,
                                           const VirtIOMHPOp *op,
                                           VirtIOMHPJobResult result)
{
    if (!op->is_requested) {
        return;
    }
    /* Where nothing is plugged, nothing is lost (DEV-UNPLUGALL-2). */
    if (result != VIRTIO_MHP_JOB_DONE && vmhp->blocks.nb_plugged) {
        vmhp->counters.refused[VIRTIO_MHP_REFUSED_DISCARD] +=
            op->range.nb_blocks;
        virtio_mhp_request_done(vmhp, VIRTIO_MHP_RESP_BUSY);
        return;
    }
    virtio_mhp_memory_set_plugged(vmhp, &op->range, false);
    virtio_mhp_request_done(vmhp, VIRTIO_MHP_RESP_ACK);
}

static void virtio_mhp_memory_ended(VirtIOMHP *vmhp, VirtIOMHPJobResult result,
                                    const Error *err)
{
    const VirtIOMHPOp op = vmhp->op;

    vmhp->op = (VirtIOMHPOp){0};
    if (vmhp->must_discard_all) {
        virtio_mhp_memory_start_discard_all(vmhp);
    } else if (op.kind == VIRTIO_MHP_OP_PLUG) {
        virtio_mhp_memory_plug_ended(vmhp, &op, result, err);
    } else if (op.kind == VIRTIO_MHP_OP_UNPLUG) {
        virtio_mhp_memory_unplug_ended(vmhp, &op, result);
    } else if (op.is_requested) {
        virtio_mhp_request_done(vmhp, op.answer);
    }
    virtio_mhp_requests_continue(vmhp);
}

/*
 * Discards first: a driver that broke the rules may have written to the
 * unplugged blocks; they read zero all the same (DEV-PLUG-5).
 */
void virtio_mhp_memory_plug(VirtIOMHP *vmhp, const VirtIOMHPRange *range)
{
    const VirtIOMHPOp op = {
        .kind = VIRTIO_MHP_OP_PLUG,
        .range = *range,
        .is_requested = true,
    };

    virtio_mhp_memory_start(vmhp, &op);
}

void virtio_mhp_memory_unplug(VirtIOMHP *vmhp, const VirtIOMHPRange *range)
{
    const VirtIOMHPOp op = {
        .kind = VIRTIO_MHP_OP_UNPLUG,
        .range = *range,
        .is_requested = true,
    };

    virtio_mhp_memory_start(vmhp, &op);
}

/* Discards the whole region: unplugged blocks hold no data either way. */
void virtio_mhp_memory_unplug_all(VirtIOMHP *vmhp)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(&vmhp->blocks);

    virtio_mhp_memory_unplug(vmhp, &all);
}

void virtio_mhp_memory_reset(VirtIOMHP *vmhp)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(&vmhp->blocks);

    g_assert(!vmhp->op.is_requested);
    /* Not now; a driver that comes up unplugs what it finds. */
    if (virtio_mhp_migration_is_on()) {
        return;
    }
    virtio_mhp_memory_set_plugged(vmhp, &all, false);
    if (vmhp->job) {
        virtio_mhp_job_cancel(vmhp->job);
        vmhp->must_discard_all = true;
    } else {
        virtio_mhp_memory_start_discard_all(vmhp);
    }
}

void virtio_mhp_memory_drop(VirtIOMHP *vmhp)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(&vmhp->blocks);

    g_assert(!vmhp->op.is_requested);
    virtio_mhp_job_drop(vmhp);
    vmhp->op = (VirtIOMHPOp){0};
    vmhp->must_discard_all = false;
    virtio_mhp_memory_set_plugged(vmhp, &all, false);
}

void virtio_mhp_memory_abandon(VirtIOMHP *vmhp)
{
    VirtIOMHPOp *op = &vmhp->op;

    if (!op->is_requested) {
        return;
    }
    op->is_requested = false;
    if (op->kind == VIRTIO_MHP_OP_UNPLUG) {
        virtio_mhp_memory_set_plugged(vmhp, &op->range, false);
    } else if (op->kind == VIRTIO_MHP_OP_PLUG) {
        virtio_mhp_job_cancel(vmhp->job);
    }
}
