/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI device that the user adds: the virtio device's properties, and the
 * interface by which the machine maps a memory device.
 *
 * The machine asks for the memory region before anything is realized. That is
 * where the properties are checked first, so that a wrong one is reported as
 * such and not as what follows from it.
 */
#include "qemu/osdep.h"
#include "hw/mem/memory-device.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio-md-pci.h"
#include "hw/virtio/virtio-pci.h"
#include "qapi/error.h"
#include "qapi/qapi-types-machine.h"
#include "standard-headers/linux/virtio_pci.h"
#include "virtio-mhp.h"

#define TYPE_VIRTIO_MHP_PCI "virtio-mhp-pci"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMHPPCI, VIRTIO_MHP_PCI)

/**
 * struct VirtIOMHPPCI - the PCI device
 * @parent_obj: a virtio-pci device that machines map as memory
 * @vdev: the virtio device
 * @common_ops: access to the common configuration, as QEMU made it
 * @guarded_ops: the same with virtio_mhp_pci_common_write() before it
 */
struct VirtIOMHPPCI {
    VirtIOMDPCI parent_obj;

    VirtIOMHP vdev;
    const MemoryRegionOps *common_ops;
    MemoryRegionOps guarded_ops;
};

/*
 * QEMU lets a driver of a modern device have FEATURES_OK without VERSION_1,
 * and does not even ask the device. Refuse it (DEV-FEAT-1).
 */
static void virtio_mhp_pci_common_write(void *opaque, hwaddr addr,
                                        uint64_t value, unsigned int size)
{
    VirtIOMHPPCI *pci = VIRTIO_MHP_PCI(opaque);

    if (addr == VIRTIO_PCI_COMMON_STATUS &&
        !virtio_vdev_has_feature(VIRTIO_DEVICE(&pci->vdev),
                                 VIRTIO_F_VERSION_1)) {
        value &= ~(uint64_t)VIRTIO_CONFIG_S_FEATURES_OK;
    }
    pci->common_ops->write(opaque, addr, value, size);
}

static void virtio_mhp_pci_guard_common(VirtIOMHPPCI *pci)
{
    MemoryRegion *mr = &VIRTIO_PCI(pci)->common.mr;

    pci->common_ops = mr->ops;
    pci->guarded_ops = *mr->ops;
    pci->guarded_ops.write = virtio_mhp_pci_common_write;
    mr->ops = &pci->guarded_ops;
}

/* One for configuration changes, one for each queue */
static uint32_t virtio_mhp_pci_nb_vectors(const VirtIOMHP *vmhp)
{
    return 1 + 1 + virtio_mhp_stats_is_offered(vmhp) +
           virtio_mhp_report_is_offered(vmhp);
}

static void virtio_mhp_pci_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    VirtIOMHPPCI *pci = VIRTIO_MHP_PCI(proxy);

    if (!virtio_mhp_check_machine(DEVICE(proxy), errp)) {
        return;
    }
    if (proxy->nvectors == DEV_NVECTORS_UNSPECIFIED) {
        proxy->nvectors = virtio_mhp_pci_nb_vectors(&pci->vdev);
    }
    virtio_pci_force_virtio_1(proxy);
    if (!qdev_realize(DEVICE(&pci->vdev), BUS(&proxy->bus), errp)) {
        return;
    }
    virtio_mhp_pci_guard_common(pci);
    virtio_mhp_set_pci_device_id(DEVICE(proxy),
                                 virtio_mhp_is_virtio_mem(&pci->vdev));
}

static uint64_t virtio_mhp_pci_get_addr(const MemoryDeviceState *md)
{
    return VIRTIO_MHP_PCI(md)->vdev.addr;
}

static void virtio_mhp_pci_set_addr(MemoryDeviceState *md, uint64_t addr,
                                    Error **errp)
{
    VIRTIO_MHP_PCI(md)->vdev.addr = addr;
}

static uint64_t virtio_mhp_pci_get_plugged_size(const MemoryDeviceState *md,
                                                Error **errp)
{
    return virtio_mhp_blocks_plugged_size(&VIRTIO_MHP_PCI(md)->vdev.blocks);
}

static MemoryRegion *virtio_mhp_pci_get_memory_region(MemoryDeviceState *md,
                                                      Error **errp)
{
    VirtIOMHP *vmhp = &VIRTIO_MHP_PCI(md)->vdev;

    if (!DEVICE(vmhp)->realized && !virtio_mhp_check(vmhp, errp)) {
        return NULL;
    }
    return virtio_mhp_memslots_region(vmhp);
}

