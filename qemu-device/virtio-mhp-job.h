/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work on the host's memory that takes time: discarding and backing it.
 *
 * A job knows a memory backend and nothing of the device. It is cut into
 * pieces. Whoever carries it out may do so in any thread and needs no lock; the
 * others may only ask it to end, by virtio_mhp_job_cancel().
 */
#ifndef VIRTIO_MHP_JOB_H
#define VIRTIO_MHP_JOB_H

#include "exec/cpu-common.h"
#include "qapi/error.h"
#include "system/hostmem.h"
#include "virtio-mhp-block.h"
#include "virtio-mhp-counters.h"

/**
 * struct VirtIOMHPPart - part of the region
 * @offset: where it starts in the region
 * @size: in bytes, not 0
 */
typedef struct VirtIOMHPPart {
    uint64_t offset;
    uint64_t size;
} VirtIOMHPPart;

/**
 * struct VirtIOMHPWork - what is done with parts of the region
 * @parts: of VirtIOMHPPart, by ascending offset, none overlaps another
 * @discards: first, all of them are discarded
 * @populates_all: then, all of them are backed with memory
 * @memmap: or only the memmaps in them, none if this is all zeros
 * @addr: guest-physical address of the region, for @memmap
 */
typedef struct VirtIOMHPWork {
    GArray *parts;
    bool discards;
    bool populates_all;
    VirtIOMHPMemmap memmap;
    uint64_t addr;
} VirtIOMHPWork;

typedef enum VirtIOMHPJobResult {
    VIRTIO_MHP_JOB_DONE,
    VIRTIO_MHP_JOB_CANNOT_DISCARD,
    VIRTIO_MHP_JOB_CANNOT_POPULATE,
    VIRTIO_MHP_JOB_CANCELLED,
} VirtIOMHPJobResult;

/**
 * struct VirtIOMHPJob - some work and how far it is
 * @work: what is to be done; its parts are the job's own
 * @rb: the region's memory
 * @host: where QEMU sees it
 * @page_size: pages that it is made of
 * @part: index of the part at hand
 * @next: all of that part before this offset in the region is done
 * @is_populating: discarding is over
 * @discarded_to: of the parts, all before this offset in the region is
 * discarded
 * @result: VIRTIO_MHP_JOB_*
 * @err: why it could not be backed
 * @counters: what was done so far
 * @cancelled: ends the work after the piece at hand
 */
typedef struct VirtIOMHPJob {
    VirtIOMHPWork work;
    RAMBlock *rb;
    char *host;
    uint64_t page_size;
    unsigned int part;
    uint64_t next;
    bool is_populating;
    uint64_t discarded_to;
    VirtIOMHPJobResult result;
    Error *err;
    VirtIOMHPHostCounters counters;
    bool cancelled;
} VirtIOMHPJob;

/*
 * Find out what limits QEMU's memory; must be done first before QEMU's chroot.
 * With @will_back, memory of @memdev is going to be backed: warn, once, if a
 * limit may be out of sight.
 */
void virtio_mhp_job_find_limit(HostMemoryBackend *memdev, bool will_back);
/* Takes over @work's parts; @memdev must outlive the job */
VirtIOMHPJob *virtio_mhp_job_new(HostMemoryBackend *memdev,
                                 const VirtIOMHPWork *work);
void virtio_mhp_job_free(VirtIOMHPJob *job);
/*
 * Whether the control group has room for all that the job backs; if not, for
 * how much it has. Not for the main loop of a guest that runs.
 */
bool virtio_mhp_job_check(const VirtIOMHPJob *job, uint64_t *got, Error **errp);
/* How much it backs, in whole pages */
uint64_t virtio_mhp_job_size(const VirtIOMHPJob *job);
/*
 * Discard, in small pieces, until @deadline (of QEMU_CLOCK_REALTIME). True if
 * that was all. Never backs memory: that can wait for the host's reclaim.
 */
bool virtio_mhp_job_try(VirtIOMHPJob *job, int64_t deadline);
/* Do all that is left of it, or as much as is possible */
void virtio_mhp_job_run(VirtIOMHPJob *job);
/* End it after the piece at hand; does not wait */
void virtio_mhp_job_cancel(VirtIOMHPJob *job);

#endif
