/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libqos driver of mhp-vmemmap-mem: the device, and its driver up to DRIVER_OK.
 */
#ifndef TESTS_LIBQOS_VIRTIO_MHP_H
#define TESTS_LIBQOS_VIRTIO_MHP_H

#include "qgraph.h"
#include "virtio.h"
#include "virtio-pci.h"

/*
 * Of the default block size, which depends on the host: there are at least four
 * blocks even where that is 512 MiB.
 */
#define QVIRTIO_MHP_REGION_SIZE (2 * GiB)
#define QVIRTIO_MHP_REQUESTED_SIZE (1 * GiB)
#define QVIRTIO_MHP_QOM_PATH "/machine/peripheral/mhp0"

typedef struct QVirtioMHP {
    QVirtioDevice *vdev;
    QVirtQueue *vq;
    QGuestAllocator *alloc;
} QVirtioMHP;

typedef struct QVirtioMHPPCI {
    QVirtioPCIDevice pci_vdev;
    QVirtioMHP mhp;
} QVirtioMHPPCI;

#endif
