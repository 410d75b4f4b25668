/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that carries out jobs: see virtio-mhp-worker.h.
 *
 * QEMU's pool of threads is the block layer's, and starts a thread only when
 * the main loop runs again: who waits for that with the big lock waits for
 * ever. This thread is there from the start, so it can be waited for, and that
 * always with a limit: the piece at hand may be on storage that does not
 * answer. A worker whose device has gone meanwhile frees itself.
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "trace.h"
#include "virtio-mhp-worker.h"

/*
 * How long the removal of a device waits for the piece at hand, which takes
 * some milliseconds, unless the host hangs or has no CPU for the thread: who
 * hears that the device is gone wants to have the backend back.
 */
#define VIRTIO_MHP_WORKER_LEAVE_MS 1000

/**
 * enum VirtIOMHPWorkerState - what the thread does
 * @VIRTIO_MHP_WORKER_IDLE: it sleeps, and there is no job
 * @VIRTIO_MHP_WORKER_QUEUED: it has not begun the job yet
 * @VIRTIO_MHP_WORKER_RUNNING: it carries out the job
 * @VIRTIO_MHP_WORKER_ENDED: it does not touch the job or the memory any more
 */
typedef enum VirtIOMHPWorkerState {
    VIRTIO_MHP_WORKER_IDLE,
    VIRTIO_MHP_WORKER_QUEUED,
    VIRTIO_MHP_WORKER_RUNNING,
    VIRTIO_MHP_WORKER_ENDED,
} VirtIOMHPWorkerState;

/**
 * struct VirtIOMHPWorker - the thread and its job
 * @memdev: backend whose memory it works on
 * @ended: who hears of the end of a job
 * @opaque: for @ended
 * @gone: who hears of the end of the worker, NULL before it is freed
 * @job: the job, NULL if there is none; the thread reads it while @state is
 *       VIRTIO_MHP_WORKER_RUNNING, the main loop changes it at other times only
 * @bh: tells the main loop that the job has ended
 * @thread: the thread
 * @lock: protects all that follows
 * @cond: signalled when that changes
 * @state: VIRTIO_MHP_WORKER_*
 * @is_leaving: the thread is to end
 * @has_left: it has ended, but for joining it
 * @is_alone: nobody waits for that, it must see to it by itself
 */
struct VirtIOMHPWorker {
    HostMemoryBackend *memdev;
    VirtIOMHPJobEnded *ended;
    void *opaque;
    void (*gone)(HostMemoryBackend *memdev);
    VirtIOMHPJob *job;
    QEMUBH *bh;
    QemuThread thread;
    QemuMutex lock;
    QemuCond cond;
    VirtIOMHPWorkerState state;
    bool is_leaving;
    bool has_left;
    bool is_alone;
};

/* The last that is done for a worker, in the main loop */
static void virtio_mhp_worker_reap(void *opaque)
{
    VirtIOMHPWorker *worker = opaque;

    qemu_thread_join(&worker->thread);
    if (worker->job) {
        virtio_mhp_job_free(worker->job);
    }
    qemu_cond_destroy(&worker->cond);
    qemu_mutex_destroy(&worker->lock);
    worker->gone(worker->memdev);
    object_unref(OBJECT(worker->memdev));
    g_free(worker);
}

static void *virtio_mhp_worker_thread(void *opaque)
{
    VirtIOMHPWorker *worker = opaque;

    qemu_mutex_lock(&worker->lock);
    while (!worker->is_leaving) {
        if (worker->state != VIRTIO_MHP_WORKER_QUEUED) {
            qemu_cond_wait(&worker->cond, &worker->lock);
            continue;
        }
        worker->state = VIRTIO_MHP_WORKER_RUNNING;
        qemu_mutex_unlock(&worker->lock);
        trace_virtio_mhp_worker_start(worker->job->work.addr);
        virtio_mhp_job_run(worker->job);
        trace_virtio_mhp_worker_end(worker->job->work.addr,
                                    worker->job->result);
        qemu_mutex_lock(&worker->lock);
        worker->state = VIRTIO_MHP_WORKER_ENDED;
        qemu_cond_broadcast(&worker->cond);
        if (!worker->is_leaving) {
            qemu_bh_schedule(worker->bh);
        }
    }
    worker->has_left = true;
    qemu_cond_broadcast(&worker->cond);
    if (worker->is_alone) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), virtio_mhp_worker_reap,
                                worker);
    }
    qemu_mutex_unlock(&worker->lock);
    return NULL;
}

