/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What both sides of a migration must have in common. It comes before any
 * memory, and before QEMU's own list of memory, whose errors say less: the side
 * that differs says in what, and the source goes on.
 */
#include "qemu/osdep.h"
#include "exec/memory.h"
#include "migration/vmstate.h"
#include "qemu/error-report.h"
#include "standard-headers/linux/virtio_ids.h"
#include "trace.h"
#include "virtio-mhp.h"

static uint32_t virtio_mhp_common_device_id(const VirtIOMHP *vmhp)
{
    return virtio_mhp_is_virtio_mem(vmhp) ? VIRTIO_ID_MEM : VIRTIO_ID_MHP;
}

static int virtio_mhp_common_pre_save(void *opaque)
{
    VirtIOMHPCommon *common = opaque;
    const VirtIOMHP *vmhp = common->parent;

    common->addr = vmhp->addr;
    common->region_size = memory_region_size(&vmhp->memdev->mr);
    common->block_size = vmhp->block_size;
    common->node = vmhp->node;
    common->device_id = virtio_mhp_common_device_id(vmhp);
    common->features = VIRTIO_DEVICE(vmhp)->host_features;
    return 0;
}

static void virtio_mhp_common_report_size(const char *property, uint64_t wanted,
                                          uint64_t got)
{
    g_autofree char *wanted_text = virtio_mhp_size_text(wanted);
    g_autofree char *got_text = virtio_mhp_size_text(got);

    error_report(
        "mhp-vmemmap-mem: property %s wants %s as on the migration's source, got %s",
        property, wanted_text, got_text);
}

/* What only this side offers does no harm: the driver has not accepted it. */
static bool virtio_mhp_common_check_features(const VirtIOMHPCommon *common)
{
    const uint64_t got = VIRTIO_DEVICE(common->parent)->host_features;
    const uint64_t missing = common->features & ~got;

    if (missing) {
        error_report(
            "mhp-vmemmap-mem: wanted all virtio features of the migration's source, 0x%" PRIx64
            ", got 0x%" PRIx64 ", which lacks 0x%" PRIx64,
            common->features, got, missing);
    }
    return !missing;
}

/* A queue and an interrupt come with it, whose numbers the guest knows. */
static bool virtio_mhp_common_check_queue(const VirtIOMHPCommon *common,
                                          unsigned int feature,
                                          const char *property,
                                          const char *value)
{
    const VirtIODevice *vdev = VIRTIO_DEVICE(common->parent);
    const bool wanted = common->features >> feature & 1;
    const bool got = vdev->host_features >> feature & 1;

    if (got && !wanted) {
        error_report(
            "mhp-vmemmap-mem: property '%s' wants 'off' as on the migration's source, got '%s'",
            property, value);
    }
    return wanted || !got;
}

static bool virtio_mhp_common_check_queues(const VirtIOMHPCommon *common)
{
    const OnOffAuto reporting = common->parent->free_page_reporting;

    return virtio_mhp_common_check_queue(common, VIRTIO_MHP_F_STATS,
                                         VIRTIO_MHP_STATS_PROP, "on") &&
           virtio_mhp_common_check_queue(common, VIRTIO_MHP_F_REPORTING,
                                         VIRTIO_MHP_REPORTING_PROP,
                                         OnOffAuto_str(reporting));
}

/* Their features would fit, but not what the guest knows the device by. */
static bool virtio_mhp_common_check_compat(const VirtIOMHPCommon *common)
{
    const uint32_t got = virtio_mhp_common_device_id(common->parent);

    if (common->device_id != got) {
        error_report(
            "mhp-vmemmap-mem: property 'compat' wants virtio device %u as on the migration's source, got %u",
            common->device_id, got);
    }
    return common->device_id == got;
}

static int virtio_mhp_common_check(const VirtIOMHPCommon *common)
{
    const VirtIOMHP *vmhp = common->parent;
    const uint64_t region_size = memory_region_size(&vmhp->memdev->mr);

    if (common->region_size != region_size) {
        virtio_mhp_common_report_size("'size' of 'memdev'", common->region_size,
                                      region_size);
        return -EINVAL;
    }
    if (common->block_size != vmhp->block_size) {
        virtio_mhp_common_report_size("'block-size'", common->block_size,
                                      vmhp->block_size);
        return -EINVAL;
    }
    if (common->addr != vmhp->addr) {
        error_report("mhp-vmemmap-mem: property 'memaddr' wants 0x%" PRIx64
                     " as on the migration's source, got 0x%" PRIx64,
                     common->addr, vmhp->addr);
        return -EINVAL;
    }
    if (common->node != vmhp->node) {
        error_report(
            "mhp-vmemmap-mem: property 'node' wants %u as on the migration's source, got %u",
            common->node, vmhp->node);
        return -EINVAL;
    }
    return virtio_mhp_common_check_compat(common) &&
                   virtio_mhp_common_check_features(common) &&
                   virtio_mhp_common_check_queues(common)
               ? 0
               : -EINVAL;
}

static int virtio_mhp_common_post_load(void *opaque, int version_id)
{
    const VirtIOMHPCommon *common = opaque;
    const int ret = virtio_mhp_common_check(common);

    trace_virtio_mhp_common_post_load(common->parent->addr, ret);
    return ret;
}

/* Part of virtio-mhp-early, whose version it has */
const VMStateDescription virtio_mhp_vmstate_common = {
    .name = "virtio-mhp-early/common",
    .pre_save = virtio_mhp_common_pre_save,
    .post_load = virtio_mhp_common_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT64(addr, VirtIOMHPCommon),
            VMSTATE_UINT64(region_size, VirtIOMHPCommon),
            VMSTATE_UINT64(block_size, VirtIOMHPCommon),
            VMSTATE_UINT32(node, VirtIOMHPCommon),
            VMSTATE_UINT32(device_id, VirtIOMHPCommon),
            VMSTATE_UINT64(features, VirtIOMHPCommon),
            VMSTATE_END_OF_LIST(),
        },
};
