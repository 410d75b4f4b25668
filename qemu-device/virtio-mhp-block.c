/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bookkeeping of device blocks, without QEMU: see virtio-mhp-block.h.
 *
 * The walkers are plain loops over plain arrays, so that a sanitizer sees
 * every access (it would not see into QEMU's own bitmap functions). A guest's
 * request names at most 65535 blocks.
 */
#include "virtio-mhp-block.h"

#include "virtio-mhp-fault.h"

#include <glib.h>
#include <uapi/linux/virtio_mhp.h>

void virtio_mhp_blocks_init(VirtIOMHPBlocks *blocks, uint64_t addr,
                            uint64_t block_size, uint64_t region_size)
{
    *blocks = (VirtIOMHPBlocks){
        .addr = addr,
        .block_size = block_size,
        .nb_blocks = region_size / block_size,
    };
    blocks->plugged = g_new0(bool, blocks->nb_blocks);
    blocks->pending = g_new0(bool, blocks->nb_blocks);
    blocks->reasons = g_new0(uint8_t, blocks->nb_blocks);
}

void virtio_mhp_blocks_free(VirtIOMHPBlocks *blocks)
{
    g_free(blocks->plugged);
    g_free(blocks->pending);
    g_free(blocks->reasons);
    *blocks = (VirtIOMHPBlocks){0};
}

bool virtio_mhp_blocks_range(const VirtIOMHPBlocks *blocks, uint64_t addr,
                             uint16_t nb_blocks, VirtIOMHPRange *range)
{
    uint64_t first;

    if (!nb_blocks || addr % blocks->block_size || addr < blocks->addr) {
        return false;
    }
    /* Compare numbers of blocks, which cannot overflow as addresses can. */
    first = (addr - blocks->addr) / blocks->block_size;
    if (first >= blocks->nb_blocks || (nb_blocks > blocks->nb_blocks - first &&
                                       !virtio_mhp_has_fault(RANGE))) {
        return false;
    }
    *range = (VirtIOMHPRange){first, nb_blocks};
    return true;
}

VirtIOMHPRange virtio_mhp_blocks_all(const VirtIOMHPBlocks *blocks)
{
    return (VirtIOMHPRange){0, blocks->nb_blocks};
}

uint64_t virtio_mhp_blocks_offset(const VirtIOMHPBlocks *blocks,
                                  const VirtIOMHPRange *range)
{
    return range->first * blocks->block_size;
}

uint64_t virtio_mhp_blocks_addr(const VirtIOMHPBlocks *blocks,
                                const VirtIOMHPRange *range)
{
    return blocks->addr + virtio_mhp_blocks_offset(blocks, range);
}

uint64_t virtio_mhp_blocks_size(const VirtIOMHPBlocks *blocks,
                                const VirtIOMHPRange *range)
{
    return range->nb_blocks * blocks->block_size;
}

uint64_t virtio_mhp_blocks_plugged_size(const VirtIOMHPBlocks *blocks)
{
    return blocks->nb_plugged * blocks->block_size;
}

/* The last line of defence: all that reads or writes the tables asks here. */
static void virtio_mhp_blocks_assert_range(const VirtIOMHPBlocks *blocks,
                                           const VirtIOMHPRange *range)
{
    g_assert(range->first < blocks->nb_blocks);
    g_assert(range->nb_blocks > 0);
    g_assert(range->nb_blocks <= blocks->nb_blocks - range->first);
}

uint16_t virtio_mhp_blocks_state(const VirtIOMHPBlocks *blocks,
                                 const VirtIOMHPRange *range)
{
    bool first;
    uint64_t i;

    virtio_mhp_blocks_assert_range(blocks, range);
    first = blocks->plugged[range->first];
    for (i = 1; i < range->nb_blocks; i++) {
        if (blocks->plugged[range->first + i] != first) {
            return VIRTIO_MHP_STATE_MIXED;
        }
    }
    return first ? VIRTIO_MHP_STATE_PLUGGED : VIRTIO_MHP_STATE_UNPLUGGED;
}

static void virtio_mhp_block_set_reason(VirtIOMHPBlocks *blocks, uint64_t i,
                                        uint8_t reason)
{
    blocks->nb_stuck -= blocks->reasons[i] != VIRTIO_MHP_REASON_NONE;
    blocks->reasons[i] = reason;
    blocks->nb_stuck += reason != VIRTIO_MHP_REASON_NONE;
}

void virtio_mhp_blocks_set_plugged(VirtIOMHPBlocks *blocks,
                                   const VirtIOMHPRange *range, bool plugged)
{
    const uint64_t end = range->first + range->nb_blocks;
    uint64_t i;

    virtio_mhp_blocks_assert_range(blocks, range);
    for (i = range->first; i < end; i++) {
        blocks->nb_plugged -= blocks->plugged[i];
        if (!virtio_mhp_has_fault(BITMAP) || i == range->first || i < end - 1) {
            blocks->plugged[i] = plugged;
        }
        blocks->nb_plugged += plugged;
        virtio_mhp_block_set_reason(blocks, i, VIRTIO_MHP_REASON_NONE);
    }
    virtio_mhp_blocks_set_pending(blocks, range, false);
}

void virtio_mhp_blocks_set_pending(VirtIOMHPBlocks *blocks,
                                   const VirtIOMHPRange *range, bool pending)
{
    uint64_t i;

    virtio_mhp_blocks_assert_range(blocks, range);
    for (i = range->first; i < range->first + range->nb_blocks; i++) {
        g_assert(!pending || !blocks->plugged[i]);
        blocks->nb_pending -= blocks->pending[i];
        blocks->pending[i] = pending;
        blocks->nb_pending += pending;
    }
}

uint64_t virtio_mhp_blocks_pending_size(const VirtIOMHPBlocks *blocks)
{
    return blocks->nb_pending * blocks->block_size;
}

/*
 * Find the next run of equal values after @range, of zeros, or else of anything
 * but zeros.
 */
static bool virtio_mhp_blocks_next_equal(const VirtIOMHPBlocks *blocks,
                                         const uint8_t *values, bool zeros,
                                         VirtIOMHPRange *range)
{
    uint64_t first = range->first + range->nb_blocks;
    uint64_t end;

    while (first < blocks->nb_blocks && !values[first] != zeros) {
        first++;
    }
    end = first;
    while (end < blocks->nb_blocks && values[end] == values[first]) {
        end++;
    }
    *range = (VirtIOMHPRange){first, end - first};
    return range->nb_blocks;
}

bool virtio_mhp_blocks_next_run(const VirtIOMHPBlocks *blocks, bool plugged,
                                VirtIOMHPRange *range)
{
    return virtio_mhp_blocks_next_equal(
        blocks, (const uint8_t *)blocks->plugged, !plugged, range);
}

bool virtio_mhp_blocks_next_pending(const VirtIOMHPBlocks *blocks,
                                    VirtIOMHPRange *range)
{
    return virtio_mhp_blocks_next_equal(
        blocks, (const uint8_t *)blocks->pending, false, range);
}

const char *virtio_mhp_reason_name(uint16_t reason)
{
    static const char *const names[] = {
        [VIRTIO_MHP_REASON_NONE] = "none",
        [VIRTIO_MHP_REASON_BUSY] = "busy",
        [VIRTIO_MHP_REASON_PINNED] = "pinned",
        [VIRTIO_MHP_REASON_HUGETLB] = "hugetlb",
        [VIRTIO_MHP_REASON_NO_ROOM] = "no-room",
        [VIRTIO_MHP_REASON_KERNEL_MEMORY] = "kernel-memory",
        [VIRTIO_MHP_REASON_NOT_ADDED] = "not-added",
        [VIRTIO_MHP_REASON_NOT_ONLINE] = "not-online",
        [VIRTIO_MHP_REASON_NO_MEMMAP] = "no-memmap",
        [VIRTIO_MHP_REASON_WRITEBACK] = "writeback",
    };

    return reason < G_N_ELEMENTS(names) ? names[reason] : NULL;
}

void virtio_mhp_blocks_set_reason(VirtIOMHPBlocks *blocks,
                                  const VirtIOMHPRange *range, uint16_t reason)
{
    uint64_t i;

    virtio_mhp_blocks_assert_range(blocks, range);
    for (i = range->first; i < range->first + range->nb_blocks; i++) {
        virtio_mhp_block_set_reason(blocks, i, reason);
    }
}

void virtio_mhp_blocks_clear_reasons(VirtIOMHPBlocks *blocks)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(blocks);

    virtio_mhp_blocks_set_reason(blocks, &all, VIRTIO_MHP_REASON_NONE);
}

