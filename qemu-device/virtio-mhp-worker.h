/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread of the region's own that carries out one job at a time.
 *
 * All functions, and the callback, are for the main loop's thread, under the
 * big QEMU lock. None of them waits for more than it says.
 */
#ifndef VIRTIO_MHP_WORKER_H
#define VIRTIO_MHP_WORKER_H

#include "virtio-mhp-job.h"

typedef struct VirtIOMHPWorker VirtIOMHPWorker;

/* A job has come to its end; it is freed when this returns */
typedef void VirtIOMHPJobEnded(void *opaque, const VirtIOMHPJob *job);

/* The thread is there when this returns, and keeps a reference to @memdev */
VirtIOMHPWorker *virtio_mhp_worker_new(HostMemoryBackend *memdev,
                                       VirtIOMHPJobEnded *ended, void *opaque);
/*
 * End the worker and its job; @ended is not called any more. @gone is called
 * with the backend when nothing touches its memory any more: before this
 * returns, or later if the piece at hand takes long.
 */
void virtio_mhp_worker_free(VirtIOMHPWorker *worker,
                            void (*gone)(HostMemoryBackend *memdev));
/*
 * Work in the main loop until @deadline (of QEMU_CLOCK_REALTIME, 0 for not at
 * all) and let the thread do the rest. Takes over @work's parts. There must be
 * no job yet; @ended may be called before this returns.
 */
void virtio_mhp_worker_start(VirtIOMHPWorker *worker, const VirtIOMHPWork *work,
                             int64_t deadline);
/* Whether there is a job whose end was not told yet */
bool virtio_mhp_worker_is_working(const VirtIOMHPWorker *worker);
/* End the job soon, if there is one; does not wait */
void virtio_mhp_worker_cancel(VirtIOMHPWorker *worker);
/*
 * End the job, if there is one, tell its end and wait until nothing touches the
 * memory, false if that takes longer than @timeout_ms.
 */
bool virtio_mhp_worker_rest(VirtIOMHPWorker *worker, int timeout_ms);

#endif
