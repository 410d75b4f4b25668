/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work on the host's memory that takes time: discarding and backing it.
 *
 * A job is cut into pieces. What is short is done at once; when the time for
 * that is over, the rest goes to a thread, and QEMU's main loop hears of its
 * end. A device has one such job at most. While it is in the thread, only
 * @cancelled is looked at by both sides; all other fields are the thread's.
 *
 * Policy is not here, nor is the bookkeeping of blocks.
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "block/thread-pool.h"
#include "exec/cpu-common.h"
#include "exec/memory.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/madvise.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "virtio-mhp-cgroup.h"
#include "virtio-mhp.h"

/* 4 KiB pages of a memory file take 1 ms to discard and 4 ms to back. */
#define VIRTIO_MHP_PIECE (8 * MiB)
/* The main loop has less time. */
#define VIRTIO_MHP_PIECE_SHORT (2 * MiB)

/* What QEMU may need for itself until the next piece */
#define VIRTIO_MHP_CGROUP_SPARE (16 * MiB)

/**
 * struct VirtIOMHPJob - some work and how far it is
 * @work: what is to be done
 * @vmhp: the device, NULL if it has gone; main loop only
 * @ended: how to tell the device; main loop only
 * @rb: the region's memory
 * @host: where QEMU sees it
 * @addr: where the guest sees it
 * @page_size: pages that it is made of
 * @next: all before this offset is done
 * @is_populating: discarding is over
 * @result: VIRTIO_MHP_JOB_*
 * @err: why it could not be backed
 * @counters: what was done so far
 * @cancelled: set by the main loop to end the work after the piece at hand
 * @has_stopped: the thread does not touch the memory any more
 */
struct VirtIOMHPJob {
    VirtIOMHPWork work;
    VirtIOMHP *vmhp;
    VirtIOMHPJobEnded *ended;
    RAMBlock *rb;
    char *host;
    uint64_t addr;
    uint64_t page_size;
    uint64_t next;
    bool is_populating;
    VirtIOMHPJobResult result;
    Error *err;
    VirtIOMHPHostCounters counters;
    bool cancelled;
    QemuEvent has_stopped;
};

/* The next piece to be backed: any part of the range, or of its memmaps */
static bool virtio_mhp_job_next_populate(const VirtIOMHPJob *job,
                                         uint64_t *offset, uint64_t *size)
{
    const uint64_t end = job->work.offset + job->work.size;
    uint64_t addr = job->addr + job->next;

    if (job->work.populate_all) {
        *offset = job->next;
        *size = end - job->next;
        return *size > 0;
    }
    if (!virtio_mhp_memmap_next(&job->work.memmap, job->addr + end, &addr,
                                size)) {
        return false;
    }
    *offset = addr - job->addr;
    return true;
}

/* Find the next piece of at most @limit bytes, but of whole pages. */
static bool virtio_mhp_job_next(VirtIOMHPJob *job, uint64_t limit,
                                uint64_t *offset, uint64_t *size)
{
    const uint64_t end = job->work.offset + job->work.size;

    if (!job->is_populating && job->next == end) {
        job->is_populating = true;
        job->next = job->work.offset;
    }
    *offset = job->next;
    *size = end - job->next;
    if (job->is_populating &&
        !virtio_mhp_job_next_populate(job, offset, size)) {
        return false;
    }
    *size = MIN(*size, limit);
    /* Blocks are whole pages, so this stays in the blocks it came from. */
    *size = QEMU_ALIGN_UP(*offset + *size, job->page_size);
    *offset = QEMU_ALIGN_DOWN(*offset, job->page_size);
    *size -= *offset;
    return true;
}

/*
 * Linux ends QEMU at the limit of its control group rather than to fail. Huge
 * pages of a pool do not count there.
 */
static bool virtio_mhp_job_check_room(VirtIOMHPJob *job, uint64_t size)
{
    uint64_t room;

    if (job->page_size == qemu_real_host_page_size() &&
        virtio_mhp_cgroup_room("", &room) &&
        room < size + VIRTIO_MHP_CGROUP_SPARE) {
        error_setg(&job->err,
                   "QEMU's control group has room for %" PRIu64
                   " MiB, and the last %" PRIu64 " MiB stay free",
                   (uint64_t)(room / MiB),
                   (uint64_t)(VIRTIO_MHP_CGROUP_SPARE / MiB));
        return false;
    }
    return true;
}

