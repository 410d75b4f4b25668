/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VirtioPci: see virtio-pci.h. Waiting is polling by qtest commands, each of
 * which lets QEMU's main loop run; nothing sleeps.
 */
#include "virtio-pci.h"

#include <linux/pci_regs.h>

#include "pci.h"

#define VIRTIO_PCI_VENDOR 0x1af4
#define VIRTIO_PCI_WAIT_US (30 * G_TIME_SPAN_SECOND)

/* Guest memory of a queue, and how far from there the next one has its own */
#define VIRTIO_PCI_DESC 0x100000
#define VIRTIO_PCI_AVAIL 0x110000
#define VIRTIO_PCI_USED_RING 0x120000
#define VIRTIO_PCI_QUEUE_STRIDE 0x40000

struct VirtioPci {
    Qtest *qtest;
    unsigned slot;
    uint64_t common;
    uint64_t notify;
    uint64_t isr;
    uint64_t device;
    uint32_t notify_multiplier;
    unsigned queue;
    uint16_t nb_submitted[VIRTIO_PCI_QUEUES_MAX];
};

static uint64_t virtio_pci_desc(const VirtioPci *vp)
{
    return VIRTIO_PCI_DESC + vp->queue * VIRTIO_PCI_QUEUE_STRIDE;
}

static uint64_t virtio_pci_avail(const VirtioPci *vp)
{
    return VIRTIO_PCI_AVAIL + vp->queue * VIRTIO_PCI_QUEUE_STRIDE;
}

static uint64_t virtio_pci_used_ring(const VirtioPci *vp)
{
    return VIRTIO_PCI_USED_RING + vp->queue * VIRTIO_PCI_QUEUE_STRIDE;
}

static uint8_t virtio_pci_cap8(VirtioPci *vp, unsigned offset)
{
    return pci_read8(vp->qtest, vp->slot, offset);
}

/* The address of the registers that the capability at @cap describes */
static uint64_t virtio_pci_cap_addr(VirtioPci *vp, unsigned cap)
{
    uint8_t bar = virtio_pci_cap8(vp, cap + VIRTIO_PCI_CAP_BAR);

    return pci_map_bar(vp->qtest, vp->slot, bar) +
           pci_read32(vp->qtest, vp->slot, cap + VIRTIO_PCI_CAP_OFFSET);
}

static void virtio_pci_map_cap(VirtioPci *vp, unsigned cap)
{
    switch (virtio_pci_cap8(vp, cap + VIRTIO_PCI_CAP_CFG_TYPE)) {
    case VIRTIO_PCI_CAP_COMMON_CFG:
        vp->common = virtio_pci_cap_addr(vp, cap);
        break;
    case VIRTIO_PCI_CAP_NOTIFY_CFG:
        vp->notify = virtio_pci_cap_addr(vp, cap);
        vp->notify_multiplier = pci_read32(vp->qtest, vp->slot,
                                           cap + VIRTIO_PCI_NOTIFY_CAP_MULT);
        break;
    case VIRTIO_PCI_CAP_ISR_CFG:
        vp->isr = virtio_pci_cap_addr(vp, cap);
        break;
    case VIRTIO_PCI_CAP_DEVICE_CFG:
        vp->device = virtio_pci_cap_addr(vp, cap);
        break;
    default:
        break;
    }
}

void virtio_pci_map(VirtioPci *vp)
{
    unsigned cap = virtio_pci_cap8(vp, PCI_CAPABILITY_LIST);

    for (; cap; cap = virtio_pci_cap8(vp, cap + PCI_CAP_LIST_NEXT)) {
        if (virtio_pci_cap8(vp, cap) == PCI_CAP_ID_VNDR) {
            virtio_pci_map_cap(vp, cap);
        }
    }
    pci_enable(vp->qtest, vp->slot);
    g_assert_cmphex(vp->common, !=, 0);
    g_assert_cmphex(vp->notify, !=, 0);
    g_assert_cmphex(vp->isr, !=, 0);
    g_assert_cmphex(vp->device, !=, 0);
}

VirtioPci *virtio_pci_new(Qtest *qtest, uint16_t device_id)
{
    VirtioPci *vp;
    unsigned slot;

    if (!pci_find(qtest, VIRTIO_PCI_VENDOR, device_id, &slot)) {
        return NULL;
    }
    vp = g_new0(VirtioPci, 1);
    vp->qtest = qtest;
    vp->slot = slot;
    virtio_pci_map(vp);
    return vp;
}

void virtio_pci_free(VirtioPci *vp)
{
    g_free(vp);
}

VirtioPci *virtio_pci_new_migrated(const VirtioPci *vp, Qtest *qtest)
{
    VirtioPci *other = g_memdup2(vp, sizeof(*vp));

    other->qtest = qtest;
    return other;
}

void virtio_pci_resume(VirtioPci *vp)
{
    const unsigned queue = vp->queue;

    for (vp->queue = 0; vp->queue < VIRTIO_PCI_QUEUES_MAX; vp->queue++) {
        vp->nb_submitted[vp->queue] = (uint16_t)qtest_read_reg(
            vp->qtest,
            virtio_pci_avail(vp) + G_STRUCT_OFFSET(struct vring_avail, idx), 2);
    }
    vp->queue = queue;
}

