/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A minimal modern virtio-pci driver on top of qtest.h: one device on the root
 * bus of a q35 machine, its registers, feature negotiation, configuration, and
 * its first queues as split virtqueues in guest memory. No MSI-X: interrupts
 * show in the ISR register.
 *
 * Its structures lie in the first VIRTIO_PCI_RAM_END bytes of guest memory;
 * from there on a test can use memory as it likes.
 */
#ifndef MHP_VIRTIO_PCI_H
#define MHP_VIRTIO_PCI_H

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "qtest.h"

#define VIRTIO_PCI_RAM_END 0x200000
#define VIRTIO_PCI_QUEUE_SIZE 128
#define VIRTIO_PCI_QUEUES_MAX 3

typedef struct VirtioPci VirtioPci;

/* Find the device @device_id on bus 0 and map it; NULL if there is none */
VirtioPci *virtio_pci_new(Qtest *qtest, uint16_t device_id);
void virtio_pci_free(VirtioPci *vp);

/* The same driver in the machine of @qtest, to which @vp's was migrated */
VirtioPci *virtio_pci_new_migrated(const VirtioPci *vp, Qtest *qtest);

/* Go on from where the driver was whose memory was loaded */
void virtio_pci_resume(VirtioPci *vp);

/* Map it anew: a system reset has put everything back */
void virtio_pci_map(VirtioPci *vp);

/* Where the common configuration is mapped */
uint64_t virtio_pci_registers(VirtioPci *vp);

/* Where a write tells the device of new requests */
uint64_t virtio_pci_notifier(VirtioPci *vp);

/* Device reset; waits for its end */
void virtio_pci_reset(VirtioPci *vp);
uint8_t virtio_pci_status(VirtioPci *vp);
uint64_t virtio_pci_features(VirtioPci *vp);

/*
 * Reset the device and accept @features; true if the device confirms
 * FEATURES_OK
 */
bool virtio_pci_negotiate(VirtioPci *vp, uint64_t features);

uint16_t virtio_pci_nb_queues(VirtioPci *vp);

/* Set up the queues that the device has, select queue 0 and set DRIVER_OK */
void virtio_pci_run(VirtioPci *vp);

/* The queue that all that submits, claims and waits is about */
void virtio_pci_select(VirtioPci *vp, unsigned queue);

/* The device's own configuration; @offset is counted from its start */
void virtio_pci_read_config(VirtioPci *vp, void *data, size_t size);
void virtio_pci_write_config(VirtioPci *vp, size_t offset, unsigned size,
                             uint64_t value);
uint8_t virtio_pci_generation(VirtioPci *vp);

/* Read, and by that clear, the ISR register: VIRTIO_PCI_ISR_CONFIG, … */
uint8_t virtio_pci_isr(VirtioPci *vp);

/*
 * Make the first descriptor of a chain available. The table is taken as it is,
 * right or wrong; its values are in host order.
 */
void virtio_pci_submit(VirtioPci *vp, const struct vring_desc *descs,
                       unsigned nb_descs);

/*
 * Make several chains of one table available at once, each by the index of its
 * first descriptor, right or wrong
 */
void virtio_pci_submit_heads(VirtioPci *vp, const struct vring_desc *descs,
                             unsigned nb_descs, const uint16_t *heads,
                             unsigned nb_heads);

/* Say that @nb more chains are available, true or not */
void virtio_pci_claim_heads(VirtioPci *vp, uint16_t nb);
/* Set the flags of the available ring, 0 after virtio_pci_run() */
void virtio_pci_set_avail_flags(VirtioPci *vp, uint16_t flags);

typedef enum {
    VIRTIO_PCI_USED,   /* the buffer came back */
    VIRTIO_PCI_BROKEN, /* the device needs a reset and kept the buffer */
} VirtioPciOutcome;

/* Wait for either; @len (may be NULL) gets the used length */
VirtioPciOutcome virtio_pci_wait(VirtioPci *vp, uint32_t *len);

/*
 * The same for the last @nb_heads chains: how many of them came back, which is
 * less than all only if the device is broken. @elems (in host order) gets
 * those that did.
 */
unsigned virtio_pci_wait_heads(VirtioPci *vp, struct vring_used_elem *elems,
                               unsigned nb_heads);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VirtioPci, virtio_pci_free)

#endif /* MHP_VIRTIO_PCI_H */
