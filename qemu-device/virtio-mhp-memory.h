/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done with the memory of the host: one operation at a time, whose
 * blocks are counted as plugged or unplugged when its work is over.
 */
#ifndef VIRTIO_MHP_MEMORY_H
#define VIRTIO_MHP_MEMORY_H

#include "qemu/notify.h"
#include "virtio-mhp-block.h"
#include "virtio-mhp-counters.h"
#include "virtio-mhp-job.h"

/**
 * enum VirtIOMHPOpKind - what the memory of some blocks goes through
 * @VIRTIO_MHP_OP_NONE: nothing
 * @VIRTIO_MHP_OP_PLUG: it is made ready to be plugged
 * @VIRTIO_MHP_OP_UNPLUG: it is discarded to be unplugged
 * @VIRTIO_MHP_OP_DISCARD: it is discarded after a reset or a failed PLUG
 */
typedef enum VirtIOMHPOpKind {
    VIRTIO_MHP_OP_NONE,
    VIRTIO_MHP_OP_PLUG,
    VIRTIO_MHP_OP_UNPLUG,
    VIRTIO_MHP_OP_DISCARD,
} VirtIOMHPOpKind;

/* How what was asked for ended: VIRTIO_MHP_GRANTED, or why it was refused */
typedef void VirtIOMHPMemoryEnded(VirtIOMHP *vmhp, VirtIOMHPRefusal why,
                                  const VirtIOMHPRange *range);

/**
 * struct VirtIOMHPOp - what goes on with the memory
 * @kind: VIRTIO_MHP_OP_*
 * @range: which blocks it is about
 * @ended: who waits for its end, NULL if nobody does
 * @outcome: what is said at the end of a DISCARD
 */
typedef struct VirtIOMHPOp {
    VirtIOMHPOpKind kind;
    VirtIOMHPRange range;
    VirtIOMHPMemoryEnded *ended;
    VirtIOMHPRefusal outcome;
} VirtIOMHPOp;

/**
 * struct VirtIOMHPMemory - the memory of the host; see virtio-mhp-memory.c
 * @op: what goes on with it
 * @job: the thread's part of that, NULL if there is none
 * @must_discard_all: a reset waits for the end of @job
 * @size_change_notifiers: told when the plugged size has changed
 * @idle_notifiers: told when an operation has ended
 */
typedef struct VirtIOMHPMemory {
    VirtIOMHPOp op;
    VirtIOMHPJob *job;
    bool must_discard_all;
    NotifierList size_change_notifiers;
    NotifierList idle_notifiers;
} VirtIOMHPMemory;

void virtio_mhp_memory_init(VirtIOMHP *vmhp);
void virtio_mhp_memory_cleanup(VirtIOMHP *vmhp);
bool virtio_mhp_memory_discard_all(VirtIOMHP *vmhp, Error **errp);
/*
 * Each ends by calling @ended, before it returns or later. The main loop is
 * held until @deadline (of QEMU_CLOCK_REALTIME) at most.
 */
void virtio_mhp_memory_plug(VirtIOMHP *vmhp, const VirtIOMHPRange *range,
                            int64_t deadline, VirtIOMHPMemoryEnded *ended);
void virtio_mhp_memory_unplug(VirtIOMHP *vmhp, const VirtIOMHPRange *range,
                              int64_t deadline, VirtIOMHPMemoryEnded *ended);
/* Whether an operation goes on, so that none can be started */
bool virtio_mhp_memory_is_working(const VirtIOMHP *vmhp);
/* How much will be plugged at the end of the operation that goes on */
uint64_t virtio_mhp_memory_pending_plug_size(const VirtIOMHP *vmhp);
/* After a change of how much is plugged */
void virtio_mhp_memory_notify_size(VirtIOMHP *vmhp);
/* Unplug all at once and without being asked; nobody may wait for anything */
void virtio_mhp_memory_reset(VirtIOMHP *vmhp);
/* Count all as unplugged before other contents are loaded; discards nothing */
void virtio_mhp_memory_forget(VirtIOMHP *vmhp);
/*
 * Nobody waits for the end of the operation any more. Blocks that were being
 * unplugged are unplugged from now on, blocks that were being plugged are not.
 */
void virtio_mhp_memory_abandon(VirtIOMHP *vmhp);

#endif