static bool virtio_mhp_job_populate(VirtIOMHPJob *job, uint64_t offset,
                                    uint64_t size)
{
    if (!virtio_mhp_job_check_room(job, size)) {
        return false;
    }
    while (qemu_madvise(job->host + offset, size, QEMU_MADV_POPULATE_WRITE)) {
        if (errno != EINTR) {
            error_setg_errno(&job->err, errno, "the host has no memory for it");
            return false;
        }
    }
    return true;
}

/* Do one piece, false if there is no more to be done. */
static bool virtio_mhp_job_step(VirtIOMHPJob *job, uint64_t limit)
{
    uint64_t offset, size;

    if (!virtio_mhp_job_next(job, limit, &offset, &size)) {
        return false;
    }
    if (!job->is_populating) {
        if (ram_block_discard_range(job->rb, offset, size)) {
            job->counters.nb_failed_discards++;
            job->result = VIRTIO_MHP_JOB_CANNOT_DISCARD;
            return false;
        }
        job->counters.nb_discards++;
        job->counters.discarded += size;
    } else if (!virtio_mhp_job_populate(job, offset, size)) {
        job->result = VIRTIO_MHP_JOB_CANNOT_POPULATE;
        return false;
    } else {
        job->counters.backed += size;
    }
    job->next = offset + size;
    return true;
}

static int virtio_mhp_job_thread(void *opaque)
{
    VirtIOMHPJob *job = opaque;
    bool has_more;

    do {
        if (qatomic_read(&job->cancelled)) {
            job->result = VIRTIO_MHP_JOB_CANCELLED;
            break;
        }
        has_more = virtio_mhp_job_step(job, VIRTIO_MHP_PIECE);
    } while (has_more);
    qemu_event_set(&job->has_stopped);
    return 0;
}

static void virtio_mhp_job_end(void *opaque, int ret)
{
    VirtIOMHPJob *job = opaque;
    VirtIOMHP *vmhp = job->vmhp;

    if (vmhp) {
        vmhp->memory.job = NULL;
        virtio_mhp_count_host(&vmhp->counters, &job->counters);
        job->ended(vmhp, job->result, job->err);
    }
    error_free(job->err);
    qemu_event_destroy(&job->has_stopped);
    g_free(job);
}

/* True if the job came to its end in the time that it has here */
static bool virtio_mhp_job_try(VirtIOMHPJob *job, int64_t deadline)
{
    /* One huge page can take all of that time. */
    if (job->page_size > VIRTIO_MHP_PIECE_SHORT) {
        return false;
    }
    while (qemu_clock_get_ns(QEMU_CLOCK_REALTIME) < deadline) {
        if (!virtio_mhp_job_step(job, VIRTIO_MHP_PIECE_SHORT)) {
            return true;
        }
    }
    return false;
}

bool virtio_mhp_job_start(VirtIOMHP *vmhp, const VirtIOMHPWork *work,
                          int64_t deadline, VirtIOMHPJobEnded *ended)
{
    MemoryRegion *mr = &vmhp->memdev->mr;
    VirtIOMHPJob *job, start = {
                           .work = *work,
                           .vmhp = vmhp,
                           .ended = ended,
                           .rb = mr->ram_block,
                           .host = memory_region_get_ram_ptr(mr),
                           .addr = vmhp->addr,
                           .page_size = qemu_ram_pagesize(mr->ram_block),
                           .next = work->offset,
                       };

    g_assert(!vmhp->memory.job);
    g_assert(work->offset + work->size <= memory_region_size(mr));
    if (virtio_mhp_job_try(&start, deadline)) {
        virtio_mhp_count_host(&vmhp->counters, &start.counters);
        ended(vmhp, start.result, start.err);
        error_free(start.err);
        return true;
    }
    job = g_memdup2(&start, sizeof(start));
    qemu_event_init(&job->has_stopped, false);
    vmhp->memory.job = job;
    thread_pool_submit_aio(virtio_mhp_job_thread, job, virtio_mhp_job_end, job);
    return false;
}

void virtio_mhp_job_cancel(VirtIOMHPJob *job)
{
    qatomic_set(&job->cancelled, true);
}

void virtio_mhp_job_drop(VirtIOMHP *vmhp)
{
    VirtIOMHPJob *job = vmhp->memory.job;

    if (job) {
        virtio_mhp_job_cancel(job);
        qemu_event_wait(&job->has_stopped);
        job->vmhp = NULL;
        vmhp->memory.job = NULL;
    }
}
