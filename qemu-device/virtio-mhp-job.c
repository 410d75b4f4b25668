/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work on the host's memory, piece by piece: see virtio-mhp-job.h.
 *
 * Policy is not here, nor is the bookkeeping of blocks.
 */
#include "qemu/osdep.h"
#include "exec/cpu-common.h"
#include "exec/memory.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/error-report.h"
#include "qemu/madvise.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "trace.h"
#include "virtio-mhp-cgroup.h"
#include "virtio-mhp-job.h"

#include <linux/magic.h>
#include <sys/vfs.h>

/* 4 KiB pages of a memory file take 1 ms to discard and 4 ms to back. */
#define VIRTIO_MHP_PIECE (8 * MiB)
/* The main loop has less time. */
#define VIRTIO_MHP_PIECE_SHORT (2 * MiB)

static const VirtIOMHPPart *virtio_mhp_job_part(const VirtIOMHPJob *job)
{
    return &g_array_index(job->work.parts, VirtIOMHPPart, job->part);
}

VirtIOMHPJob *virtio_mhp_job_new(HostMemoryBackend *memdev,
                                 const VirtIOMHPWork *work)
{
    MemoryRegion *mr = &memdev->mr;
    VirtIOMHPJob *job = g_new0(VirtIOMHPJob, 1);
    const VirtIOMHPPart *last;

    g_assert(work->parts->len);
    last = &g_array_index(work->parts, VirtIOMHPPart, work->parts->len - 1);
    g_assert(last->offset + last->size <= memory_region_size(mr));
    *job = (VirtIOMHPJob){
        .work = *work,
        .rb = mr->ram_block,
        .host = memory_region_get_ram_ptr(mr),
        .page_size = qemu_ram_pagesize(mr->ram_block),
        .is_populating = !work->discards,
    };
    job->next = virtio_mhp_job_part(job)->offset;
    trace_virtio_mhp_job_start(work->addr, work->parts->len,
                               work->addr + job->next, work->discards,
                               work->populates_all);
    return job;
}

void virtio_mhp_job_free(VirtIOMHPJob *job)
{
    trace_virtio_mhp_job_end(job->work.addr, job->result,
                             job->counters.discarded, job->counters.backed);
    g_array_unref(job->work.parts);
    error_free(job->err);
    g_free(job);
}

/* Where the rest of the part is to be backed, false if nowhere */
static bool virtio_mhp_job_find_populate(const VirtIOMHPJob *job, uint64_t end,
                                         uint64_t *offset, uint64_t *size)
{
    uint64_t addr = job->work.addr + job->next;

    if (job->work.populates_all) {
        return *size > 0;
    }
    if (!virtio_mhp_memmap_next(&job->work.memmap, job->work.addr + end, &addr,
                                size)) {
        return false;
    }
    *offset = addr - job->work.addr;
    return true;
}

/* Where the rest of the part is to be worked on, false if nowhere */
static bool virtio_mhp_job_find(const VirtIOMHPJob *job, uint64_t *offset,
                                uint64_t *size)
{
    const VirtIOMHPPart *part = virtio_mhp_job_part(job);
    const uint64_t end = part->offset + part->size;

    *offset = job->next;
    *size = end - job->next;
    return job->is_populating
               ? virtio_mhp_job_find_populate(job, end, offset, size)
               : *size > 0;
}

/* Go on to the next part, or from discarding to backing; false at the end. */
static bool virtio_mhp_job_advance(VirtIOMHPJob *job)
{
    if (job->part + 1 < job->work.parts->len) {
        job->part++;
    } else if (!job->is_populating) {
        job->is_populating = true;
        job->part = 0;
    } else {
        return false;
    }
    job->next = virtio_mhp_job_part(job)->offset;
    return true;
}