uint64_t virtio_pci_registers(VirtioPci *vp)
{
    return vp->common;
}

uint64_t virtio_pci_notifier(VirtioPci *vp)
{
    return vp->notify;
}

static void virtio_pci_common_write(VirtioPci *vp, unsigned offset,
                                    unsigned size, uint64_t value)
{
    qtest_write_reg(vp->qtest, vp->common + offset, size, value);
}

static uint32_t virtio_pci_common_read(VirtioPci *vp, unsigned offset,
                                       unsigned size)
{
    return (uint32_t)qtest_read_reg(vp->qtest, vp->common + offset, size);
}

uint8_t virtio_pci_status(VirtioPci *vp)
{
    return (uint8_t)virtio_pci_common_read(vp, VIRTIO_PCI_COMMON_STATUS, 1);
}

static void virtio_pci_add_status(VirtioPci *vp, uint8_t bits)
{
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_STATUS, 1,
                            virtio_pci_status(vp) | bits);
}

void virtio_pci_reset(VirtioPci *vp)
{
    int64_t end = g_get_monotonic_time() + VIRTIO_PCI_WAIT_US;

    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_STATUS, 1, 0);
    while (virtio_pci_status(vp) != 0) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

uint64_t virtio_pci_features(VirtioPci *vp)
{
    uint64_t low, high;

    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
    low = virtio_pci_common_read(vp, VIRTIO_PCI_COMMON_DF, 4);
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
    high = virtio_pci_common_read(vp, VIRTIO_PCI_COMMON_DF, 4);
    return high << 32 | low;
}

bool virtio_pci_negotiate(VirtioPci *vp, uint64_t features)
{
    virtio_pci_reset(vp);
    virtio_pci_add_status(vp, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    virtio_pci_add_status(vp, VIRTIO_CONFIG_S_DRIVER);
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_GF, 4, (uint32_t)features);
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_GF, 4, features >> 32);
    virtio_pci_add_status(vp, VIRTIO_CONFIG_S_FEATURES_OK);
    return virtio_pci_status(vp) & VIRTIO_CONFIG_S_FEATURES_OK;
}

uint16_t virtio_pci_nb_queues(VirtioPci *vp)
{
    return (uint16_t)virtio_pci_common_read(vp, VIRTIO_PCI_COMMON_NUMQ, 2);
}

void virtio_pci_select(VirtioPci *vp, unsigned queue)
{
    g_assert_cmpuint(queue, <, VIRTIO_PCI_QUEUES_MAX);
    vp->queue = queue;
}

static void virtio_pci_set_up_queue(VirtioPci *vp)
{
    vp->nb_submitted[vp->queue] = 0;
    qtest_memset(vp->qtest, virtio_pci_avail(vp), 0, 4);
    qtest_memset(vp->qtest, virtio_pci_used_ring(vp), 0, 4);
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_Q_SELECT, 2, vp->queue);
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_Q_SIZE, 2,
                            VIRTIO_PCI_QUEUE_SIZE);
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_Q_DESCLO, 4,
                            virtio_pci_desc(vp));
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_Q_DESCHI, 4, 0);
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_Q_AVAILLO, 4,
                            virtio_pci_avail(vp));
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_Q_AVAILHI, 4, 0);
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_Q_USEDLO, 4,
                            virtio_pci_used_ring(vp));
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_Q_USEDHI, 4, 0);
    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

void virtio_pci_run(VirtioPci *vp)
{
    const unsigned nb = virtio_pci_nb_queues(vp);

    for (unsigned i = 0; i < MIN(nb, VIRTIO_PCI_QUEUES_MAX); i++) {
        virtio_pci_select(vp, i);
        virtio_pci_set_up_queue(vp);
    }
    virtio_pci_select(vp, 0);
    virtio_pci_add_status(vp, VIRTIO_CONFIG_S_DRIVER_OK);
}

void virtio_pci_read_config(VirtioPci *vp, void *data, size_t size)
{
    qtest_read(vp->qtest, vp->device, data, size);
}

void virtio_pci_write_config(VirtioPci *vp, size_t offset, unsigned size,
                             uint64_t value)
{
    qtest_write_reg(vp->qtest, vp->device + offset, size, value);
}

uint8_t virtio_pci_generation(VirtioPci *vp)
{
    return (uint8_t)virtio_pci_common_read(vp, VIRTIO_PCI_COMMON_CFGGENERATION,
                                           1);
}

uint8_t virtio_pci_isr(VirtioPci *vp)
{
    return (uint8_t)qtest_read_reg(vp->qtest, vp->isr, 1);
}

static void virtio_pci_notify_queue(VirtioPci *vp)
{
    uint64_t offset;

    virtio_pci_common_write(vp, VIRTIO_PCI_COMMON_Q_SELECT, 2, vp->queue);
    offset = virtio_pci_common_read(vp, VIRTIO_PCI_COMMON_Q_NOFF, 2);
    qtest_write_reg(vp->qtest, vp->notify + offset * vp->notify_multiplier, 2,
                    vp->queue);
}

