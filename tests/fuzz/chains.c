/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chains: see chains.h. Each chain has a part of the window of its own. */
#include "chains.h"

#define REQ_SIZE sizeof(struct virtio_mhp_req)
#define RESP_SIZE sizeof(struct virtio_mhp_resp)

/* A chain's part of the window, and what is where in it */
#define PART_SIZE (CHAINS_WINDOW / CHAINS_MAX)
#define PART_REQ 0
#define PART_RESP 64
#define PART_INDIRECT 256
/* Descriptors of a chain, at the most */
#define PART_DESCS 8

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

static void copy(void *to, const void *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
}

static bool one_in(GRand *rand, int n)
{
    return g_rand_int_range(rand, 0, n) == 0;
}

void chains_init(Chains *chains, GRand *rand, uint64_t addr)
{
    *chains = (Chains){.addr = addr};
    for (unsigned i = 0; i < CHAINS_WINDOW; i++) {
        chains->window[i] = (uint8_t)g_rand_int(rand);
    }
}

/* Cut @size bytes at @addr into descriptors; returns how many */
static unsigned chains_cut(GRand *rand, struct vring_desc *descs, uint64_t addr,
                           uint32_t size, uint16_t flags)
{
    unsigned nb = 0;

    while (size) {
        uint32_t len = size;

        if (nb + 1 < PART_DESCS / 2 && one_in(rand, 3)) {
            len = (uint32_t)g_rand_int_range(rand, 1, (int)size + 1);
        }
        descs[nb++] = (struct vring_desc){addr, len, flags, 0};
        addr += len;
        size -= len;
    }
    return nb;
}

/* Link @descs, which lie from index @first on */
static void chains_link(struct vring_desc *descs, unsigned nb, unsigned first)
{
    for (unsigned i = 0; i + 1 < nb; i++) {
        descs[i].flags |= NEXT;
        descs[i].next = (uint16_t)(first + i + 1);
    }
}

/* Two descriptors change places; the chain stays what it is */
static void chains_swap(struct vring_desc *descs, unsigned nb, unsigned first,
                        unsigned a, unsigned b)
{
    struct vring_desc desc = descs[a];

    descs[a] = descs[b];
    descs[b] = desc;
    for (unsigned i = 0; i < nb; i++) {
        if (descs[i].next == first + a) {
            descs[i].next = (uint16_t)(first + b);
        } else if (descs[i].next == first + b) {
            descs[i].next = (uint16_t)(first + a);
        }
    }
}

/* A table in wire order */
static void chains_store(uint8_t *to, const struct vring_desc *descs,
                         unsigned nb)
{
    for (unsigned i = 0; i < nb; i++) {
        struct vring_desc desc = {
            GUINT64_TO_LE(descs[i].addr),
            GUINT32_TO_LE(descs[i].len),
            GUINT16_TO_LE(descs[i].flags),
            GUINT16_TO_LE(descs[i].next),
        };

        copy(to + i * sizeof(desc), &desc, sizeof(desc));
    }
}

static struct vring_desc chains_load(const uint8_t *from)
{
    struct vring_desc desc;

    copy(&desc, from, sizeof(desc));
    return (struct vring_desc){
        GUINT64_FROM_LE(desc.addr),
        GUINT32_FROM_LE(desc.len),
        GUINT16_FROM_LE(desc.flags),
        GUINT16_FROM_LE(desc.next),
    };
}

/* The chain as one descriptor that points to a table */
static void chains_add_indirect(Chains *chains, struct vring_desc *descs,
                                unsigned nb, unsigned part)
{
    chains_link(descs, nb, 0);
    chains_store(&chains->window[part + PART_INDIRECT], descs, nb);
    chains->table[chains->nb_descs++] = (struct vring_desc){
        chains->addr + part + PART_INDIRECT,
        (uint32_t)(nb * sizeof(*descs)),
        INDIRECT,
        0,
    };
}