/* Find the next piece of at most @limit bytes, but of whole pages. */
static bool virtio_mhp_job_next(VirtIOMHPJob *job, uint64_t limit,
                                uint64_t *offset, uint64_t *size)
{
    while (!virtio_mhp_job_find(job, offset, size)) {
        if (!virtio_mhp_job_advance(job)) {
            return false;
        }
    }
    *size = MIN(*size, limit);
    /* Parts are whole pages, so this stays in the part it came from. */
    *size = QEMU_ALIGN_UP(*offset + *size, job->page_size);
    *offset = QEMU_ALIGN_DOWN(*offset, job->page_size);
    *size -= *offset;
    return true;
}

/* One for all devices: none must count on what another one takes. */
static VirtIOMHPCgroup *virtio_mhp_job_cgroup(void)
{
    static gsize cgroup;

    if (g_once_init_enter(&cgroup)) {
        g_once_init_leave(&cgroup,
                          GPOINTER_TO_SIZE(virtio_mhp_cgroup_open("")));
    }
    return GSIZE_TO_POINTER(cgroup);
}

/* Huge pages of a pool do not count in control groups. */
static bool virtio_mhp_job_is_limited(uint64_t page_size)
{
    return page_size == qemu_real_host_page_size();
}

static void virtio_mhp_job_warn(VirtIOMHPCgroupSight sight)
{
    static bool reported;

    if (sight == VIRTIO_MHP_CGROUP_UNSEEN) {
        warn_report_once_cond(
            &reported,
            "mhp-vmemmap-mem: wants to see the control groups that may limit QEMU's memory, got none or only a part: at a limit Linux ends QEMU, where it would be the guest that is refused");
    }
}

void virtio_mhp_job_find_limit(HostMemoryBackend *memdev, bool will_back)
{
    VirtIOMHPCgroup *cgroup = virtio_mhp_job_cgroup();
    uint64_t room;

    if (will_back &&
        virtio_mhp_job_is_limited(qemu_ram_pagesize(memdev->mr.ram_block))) {
        virtio_mhp_job_warn(virtio_mhp_cgroup_room(cgroup, &room));
    }
}

static void virtio_mhp_job_say_room(uint64_t room, Error **errp)
{
    error_setg(errp,
               "QEMU's control group has room for %" PRIu64
               " MiB, and the last %" PRIu64 " MiB stay free",
               (uint64_t)(room / MiB),
               (uint64_t)(VIRTIO_MHP_CGROUP_SPARE / MiB));
}

/* Linux ends QEMU at the limit of its control group rather than to fail. */
static bool virtio_mhp_job_take_room(VirtIOMHPJob *job, uint64_t size)
{
    uint64_t room;

    if (!virtio_mhp_job_is_limited(job->page_size)) {
        return true;
    }
    virtio_mhp_job_warn(virtio_mhp_cgroup_take(
        virtio_mhp_job_cgroup(), g_get_monotonic_time(), size, &room));
    if (room < size + VIRTIO_MHP_CGROUP_SPARE) {
        trace_virtio_mhp_job_no_room(job->work.addr, size, room);
        virtio_mhp_job_say_room(room, &job->err);
        return false;
    }
    return true;
}

static bool virtio_mhp_job_populate(VirtIOMHPJob *job, uint64_t offset,
                                    uint64_t size)
{
    if (!virtio_mhp_job_take_room(job, size)) {
        return false;
    }
    while (qemu_madvise(job->host + offset, size, QEMU_MADV_POPULATE_WRITE)) {
        const int err = errno;

        if (err != EINTR) {
            trace_virtio_mhp_job_back(job->work.addr + offset, size, err);
            error_setg_errno(&job->err, err, "the host has no memory for it");
            return false;
        }
    }
    trace_virtio_mhp_job_back(job->work.addr + offset, size, 0);
    return true;
}

uint64_t virtio_mhp_job_size(const VirtIOMHPJob *job)
{
    VirtIOMHPJob rest = *job;
    uint64_t offset, size, sum = 0;

    while (virtio_mhp_job_next(&rest, UINT64_MAX, &offset, &size)) {
        sum += rest.is_populating ? size : 0;
        rest.next = offset + size;
    }
    return sum;
}

