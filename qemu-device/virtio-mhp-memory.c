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
#include "qemu/error-report.h"
#include "qemu/timer.h"
#include "virtio-mhp-fault.h"
#include "virtio-mhp.h"

/* What the main loop is held for before a thread takes over */
#define VIRTIO_MHP_TIME_NS (4 * SCALE_MS)

void virtio_mhp_memory_notify_size(VirtIOMHP *vmhp)
{
    notifier_list_notify(&vmhp->memory.size_change_notifiers, vmhp);
}

bool virtio_mhp_memory_is_working(const VirtIOMHP *vmhp)
{
    return vmhp->memory.job;
}

uint64_t virtio_mhp_memory_pending_plug_size(const VirtIOMHP *vmhp)
{
    const VirtIOMHPOp *op = &vmhp->memory.op;

    return op->kind == VIRTIO_MHP_OP_PLUG
               ? virtio_mhp_blocks_size(&vmhp->blocks, &op->range)
               : 0;
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
        virtio_mhp_rdm_unplug(vmhp, range);
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

static void virtio_mhp_memory_start(VirtIOMHP *vmhp, const VirtIOMHPOp *op,
                                    int64_t deadline)
{
    VirtIOMHPWork work = {
        .offset = virtio_mhp_blocks_offset(&vmhp->blocks, &op->range),
        .size = virtio_mhp_blocks_size(&vmhp->blocks, &op->range),
    };

    if (virtio_mhp_has_fault(DISCARD) && op->kind == VIRTIO_MHP_OP_UNPLUG &&
        work.offset + work.size < memory_region_size(&vmhp->memdev->mr)) {
        work.size += vmhp->block_size;
    }
    if (op->kind == VIRTIO_MHP_OP_PLUG) {
        work.populate_all = vmhp->prealloc;
        work.memmap = vmhp->memmap;
    }
    vmhp->memory.op = *op;
    virtio_mhp_job_start(vmhp, &work, deadline, virtio_mhp_memory_ended);
}

/* Discard; then @ended is called with @outcome, if a request waits for it. */
static void virtio_mhp_memory_discard(VirtIOMHP *vmhp,
                                      const VirtIOMHPRange *range,
                                      VirtIOMHPMemoryEnded *ended,
                                      VirtIOMHPRefusal outcome)
{
    const VirtIOMHPOp op = {
        .kind = VIRTIO_MHP_OP_DISCARD,
        .range = *range,
        .ended = ended,
        .outcome = outcome,
    };

    virtio_mhp_memory_start(
        vmhp, &op, qemu_clock_get_ns(QEMU_CLOCK_REALTIME) + VIRTIO_MHP_TIME_NS);
}

static void virtio_mhp_memory_start_discard_all(VirtIOMHP *vmhp)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(&vmhp->blocks);

    vmhp->memory.must_discard_all = false;
    virtio_mhp_memory_discard(vmhp, &all, NULL, VIRTIO_MHP_GRANTED);
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

/* Map it and tell the listeners, false if one refuses. */
static bool virtio_mhp_memory_publish(VirtIOMHP *vmhp,
                                      const VirtIOMHPRange *range)
{
    virtio_mhp_memslots_map(vmhp, range);
    if (virtio_mhp_rdm_plug(vmhp, range)) {
        return true;
    }
    virtio_mhp_memslots_unmap_unused(vmhp, range);
    return false;
}

static void virtio_mhp_memory_plug_ended(VirtIOMHP *vmhp, const VirtIOMHPOp *op,
                                         VirtIOMHPJobResult result,
                                         const Error *err)
{
    if (!op->ended) {
        virtio_mhp_memory_discard(vmhp, &op->range, NULL, VIRTIO_MHP_GRANTED);
    } else if (result == VIRTIO_MHP_JOB_CANNOT_DISCARD) {
        op->ended(vmhp, VIRTIO_MHP_REFUSED_DISCARD, &op->range);
    } else if (result != VIRTIO_MHP_JOB_DONE) {
        virtio_mhp_memory_warn(vmhp, &op->range, err);
        virtio_mhp_memory_discard(vmhp, &op->range, op->ended,
                                  VIRTIO_MHP_REFUSED_HOST_MEMORY);
    } else if (!virtio_mhp_memory_publish(vmhp, &op->range)) {
        virtio_mhp_memory_discard(vmhp, &op->range, op->ended,
                                  VIRTIO_MHP_REFUSED_LISTENER);
    } else {
        virtio_mhp_memory_set_plugged(vmhp, &op->range, true);
        op->ended(vmhp, VIRTIO_MHP_GRANTED, &op->range);
    }
}

static void virtio_mhp_memory_unplug_ended(VirtIOMHP *vmhp,
                                           const VirtIOMHPOp *op,
                                           VirtIOMHPJobResult result)
{
    if (!op->ended) {
        return;
    }
    /* Where nothing is plugged, nothing is lost (DEV-UNPLUGALL-2). */
    if (result != VIRTIO_MHP_JOB_DONE && vmhp->blocks.nb_plugged) {
        op->ended(vmhp, VIRTIO_MHP_REFUSED_DISCARD, &op->range);
        return;
    }
    virtio_mhp_memory_set_plugged(vmhp, &op->range, false);
    op->ended(vmhp, VIRTIO_MHP_GRANTED, &op->range);
}

static void virtio_mhp_memory_ended(VirtIOMHP *vmhp, VirtIOMHPJobResult result,
                                    const Error *err)
{
    const VirtIOMHPOp op = vmhp->memory.op;

    vmhp->memory.op = (VirtIOMHPOp){0};
    if (vmhp->memory.must_discard_all) {
        virtio_mhp_memory_start_discard_all(vmhp);
    } else if (op.kind == VIRTIO_MHP_OP_PLUG) {
        virtio_mhp_memory_plug_ended(vmhp, &op, result, err);
    } else if (op.kind == VIRTIO_MHP_OP_UNPLUG) {
        virtio_mhp_memory_unplug_ended(vmhp, &op, result);
    } else if (op.ended) {
        op.ended(vmhp, op.outcome, &op.range);
    }
    notifier_list_notify(&vmhp->memory.idle_notifiers, vmhp);
}

/*
 * Discards first: a driver that broke the rules may have written to the
 * unplugged blocks; they read zero all the same (DEV-PLUG-5).
 */
void virtio_mhp_memory_plug(VirtIOMHP *vmhp, const VirtIOMHPRange *range,
                            int64_t deadline, VirtIOMHPMemoryEnded *ended)
{
    const VirtIOMHPOp op = {
        .kind = VIRTIO_MHP_OP_PLUG,
        .range = *range,
        .ended = ended,
    };

    virtio_mhp_memory_start(vmhp, &op, deadline);
}

void virtio_mhp_memory_unplug(VirtIOMHP *vmhp, const VirtIOMHPRange *range,
                              int64_t deadline, VirtIOMHPMemoryEnded *ended)
{
    const VirtIOMHPOp op = {
        .kind = VIRTIO_MHP_OP_UNPLUG,
        .range = *range,
        .ended = ended,
    };

    virtio_mhp_memory_start(vmhp, &op, deadline);
}

void virtio_mhp_memory_reset(VirtIOMHP *vmhp)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(&vmhp->blocks);

    g_assert(!vmhp->memory.op.ended);
    virtio_mhp_memory_set_plugged(vmhp, &all, false);
    if (vmhp->memory.job) {
        virtio_mhp_job_cancel(vmhp->memory.job);
        vmhp->memory.must_discard_all = true;
    } else {
        virtio_mhp_memory_start_discard_all(vmhp);
    }
}

