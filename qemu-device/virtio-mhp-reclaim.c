/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving back memory that stays the guest's: of plugged blocks but their
 * memmaps, and of the machine's boot memory. What it holds is lost.
 *
 * What the guest names is looked up as the guest sees it, at the moment, so
 * that nothing can be meant but what it could write to as well.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "exec/cpu-common.h"
#include "exec/memory.h"
#include "hw/boards.h"
#include "hw/qdev-core.h"
#include "migration/misc.h"
#include "qemu/units.h"
#include "trace.h"
#include "virtio-mhp-fault.h"
#include "virtio-mhp.h"

#include <linux/magic.h>
#include <sys/vfs.h>

/*
 * What is discarded in one go: a huge page. The 4 KiB pages of a memory file
 * take a quarter of a millisecond.
 */
#define VIRTIO_MHP_RECLAIM_PIECE (2 * MiB)

/*
 * Whether what is discarded is gone and reads as zero. On a disk it can take
 * for ever, and under a private mapping the file may be another guest's, too.
 */
static bool virtio_mhp_reclaim_is_volatile(RAMBlock *rb)
{
    const int fd = qemu_ram_get_fd(rb);
    struct statfs fs;

    return fd < 0 || (qemu_ram_is_shared(rb) && !fstatfs(fd, &fs) &&
                      fs.f_type == TMPFS_MAGIC);
}

/*
 * Whether a backend's memory comes back when it is needed. Who has reserved
 * huge pages counts on them, and where the pool is empty then, Linux ends QEMU.
 */
const char *virtio_mhp_reclaim_why_not(HostMemoryBackend *memdev)
{
    RAMBlock *rb = memdev->mr.ram_block;

    if (memdev->prealloc) {
        return "preallocated memory";
    }
    if (qemu_ram_pagesize(rb) != qemu_real_host_page_size()) {
        return "huge pages";
    }
    if (!virtio_mhp_reclaim_is_volatile(rb)) {
        return "a file that is on a disk, or that is not shared";
    }
    return NULL;
}

/*
 * Whether what begins at @addr, @offset bytes into the region, is neither
 * unplugged nor a memmap (DEV-REPORT-4); *@size becomes how far that is so
 */
static bool virtio_mhp_reclaim_is_own(const VirtIOMHP *vmhp, uint64_t addr,
                                      uint64_t offset, uint64_t *size)
{
    const VirtIOMHPRange block = {offset / vmhp->block_size, 1};
    uint64_t memmap = addr, memmap_size;

    *size = MIN(*size, vmhp->block_size - offset % vmhp->block_size);
    if (virtio_mhp_blocks_state(&vmhp->blocks, &block) !=
        VIRTIO_MHP_STATE_PLUGGED) {
        return false;
    }
    if (!virtio_mhp_memmap_next(&vmhp->memmap, addr + *size, &memmap,
                                &memmap_size)) {
        return true;
    }
    *size = memmap == addr ? memmap_size : memmap - addr;
    return memmap != addr;
}

/* One backend's, or of several with NUMA nodes */
static bool virtio_mhp_reclaim_is_boot_memory(const MemoryRegion *mr)
{
    const MemoryRegion *ram = MACHINE(qdev_get_machine())->ram;

    return ram && (mr == ram || mr->container == ram);
}

/* As for memory of one backend, whether it may be discarded at this moment */
static bool virtio_mhp_reclaim_may_discard(MemoryRegion *mr)
{
    Object *owner = memory_region_owner(mr);

    return owner && object_dynamic_cast(owner, TYPE_MEMORY_BACKEND) &&
           !memory_region_has_guest_memfd(mr) &&
           !virtio_mhp_reclaim_why_not(MEMORY_BACKEND(owner)) &&
           !migrate_ram_is_ignored(mr->ram_block);
}

/*
 * The memory to discard at the start of @section, which begins at @addr; NULL
 * if it is kept. *@size becomes how far that is so.
 */
static RAMBlock *virtio_mhp_reclaim_judge(const VirtIOMHP *vmhp,
                                          const MemoryRegionSection *section,
                                          uint64_t addr, uint64_t *size)
{
    MemoryRegion *mr = section->mr;
    const uint64_t offset = section->offset_within_region;

    if (mr == &vmhp->memdev->mr) {
        if (!virtio_mhp_reclaim_is_own(vmhp, addr, offset, size)) {
            return NULL;
        }
    } else if (!virtio_mhp_reclaim_is_boot_memory(mr)) {
        return NULL;
    }
    if (section->readonly || !virtio_mhp_reclaim_may_discard(mr)) {
        return NULL;
    }
    *size = MIN(*size,
                VIRTIO_MHP_RECLAIM_PIECE - offset % VIRTIO_MHP_RECLAIM_PIECE);
    /* The guest's pages may be smaller than the host's. */
    if ((offset | *size) % qemu_real_host_page_size()) {
        return NULL;
    }
    return mr->ram_block;
}

/*
 * Find out what becomes of the memory at @addr: what is to be discarded, NULL
 * if it is kept. *@size becomes how far that is so.
 */
static RAMBlock *virtio_mhp_reclaim_find(const VirtIOMHP *vmhp, uint64_t addr,
                                         uint64_t *offset, uint64_t *size)
{
    const MemoryRegionSection section = memory_region_find(get_system_memory(),
                                                           addr, *size);
    RAMBlock *rb = NULL;

    if (!section.mr) {
        return NULL;
    }
    if (section.offset_within_address_space > addr) {
        *size = section.offset_within_address_space - addr;
    } else {
        *size = int128_get64(section.size);
        *offset = section.offset_within_region;
        rb = virtio_mhp_reclaim_judge(vmhp, &section, addr, size);
    }
    memory_region_unref(section.mr);
    return rb;
}

static bool virtio_mhp_reclaim_discard(VirtIOMHP *vmhp, RAMBlock *rb,
                                       uint64_t offset, uint64_t size)
{
    const uint64_t rest = qemu_ram_get_used_length(rb) - offset;
    const bool failed = ram_block_discard_range(
        rb, offset, virtio_mhp_has_fault(REPORT) ? MIN(2 * size, rest) : size);
    const VirtIOMHPHostCounters host = {
        .nb_discards = !failed,
        .nb_failed_discards = failed,
        .discarded = failed ? 0 : size,
    };

    virtio_mhp_count_host(&vmhp->counters, &host);
    return !failed;
}

bool virtio_mhp_reclaim(VirtIOMHP *vmhp, uint64_t addr, uint64_t *size)
{
    RAMBlock *rb = NULL;
    uint64_t offset;
    bool is_discarded;

    if (!ram_block_discard_is_disabled() && !virtio_mhp_is_busy()) {
        rb = virtio_mhp_reclaim_find(vmhp, addr, &offset, size);
    }
    is_discarded = rb && virtio_mhp_reclaim_discard(vmhp, rb, offset, *size);
    trace_virtio_mhp_reclaim(addr, *size, is_discarded);
    return is_discarded;
}
