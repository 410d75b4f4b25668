/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RamDiscardManager of the region: whoever on the host uses the guest's
 * memory as a whole (VFIO, migration, dump) learns from here which parts of it
 * are there. Listeners are told of each change, the others ask.
 *
 * What a listener was told is always what the bookkeeping says: it hears of
 * blocks just before they become plugged or unplugged, and a block is plugged
 * only if no listener refuses it.
 *
 * Three answers are also given to threads of a migration, without the big QEMU
 * lock: is_populated to postcopy's fault thread, replay_discarded to the return
 * path when postcopy recovers, replay_populated to a background snapshot that
 * begins. They only read the table of blocks, which stays from publish to
 * withdraw. No request changes it while the guest is moved or saved
 * (virtio-mhp-busy.c); one that ends just then changes single bytes, so that a
 * block is seen as it was or as it is.
 */
#include "qemu/osdep.h"
#include "exec/memory.h"
#include "qemu/error-report.h"
#include "trace.h"
#include "virtio-mhp.h"

/* Narrow a section down to what it has of a range; false if it has nothing. */
static bool virtio_mhp_rdm_narrow_section(const VirtIOMHP *vmhp,
                                          const VirtIOMHPRange *range,
                                          MemoryRegionSection *section)
{
    const uint64_t offset = virtio_mhp_blocks_offset(&vmhp->blocks, range);
    const uint64_t size = virtio_mhp_blocks_size(&vmhp->blocks, range);
    const uint64_t old_start = section->offset_within_region;
    const uint64_t old_end = old_start + int128_get64(section->size);
    const uint64_t start = MAX(old_start, offset);
    const uint64_t end = MIN(old_end, offset + size);

    if (start >= end) {
        return false;
    }
    section->offset_within_region = start;
    section->offset_within_address_space += start - old_start;
    section->size = int128_make64(end - start);
    return true;
}

typedef int (*VirtIOMHPSectionFn)(MemoryRegionSection *section, void *opaque);

/*
 * Call @fn for each run of blocks of the section that are all plugged, or all
 * unplugged, by ascending address, until it returns anything but 0.
 */
static int virtio_mhp_rdm_for_each_run(const VirtIOMHP *vmhp, bool plugged,
                                       const MemoryRegionSection *section,
                                       VirtIOMHPSectionFn fn, void *opaque)
{
    VirtIOMHPRange run = {
        .first = section->offset_within_region / vmhp->block_size,
    };
    int ret = 0;

    while (!ret && virtio_mhp_blocks_next_run(&vmhp->blocks, plugged, &run)) {
        MemoryRegionSection part = *section;

        if (!virtio_mhp_rdm_narrow_section(vmhp, &run, &part)) {
            break;
        }
        ret = fn(&part, opaque);
    }
    return ret;
}

static int virtio_mhp_rdm_tell_plugged(MemoryRegionSection *section,
                                       void *opaque)
{
    RamDiscardListener *listener = opaque;

    return listener->notify_populate(listener, section);
}

static int virtio_mhp_rdm_tell_unplugged(MemoryRegionSection *section,
                                         void *opaque)
{
    RamDiscardListener *listener = opaque;

    listener->notify_discard(listener, section);
    return 0;
}

/* Tell a listener of what becomes unplugged of a range. */
static void virtio_mhp_rdm_tell_range_unplugged(const VirtIOMHP *vmhp,
                                                const VirtIOMHPRange *range,
                                                RamDiscardListener *listener)
{
    MemoryRegionSection part = *listener->section;

    if (virtio_mhp_rdm_narrow_section(vmhp, range, &part)) {
        virtio_mhp_rdm_for_each_run(vmhp, true, &part,
                                    virtio_mhp_rdm_tell_unplugged, listener);
    }
}

bool virtio_mhp_rdm_plug(VirtIOMHP *vmhp, const VirtIOMHPRange *range)
{
    RamDiscardListener *listener, *told;
    MemoryRegionSection part;

    QLIST_FOREACH (listener, &vmhp->rdm_listeners, next) {
        part = *listener->section;
        if (virtio_mhp_rdm_narrow_section(vmhp, range, &part) &&
            listener->notify_populate(listener, &part)) {
            break;
        }
    }
    if (!listener) {
        return true;
    }
    trace_virtio_mhp_rdm_refused(virtio_mhp_blocks_addr(&vmhp->blocks, range),
                                 range->nb_blocks);
    QLIST_FOREACH (told, &vmhp->rdm_listeners, next) {
        if (told == listener) {
            break;
        }
        part = *told->section;
        if (virtio_mhp_rdm_narrow_section(vmhp, range, &part)) {
            told->notify_discard(told, &part);
        }
    }
    return false;
}

void virtio_mhp_rdm_unplug(VirtIOMHP *vmhp, const VirtIOMHPRange *range)
{
    RamDiscardListener *listener;

    QLIST_FOREACH (listener, &vmhp->rdm_listeners, next) {
        virtio_mhp_rdm_tell_range_unplugged(vmhp, range, listener);
    }
}