static void chains_add_direct(Chains *chains, GRand *rand,
                              struct vring_desc *descs, unsigned nb)
{
    chains_link(descs, nb, chains->nb_descs);
    if (nb > 2) {
        chains_swap(descs, nb, chains->nb_descs,
                    (unsigned)g_rand_int_range(rand, 1, (int)nb),
                    (unsigned)g_rand_int_range(rand, 1, (int)nb));
    }
    copy(&chains->table[chains->nb_descs], descs, nb * sizeof(*descs));
    chains->nb_descs += nb;
}

void chains_add(Chains *chains, GRand *rand, const struct virtio_mhp_req *req)
{
    unsigned part = chains->nb * PART_SIZE, nb;
    struct vring_desc descs[PART_DESCS];
    uint32_t room = RESP_SIZE;

    if (one_in(rand, 4)) {
        room = (uint32_t)g_rand_int_range(rand, RESP_SIZE, 128);
    }
    copy(&chains->window[part + PART_REQ], req, REQ_SIZE);
    nb = chains_cut(rand, descs, chains->addr + part + PART_REQ, REQ_SIZE, 0);
    nb += chains_cut(rand, descs + nb, chains->addr + part + PART_RESP, room,
                     WRITE);
    chains->heads[chains->nb++] = (uint16_t)chains->nb_descs;
    if (one_in(rand, 5)) {
        chains_add_indirect(chains, descs, nb, part);
    } else {
        chains_add_direct(chains, rand, descs, nb);
    }
}

static void chains_damage_desc(struct vring_desc *desc, GRand *rand)
{
    switch (g_rand_int_range(rand, 0, 7)) {
    case 0:
        desc->len = 0;
        break;
    case 1:
        desc->len = (uint32_t)g_rand_int_range(rand, 0, (int)desc->len + 4);
        break;
    case 2:
        desc->flags ^= WRITE;
        break;
    case 3:
        desc->flags ^= NEXT;
        break;
    case 4:
        desc->flags |= INDIRECT;
        break;
    case 5: /* a loop, or out of the table */
        desc->flags |= NEXT;
        desc->next = (uint16_t)g_rand_int_range(
            rand, 0, one_in(rand, 2) ? 2 * VIRTIO_PCI_QUEUE_SIZE : 65536);
        break;
    default: /* bits that mean nothing */
        desc->flags |= (uint16_t)(g_rand_int(rand) << 3);
        break;
    }
}

/* In the table or, if the chain is indirect, perhaps where that points to */
void chains_damage(Chains *chains, GRand *rand)
{
    unsigned head = chains->heads[chains->nb - 1];
    struct vring_desc *descs = &chains->table[head];
    unsigned nb = chains->nb_descs - head;
    uint8_t *in_window;
    struct vring_desc desc;

    if (one_in(rand, 12)) {
        chains->heads[chains->nb - 1] = (uint16_t)g_rand_int_range(
            rand, VIRTIO_PCI_QUEUE_SIZE, 65536);
        return;
    }
    if (!(descs->flags & INDIRECT) || one_in(rand, 3)) {
        chains_damage_desc(&descs[g_rand_int_range(rand, 0, (int)nb)], rand);
        return;
    }
    nb = descs->len / sizeof(desc);
    in_window = &chains->window[descs->addr - chains->addr];
    in_window += (unsigned)g_rand_int_range(rand, 0, (int)nb) * sizeof(desc);
    desc = chains_load(in_window);
    chains_damage_desc(&desc, rand);
    chains_store(in_window, &desc, 1);
}

/* The descriptors of one chain, in its order */
typedef struct Walk {
    const uint8_t *indirect; /* NULL: the queue's own table */
    unsigned max;
    unsigned nb;
    struct vring_desc descs[VIRTIO_PCI_QUEUE_SIZE];
} Walk;

static bool in_window(const Chains *chains, const struct vring_desc *desc)
{
    return desc->addr >= chains->addr && desc->len <= CHAINS_WINDOW &&
           desc->addr - chains->addr <= CHAINS_WINDOW - desc->len;
}

static struct vring_desc walk_desc(const Walk *walk, const Chains *chains,
                                   unsigned i)
{
    return walk->indirect
               ? chains_load(walk->indirect + i * sizeof(struct vring_desc))
               : chains->table[i];
}

