/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * With dynamic-memslots=on the region is a container, and the backend's memory
 * is mapped into it in slots of equal size, each only while one of its blocks
 * is plugged. KVM and vhost then know nothing of the memory of other slots.
 *
 * A slot is mapped before listeners hear of its first block, and unmapped
 * after they heard of the end of its last.
 */
#include "qemu/osdep.h"
#include "exec/memory.h"
#include "qemu/units.h"
#include "trace.h"
#include "virtio-mhp.h"

/* Small slots cost KVM more than they spare. */
#define VIRTIO_MHP_MIN_MEMSLOT_SIZE (1 * GiB)

static MemoryRegion *virtio_mhp_memdev_region(const VirtIOMHP *vmhp)
{
    return &vmhp->memdev->mr;
}

MemoryRegion *virtio_mhp_memslots_region(VirtIOMHP *vmhp)
{
    MemoryRegion *mr = virtio_mhp_memdev_region(vmhp);

    if (!vmhp->dynamic_memslots) {
        return mr;
    }
    if (!vmhp->memslots.container) {
        vmhp->memslots.container = g_new0(MemoryRegion, 1);
        memory_region_init(vmhp->memslots.container, OBJECT(vmhp),
                           TYPE_VIRTIO_MHP, memory_region_size(mr));
        vmhp->memslots.container->align = memory_region_get_alignment(mr);
    }
    return vmhp->memslots.container;
}

/* Whole blocks, as large as they must be to need no more than @limit */
void virtio_mhp_memslots_decide(VirtIOMHP *vmhp, unsigned int limit)
{
    uint64_t region_size;

    if (!vmhp->dynamic_memslots || !vmhp->memdev) {
        return;
    }
    region_size = memory_region_size(virtio_mhp_memdev_region(vmhp));
    vmhp->memslots.slot_size = QEMU_ALIGN_UP(
        MAX(DIV_ROUND_UP(region_size, MAX(limit, 1)),
            VIRTIO_MHP_MIN_MEMSLOT_SIZE),
        virtio_mhp_block_size(vmhp));
    vmhp->memslots.nb_slots = DIV_ROUND_UP(region_size,
                                           vmhp->memslots.slot_size);
}

unsigned int virtio_mhp_memslots_count(const VirtIOMHP *vmhp)
{
    return vmhp->dynamic_memslots && vmhp->memslots.nb_slots
               ? vmhp->memslots.nb_slots
               : 1;
}

/* Blocks of one slot; the last may have less than the others */
static VirtIOMHPRange virtio_mhp_memslot_blocks(const VirtIOMHP *vmhp,
                                                unsigned int i)
{
    const uint64_t per_slot = vmhp->memslots.slot_size / vmhp->block_size;
    const uint64_t first = i * per_slot;

    return (VirtIOMHPRange){first,
                            MIN(per_slot, vmhp->blocks.nb_blocks - first)};
}

void virtio_mhp_memslots_realize(VirtIOMHP *vmhp)
{
    unsigned int i;

    if (!vmhp->dynamic_memslots) {
        return;
    }
    vmhp->memslots.slots = g_new0(MemoryRegion, vmhp->memslots.nb_slots);
    for (i = 0; i < vmhp->memslots.nb_slots; i++) {
        const VirtIOMHPRange blocks = virtio_mhp_memslot_blocks(vmhp, i);
        g_autofree char *name = g_strdup_printf("memslot-%u", i);

        memory_region_init_alias(
            &vmhp->memslots.slots[i], OBJECT(vmhp), name,
            virtio_mhp_memdev_region(vmhp),
            virtio_mhp_blocks_offset(&vmhp->blocks, &blocks),
            virtio_mhp_blocks_size(&vmhp->blocks, &blocks));
        /* So that each comes and goes without touching its neighbours */
        memory_region_set_unmergeable(&vmhp->memslots.slots[i], true);
    }
}

/*
 * A guest can take the device out while slots are mapped, each of which then
 * keeps the device, and with it the backend.
 */
void virtio_mhp_memslots_unrealize(VirtIOMHP *vmhp)
{
    unsigned int i;

    for (i = 0; i < vmhp->memslots.nb_slots; i++) {
        MemoryRegion *slot = &vmhp->memslots.slots[i];

        if (memory_region_is_mapped(slot)) {
            memory_region_del_subregion(vmhp->memslots.container, slot);
        }
    }
}

/* QOM has let go of the regions, which are the device's children. */
void virtio_mhp_memslots_finalize(VirtIOMHP *vmhp)
{
    g_free(vmhp->memslots.slots);
    g_free(vmhp->memslots.container);
}

static bool virtio_mhp_memslot_has_plugged(const VirtIOMHP *vmhp,
                                           const VirtIOMHPRange *blocks)
{
    return virtio_mhp_blocks_state(&vmhp->blocks, blocks) !=
           VIRTIO_MHP_STATE_UNPLUGGED;
}

static void virtio_mhp_memslots_update(VirtIOMHP *vmhp,
                                       const VirtIOMHPRange *range,
                                       bool is_plug)
{
    const uint64_t per_slot = vmhp->memslots.slot_size / vmhp->block_size;
    const unsigned int last = (range->first + range->nb_blocks - 1) / per_slot;
    unsigned int i;

    memory_region_transaction_begin();
    for (i = range->first / per_slot; i <= last; i++) {
        const VirtIOMHPRange blocks = virtio_mhp_memslot_blocks(vmhp, i);
        const bool wanted = is_plug ||
                            virtio_mhp_memslot_has_plugged(vmhp, &blocks);
        MemoryRegion *slot = &vmhp->memslots.slots[i];

        if (wanted && !memory_region_is_mapped(slot)) {
            trace_virtio_mhp_memslot_map(vmhp->addr, i);
            memory_region_add_subregion(
                vmhp->memslots.container,
                virtio_mhp_blocks_offset(&vmhp->blocks, &blocks), slot);
        } else if (!wanted && memory_region_is_mapped(slot)) {
            trace_virtio_mhp_memslot_unmap(vmhp->addr, i);
            memory_region_del_subregion(vmhp->memslots.container, slot);
        }
    }
    memory_region_transaction_commit();
}

void virtio_mhp_memslots_map(VirtIOMHP *vmhp, const VirtIOMHPRange *range)
{
    if (vmhp->dynamic_memslots) {
        virtio_mhp_memslots_update(vmhp, range, true);
    }
}

void virtio_mhp_memslots_unmap_unused(VirtIOMHP *vmhp,
                                      const VirtIOMHPRange *range)
{
    if (vmhp->dynamic_memslots) {
        virtio_mhp_memslots_update(vmhp, range, false);
    }
}
