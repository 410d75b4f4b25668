/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Migration and snapshots: what is sent, and what it means for the memory of
 * both sides.
 *
 * Which blocks are plugged is fixed from the start to the end of a migration
 * (virtio-mhp-busy.c). So it can be sent before any memory, together with all
 * that both sides must agree on; memory that is not plugged is then neither
 * read nor sent.
 */
#include "qemu/osdep.h"
#include "exec/cpu-common.h"
#include "exec/memory.h"
#include "migration/misc.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "virtio-mhp.h"

/* Bit i of the bitmap is block i; a byte's lowest bit comes first. */
static int virtio_mhp_early_pre_save(void *opaque)
{
    VirtIOMHP *vmhp = opaque;
    Error *err = NULL;
    uint64_t i;

    /*
     * From here on nothing may change: end what is under way. The other side
     * may have the same memory, and nobody knows when its guest starts.
     */
    virtio_mhp_queue_settle(vmhp);
    if (!virtio_mhp_op_rest(vmhp, &err)) {
        error_report_err(err);
        return -EBUSY;
    }
    memset(vmhp->vmstate.bitmap, 0, vmhp->vmstate.bitmap_size);
    for (i = 0; i < vmhp->blocks.nb_blocks; i++) {
        vmhp->vmstate.bitmap[i / 8] |= vmhp->blocks.plugged[i] << i % 8;
    }
    return 0;
}

/*
 * As for a PLUG: who uses a slot comes when it is mapped, and is told then of
 * what is plugged. So a block counts only after it was mapped and told, or it
 * would be told twice.
 */
static bool virtio_mhp_early_load_bitmap(VirtIOMHP *vmhp)
{
    uint64_t i;

    for (i = 0; i < vmhp->blocks.nb_blocks; i++) {
        const VirtIOMHPRange block = {i, 1};

        if (!(vmhp->vmstate.bitmap[i / 8] >> i % 8 & 1)) {
            continue;
        }
        virtio_mhp_memslots_map(vmhp, &block);
        if (!virtio_mhp_rdm_plug(vmhp, &block)) {
            return false;
        }
        virtio_mhp_blocks_set_plugged(&vmhp->blocks, &block, true);
    }
    return true;
}

/*
 * The memory comes after this, and starts empty: a file may hold what another
 * guest left there, and a snapshot is loaded into a guest that has memory.
 * Memory that both sides share is there already; what is not plugged of it, the
 * source may have had no time to discard.
 */
static int virtio_mhp_early_post_load(void *opaque, int version_id)
{
    VirtIOMHP *vmhp = opaque;
    const bool is_ignored = migrate_ram_is_ignored(vmhp->memdev->mr.ram_block);
    Error *err = NULL;

    if (!virtio_mhp_memory_forget(vmhp, &err) ||
        (!is_ignored && !virtio_mhp_memory_discard_all(vmhp, &err))) {
        error_report_err(err);
        return -EBUSY;
    }
    if (!virtio_mhp_early_load_bitmap(vmhp)) {
        error_report(
            "mhp-vmemmap-mem: a device that uses the guest's memory cannot take what is plugged on the migration's source");
        return -EBUSY;
    }
    if (is_ignored) {
        virtio_mhp_pending_add_all(vmhp);
    }
    return 0;
}

/* Before QEMU's own list of memory, whose errors say less */
static const VMStateDescription virtio_mhp_vmstate_early = {
    .name = "virtio-mhp-early",
    .version_id = 2,
    .minimum_version_id = 2,
    .early_setup = true,
    .priority = MIG_PRI_VIRTIO_MEM,
    .pre_save = virtio_mhp_early_pre_save,
    .post_load = virtio_mhp_early_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_WITH_TMP(VirtIOMHP, VirtIOMHPCommon,
                             virtio_mhp_vmstate_common),
            VMSTATE_VBUFFER_UINT32(vmstate.bitmap, VirtIOMHP, 1, NULL,
                                   vmstate.bitmap_size),
            VMSTATE_END_OF_LIST(),
        },
};

static bool virtio_mhp_has_reports(void *opaque)
{
    const VirtIOMHP *vmhp = opaque;

    return vmhp->blocks.nb_stuck > 0;
}