static uint64_t virtio_mhp_rdm_get_min_granularity(const RamDiscardManager *rdm,
                                                   const MemoryRegion *mr)
{
    return VIRTIO_MHP(rdm)->block_size;
}

static bool virtio_mhp_rdm_is_populated(const RamDiscardManager *rdm,
                                        const MemoryRegionSection *section)
{
    const VirtIOMHP *vmhp = VIRTIO_MHP(rdm);
    const uint64_t start = section->offset_within_region;
    const uint64_t size = int128_get64(section->size);
    const uint64_t end = DIV_ROUND_UP(start + size, vmhp->block_size);
    VirtIOMHPRange range = {.first = start / vmhp->block_size};

    if (!size || end > vmhp->blocks.nb_blocks) {
        return false;
    }
    range.nb_blocks = end - range.first;
    return virtio_mhp_blocks_state(&vmhp->blocks, &range) ==
           VIRTIO_MHP_STATE_PLUGGED;
}

typedef struct VirtIOMHPReplay {
    ReplayRamPopulate populated;
    ReplayRamDiscard discarded;
    void *opaque;
} VirtIOMHPReplay;

static int virtio_mhp_rdm_replay_populated_run(MemoryRegionSection *section,
                                               void *opaque)
{
    const VirtIOMHPReplay *replay = opaque;

    return replay->populated(section, replay->opaque);
}

static int virtio_mhp_rdm_replay_discarded_run(MemoryRegionSection *section,
                                               void *opaque)
{
    const VirtIOMHPReplay *replay = opaque;

    replay->discarded(section, replay->opaque);
    return 0;
}

static int virtio_mhp_rdm_replay_populated(const RamDiscardManager *rdm,
                                           MemoryRegionSection *section,
                                           ReplayRamPopulate fn, void *opaque)
{
    VirtIOMHPReplay replay = {.populated = fn, .opaque = opaque};

    return virtio_mhp_rdm_for_each_run(VIRTIO_MHP(rdm), true, section,
                                       virtio_mhp_rdm_replay_populated_run,
                                       &replay);
}

static void virtio_mhp_rdm_replay_discarded(const RamDiscardManager *rdm,
                                            MemoryRegionSection *section,
                                            ReplayRamDiscard fn, void *opaque)
{
    VirtIOMHPReplay replay = {.discarded = fn, .opaque = opaque};

    virtio_mhp_rdm_for_each_run(VIRTIO_MHP(rdm), false, section,
                                virtio_mhp_rdm_replay_discarded_run, &replay);
}

/* QEMU has no way to say that the new listener refuses what is plugged. */
static void virtio_mhp_rdm_register_listener(RamDiscardManager *rdm,
                                             RamDiscardListener *listener,
                                             MemoryRegionSection *section)
{
    VirtIOMHP *vmhp = VIRTIO_MHP(rdm);
    int ret;

    trace_virtio_mhp_rdm_register(vmhp->addr, section->offset_within_region,
                                  int128_get64(section->size));
    listener->section = memory_region_section_new_copy(section);
    QLIST_INSERT_HEAD(&vmhp->rdm_listeners, listener, next);
    ret = virtio_mhp_rdm_for_each_run(vmhp, true, listener->section,
                                      virtio_mhp_rdm_tell_plugged, listener);
    if (ret) {
        error_report(
            "virtio-mhp: a device that uses the guest's memory cannot take what is plugged: %s",
            strerror(-ret));
    }
}

static void virtio_mhp_rdm_unregister_listener(RamDiscardManager *rdm,
                                               RamDiscardListener *listener)
{
    VirtIOMHP *vmhp = VIRTIO_MHP(rdm);

    trace_virtio_mhp_rdm_unregister(vmhp->addr,
                                    listener->section->offset_within_region,
                                    int128_get64(listener->section->size));
    virtio_mhp_rdm_for_each_run(vmhp, true, listener->section,
                                virtio_mhp_rdm_tell_unplugged, listener);
    QLIST_REMOVE(listener, next);
    memory_region_section_free_copy(listener->section);
    listener->section = NULL;
}

void virtio_mhp_rdm_publish(VirtIOMHP *vmhp)
{
    memory_region_set_ram_discard_manager(&vmhp->memdev->mr,
                                          RAM_DISCARD_MANAGER(vmhp));
}

void virtio_mhp_rdm_withdraw(VirtIOMHP *vmhp)
{
    memory_region_set_ram_discard_manager(&vmhp->memdev->mr, NULL);
}

void virtio_mhp_rdm_class_init(ObjectClass *klass)
{
    RamDiscardManagerClass *rdmc = RAM_DISCARD_MANAGER_CLASS(klass);

    rdmc->get_min_granularity = virtio_mhp_rdm_get_min_granularity;
    rdmc->is_populated = virtio_mhp_rdm_is_populated;
    rdmc->replay_populated = virtio_mhp_rdm_replay_populated;
    rdmc->replay_discarded = virtio_mhp_rdm_replay_discarded;
    rdmc->register_listener = virtio_mhp_rdm_register_listener;
    rdmc->unregister_listener = virtio_mhp_rdm_unregister_listener;
}
