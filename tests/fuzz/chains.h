/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chains of descriptors, right ones and wrong ones, and what virtio makes of
 * them. Requests, responses and indirect tables lie in one small window of
 * guest memory, of which there is a copy here: what the device must read is
 * taken from the copy, what it must write is written to the copy, and in the
 * end both must be equal.
 */
#ifndef FUZZ_CHAINS_H
#define FUZZ_CHAINS_H

#include "mhp.h"

#define CHAINS_MAX 8
#define CHAINS_WINDOW (CHAINS_MAX * 512)

/**
 * struct Chains - what is made available at once
 * @addr: where the window is in guest memory
 * @window: what it holds
 * @table: the queue's descriptors
 * @nb_descs: how many of them are written
 * @heads: the first descriptor of each chain
 * @nb: number of chains
 */
typedef struct Chains {
    uint64_t addr;
    uint8_t window[CHAINS_WINDOW];
    struct vring_desc table[VIRTIO_PCI_QUEUE_SIZE];
    unsigned nb_descs;
    uint16_t heads[CHAINS_MAX];
    unsigned nb;
} Chains;

/* None yet; the window holds noise */
void chains_init(Chains *chains, GRand *rand, uint64_t addr);

/* A chain of the right shape around a request, cut in any way */
void chains_add(Chains *chains, GRand *rand, const struct virtio_mhp_req *req);

/* Do something wrong, perhaps, to the chain that came last */
void chains_damage(Chains *chains, GRand *rand);

typedef enum {
    CHAINS_GOOD,
    CHAINS_BREAK,   /* the device breaks */
    CHAINS_UNKNOWN, /* it leads out of the window */
} ChainsShape;

/* What the device reads, and then writes, for one chain */
ChainsShape chains_read(const Chains *chains, unsigned chain,
                        struct virtio_mhp_req *req);
void chains_write(Chains *chains, unsigned chain,
                  const struct virtio_mhp_resp *resp);

#endif /* FUZZ_CHAINS_H */
