/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done with the memory of the host: it is given back when blocks are
 * unplugged, and taken beforehand where the driver puts a memmap.
 *
 * Policy, that is whether a request may be granted, is not here. Either the
 * memory and the bookkeeping are both changed, or neither is.
 */
#include "qemu/osdep.h"
#include "exec/cpu-common.h"
#include "exec/memory.h"
#include "qapi/error.h"
#include "qapi/qapi-events-machine.h"
#include "qemu/error-report.h"
#include "virtio-mhp.h"

/* Tell the operator; the event carries the names of the PCI device. */
static void virtio_mhp_notify_size(VirtIOMHP *vmhp)
{
    DeviceState *proxy = qdev_get_parent_bus(DEVICE(vmhp))->parent;
    g_autofree char *path = object_get_canonical_path(OBJECT(proxy));
    const uint64_t size = virtio_mhp_blocks_plugged_size(&vmhp->blocks);

    qapi_event_send_memory_device_size_change(proxy->id, size, path);
}

static bool virtio_mhp_memory_discard(VirtIOMHP *vmhp,
                                      const VirtIOMHPRange *range)
{
    return !ram_block_discard_range(
        vmhp->memdev->mr.ram_block,
        virtio_mhp_blocks_offset(&vmhp->blocks, range),
        virtio_mhp_blocks_size(&vmhp->blocks, range));
}

bool virtio_mhp_memory_discard_all(VirtIOMHP *vmhp, Error **errp)
{
    HostMemoryBackend *memdev = vmhp->memdev;
    RAMBlock *rb = memdev->mr.ram_block;

    if (ram_block_discard_range(rb, 0, qemu_ram_get_used_length(rb))) {
        error_setg(errp, "cannot discard the memory of backend '%s'",
                   object_get_canonical_path_component(OBJECT(memdev)));
        return false;
    }
    return true;
}

/* Back part of the region with memory that reads zero; cheap if it is. */
static bool virtio_mhp_memory_populate(VirtIOMHP *vmhp, uint64_t addr,
                                       uint64_t size)
{
    const uint64_t page_size = qemu_ram_pagesize(vmhp->memdev->mr.ram_block);
    char *host = memory_region_get_ram_ptr(&vmhp->memdev->mr);
    const int fd = memory_region_get_fd(&vmhp->memdev->mr);
    /* Blocks are whole pages, so this stays in the blocks it came from. */
    const uint64_t start = QEMU_ALIGN_DOWN(addr - vmhp->addr, page_size);
    const uint64_t end = QEMU_ALIGN_UP(addr - vmhp->addr + size, page_size);
    Error *err = NULL;

    if (!qemu_prealloc_mem(fd, host + start, end - start, 1, NULL, false,
                           &err)) {
        /* The driver tries again and again: say it once. */
        static bool reported;

        warn_report_once_cond(&reported,
                              "virtio-mhp: cannot back the memmap at 0x%" PRIx64
                              " with memory: %s",
                              addr, error_get_pretty(err));
        error_free(err);
        return false;
    }
    return true;
}

/* Back the memmap parts of the range (DEV-PLUG-4). */
static bool virtio_mhp_memory_populate_memmaps(VirtIOMHP *vmhp,
                                               const VirtIOMHPRange *range)
{
    const uint64_t offset = virtio_mhp_blocks_offset(&vmhp->blocks, range);
    uint64_t addr = vmhp->addr + offset;
    const uint64_t end = addr + virtio_mhp_blocks_size(&vmhp->blocks, range);
    uint64_t size;

    while (virtio_mhp_memmap_next(&vmhp->memmap, end, &addr, &size)) {
        if (!virtio_mhp_memory_populate(vmhp, addr, size)) {
            return false;
        }
        addr += size;
    }
    return true;
}

uint16_t virtio_mhp_memory_plug(VirtIOMHP *vmhp, const VirtIOMHPRange *range)
{
    /*
     * A driver that broke the rules may have written to the unplugged blocks;
     * they read zero all the same (DEV-PLUG-5).
     */
    if (!virtio_mhp_memory_discard(vmhp, range)) {
        return VIRTIO_MHP_RESP_BUSY;
    }
    if (!virtio_mhp_memory_populate_memmaps(vmhp, range)) {
        virtio_mhp_memory_discard(vmhp, range);
        return VIRTIO_MHP_RESP_NACK;
    }
    virtio_mhp_blocks_set_plugged(&vmhp->blocks, range, true);
    virtio_mhp_notify_size(vmhp);
    return VIRTIO_MHP_RESP_ACK;
}

uint16_t virtio_mhp_memory_unplug(VirtIOMHP *vmhp, const VirtIOMHPRange *range)
{
    if (!virtio_mhp_memory_discard(vmhp, range)) {
        return VIRTIO_MHP_RESP_BUSY;
    }
    virtio_mhp_blocks_set_plugged(&vmhp->blocks, range, false);
    virtio_mhp_notify_size(vmhp);
    return VIRTIO_MHP_RESP_ACK;
}

/* Discards the whole region: unplugged blocks hold no data either way. */
uint16_t virtio_mhp_memory_unplug_all(VirtIOMHP *vmhp)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(&vmhp->blocks);
    const bool was_plugged = vmhp->blocks.nb_plugged > 0;

    if (!virtio_mhp_memory_discard(vmhp, &all) && was_plugged) {
        return VIRTIO_MHP_RESP_BUSY;
    }
    virtio_mhp_blocks_set_plugged(&vmhp->blocks, &all, false);
    if (was_plugged) {
        virtio_mhp_notify_size(vmhp);
    }
    return VIRTIO_MHP_RESP_ACK;
}
