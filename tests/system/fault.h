/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a test and fault-plugin.c share in a memory file: which bytes of the
 * device's configuration the guest shall see otherwise, and how often it wrote
 * the configuration.
 */
#ifndef MHP_FAULT_H
#define MHP_FAULT_H

#include <stdint.h>

#include <uapi/linux/virtio_mhp.h>

typedef struct Fault {
    uint8_t mask[sizeof(struct virtio_mhp_config)]; /* 1 for a wrong byte */
    uint8_t value[sizeof(struct virtio_mhp_config)];
    uint32_t nb_writes;
} Fault;

#endif /* MHP_FAULT_H */
