/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libqos driver of mhp-vmemmap-mem: see virtio-mhp.h.
 */
#include "qemu/osdep.h"
#include "../libqtest.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "standard-headers/linux/virtio_ring.h"
#include "virtio-mhp.h"

/* What the driver has no use for */
#define QVIRTIO_MHP_REFUSED_FEATURES                               \
    (QVIRTIO_F_BAD_FEATURE | 1ull << VIRTIO_RING_F_INDIRECT_DESC | \
     1ull << VIRTIO_RING_F_EVENT_IDX)

static void *qvirtio_mhp_pci_get_driver(void *object, const char *interface)
{
    QVirtioMHPPCI *mhp_pci = object;

    if (g_str_equal(interface, "virtio-mhp")) {
        return &mhp_pci->mhp;
    }
    if (g_str_equal(interface, "virtio")) {
        return mhp_pci->mhp.vdev;
    }
    if (g_str_equal(interface, "pci-device")) {
        return mhp_pci->pci_vdev.pdev;
    }
    fprintf(stderr, "%s not present in mhp-vmemmap-mem\n", interface);
    g_assert_not_reached();
}

static void qvirtio_mhp_pci_start_hw(QOSGraphObject *obj)
{
    QVirtioMHPPCI *mhp_pci = (QVirtioMHPPCI *)obj;
    QVirtioMHP *mhp = &mhp_pci->mhp;

    qvirtio_pci_start_hw(&mhp_pci->pci_vdev.obj);
    qvirtio_set_features(mhp->vdev, qvirtio_get_features(mhp->vdev) &
                                        ~QVIRTIO_MHP_REFUSED_FEATURES);
    mhp->vq = qvirtqueue_setup(mhp->vdev, mhp->alloc, 0);
    qvirtio_set_driver_ok(mhp->vdev);
}

static void qvirtio_mhp_pci_destructor(QOSGraphObject *obj)
{
    QVirtioMHPPCI *mhp_pci = (QVirtioMHPPCI *)obj;
    QVirtioMHP *mhp = &mhp_pci->mhp;

    qvirtqueue_cleanup(mhp->vdev->bus, mhp->vq, mhp->alloc);
    qvirtio_pci_destructor(&mhp_pci->pci_vdev.obj);
}

static void *qvirtio_mhp_pci_create(void *pci_bus, QGuestAllocator *alloc,
                                    void *addr)
{
    QVirtioMHPPCI *mhp_pci = g_new0(QVirtioMHPPCI, 1);
    QOSGraphObject *obj = &mhp_pci->pci_vdev.obj;

    virtio_pci_init(&mhp_pci->pci_vdev, pci_bus, addr);
    mhp_pci->mhp.vdev = &mhp_pci->pci_vdev.vdev;
    mhp_pci->mhp.alloc = alloc;
    obj->get_driver = qvirtio_mhp_pci_get_driver;
    obj->start_hw = qvirtio_mhp_pci_start_hw;
    obj->destructor = qvirtio_mhp_pci_destructor;
    return obj;
}

static void qvirtio_mhp_register_nodes(void)
{
    g_autofree char *device = g_strdup_printf(
        "addr=04.0,id=mhp0,memdev=mem0,requested-size=%" PRIu64,
        (uint64_t)QVIRTIO_MHP_REQUESTED_SIZE);
    /* Without a network device, whose ROM QEMU's source may not have */
    g_autofree char *backend = g_strdup_printf(
        "-nic none -m 128M,maxmem=8G "
        "-object memory-backend-ram,id=mem0,reserve=off,size=%" PRIu64,
        (uint64_t)QVIRTIO_MHP_REGION_SIZE);
    QPCIAddress addr = {
        .devfn = QPCI_DEVFN(4, 0),
    };
    QOSGraphEdgeOptions opts = {
        .extra_device_opts = device,
        .before_cmd_line = backend,
    };

    add_qpci_address(&opts, &addr);
    qos_node_create_driver("mhp-vmemmap-mem", qvirtio_mhp_pci_create);
    qos_node_consumes("mhp-vmemmap-mem", "pci-bus", &opts);
    qos_node_produces("mhp-vmemmap-mem", "pci-device");
    qos_node_produces("mhp-vmemmap-mem", "virtio");
    qos_node_produces("mhp-vmemmap-mem", "virtio-mhp");
}

libqos_init(qvirtio_mhp_register_nodes);