bool virtio_mhp_blocks_next_stuck(const VirtIOMHPBlocks *blocks,
                                  VirtIOMHPRange *range)
{
    return virtio_mhp_blocks_next_equal(blocks, blocks->reasons, false, range);
}

bool virtio_mhp_memmap_is_valid(const VirtIOMHPMemmap *memmap)
{
    const uint64_t unit_size = memmap->unit_size;

    /* A power of two has no bit in common with its predecessor. */
    return unit_size >= VIRTIO_MHP_UNIT_SIZE_MIN &&
           !(unit_size & (unit_size - 1)) && memmap->memmap_size < unit_size &&
           memmap->memmap_size % 4096 == 0;
}

bool virtio_mhp_memmap_next(const VirtIOMHPMemmap *memmap, uint64_t end,
                            uint64_t *addr, uint64_t *size)
{
    uint64_t unit;

    if (!memmap->memmap_size) {
        return false;
    }
    unit = *addr - *addr % memmap->unit_size;
    if (*addr - unit >= memmap->memmap_size) {
        /* Behind the memmap of this unit; the address space may end with it. */
        if (unit > UINT64_MAX - memmap->unit_size) {
            return false;
        }
        unit += memmap->unit_size;
        *addr = unit;
    }
    if (*addr >= end) {
        return false;
    }
    *size = MIN(memmap->memmap_size - (*addr - unit), end - *addr);
    return true;
}

uint64_t virtio_mhp_unit_size(const VirtIOMHPBlocks *blocks,
                              const VirtIOMHPMemmap *memmap)
{
    return memmap->unit_size ? MAX(blocks->block_size, memmap->unit_size) : 0;
}

uint64_t virtio_mhp_units_within(const VirtIOMHPBlocks *blocks,
                                 const VirtIOMHPMemmap *memmap,
                                 uint64_t requested_size)
{
    const uint64_t unit_size = virtio_mhp_unit_size(blocks, memmap);
    /* What the region has before its first whole unit */
    const uint64_t before = -blocks->addr & (unit_size - 1);
    const uint64_t size = blocks->nb_blocks * blocks->block_size;

    if (!unit_size || size < before) {
        return 0;
    }
    return MIN(size - before, requested_size) & -unit_size;
}
