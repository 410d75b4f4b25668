/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Free page reporting: memory that the guest has no use for goes back to the
 * host.
 */
#ifndef VIRTIO_MHP_REPORT_H
#define VIRTIO_MHP_REPORT_H

#include "hw/virtio/virtio.h"
#include "qemu/notify.h"

#include <uapi/linux/virtio_mhp.h>

/**
 * struct VirtIOMHPExtent - guest-physical memory
 * @addr: where it starts
 * @size: in bytes
 */
typedef struct VirtIOMHPExtent {
    uint64_t addr;
    uint64_t size;
} VirtIOMHPExtent;

/**
 * struct VirtIOMHPReport - the reportq; see virtio-mhp-report.c
 * @vq: the virtqueue, NULL if it is not offered
 * @timer: goes on with the report at hand
 * @vm_state: tells when the machine stops and runs
 * @idle: tells when the memory has nothing else to do
 * @changed: tells of blocks that become plugged or unplugged
 * @elem: the report's buffer, NULL if there is none
 * @extents: what is left of its ranges, nothing of those that are wrong
 * @nb_extents: how many they are
 * @next: the one at hand
 * @zero_size: how much was discarded before something was kept
 * @has_kept: something was
 * @rest_ns: until when the main loop is left alone
 * @is_stopped: the machine is stopped
 */
typedef struct VirtIOMHPReport {
    VirtQueue *vq;
    QEMUTimer *timer;
    VMChangeStateEntry *vm_state;
    Notifier idle;
    Notifier changed;
    VirtQueueElement *elem;
    VirtIOMHPExtent extents[VIRTIO_MHP_REPORT_MAX];
    unsigned int nb_extents;
    unsigned int next;
    uint64_t zero_size;
    bool has_kept;
    int64_t rest_ns;
    bool is_stopped;
} VirtIOMHPReport;

#endif
