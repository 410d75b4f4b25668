/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plugging and unplugging: the memory of the host is given back when blocks are
 * unplugged, and taken beforehand where that was asked for.
 *
 * Policy, that is whether a request may be granted, is not here. The
 * bookkeeping is changed when the work is over, in one step, so that either
 * both are changed or neither is.
 */
#include "qemu/osdep.h"
#include "exec/cpu-common.h"
#include "exec/memory.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "trace.h"
#include "virtio-mhp-fault.h"
#include "virtio-mhp.h"

uint64_t virtio_mhp_memory_pending_plug_size(const VirtIOMHP *vmhp)
{
    return vmhp->memory.is_plugging
               ? virtio_mhp_blocks_size(&vmhp->blocks, &vmhp->op.range)
               : 0;
}

void virtio_mhp_memory_notify_size(VirtIOMHP *vmhp)
{
    notifier_list_notify(&vmhp->memory.size_change_notifiers, vmhp);
}

bool virtio_mhp_memory_discard_all(VirtIOMHP *vmhp, Error **errp)
{
    RAMBlock *rb = vmhp->memdev->mr.ram_block;
    const uint64_t size = qemu_ram_get_used_length(rb);
    const int ret = ram_block_discard_range(rb, 0, size);

    trace_virtio_mhp_discard_all(vmhp->addr, size, ret);
    if (ret) {
        error_setg(errp, "cannot discard the memory of backend '%s'",
                   virtio_mhp_memdev_id(vmhp));
        return false;
    }
    return true;
}

static void virtio_mhp_memory_trace(const VirtIOMHP *vmhp,
                                    const VirtIOMHPRange *range, bool plugged)
{
    const uint64_t addr = virtio_mhp_blocks_addr(&vmhp->blocks, range);

    if (plugged) {
        trace_virtio_mhp_plugged(addr, range->nb_blocks,
                                 vmhp->blocks.nb_plugged);
    } else {
        trace_virtio_mhp_unplugged(addr, range->nb_blocks,
                                   vmhp->blocks.nb_plugged);
    }
}

static void virtio_mhp_memory_set_plugged(VirtIOMHP *vmhp,
                                          const VirtIOMHPRange *range,
                                          bool plugged)
{
    const uint64_t nb_plugged = vmhp->blocks.nb_plugged;
    VirtIOMHPRange changing = *range;

    notifier_list_notify(&vmhp->memory.change_notifiers, &changing);
    if (!plugged) {
        virtio_mhp_rdm_unplug(vmhp, range);
    }
    virtio_mhp_blocks_set_plugged(&vmhp->blocks, range, plugged);
    if (!plugged) {
        virtio_mhp_memslots_unmap_unused(vmhp, range);
    }
    virtio_mhp_memory_trace(vmhp, range, plugged);
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

/* Before it is known how much of it can be discarded */
static void virtio_mhp_memory_set_unplugged(VirtIOMHP *vmhp,
                                            const VirtIOMHPRange *range)
{
    virtio_mhp_memory_set_plugged(vmhp, range, false);
    virtio_mhp_pending_add(vmhp, range);
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
        virtio_mhp_blocks_addr(&vmhp->blocks, range), error_get_pretty(err));
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

/* Whether the blocks can be plugged now, or why not */
static VirtIOMHPRefusal
virtio_mhp_memory_plug_outcome(VirtIOMHP *vmhp, const VirtIOMHPRange *range,
                               const VirtIOMHPJob *job)
{
    if (job->result == VIRTIO_MHP_JOB_CANNOT_DISCARD) {
        return VIRTIO_MHP_REFUSED_DISCARD;
    }
    if (job->result != VIRTIO_MHP_JOB_DONE) {
        virtio_mhp_memory_warn(vmhp, range, job->err);
        return VIRTIO_MHP_REFUSED_HOST_MEMORY;
    }
    return virtio_mhp_memory_publish(vmhp, range) ? VIRTIO_MHP_GRANTED
                                                  : VIRTIO_MHP_REFUSED_LISTENER;
}

static void virtio_mhp_memory_plug_ended(VirtIOMHP *vmhp,
                                         const VirtIOMHPRange *range,
                                         const VirtIOMHPJob *job)
{
    VirtIOMHPMemoryEnded *ended = vmhp->memory.ended;
    VirtIOMHPRefusal why;

    vmhp->memory.is_plugging = false;
    vmhp->memory.ended = NULL;
    if (!ended) {
        virtio_mhp_pending_add(vmhp, range);
        return;
    }
    why = virtio_mhp_memory_plug_outcome(vmhp, range, job);
    if (why == VIRTIO_MHP_GRANTED) {
        virtio_mhp_memory_set_plugged(vmhp, range, true);
    } else if (why != VIRTIO_MHP_REFUSED_DISCARD) {
        virtio_mhp_pending_add(vmhp, range);
    }
    ended(vmhp, why, range);
    /* The driver may try again with less: give back first what was taken. */
    virtio_mhp_pending_go_on(vmhp);
}

/*
 * Where contents are lost already the blocks are unplugged, and what could not
 * be discarded is pending (DEV-UNPLUG-3).
 */
static void virtio_mhp_memory_unplug_ended(VirtIOMHP *vmhp,
                                           const VirtIOMHPRange *range,
                                           const VirtIOMHPJob *job)
{
    VirtIOMHPMemoryEnded *ended = vmhp->memory.ended;
    VirtIOMHPRefusal why = VIRTIO_MHP_GRANTED;

    vmhp->memory.is_unplugging = false;
    vmhp->memory.ended = NULL;
    if (!ended) {
        virtio_mhp_pending_count(vmhp, range, job);
        return;
    }
    if (job->result == VIRTIO_MHP_JOB_DONE) {
        virtio_mhp_memory_set_plugged(vmhp, range, false);
    } else if (job->discarded_to) {
        virtio_mhp_memory_set_unplugged(vmhp, range);
        virtio_mhp_pending_count(vmhp, range, job);
    } else {
        why = VIRTIO_MHP_REFUSED_DISCARD;
    }
    ended(vmhp, why, range);
}

/*
 * Discards first: a driver that broke the rules may have written to the
 * unplugged blocks; they read zero all the same (DEV-PLUG-5).
 */
void virtio_mhp_memory_plug(VirtIOMHP *vmhp, const VirtIOMHPRange *range,
                            int64_t deadline, VirtIOMHPMemoryEnded *ended)
{
    const VirtIOMHPWork work = {
        .discards = true,
        .populates_all = vmhp->prealloc,
        .memmap = vmhp->memmap,
    };

    vmhp->memory.is_plugging = true;
    vmhp->memory.ended = ended;
    virtio_mhp_op_start(vmhp, range, &work, deadline,
                        virtio_mhp_memory_plug_ended);
}

void virtio_mhp_memory_unplug(VirtIOMHP *vmhp, const VirtIOMHPRange *range,
                              int64_t deadline, VirtIOMHPMemoryEnded *ended)
{
    VirtIOMHPWork work = {.discards = true};
    VirtIOMHPRange more = *range;

    if (virtio_mhp_has_fault(DISCARD) &&
        range->first + range->nb_blocks < vmhp->blocks.nb_blocks) {
        more.nb_blocks++;
        work.parts = virtio_mhp_op_parts(vmhp, &more);
    }
    vmhp->memory.is_unplugging = true;
    vmhp->memory.ended = ended;
    virtio_mhp_op_start(vmhp, range, &work, deadline,
                        virtio_mhp_memory_unplug_ended);
}

void virtio_mhp_memory_reset(VirtIOMHP *vmhp)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(&vmhp->blocks);

    g_assert(!vmhp->memory.ended);
    virtio_mhp_op_cancel(vmhp);
    virtio_mhp_memory_set_unplugged(vmhp, &all);
    virtio_mhp_pending_go_on(vmhp);
}