static void virtio_pci_write_table(VirtioPci *vp,
                                   const struct vring_desc *descs,
                                   unsigned nb_descs)
{
    struct vring_desc table[VIRTIO_PCI_QUEUE_SIZE];

    g_assert_cmpuint(nb_descs, <=, VIRTIO_PCI_QUEUE_SIZE);
    for (unsigned i = 0; i < nb_descs; i++) {
        table[i].addr = GUINT64_TO_LE(descs[i].addr);
        table[i].len = GUINT32_TO_LE(descs[i].len);
        table[i].flags = GUINT16_TO_LE(descs[i].flags);
        table[i].next = GUINT16_TO_LE(descs[i].next);
    }
    qtest_write(vp->qtest, virtio_pci_desc(vp), table,
                nb_descs * sizeof(table[0]));
}

void virtio_pci_claim_heads(VirtioPci *vp, uint16_t nb)
{
    vp->nb_submitted[vp->queue] += nb;
    qtest_write_reg(vp->qtest,
                    virtio_pci_avail(vp) +
                        G_STRUCT_OFFSET(struct vring_avail, idx),
                    2, vp->nb_submitted[vp->queue]);
    virtio_pci_notify_queue(vp);
}

void virtio_pci_set_avail_flags(VirtioPci *vp, uint16_t flags)
{
    qtest_write_reg(vp->qtest,
                    virtio_pci_avail(vp) +
                        G_STRUCT_OFFSET(struct vring_avail, flags),
                    2, flags);
}

void virtio_pci_submit_heads(VirtioPci *vp, const struct vring_desc *descs,
                             unsigned nb_descs, const uint16_t *heads,
                             unsigned nb_heads)
{
    uint64_t ring = virtio_pci_avail(vp) +
                    G_STRUCT_OFFSET(struct vring_avail, ring);

    virtio_pci_write_table(vp, descs, nb_descs);
    for (unsigned i = 0; i < nb_heads; i++) {
        uint16_t slot = (vp->nb_submitted[vp->queue] + i) %
                        VIRTIO_PCI_QUEUE_SIZE;

        qtest_write_reg(vp->qtest, ring + slot * sizeof(uint16_t), 2, heads[i]);
    }
    virtio_pci_claim_heads(vp, nb_heads);
}

void virtio_pci_submit(VirtioPci *vp, const struct vring_desc *descs,
                       unsigned nb_descs)
{
    const uint16_t head = 0;

    virtio_pci_submit_heads(vp, descs, nb_descs, &head, 1);
}

static void virtio_pci_read_used(VirtioPci *vp, struct vring_used_elem *elems,
                                 uint16_t first, unsigned nb_elems)
{
    struct vring_used_elem ring[VIRTIO_PCI_QUEUE_SIZE];

    qtest_read(vp->qtest,
               virtio_pci_used_ring(vp) +
                   G_STRUCT_OFFSET(struct vring_used, ring),
               ring, sizeof(ring));
    for (unsigned i = 0; i < nb_elems; i++) {
        const struct vring_used_elem *elem =
            &ring[(uint16_t)(first + i) % VIRTIO_PCI_QUEUE_SIZE];

        elems[i].id = GUINT32_FROM_LE(elem->id);
        elems[i].len = GUINT32_FROM_LE(elem->len);
    }
}

unsigned virtio_pci_wait_heads(VirtioPci *vp, struct vring_used_elem *elems,
                               unsigned nb_heads)
{
    uint64_t idx = virtio_pci_used_ring(vp) +
                   G_STRUCT_OFFSET(struct vring_used, idx);
    uint16_t first = vp->nb_submitted[vp->queue] - nb_heads;
    int64_t end = g_get_monotonic_time() + VIRTIO_PCI_WAIT_US;

    while (g_get_monotonic_time() < end) {
        /* First the status: a device that breaks does not answer later */
        bool broken = virtio_pci_status(vp) & VIRTIO_CONFIG_S_NEEDS_RESET;
        /* Below 0 while chains from before are not used, either */
        int16_t nb_used = (int16_t)(qtest_read_reg(vp->qtest, idx, 2) - first);

        g_assert_cmpint(nb_used, <=, (int)nb_heads);
        if (nb_used == (int)nb_heads || broken) {
            nb_used = MAX(nb_used, 0);
            virtio_pci_read_used(vp, elems, first, nb_used);
            return nb_used;
        }
    }
    g_error("the device neither answered nor asked for a reset");
}

VirtioPciOutcome virtio_pci_wait(VirtioPci *vp, uint32_t *len)
{
    struct vring_used_elem elem;

    if (!virtio_pci_wait_heads(vp, &elem, 1)) {
        return VIRTIO_PCI_BROKEN;
    }
    if (len) {
        *len = elem.len;
    }
    return VIRTIO_PCI_USED;
}
