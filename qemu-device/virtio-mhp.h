/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio device behind mhp-vmemmap-mem: its types, its properties and the
 * verbs that its files offer to each other, in this order only:
 *
 *   pci ▸ device ▸ request ▸ memory ▸ block
 *
 * Everything runs under the big QEMU lock, so there is no lock here.
 */
#ifndef VIRTIO_MHP_H
#define VIRTIO_MHP_H

#include "hw/virtio/virtio.h"
#include "qom/object.h"
#include "system/hostmem.h"
#include "virtio-mhp-block.h"

#include <uapi/linux/virtio_mhp.h>

/* What the user names; the others are inner types */
#define TYPE_MHP_VMEMMAP_MEM "mhp-vmemmap-mem"

#define TYPE_VIRTIO_MHP "virtio-mhp"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMHP, VIRTIO_MHP)

#define TYPE_VIRTIO_MHP_SYSTEM_RESET "virtio-mhp-system-reset"

#define VIRTIO_MHP_MEMDEV_PROP "memdev"
#define VIRTIO_MHP_NODE_PROP "node"
#define VIRTIO_MHP_ADDR_PROP "memaddr"
#define VIRTIO_MHP_BLOCK_SIZE_PROP "block-size"
#define VIRTIO_MHP_REQUESTED_SIZE_PROP "requested-size"
#define VIRTIO_MHP_SIZE_PROP "size"
#define VIRTIO_MHP_STUCK_SIZE_PROP "stuck-size"
#define VIRTIO_MHP_STUCK_BLOCKS_PROP "stuck-blocks"

/**
 * struct VirtIOMHP - the device
 * @parent_obj: the virtio device
 * @vq: the request queue
 * @memdev: backend whose memory is the region
 * @node: NUMA node of the region
 * @addr: guest-physical address of the region, 0 before it has one
 * @block_size: in bytes, 0 before it is set or chosen
 * @requested_size: how much the driver shall plug, in bytes
 * @blocks: state of each block, from realize to unrealize
 * @memmap: the driver's last MEMMAP request, zeros if there was none
 * @migration_blocker: says why the machine cannot be migrated
 */
struct VirtIOMHP {
    VirtIODevice parent_obj;

    VirtQueue *vq;
    HostMemoryBackend *memdev;
    uint32_t node;
    uint64_t addr;
    uint64_t block_size;
    uint64_t requested_size;
    VirtIOMHPBlocks blocks;
    VirtIOMHPMemmap memmap;
    Error *migration_blocker;
};

/* virtio-mhp-check.c: properties, before anything is registered */

/* Exact, in the largest unit that divides it */
char *virtio_mhp_size_text(uint64_t size);
/* The block size that is set, or else the one that fits the backend */
uint64_t virtio_mhp_block_size(const VirtIOMHP *vmhp);
bool virtio_mhp_check(const VirtIOMHP *vmhp, Error **errp);
bool virtio_mhp_check_block_size(uint64_t value, Error **errp);
bool virtio_mhp_check_requested_size(const VirtIOMHP *vmhp, uint64_t value,
                                     Error **errp);
bool virtio_mhp_check_machine(DeviceState *proxy, Error **errp);
bool virtio_mhp_has_numa_nodes(void);

/* virtio-mhp-memory.c: what is done with the memory of the host */

bool virtio_mhp_memory_discard_all(VirtIOMHP *vmhp, Error **errp);
/* Each returns VIRTIO_MHP_RESP_ACK, or why nothing was changed */
uint16_t virtio_mhp_memory_plug(VirtIOMHP *vmhp, const VirtIOMHPRange *range);
uint16_t virtio_mhp_memory_unplug(VirtIOMHP *vmhp, const VirtIOMHPRange *range);
uint16_t virtio_mhp_memory_unplug_all(VirtIOMHP *vmhp);

/* virtio-mhp-request.c: the virtqueue */

void virtio_mhp_handle_requests(VirtIODevice *vdev, VirtQueue *vq);

/* virtio-mhp-reset.c: the system reset */

/* From the one to the other, system resets unplug the device's memory */
void virtio_mhp_system_reset_add(VirtIOMHP *vmhp);
void virtio_mhp_system_reset_remove(VirtIOMHP *vmhp);
void virtio_mhp_system_reset_register_type(void);

/* virtio-mhp-properties.c: what the operator reads and changes */

void virtio_mhp_add_properties(ObjectClass *klass);

/* virtio-mhp.c: the device */

void virtio_mhp_check_unplug_request(const VirtIOMHP *vmhp, Error **errp);
void virtio_mhp_fill_device_info(const VirtIOMHP *vmhp,
                                 VirtioMEMDeviceInfo *info);
void virtio_mhp_register_type(void);

/* virtio-mhp-pci.c: the PCI device that the user adds */

void virtio_mhp_pci_register_types(void);

/* module.c: in place of what QEMU's own tables would hold for this device */

void virtio_mhp_init_vdev(VirtIODevice *vdev);
void virtio_mhp_set_pci_device_id(DeviceState *proxy);

#endif