bool virtio_mhp_memory_forget(VirtIOMHP *vmhp, Error **errp)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(&vmhp->blocks);

    g_assert(!vmhp->memory.ended);
    if (!virtio_mhp_op_rest(vmhp, errp)) {
        return false;
    }
    virtio_mhp_memory_set_plugged(vmhp, &all, false);
    return true;
}

bool virtio_mhp_memory_back_plugged(VirtIOMHP *vmhp, uint64_t *wanted,
                                    uint64_t *got, Error **errp)
{
    const VirtIOMHPWork work = {
        .parts = virtio_mhp_op_plugged_parts(vmhp),
        .populates_all = vmhp->prealloc,
        .memmap = vmhp->memmap,
        .addr = vmhp->addr,
    };
    VirtIOMHPJob *job;
    bool ok;

    if (!vmhp->blocks.nb_plugged) {
        g_array_unref(work.parts);
        return true;
    }
    job = virtio_mhp_job_new(vmhp->memdev, &work);
    *wanted = virtio_mhp_job_size(job);
    ok = virtio_mhp_job_check(job, got, errp);
    if (ok) {
        virtio_mhp_job_run(job);
        virtio_mhp_count_host(&vmhp->counters, &job->counters);
        *got = job->counters.backed;
        ok = job->result == VIRTIO_MHP_JOB_DONE;
        error_propagate(errp, g_steal_pointer(&job->err));
    }
    virtio_mhp_job_free(job);
    return ok;
}

void virtio_mhp_memory_abandon(VirtIOMHP *vmhp)
{
    const VirtIOMHPRange range = vmhp->op.range;

    if (!vmhp->memory.ended) {
        return;
    }
    vmhp->memory.ended = NULL;
    trace_virtio_mhp_abandoned(virtio_mhp_blocks_addr(&vmhp->blocks, &range),
                               range.nb_blocks, vmhp->memory.is_unplugging);
    if (vmhp->memory.is_unplugging) {
        virtio_mhp_memory_set_unplugged(vmhp, &range);
    } else {
        virtio_mhp_op_cancel(vmhp);
    }
}

void virtio_mhp_memory_init(VirtIOMHP *vmhp)
{
    notifier_list_init(&vmhp->memory.change_notifiers);
    notifier_list_init(&vmhp->memory.size_change_notifiers);
    virtio_mhp_job_find_limit(vmhp->memdev, vmhp->prealloc);
}
