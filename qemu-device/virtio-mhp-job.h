/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work on the host's memory that takes time: discarding and backing it.
 */
#ifndef VIRTIO_MHP_JOB_H
#define VIRTIO_MHP_JOB_H

#include "virtio-mhp-block.h"

typedef struct VirtIOMHP VirtIOMHP;
typedef struct VirtIOMHPJob VirtIOMHPJob;

/**
 * struct VirtIOMHPWork - part of the region, and what is done with it
 * @offset: where it starts in the region
 * @size: in bytes
 * @populate_all: after it was discarded, back all of it with memory
 * @memmap: or only the memmaps in it, none if this is all zeros
 */
typedef struct VirtIOMHPWork {
    uint64_t offset;
    uint64_t size;
    bool populate_all;
    VirtIOMHPMemmap memmap;
} VirtIOMHPWork;

typedef enum VirtIOMHPJobResult {
    VIRTIO_MHP_JOB_DONE,
    VIRTIO_MHP_JOB_CANNOT_DISCARD,
    VIRTIO_MHP_JOB_CANNOT_POPULATE,
    VIRTIO_MHP_JOB_CANCELLED,
} VirtIOMHPJobResult;

/* @err says why the result is VIRTIO_MHP_JOB_CANNOT_POPULATE */
typedef void VirtIOMHPJobEnded(VirtIOMHP *vmhp, VirtIOMHPJobResult result,
                               const Error *err);

/*
 * Work until @deadline (of QEMU_CLOCK_REALTIME) and let a thread do the rest.
 * True if there is none: @ended was called. If there is, it is called later,
 * and the device has a job until then.
 */
bool virtio_mhp_job_start(VirtIOMHP *vmhp, const VirtIOMHPWork *work,
                          int64_t deadline, VirtIOMHPJobEnded *ended);
/* End it soon, maybe with VIRTIO_MHP_JOB_CANCELLED; does not wait */
void virtio_mhp_job_cancel(VirtIOMHPJob *job);
/* End the device's job, if there is one, and wait; nobody is told */
void virtio_mhp_job_drop(VirtIOMHP *vmhp);

#endif
