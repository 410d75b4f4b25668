/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The counterpart of plugin-ids.c inside QEMU's tree, whose tables know the ID.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_device.h"
#include "standard-headers/linux/virtio_ids.h"
#include "virtio-mhp.h"

void virtio_mhp_init_vdev(VirtIODevice *vdev, size_t config_size)
{
    virtio_init(vdev, VIRTIO_ID_MHP, config_size);
}

/* PCI shows the guest the virtio device's ID, unless it is to see another. */
void virtio_mhp_set_pci_device_id(DeviceState *proxy, bool is_virtio_mem)
{
    if (is_virtio_mem) {
        pci_config_set_device_id(PCI_DEVICE(proxy)->config,
                                 PCI_DEVICE_ID_VIRTIO_10_BASE + VIRTIO_ID_MEM);
    }
}