void virtio_mhp_memory_forget(VirtIOMHP *vmhp)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(&vmhp->blocks);

    g_assert(!vmhp->memory.op.ended);
    virtio_mhp_job_drop(vmhp);
    vmhp->memory.op = (VirtIOMHPOp){0};
    vmhp->memory.must_discard_all = false;
    virtio_mhp_memory_set_plugged(vmhp, &all, false);
}

void virtio_mhp_memory_abandon(VirtIOMHP *vmhp)
{
    VirtIOMHPOp *op = &vmhp->memory.op;

    if (!op->ended) {
        return;
    }
    op->ended = NULL;
    if (op->kind == VIRTIO_MHP_OP_UNPLUG) {
        virtio_mhp_memory_set_plugged(vmhp, &op->range, false);
    } else if (op->kind == VIRTIO_MHP_OP_PLUG) {
        virtio_mhp_job_cancel(vmhp->memory.job);
    }
}

void virtio_mhp_memory_init(VirtIOMHP *vmhp)
{
    notifier_list_init(&vmhp->memory.size_change_notifiers);
    notifier_list_init(&vmhp->memory.idle_notifiers);
}

void virtio_mhp_memory_cleanup(VirtIOMHP *vmhp)
{
    virtio_mhp_job_drop(vmhp);
}