static void virtio_mhp_pci_decide_memslots(MemoryDeviceState *md,
                                           unsigned int limit)
{
    virtio_mhp_memslots_decide(&VIRTIO_MHP_PCI(md)->vdev, limit);
}

static unsigned int virtio_mhp_pci_get_memslots(MemoryDeviceState *md)
{
    return virtio_mhp_memslots_count(&VIRTIO_MHP_PCI(md)->vdev);
}

static uint64_t virtio_mhp_pci_get_min_alignment(const MemoryDeviceState *md)
{
    return virtio_mhp_block_size(&VIRTIO_MHP_PCI(md)->vdev);
}

/* QEMU's list of kinds is closed; virtio-mem's has all that is to be said. */
static void virtio_mhp_pci_fill_device_info(const MemoryDeviceState *md,
                                            MemoryDeviceInfo *info)
{
    VirtioMEMDeviceInfo *data = g_new0(VirtioMEMDeviceInfo, 1);

    data->id = g_strdup(DEVICE(md)->id);
    virtio_mhp_fill_device_info(&VIRTIO_MHP_PCI(md)->vdev, data);
    info->u.virtio_mem.data = data;
    info->type = MEMORY_DEVICE_INFO_KIND_VIRTIO_MEM;
}

static void virtio_mhp_pci_check_unplug_request(VirtIOMDPCI *vmd, Error **errp)
{
    virtio_mhp_check_unplug_request(&VIRTIO_MHP_PCI(vmd)->vdev, errp);
}

static const Property virtio_mhp_pci_properties[] = {
    DEFINE_PROP_BIT("ioeventfd", VirtIOPCIProxy, flags,
                    VIRTIO_PCI_FLAG_USE_IOEVENTFD_BIT, true),
    DEFINE_PROP_UINT32("vectors", VirtIOPCIProxy, nvectors,
                       DEV_NVECTORS_UNSPECIFIED),
};

static void virtio_mhp_pci_memory_device_init(MemoryDeviceClass *mdc)
{
    mdc->get_addr = virtio_mhp_pci_get_addr;
    mdc->set_addr = virtio_mhp_pci_set_addr;
    mdc->get_plugged_size = virtio_mhp_pci_get_plugged_size;
    mdc->get_memory_region = virtio_mhp_pci_get_memory_region;
    mdc->decide_memslots = virtio_mhp_pci_decide_memslots;
    mdc->get_memslots = virtio_mhp_pci_get_memslots;
    mdc->get_min_alignment = virtio_mhp_pci_get_min_alignment;
    mdc->fill_device_info = virtio_mhp_pci_fill_device_info;
}

static void virtio_mhp_pci_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pdc = PCI_DEVICE_CLASS(klass);

    device_class_set_props(dc, virtio_mhp_pci_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    dc->desc = "memory that grows and shrinks by blocks with their own memmap";
    pdc->revision = VIRTIO_PCI_ABI_VERSION;
    pdc->class_id = PCI_CLASS_OTHERS;
    VIRTIO_PCI_CLASS(klass)->realize = virtio_mhp_pci_realize;
    VIRTIO_MD_PCI_CLASS(klass)->unplug_request_check =
        virtio_mhp_pci_check_unplug_request;
    virtio_mhp_pci_memory_device_init(MEMORY_DEVICE_CLASS(klass));
}

/* The virtio device's properties become those of the PCI device. */
static void virtio_mhp_pci_instance_init(Object *obj)
{
    VirtIOMHPPCI *pci = VIRTIO_MHP_PCI(obj);

    virtio_instance_init_common(obj, &pci->vdev, sizeof(pci->vdev),
                                TYPE_VIRTIO_MHP);
}

static const VirtioPCIDeviceTypeInfo virtio_mhp_pci_info = {
    .base_name = TYPE_VIRTIO_MHP_PCI,
    .generic_name = TYPE_MHP_VMEMMAP_MEM,
    .parent = TYPE_VIRTIO_MD_PCI,
    .instance_size = sizeof(VirtIOMHPPCI),
    .instance_init = virtio_mhp_pci_instance_init,
    .class_init = virtio_mhp_pci_class_init,
};

void virtio_mhp_pci_register_types(void)
{
    virtio_pci_types_register(&virtio_mhp_pci_info);
}