static int virtio_mhp_reports_post_load(void *opaque, int version_id)
{
    VirtIOMHP *vmhp = opaque;
    uint64_t i;

    vmhp->blocks.nb_stuck = 0;
    for (i = 0; i < vmhp->blocks.nb_blocks; i++) {
        if (!virtio_mhp_reason_name(vmhp->blocks.reasons[i])) {
            error_report(
                "mhp-vmemmap-mem: wanted a reason that is known, got %u from the migration's source",
                vmhp->blocks.reasons[i]);
            return -EINVAL;
        }
        vmhp->blocks.nb_stuck += vmhp->blocks.reasons[i] !=
                                 VIRTIO_MHP_REASON_NONE;
    }
    return 0;
}

static const VMStateDescription virtio_mhp_vmstate_reports = {
    .name = "virtio-mhp/reports",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = virtio_mhp_has_reports,
    .post_load = virtio_mhp_reports_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_VBUFFER_UINT32(blocks.reasons, VirtIOMHP, 1, NULL,
                                   vmstate.nb_blocks),
            VMSTATE_END_OF_LIST(),
        },
};

static int virtio_mhp_late_post_load(void *opaque, int version_id)
{
    VirtIOMHP *vmhp = opaque;
    const bool has_memmap = vmhp->memmap.unit_size || vmhp->memmap.memmap_size;
    Error *err = NULL;

    if (!virtio_mhp_size_check(vmhp, vmhp->requested_size, &err)) {
        error_report_err(err);
        return -EINVAL;
    }
    if (has_memmap && !virtio_mhp_memmap_is_valid(&vmhp->memmap)) {
        error_report(
            "mhp-vmemmap-mem: wanted a valid memmap layout from the migration's source, got one of 0x%" PRIx64
            " in 0x%" PRIx64 " bytes",
            vmhp->memmap.memmap_size, vmhp->memmap.unit_size);
        return -EINVAL;
    }
    if (vmhp->blocks.nb_plugged) {
        virtio_mhp_memory_notify_size(vmhp);
    }
    /* The driver may have heard BUSY, and something may be left to be done. */
    virtio_mhp_busy_watch(vmhp);
    return 0;
}

static const VMStateDescription virtio_mhp_vmstate_late = {
    .name = "virtio-mhp",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = virtio_mhp_late_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT64(requested_size, VirtIOMHP),
            VMSTATE_UINT64(memmap.unit_size, VirtIOMHP),
            VMSTATE_UINT64(memmap.memmap_size, VirtIOMHP),
            VMSTATE_END_OF_LIST(),
        },
    .subsections =
        (const VMStateDescription *const[]){
            &virtio_mhp_vmstate_reports,
            NULL,
        },
};

static const VMStateDescription virtio_mhp_vmstate_device = {
    .name = "virtio-mhp-device",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_VIRTIO_DEVICE,
            VMSTATE_END_OF_LIST(),
        },
};

void virtio_mhp_vmstate_add(VirtIOMHP *vmhp)
{
    const uint64_t nb_blocks = vmhp->blocks.nb_blocks;

    /* Blocks are 1 MiB at least, and no machine has 4 PiB of memory. */
    g_assert(nb_blocks <= UINT32_MAX);
    vmhp->vmstate.nb_blocks = nb_blocks;
    vmhp->vmstate.bitmap_size = DIV_ROUND_UP(nb_blocks, 8);
    vmhp->vmstate.bitmap = g_malloc0(vmhp->vmstate.bitmap_size);
    vmstate_register_ram(&vmhp->memdev->mr, DEVICE(vmhp));
    vmstate_register_any(VMSTATE_IF(vmhp), &virtio_mhp_vmstate_early, vmhp);
}

void virtio_mhp_vmstate_remove(VirtIOMHP *vmhp)
{
    vmstate_unregister(VMSTATE_IF(vmhp), &virtio_mhp_vmstate_early, vmhp);
    vmstate_unregister_ram(&vmhp->memdev->mr, DEVICE(vmhp));
    g_free(vmhp->vmstate.bitmap);
}

void virtio_mhp_vmstate_class_init(ObjectClass *klass)
{
    DEVICE_CLASS(klass)->vmsd = &virtio_mhp_vmstate_device;
    VIRTIO_DEVICE_CLASS(klass)->vmsd = &virtio_mhp_vmstate_late;
}
