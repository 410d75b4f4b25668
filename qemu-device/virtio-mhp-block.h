/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bookkeeping of device blocks: which are plugged, which the driver reported
 * as stuck, and which part of a range holds memmaps.
 *
 * Pure: no memory is touched, no message is sent, QEMU is not needed. What
 * comes from the guest becomes a VirtIOMHPRange in one function, which checks
 * it; all others take such ranges and trust them.
 */
#ifndef VIRTIO_MHP_BLOCK_H
#define VIRTIO_MHP_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct VirtIOMHPRange - blocks of the region, never empty, never outside it
 * @first: index of the first block
 * @nb_blocks: number of blocks
 */
typedef struct VirtIOMHPRange {
    uint64_t first;
    uint64_t nb_blocks;
} VirtIOMHPRange;

/**
 * struct VirtIOMHPBlocks - all blocks of a device
 * @addr: guest-physical address of the first block
 * @block_size: size of a block in bytes, a power of two
 * @nb_blocks: number of blocks of the region
 * @nb_plugged: how many entries of @plugged are true
 * @nb_stuck: how many entries of @reasons are not VIRTIO_MHP_REASON_NONE
 * @nb_pending: how many entries of @pending are true
 * @plugged: for each block, whether it is plugged
 * @pending: whether it is unplugged, but the host may still hold its memory
 * @reasons: for each block, the VIRTIO_MHP_REASON_* that was reported last
 */
typedef struct VirtIOMHPBlocks {
    uint64_t addr;
    uint64_t block_size;
    uint64_t nb_blocks;
    uint64_t nb_plugged;
    uint64_t nb_stuck;
    uint64_t nb_pending;
    bool *plugged;
    bool *pending;
    uint8_t *reasons;
} VirtIOMHPBlocks;

/**
 * struct VirtIOMHPMemmap - where the driver puts memmaps
 * @unit_size: each multiple of it in the region starts with a memmap
 * @memmap_size: size of a memmap in bytes, 0 if there is none
 */
typedef struct VirtIOMHPMemmap {
    uint64_t unit_size;
    uint64_t memmap_size;
} VirtIOMHPMemmap;

/* @region_size is a multiple of @block_size; all blocks start unplugged */
void virtio_mhp_blocks_init(VirtIOMHPBlocks *blocks, uint64_t addr,
                            uint64_t block_size, uint64_t region_size);
void virtio_mhp_blocks_free(VirtIOMHPBlocks *blocks);

/* Check what the guest sent, true if @range is set (DEV-REQ-3) */
bool virtio_mhp_blocks_range(const VirtIOMHPBlocks *blocks, uint64_t addr,
                             uint16_t nb_blocks, VirtIOMHPRange *range);
VirtIOMHPRange virtio_mhp_blocks_all(const VirtIOMHPBlocks *blocks);
uint64_t virtio_mhp_blocks_offset(const VirtIOMHPBlocks *blocks,
                                  const VirtIOMHPRange *range);
/* Guest-physical, of the first block */
uint64_t virtio_mhp_blocks_addr(const VirtIOMHPBlocks *blocks,
                                const VirtIOMHPRange *range);
uint64_t virtio_mhp_blocks_size(const VirtIOMHPBlocks *blocks,
                                const VirtIOMHPRange *range);
uint64_t virtio_mhp_blocks_plugged_size(const VirtIOMHPBlocks *blocks);

/* VIRTIO_MHP_STATE_* of the range (DEV-STATE-1) */
uint16_t virtio_mhp_blocks_state(const VirtIOMHPBlocks *blocks,
                                 const VirtIOMHPRange *range);
/*
 * Set the state of every block of the range and drop its report. None of them
 * is pending then: what becomes plugged or unplugged has been discarded.
 */
void virtio_mhp_blocks_set_plugged(VirtIOMHPBlocks *blocks,
                                   const VirtIOMHPRange *range, bool plugged);

/*
 * Find the next run of blocks that are all plugged, or all unplugged, after
 * @range; start with a range of no blocks. False if there is none.
 */
bool virtio_mhp_blocks_next_run(const VirtIOMHPBlocks *blocks, bool plugged,
                                VirtIOMHPRange *range);

/* Set whether blocks of the range, all unplugged, are still to be discarded */
void virtio_mhp_blocks_set_pending(VirtIOMHPBlocks *blocks,
                                   const VirtIOMHPRange *range, bool pending);
uint64_t virtio_mhp_blocks_pending_size(const VirtIOMHPBlocks *blocks);
/* As virtio_mhp_blocks_next_run(), for blocks that are pending */
bool virtio_mhp_blocks_next_pending(const VirtIOMHPBlocks *blocks,
                                    VirtIOMHPRange *range);

/* For people; NULL if there is no such reason (DEV-STATUS-1) */
const char *virtio_mhp_reason_name(uint16_t reason);
/* @reason has a name */
void virtio_mhp_blocks_set_reason(VirtIOMHPBlocks *blocks,
                                  const VirtIOMHPRange *range, uint16_t reason);
void virtio_mhp_blocks_clear_reasons(VirtIOMHPBlocks *blocks);
/*
 * Find the next run of blocks with one and the same reason after @range;
 * start with a range of two zeros. False if there is none.
 */
bool virtio_mhp_blocks_next_stuck(const VirtIOMHPBlocks *blocks,
                                  VirtIOMHPRange *range);

/* Whether a driver may ask for this (DEV-MEMMAP-1) */
bool virtio_mhp_memmap_is_valid(const VirtIOMHPMemmap *memmap);
/*
 * Find the next part of a memmap in the addresses from *@addr up to, not
 * including, @end. If there is one, *@addr and *@size become its place.
 */
bool virtio_mhp_memmap_next(const VirtIOMHPMemmap *memmap, uint64_t end,
                            uint64_t *addr, uint64_t *size);

/*
 * What the driver plugs in one go, and how much it can come to plug of what is
 * requested: whole units inside the region. 0 while it has told no layout.
 */
uint64_t virtio_mhp_unit_size(const VirtIOMHPBlocks *blocks,
                              const VirtIOMHPMemmap *memmap);
uint64_t virtio_mhp_units_within(const VirtIOMHPBlocks *blocks,
                                 const VirtIOMHPMemmap *memmap,
                                 uint64_t requested_size);

#endif