/* Start at a head, which may point to another table */
static ChainsShape walk_start(Walk *walk, const Chains *chains, unsigned head,
                              unsigned *i)
{
    struct vring_desc desc;

    *walk = (Walk){.max = VIRTIO_PCI_QUEUE_SIZE};
    *i = head;
    if (head >= VIRTIO_PCI_QUEUE_SIZE) {
        return CHAINS_BREAK;
    }
    desc = chains->table[head];
    if (!(desc.flags & INDIRECT)) {
        return CHAINS_GOOD;
    }
    if (!desc.len || desc.len % sizeof(desc)) {
        return CHAINS_BREAK;
    }
    if (!in_window(chains, &desc)) {
        return CHAINS_UNKNOWN;
    }
    walk->indirect = &chains->window[desc.addr - chains->addr];
    walk->max = desc.len / sizeof(desc);
    *i = 0;
    return CHAINS_GOOD;
}

/* Add a descriptor; whether it may follow the ones before */
static ChainsShape walk_add(Walk *walk, const Chains *chains,
                            const struct vring_desc *desc)
{
    bool has_writable = walk->nb && walk->descs[walk->nb - 1].flags & WRITE;

    if (!(desc->flags & WRITE) && has_writable) {
        return CHAINS_BREAK;
    }
    if (desc->len && !in_window(chains, desc)) {
        return CHAINS_UNKNOWN;
    }
    walk->descs[walk->nb++] = *desc;
    return desc->len ? CHAINS_GOOD : CHAINS_BREAK;
}

/* All of a chain, and what virtio says to it */
static ChainsShape walk_chain(Walk *walk, const Chains *chains, unsigned chain)
{
    ChainsShape shape;
    unsigned i;

    shape = walk_start(walk, chains, chains->heads[chain], &i);
    while (shape == CHAINS_GOOD) {
        struct vring_desc desc = walk_desc(walk, chains, i);

        shape = walk->nb < walk->max ? walk_add(walk, chains, &desc)
                                     : CHAINS_BREAK;
        if (shape == CHAINS_GOOD && !(desc.flags & NEXT)) {
            break;
        }
        i = desc.next;
        if (shape == CHAINS_GOOD && i >= walk->max) {
            shape = CHAINS_BREAK;
        }
    }
    return shape;
}

/* How many bytes the descriptors of one direction have */
static size_t walk_size(const Walk *walk, uint16_t direction)
{
    size_t size = 0;

    for (unsigned i = 0; i < walk->nb; i++) {
        if ((walk->descs[i].flags & WRITE) == direction) {
            size += walk->descs[i].len;
        }
    }
    return size;
}

/* The place in the window of the byte @offset of one direction */
static size_t walk_place(const Walk *walk, const Chains *chains,
                         uint16_t direction, size_t offset)
{
    unsigned i;

    for (i = 0; i < walk->nb; i++) {
        if ((walk->descs[i].flags & WRITE) != direction) {
            continue;
        }
        if (offset < walk->descs[i].len) {
            break;
        }
        offset -= walk->descs[i].len;
    }
    return walk->descs[i].addr - chains->addr + offset;
}

ChainsShape chains_read(const Chains *chains, unsigned chain,
                        struct virtio_mhp_req *req)
{
    uint8_t *bytes = (uint8_t *)req;
    Walk walk;
    ChainsShape shape = walk_chain(&walk, chains, chain);

    if (shape != CHAINS_GOOD) {
        return shape;
    }
    /* DEV-REQ-1 */
    if (walk_size(&walk, 0) != REQ_SIZE ||
        walk_size(&walk, WRITE) < RESP_SIZE) {
        return CHAINS_BREAK;
    }
    for (unsigned i = 0; i < REQ_SIZE; i++) {
        bytes[i] = chains->window[walk_place(&walk, chains, 0, i)];
    }
    return CHAINS_GOOD;
}

void chains_write(Chains *chains, unsigned chain,
                  const struct virtio_mhp_resp *resp)
{
    const uint8_t *bytes = (const uint8_t *)resp;
    Walk walk;

    walk_chain(&walk, chains, chain);
    for (unsigned i = 0; i < RESP_SIZE; i++) {
        chains->window[walk_place(&walk, chains, WRITE, i)] = bytes[i];
    }
}
