/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Figures of the guest's memory, which come in a queue of their own.
 */
#ifndef VIRTIO_MHP_STATS_H
#define VIRTIO_MHP_STATS_H

#include "hw/virtio/virtio.h"

#include <uapi/linux/virtio_mhp.h>

/* Figures that have a name */
#define VIRTIO_MHP_NB_STATS 31

/**
 * struct VirtIOMHPStats - what the guest tells; see virtio-mhp-stats.c
 * @vq: the statsq, NULL if it is not offered
 * @shown_by: the device, while it can be found by who looks for a balloon
 * @timer: asks for fresh figures, runs while the driver has a buffer there
 * @interval: how often, in seconds, 0: never
 * @values: the figures, each at the place of its name
 * @is_known: whether it was in the latest buffer
 * @last_update: when that came, in seconds since 1970, 0: none came
 */
typedef struct VirtIOMHPStats {
    VirtQueue *vq;
    Object *shown_by;
    QEMUTimer *timer;
    int64_t interval;
    uint64_t values[VIRTIO_MHP_NB_STATS];
    bool is_known[VIRTIO_MHP_NB_STATS];
    int64_t last_update;
} VirtIOMHPStats;

#endif
