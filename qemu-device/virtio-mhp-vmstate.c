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
#include "qemu/units.h"
#include "trace.h"
#include "virtio-mhp.h"

/* Bit i of the bitmap is block i; a byte's lowest bit comes first. */
static int virtio_mhp_early_pre_save(void *opaque)
{
    VirtIOMHP *vmhp = opaque;
    Error *err = NULL;
    uint64_t i;
    bool ok;

    /*
     * From here on nothing may change: end what is under way. The other side
     * may have the same memory, and nobody knows when its guest starts.
     */
    virtio_mhp_queue_settle(vmhp);
    ok = virtio_mhp_op_rest(vmhp, &err);
    trace_virtio_mhp_early_pre_save(vmhp->addr, vmhp->blocks.nb_plugged, ok);
    if (!ok) {
        error_report_err(err);
        return -EBUSY;
    }
    vmhp->vmstate.memmap = vmhp->memmap;
    memset(vmhp->vmstate.bitmap, 0, vmhp->vmstate.bitmap_size);
    for (i = 0; i < vmhp->blocks.nb_blocks; i++) {
        vmhp->vmstate.bitmap[i / 8] |= vmhp->blocks.plugged[i] << i % 8;
    }
    return 0;
}

static bool virtio_mhp_early_is_plugged(const VirtIOMHP *vmhp, uint64_t i)
{
    return vmhp->vmstate.bitmap[i / 8] >> i % 8 & 1;
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

        if (!virtio_mhp_early_is_plugged(vmhp, i)) {
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

static bool virtio_mhp_check_memmap(const VirtIOMHPMemmap *memmap)
{
    const bool has_memmap = memmap->unit_size || memmap->memmap_size;

    if (has_memmap && !virtio_mhp_memmap_is_valid(memmap)) {
        error_report(
            "mhp-vmemmap-mem: wanted a valid memmap layout from the migration's source, got one of 0x%" PRIx64
            " in 0x%" PRIx64 " bytes",
            memmap->memmap_size, memmap->unit_size);
        return false;
    }
    return true;
}

static void virtio_mhp_early_report_too_little(const VirtIOMHP *vmhp,
                                               uint64_t wanted, uint64_t got,
                                               Error *err)
{
    g_autofree char *wanted_text = virtio_mhp_size_text(wanted);
    g_autofree char *got_text = virtio_mhp_size_text(QEMU_ALIGN_DOWN(got, MiB));

    if (vmhp->prealloc) {
        error_reportf_err(
            err,
            "mhp-vmemmap-mem: property 'prealloc' wants %s of host memory for what is plugged on the migration's source, got %s: ",
            wanted_text, got_text);
    } else {
        error_reportf_err(
            err,
            "mhp-vmemmap-mem wants %s of host memory for the memmaps of what is plugged on the migration's source, got %s: ",
            wanted_text, got_text);
    }
}

/* Before anybody is told of these blocks, who may back them by using them */
static bool virtio_mhp_early_back_plugged(VirtIOMHP *vmhp)
{
    const VirtIOMHPRange all = virtio_mhp_blocks_all(&vmhp->blocks);
    uint64_t i, wanted, got;
    Error *err = NULL;
    bool ok;

    for (i = 0; i < vmhp->blocks.nb_blocks; i++) {
        const VirtIOMHPRange block = {i, 1};

        virtio_mhp_blocks_set_plugged(&vmhp->blocks, &block,
                                      virtio_mhp_early_is_plugged(vmhp, i));
    }
    ok = virtio_mhp_memory_back_plugged(vmhp, &wanted, &got, &err);
    virtio_mhp_blocks_set_plugged(&vmhp->blocks, &all, false);
    if (!ok) {
        virtio_mhp_early_report_too_little(vmhp, wanted, got, err);
    }
    return ok;
}

/*
 * What is promised to be backed is backed now, while the source still has the
 * guest. Postcopy wants all memory missing, so this only finds out whether
 * there is enough; it is backed again when the last page has come.
 */
static bool virtio_mhp_early_back(VirtIOMHP *vmhp)
{
    const bool ok = virtio_mhp_early_back_plugged(vmhp);
    const bool is_postcopy = migration_incoming_postcopy_advised();
    Error *err = NULL;

    trace_virtio_mhp_early_back(vmhp->addr, is_postcopy, ok);
    if (ok && !is_postcopy) {
        return true;
    }
    if (!virtio_mhp_memory_discard_all(vmhp, &err)) {
        error_report_err(err);
        return false;
    }
    if (ok) {
        virtio_mhp_pending_back(vmhp);
    }
    return ok;
}

/*
 * The memory comes after this, and starts empty: a file may hold what another
 * guest left there, and a snapshot is loaded into a guest that has memory.
 * Memory that both sides share is there already; what is not plugged of it, the
 * source may have had no time to discard.
 */
static bool virtio_mhp_early_load(VirtIOMHP *vmhp, bool is_ignored)
{
    Error *err = NULL;

    if (!virtio_mhp_memory_forget(vmhp, &err) ||
        (!is_ignored && !virtio_mhp_memory_discard_all(vmhp, &err))) {
        error_report_err(err);
        return false;
    }
    vmhp->memmap = vmhp->vmstate.memmap;
    if (!is_ignored && !virtio_mhp_early_back(vmhp)) {
        return false;
    }
    if (!virtio_mhp_early_load_bitmap(vmhp)) {
        error_report(
            "mhp-vmemmap-mem: a device that uses the guest's memory cannot take what is plugged on the migration's source");
        return false;
    }
    if (is_ignored) {
        virtio_mhp_pending_add_all(vmhp);
    }
    return true;
}

static int virtio_mhp_early_post_load(void *opaque, int version_id)
{
    VirtIOMHP *vmhp = opaque;
    const bool is_ignored = migrate_ram_is_ignored(vmhp->memdev->mr.ram_block);
    bool ok;

    if (!virtio_mhp_check_memmap(&vmhp->vmstate.memmap)) {
        return -EINVAL;
    }
    ok = virtio_mhp_early_load(vmhp, is_ignored);
    trace_virtio_mhp_early_post_load(vmhp->addr, vmhp->blocks.nb_plugged,
                                     is_ignored, ok);
    return ok ? 0 : -ENOMEM;
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
            VMSTATE_UINT64(vmstate.memmap.unit_size, VirtIOMHP),
            VMSTATE_UINT64(vmstate.memmap.memmap_size, VirtIOMHP),
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

static bool virtio_mhp_has_pressure_size(void *opaque)
{
    const VirtIOMHP *vmhp = opaque;

    return vmhp->pressure_size > 0;
}

/* Builds that do not know it have the feature not, either, and refuse that. */
static const VMStateDescription virtio_mhp_vmstate_pressure = {
    .name = "virtio-mhp/pressure",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = virtio_mhp_has_pressure_size,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT64(pressure_size, VirtIOMHP),
            VMSTATE_END_OF_LIST(),
        },
};

/* It is 0 if it does not come. */
static int virtio_mhp_late_pre_load(void *opaque)
{
    VirtIOMHP *vmhp = opaque;

    vmhp->pressure_size = 0;
    return 0;
}

/* The driver may tell of memmaps while the guest is on its way. */
static bool virtio_mhp_late_has_other_memmap(const VirtIOMHP *vmhp)
{
    const VirtIOMHPMemmap *early = &vmhp->vmstate.memmap;

    return vmhp->memmap.unit_size != early->unit_size ||
           vmhp->memmap.memmap_size != early->memmap_size;
}

static int virtio_mhp_late_post_load(void *opaque, int version_id)
{
    VirtIOMHP *vmhp = opaque;
    Error *err = NULL;

    trace_virtio_mhp_late_post_load(vmhp->addr, vmhp->requested_size,
                                    vmhp->blocks.nb_plugged);
    if (!virtio_mhp_size_check(vmhp, &err)) {
        error_report_err(err);
        return -EINVAL;
    }
    if (!virtio_mhp_check_memmap(&vmhp->memmap)) {
        return -EINVAL;
    }
    if (virtio_mhp_late_has_other_memmap(vmhp)) {
        virtio_mhp_pending_back(vmhp);
    }
    if (vmhp->blocks.nb_plugged) {
        virtio_mhp_memory_notify_size(vmhp);
    }
    /* The driver may have heard BUSY, and something may be left to be done. */
    virtio_mhp_busy_watch(vmhp);
    virtio_mhp_stats_go_on(vmhp);
    return 0;
}

static const VMStateDescription virtio_mhp_vmstate_late = {
    .name = "virtio-mhp",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_load = virtio_mhp_late_pre_load,
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
            &virtio_mhp_vmstate_pressure,
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
