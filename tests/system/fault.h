/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a test and fault-plugin.c share in a memory file: which bytes of the
 * device's configuration the guest shall see otherwise, what shall become of
 * its requests, and how often it wrote the configuration.
 */
#ifndef MHP_FAULT_H
#define MHP_FAULT_H

#include <stdint.h>

#include <uapi/linux/virtio_mhp.h>

/* What becomes of a request instead of being done */
typedef enum FaultKind {
    FAULT_NONE,
    FAULT_ANSWER,  /* it gets @type, and @size bytes of response */
    FAULT_SILENCE, /* nothing, but it is done when the kind is NONE again */
    FAULT_BREAK,   /* the device wants to be reset */
    FAULT_VANISH,  /* the device is torn out of the machine */
} FaultKind;

#define FAULT_ALL_REQUESTS 0xffff

typedef struct Fault {
    uint8_t mask[sizeof(struct virtio_mhp_config)]; /* 1 for a wrong byte */
    uint8_t value[sizeof(struct virtio_mhp_config)];
    uint32_t nb_writes;

    uint32_t kind;    /* a FaultKind, written after the rest */
    uint32_t left;    /* how many more requests it is for */
    uint32_t nb_hits; /* how many it was for */
    uint16_t request; /* the type of request it is for */
    uint16_t type;
    uint32_t size;
} Fault;

#endif /* MHP_FAULT_H */
