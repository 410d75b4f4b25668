/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What QEMU's own tables would hold if it knew the device: its ID.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_device.h"
#include "standard-headers/linux/virtio_ids.h"
#include "virtio-mhp.h"

/*
 * QEMU knows the IDs of its own devices only and asserts on others. So the
 * device borrows virtio-mem's, whose feature bits 0 to 7 it shares, until PCI
 * has taken it over; then the guest is shown the right one.
 */
void virtio_mhp_init_vdev(VirtIODevice *vdev, size_t config_size)
{
    virtio_init(vdev, VIRTIO_ID_MEM, config_size);
    vdev->name = TYPE_VIRTIO_MHP;
}

void virtio_mhp_set_pci_device_id(DeviceState *proxy, bool is_virtio_mem)
{
    const uint16_t id = is_virtio_mem ? VIRTIO_ID_MEM : VIRTIO_ID_MHP;

    pci_config_set_device_id(PCI_DEVICE(proxy)->config,
                             PCI_DEVICE_ID_VIRTIO_10_BASE + id);
}