static void virtio_mhp_worker_tell(VirtIOMHPWorker *worker)
{
    VirtIOMHPJob *job = g_steal_pointer(&worker->job);

    worker->ended(worker->opaque, job);
    virtio_mhp_job_free(job);
}

static void virtio_mhp_worker_bh(void *opaque)
{
    VirtIOMHPWorker *worker = opaque;
    bool has_ended;

    qemu_mutex_lock(&worker->lock);
    has_ended = worker->state == VIRTIO_MHP_WORKER_ENDED;
    if (has_ended) {
        worker->state = VIRTIO_MHP_WORKER_IDLE;
    }
    qemu_mutex_unlock(&worker->lock);
    if (has_ended) {
        virtio_mhp_worker_tell(worker);
    }
}

VirtIOMHPWorker *virtio_mhp_worker_new(HostMemoryBackend *memdev,
                                       VirtIOMHPJobEnded *ended, void *opaque)
{
    VirtIOMHPWorker *worker = g_new0(VirtIOMHPWorker, 1);

    worker->memdev = memdev;
    object_ref(OBJECT(memdev));
    worker->ended = ended;
    worker->opaque = opaque;
    worker->bh = qemu_bh_new(virtio_mhp_worker_bh, worker);
    qemu_mutex_init(&worker->lock);
    qemu_cond_init(&worker->cond);
    qemu_thread_create(&worker->thread, "virtio-mhp", virtio_mhp_worker_thread,
                       worker, QEMU_THREAD_JOINABLE);
    return worker;
}

void virtio_mhp_worker_free(VirtIOMHPWorker *worker,
                            void (*gone)(HostMemoryBackend *memdev))
{
    bool in_time = true;

    worker->gone = gone;
    virtio_mhp_worker_cancel(worker);
    qemu_bh_delete(worker->bh);
    qemu_mutex_lock(&worker->lock);
    worker->is_leaving = true;
    qemu_cond_broadcast(&worker->cond);
    while (!worker->has_left && in_time) {
        in_time = qemu_cond_timedwait(&worker->cond, &worker->lock,
                                      VIRTIO_MHP_WORKER_LEAVE_MS);
    }
    worker->is_alone = !worker->has_left;
    in_time = worker->has_left;
    qemu_mutex_unlock(&worker->lock);
    if (in_time) {
        virtio_mhp_worker_reap(worker);
    }
}

void virtio_mhp_worker_start(VirtIOMHPWorker *worker, const VirtIOMHPWork *work,
                             int64_t deadline)
{
    g_assert(!worker->job);
    worker->job = virtio_mhp_job_new(worker->memdev, work);
    if (virtio_mhp_job_try(worker->job, deadline)) {
        virtio_mhp_worker_tell(worker);
        return;
    }
    qemu_mutex_lock(&worker->lock);
    worker->state = VIRTIO_MHP_WORKER_QUEUED;
    qemu_cond_broadcast(&worker->cond);
    qemu_mutex_unlock(&worker->lock);
}

bool virtio_mhp_worker_is_working(const VirtIOMHPWorker *worker)
{
    return worker->job;
}

void virtio_mhp_worker_cancel(VirtIOMHPWorker *worker)
{
    if (worker->job) {
        virtio_mhp_job_cancel(worker->job);
    }
}

bool virtio_mhp_worker_rest(VirtIOMHPWorker *worker, int timeout_ms)
{
    const int64_t end = qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + timeout_ms;
    int64_t left = timeout_ms;

    if (!worker->job) {
        return true;
    }
    virtio_mhp_worker_cancel(worker);
    qemu_mutex_lock(&worker->lock);
    while (worker->state != VIRTIO_MHP_WORKER_ENDED && left > 0) {
        qemu_cond_timedwait(&worker->cond, &worker->lock, left);
        left = end - qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    }
    qemu_mutex_unlock(&worker->lock);
    virtio_mhp_worker_bh(worker);
    if (worker->job) {
        trace_virtio_mhp_worker_hangs(worker->job->work.addr, timeout_ms);
    }
    return !worker->job;
}
