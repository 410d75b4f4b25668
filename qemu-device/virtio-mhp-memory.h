/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done with the memory of the host: one operation at a time; what is
 * pending, in the background; and plugging and unplugging.
 */
#ifndef VIRTIO_MHP_MEMORY_H
#define VIRTIO_MHP_MEMORY_H

#include "qemu/notify.h"
#include "virtio-mhp-block.h"
#include "virtio-mhp-counters.h"
#include "virtio-mhp-worker.h"

typedef struct VirtIOMHP VirtIOMHP;

/* An operation has ended; another can be started */
typedef void VirtIOMHPOpEnded(VirtIOMHP *vmhp, const VirtIOMHPRange *range,
                              const VirtIOMHPJob *job);

/**
 * struct VirtIOMHPOp - what goes on with the memory; see virtio-mhp-op.c
 * @worker: carries it out
 * @range: which blocks it is about
 * @ended: what is done when the work is over
 * @idle_notifiers: told after that
 */
typedef struct VirtIOMHPOp {
    VirtIOMHPWorker *worker;
    VirtIOMHPRange range;
    VirtIOMHPOpEnded *ended;
    NotifierList idle_notifiers;
} VirtIOMHPOp;

/**
 * struct VirtIOMHPPending - what nobody waits for; see virtio-mhp-pending.c
 * @must_back: what is plugged is to be backed
 * @next: number of the block from which on pending blocks are discarded
 * @retry_ms: how long they wait for the next one
 * @retry_timer: running while pending blocks wait for another try
 * @over: tells of the end of a migration
 */
typedef struct VirtIOMHPPending {
    bool must_back;
    uint64_t next;
    int64_t retry_ms;
    QEMUTimer *retry_timer;
    Notifier over;
} VirtIOMHPPending;

/* How what was asked for ended: VIRTIO_MHP_GRANTED, or why it was refused */
typedef void VirtIOMHPMemoryEnded(VirtIOMHP *vmhp, VirtIOMHPRefusal why,
                                  const VirtIOMHPRange *range);

/**
 * struct VirtIOMHPMemory - plugging and unplugging; see virtio-mhp-memory.c
 * @is_plugging: the operation that goes on is a PLUG
 * @is_unplugging: it is an UNPLUG
 * @ended: who waits for its end, NULL if nobody does any more
 * @change_notifiers: told, with their range, before blocks become plugged or
 * unplugged
 * @size_change_notifiers: told when the plugged size has changed
 */
typedef struct VirtIOMHPMemory {
    bool is_plugging;
    bool is_unplugging;
    VirtIOMHPMemoryEnded *ended;
    NotifierList change_notifiers;
    NotifierList size_change_notifiers;
} VirtIOMHPMemory;

/* virtio-mhp-op.c: one operation on the memory at a time */

void virtio_mhp_op_init(VirtIOMHP *vmhp);
/* @gone: see virtio_mhp_worker_free() */
void virtio_mhp_op_cleanup(VirtIOMHP *vmhp,
                           void (*gone)(HostMemoryBackend *memdev));
/* Whether an operation goes on, so that none can be started */
bool virtio_mhp_op_is_on(const VirtIOMHP *vmhp);
/*
 * Start one about the blocks of the range. The main loop is held until
 * @deadline (of QEMU_CLOCK_REALTIME, 0 for not at all); @ended may be called
 * before this returns. @work needs no parts: they are the range.
 */
void virtio_mhp_op_start(VirtIOMHP *vmhp, const VirtIOMHPRange *range,
                         const VirtIOMHPWork *work, int64_t deadline,
                         VirtIOMHPOpEnded *ended);
/* Parts for a job: the range, or all that is plugged, if anything is */
GArray *virtio_mhp_op_parts(const VirtIOMHP *vmhp, const VirtIOMHPRange *range);
GArray *virtio_mhp_op_plugged_parts(const VirtIOMHP *vmhp);
/* End it soon */
void virtio_mhp_op_cancel(VirtIOMHP *vmhp);
/* End it and wait for that; false if the piece at hand takes too long */
bool virtio_mhp_op_rest(VirtIOMHP *vmhp, Error **errp);

/* virtio-mhp-pending.c: what is done in the background */

void virtio_mhp_pending_init(VirtIOMHP *vmhp);
void virtio_mhp_pending_cleanup(VirtIOMHP *vmhp);
/* The blocks, all unplugged, are to be discarded; virtio_mhp_pending_go_on() */
void virtio_mhp_pending_add(VirtIOMHP *vmhp, const VirtIOMHPRange *range);
/* The same for all that is unplugged */
void virtio_mhp_pending_add_all(VirtIOMHP *vmhp);
/* What the job has discarded of the range is not pending any more */
void virtio_mhp_pending_count(VirtIOMHP *vmhp, const VirtIOMHPRange *range,
                              const VirtIOMHPJob *job);
/* What is promised to be backed of all that is plugged is to be backed */
void virtio_mhp_pending_back(VirtIOMHP *vmhp);
/* Start what is pending, unless something goes on or a migration forbids it */
void virtio_mhp_pending_go_on(VirtIOMHP *vmhp);

/* virtio-mhp-memory.c: plugging and unplugging */

void virtio_mhp_memory_init(VirtIOMHP *vmhp);
bool virtio_mhp_memory_discard_all(VirtIOMHP *vmhp, Error **errp);
/*
 * Each ends by calling @ended, before it returns or later. The main loop is
 * held until @deadline (of QEMU_CLOCK_REALTIME) at most.
 */
void virtio_mhp_memory_plug(VirtIOMHP *vmhp, const VirtIOMHPRange *range,
                            int64_t deadline, VirtIOMHPMemoryEnded *ended);
void virtio_mhp_memory_unplug(VirtIOMHP *vmhp, const VirtIOMHPRange *range,
                              int64_t deadline, VirtIOMHPMemoryEnded *ended);
/* How much will be plugged at the end of the operation that goes on */
uint64_t virtio_mhp_memory_pending_plug_size(const VirtIOMHP *vmhp);
/* After a change of how much is plugged */
void virtio_mhp_memory_notify_size(VirtIOMHP *vmhp);
/* Unplug all at once and without being asked; nobody may wait for anything */
void virtio_mhp_memory_reset(VirtIOMHP *vmhp);
/* Before other contents are loaded: count all as unplugged, discard nothing */
bool virtio_mhp_memory_forget(VirtIOMHP *vmhp, Error **errp);
/*
 * Back what is promised to be backed of all that is plugged, and wait for it;
 * what it holds stays. False if the host has too little memory, with what was
 * @wanted and @got, in bytes.
 */
bool virtio_mhp_memory_back_plugged(VirtIOMHP *vmhp, uint64_t *wanted,
                                    uint64_t *got, Error **errp);
/*
 * Nobody waits for the end of the operation any more. Blocks that were being
 * unplugged are unplugged from now on, blocks that were being plugged are not.
 */
void virtio_mhp_memory_abandon(VirtIOMHP *vmhp);

#endif