bool virtio_mhp_job_check(const VirtIOMHPJob *job, uint64_t *got, Error **errp)
{
    uint64_t room;

    if (!virtio_mhp_job_is_limited(job->page_size) ||
        virtio_mhp_cgroup_room(virtio_mhp_job_cgroup(), &room) !=
            VIRTIO_MHP_CGROUP_LIMITED ||
        room >= virtio_mhp_job_size(job) + VIRTIO_MHP_CGROUP_SPARE) {
        return true;
    }
    trace_virtio_mhp_job_no_room(job->work.addr, virtio_mhp_job_size(job),
                                 room);
    *got = room - MIN(room, VIRTIO_MHP_CGROUP_SPARE);
    virtio_mhp_job_say_room(room, errp);
    return false;
}

static bool virtio_mhp_job_discard(VirtIOMHPJob *job, uint64_t offset,
                                   uint64_t size)
{
    const int ret = ram_block_discard_range(job->rb, offset, size);

    trace_virtio_mhp_job_discard(job->work.addr + offset, size, ret);
    return !ret;
}

/* Do one piece, false if there is no more to be done. */
static bool virtio_mhp_job_step(VirtIOMHPJob *job, uint64_t limit)
{
    uint64_t offset, size;

    if (!virtio_mhp_job_next(job, limit, &offset, &size)) {
        return false;
    }
    if (!job->is_populating) {
        if (!virtio_mhp_job_discard(job, offset, size)) {
            job->counters.nb_failed_discards++;
            job->result = VIRTIO_MHP_JOB_CANNOT_DISCARD;
            return false;
        }
        job->counters.nb_discards++;
        job->counters.discarded += size;
        job->discarded_to = offset + size;
    } else if (!virtio_mhp_job_populate(job, offset, size)) {
        job->result = VIRTIO_MHP_JOB_CANNOT_POPULATE;
        return false;
    } else {
        job->counters.backed += size;
    }
    job->next = offset + size;
    return true;
}

/* Whether the next piece is one to be backed, or there is none */
static bool virtio_mhp_job_has_discarded(VirtIOMHPJob *job)
{
    uint64_t offset, size;

    return !virtio_mhp_job_next(job, VIRTIO_MHP_PIECE_SHORT, &offset, &size) ||
           job->is_populating;
}

/* Whether a piece takes no longer than the main loop may be held */
static bool virtio_mhp_job_is_prompt(const VirtIOMHPJob *job)
{
    const int fd = qemu_ram_get_fd(job->rb);
    struct statfs fs;

    /* One huge page can take all of that time. */
    if (job->page_size > VIRTIO_MHP_PIECE_SHORT) {
        return false;
    }
    /* A disk or a network can take for ever. */
    return fd < 0 || (!fstatfs(fd, &fs) && (fs.f_type == TMPFS_MAGIC ||
                                            fs.f_type == HUGETLBFS_MAGIC));
}

bool virtio_mhp_job_try(VirtIOMHPJob *job, int64_t deadline)
{
    uint64_t offset, size;

    if (!virtio_mhp_job_is_prompt(job)) {
        return false;
    }
    while (!virtio_mhp_job_has_discarded(job)) {
        if (qemu_clock_get_ns(QEMU_CLOCK_REALTIME) >= deadline) {
            return false;
        }
        if (!virtio_mhp_job_step(job, VIRTIO_MHP_PIECE_SHORT)) {
            return true;
        }
    }
    return !virtio_mhp_job_next(job, VIRTIO_MHP_PIECE_SHORT, &offset, &size);
}

void virtio_mhp_job_run(VirtIOMHPJob *job)
{
    do {
        if (qatomic_read(&job->cancelled)) {
            job->result = VIRTIO_MHP_JOB_CANCELLED;
            return;
        }
    } while (virtio_mhp_job_step(job, VIRTIO_MHP_PIECE));
}

void virtio_mhp_job_cancel(VirtIOMHPJob *job)
{
    qatomic_set(&job->cancelled, true);
}
