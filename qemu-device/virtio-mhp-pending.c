/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must be done with the memory, but has nobody who waits for it: blocks
 * that were unplugged before their memory was back (by a reset, by a request
 * that was abandoned, because the host could not) are discarded, and what came
 * by postcopy is backed.
 *
 * It is done bit by bit, between requests, and never while the guest is being
 * moved or saved: the memory may be another QEMU's by then.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "trace.h"
#include "virtio-mhp.h"

/* What is discarded before requests have their turn */
#define VIRTIO_MHP_PENDING_CHUNK (1 * GiB)
/* When to try again to discard what could not be discarded: later each time */
#define VIRTIO_MHP_PENDING_RETRY_MIN_MS 1000
#define VIRTIO_MHP_PENDING_RETRY_MAX_MS 600000

void virtio_mhp_pending_add(VirtIOMHP *vmhp, const VirtIOMHPRange *range)
{
    trace_virtio_mhp_pending_add(virtio_mhp_blocks_addr(&vmhp->blocks, range),
                                 range->nb_blocks);
    virtio_mhp_blocks_set_pending(&vmhp->blocks, range, true);
    /* It does not wait for what has failed before. */
    vmhp->pending.next = 0;
    vmhp->pending.retry_ms = VIRTIO_MHP_PENDING_RETRY_MIN_MS;
    timer_del(vmhp->pending.retry_timer);
}

void virtio_mhp_pending_add_all(VirtIOMHP *vmhp)
{
    VirtIOMHPRange run = {0};

    while (virtio_mhp_blocks_next_run(&vmhp->blocks, false, &run)) {
        virtio_mhp_pending_add(vmhp, &run);
    }
}

void virtio_mhp_pending_count(VirtIOMHP *vmhp, const VirtIOMHPRange *range,
                              const VirtIOMHPJob *job)
{
    const uint64_t offset = virtio_mhp_blocks_offset(&vmhp->blocks, range);
    VirtIOMHPRange done = *range;

    if (job->discarded_to > offset) {
        done.nb_blocks = MIN((job->discarded_to - offset) / vmhp->block_size,
                             range->nb_blocks);
    } else {
        done.nb_blocks = 0;
    }
    if (done.nb_blocks) {
        trace_virtio_mhp_pending_done(
            virtio_mhp_blocks_addr(&vmhp->blocks, &done), done.nb_blocks);
        virtio_mhp_blocks_set_pending(&vmhp->blocks, &done, false);
    }
}

void virtio_mhp_pending_back(VirtIOMHP *vmhp)
{
    vmhp->pending.must_back = true;
}

static void virtio_mhp_pending_back_ended(VirtIOMHP *vmhp,
                                          const VirtIOMHPRange *range,
                                          const VirtIOMHPJob *job)
{
    if (job->result == VIRTIO_MHP_JOB_CANNOT_POPULATE) {
        warn_report(
            "mhp-vmemmap-mem: cannot back what came by migration with memory: %s",
            error_get_pretty(job->err));
    } else if (job->result == VIRTIO_MHP_JOB_CANCELLED) {
        vmhp->pending.must_back = true;
    }
}

static void virtio_mhp_pending_start_back(VirtIOMHP *vmhp)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(&vmhp->blocks);
    const VirtIOMHPWork work = {
        .parts = virtio_mhp_op_plugged_parts(vmhp),
        .populates_all = vmhp->prealloc,
        .memmap = vmhp->memmap,
    };

    vmhp->pending.must_back = false;
    virtio_mhp_op_start(vmhp, &all, &work, 0, virtio_mhp_pending_back_ended);
}

/* Take the next pending blocks, but not too many; false if there are none. */
static bool virtio_mhp_pending_take(VirtIOMHP *vmhp, VirtIOMHPRange *range)
{
    const uint64_t limit = MAX(VIRTIO_MHP_PENDING_CHUNK / vmhp->block_size, 1);

    *range = (VirtIOMHPRange){.first = vmhp->pending.next};
    if (!virtio_mhp_blocks_next_pending(&vmhp->blocks, range)) {
        vmhp->pending.next = 0;
        return false;
    }
    range->nb_blocks = MIN(range->nb_blocks, limit);
    return true;
}

/* A block that could not be discarded does not keep the others from it. */
static void virtio_mhp_pending_discard_ended(VirtIOMHP *vmhp,
                                             const VirtIOMHPRange *range,
                                             const VirtIOMHPJob *job)
{
    virtio_mhp_pending_count(vmhp, range, job);
    if (job->result == VIRTIO_MHP_JOB_CANNOT_DISCARD) {
        const uint64_t failed = MAX(
            job->discarded_to, virtio_mhp_blocks_offset(&vmhp->blocks, range));

        vmhp->pending.next = failed / vmhp->block_size + 1;
    }
}

static void virtio_mhp_pending_retry_later(VirtIOMHP *vmhp)
{
    VirtIOMHPPending *pending = &vmhp->pending;

    trace_virtio_mhp_pending_retry(vmhp->addr, pending->retry_ms);
    timer_mod(pending->retry_timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + pending->retry_ms);
    pending->retry_ms = MIN(2 * pending->retry_ms,
                            VIRTIO_MHP_PENDING_RETRY_MAX_MS);
}

/* From the first pending block to the last; those that failed, later again. */
static void virtio_mhp_pending_start_discard(VirtIOMHP *vmhp)
{
    const VirtIOMHPWork work = {.discards = true};
    VirtIOMHPRange range;

    if (virtio_mhp_pending_take(vmhp, &range)) {
        virtio_mhp_op_start(vmhp, &range, &work, 0,
                            virtio_mhp_pending_discard_ended);
    } else {
        virtio_mhp_pending_retry_later(vmhp);
    }
}

void virtio_mhp_pending_go_on(VirtIOMHP *vmhp)
{
    const VirtIOMHPPending *pending = &vmhp->pending;
    const bool must_discard = vmhp->blocks.nb_pending &&
                              !timer_pending(pending->retry_timer);
    const bool must_back = pending->must_back && vmhp->blocks.nb_plugged;

    if (virtio_mhp_op_is_on(vmhp) || !(must_back || must_discard)) {
        return;
    }
    if (virtio_mhp_is_busy()) {
        trace_virtio_mhp_pending_rest(vmhp->addr, vmhp->blocks.nb_pending);
        virtio_mhp_busy_watch(vmhp);
    } else if (must_back) {
        virtio_mhp_pending_start_back(vmhp);
    } else {
        virtio_mhp_pending_start_discard(vmhp);
    }
}

static void virtio_mhp_pending_retry(void *opaque)
{
    virtio_mhp_pending_go_on(opaque);
}

static void virtio_mhp_pending_over(Notifier *notifier, void *data)
{
    virtio_mhp_pending_go_on(container_of(notifier, VirtIOMHP, pending.over));
}

void virtio_mhp_pending_init(VirtIOMHP *vmhp)
{
    VirtIOMHPPending *pending = &vmhp->pending;

    pending->retry_timer = timer_new_ms(QEMU_CLOCK_REALTIME,
                                        virtio_mhp_pending_retry, vmhp);
    pending->over.notify = virtio_mhp_pending_over;
    notifier_list_add(&vmhp->busy.over_notifiers, &pending->over);
}

void virtio_mhp_pending_cleanup(VirtIOMHP *vmhp)
{
    notifier_remove(&vmhp->pending.over);
    timer_free(vmhp->pending.retry_timer);
}
