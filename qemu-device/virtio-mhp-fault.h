/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults that a build can have on purpose, so that a test can show that the
 * fuzzer finds them (tests/fuzz). No other build has one: the conditions are
 * constants and the compiler drops what depends on them.
 */
#ifndef VIRTIO_MHP_FAULT_H
#define VIRTIO_MHP_FAULT_H

/* A range may end after the region */
#define VIRTIO_MHP_FAULT_RANGE 1
/* The last of several blocks is counted, but not marked */
#define VIRTIO_MHP_FAULT_BITMAP 2
/* With blocks that are unplugged, the block after them is discarded */
#define VIRTIO_MHP_FAULT_DISCARD 3
/* With a range that is reported, what follows it in its block of memory */
#define VIRTIO_MHP_FAULT_REPORT 4

#ifndef VIRTIO_MHP_FAULT
#define VIRTIO_MHP_FAULT 0
#endif

/* virtio_mhp_has_fault(RANGE) */
#define virtio_mhp_has_fault(name) (VIRTIO_MHP_FAULT == VIRTIO_MHP_FAULT_##name)

#endif
