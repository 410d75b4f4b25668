/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio device: its life from realize to unrealize, its
 * configuration, its features and what a reset of the device does.
 *
 * Realize checks everything before it takes anything, and takes everything in
 * the order in which unrealize gives it back in reverse.
 */
#include "qemu/osdep.h"
#include "exec/cpu-common.h"
#include "exec/memory.h"
#include "hw/qdev-properties.h"
#include "qapi/error.h"
#include "qapi/qapi-types-machine.h"
#include "standard-headers/linux/virtio_mem.h"
#include "system/runstate.h"
#include "trace.h"
#include "virtio-mhp.h"

bool virtio_mhp_check(const VirtIOMHP *vmhp, Error **errp)
{
    return virtio_mhp_check_properties(vmhp, errp) &&
           virtio_mhp_size_check(vmhp, errp) &&
           virtio_mhp_report_check(vmhp, errp) &&
           virtio_mhp_balloon_check(vmhp, errp);
}

/* Get the right to discard memory, and start with none in use. */
static bool virtio_mhp_take_host(VirtIOMHP *vmhp, Error **errp)
{
    if (ram_block_coordinated_discard_require(true)) {
        error_setg(
            errp,
            "mhp-vmemmap-mem wants to discard unplugged memory, got a machine that forbids it (vhost-vdpa does, for example)");
        return false;
    }
    /* What comes by migration may be there already, in shared memory. */
    if (!runstate_check(RUN_STATE_INMIGRATE) &&
        !virtio_mhp_memory_discard_all(vmhp, errp)) {
        ram_block_coordinated_discard_require(false);
        return false;
    }
    host_memory_backend_set_mapped(vmhp->memdev, true);
    return true;
}

/* When nothing touches the memory any more */
static void virtio_mhp_give_host(HostMemoryBackend *memdev)
{
    host_memory_backend_set_mapped(memdev, false);
    ram_block_coordinated_discard_require(false);
}

/* A virtio-mem has none of ours. */
static uint64_t virtio_mhp_own_features(const VirtIOMHP *vmhp)
{
    uint64_t features = vmhp->features;

    if (virtio_mhp_is_virtio_mem(vmhp)) {
        return 0;
    }
    if (virtio_mhp_report_is_offered(vmhp)) {
        virtio_add_feature(&features, VIRTIO_MHP_F_REPORTING);
    }
    return features;
}

/* A feature that has a field at the end of the configuration is listed here. */
static size_t virtio_mhp_config_size(const VirtIOMHP *vmhp)
{
    static const VirtIOFeature features[] = {
        {.flags = UINT64_C(1) << VIRTIO_MHP_F_PRESSURE,
         .end = endof(struct virtio_mhp_config, pressure_size)},
        {},
    };
    static const VirtIOConfigSizeParams params = {
        .min_size = endof(struct virtio_mhp_config, requested_size),
        .max_size = sizeof(struct virtio_mhp_config),
        .feature_sizes = features,
    };

    return virtio_get_config_size(&params, virtio_mhp_own_features(vmhp));
}

/*
 * With prealloc=on nobody may discard memory without telling: virtio-balloon
 * would, for pages that the guest reports as free or puts into it, and nobody
 * would back them again. It asks for this, as for VFIO.
 */
static bool virtio_mhp_forbid_discards(const VirtIOMHP *vmhp, Error **errp)
{
    if (vmhp->prealloc && ram_block_uncoordinated_discard_disable(true)) {
        error_setg(
            errp,
            "property 'prealloc' wants memory that stays, got a machine that discards it (a confidential guest's does, for example)");
        return false;
    }
    return true;
}

static void virtio_mhp_allow_discards(const VirtIOMHP *vmhp)
{
    if (vmhp->prealloc) {
        ram_block_uncoordinated_discard_disable(false);
    }
}

static void virtio_mhp_realize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VirtIOMHP *vmhp = VIRTIO_MHP(dev);

    if (!virtio_mhp_check(vmhp, errp) ||
        !virtio_mhp_forbid_discards(vmhp, errp)) {
        return;
    }
    if (!virtio_mhp_take_host(vmhp, errp)) {
        virtio_mhp_allow_discards(vmhp);
        return;
    }
    vmhp->block_size = virtio_mhp_block_size(vmhp);
    virtio_mhp_blocks_init(&vmhp->blocks, vmhp->addr, vmhp->block_size,
                           memory_region_size(&vmhp->memdev->mr));
    virtio_mhp_memslots_realize(vmhp);
    virtio_mhp_init_vdev(vdev, virtio_mhp_config_size(vmhp));
    virtio_mhp_busy_init(vmhp);
    virtio_mhp_op_init(vmhp);
    virtio_mhp_pending_init(vmhp);
    virtio_mhp_memory_init(vmhp);
    virtio_mhp_queue_init(vmhp, &virtio_mhp_request_handlers);
    virtio_mhp_stats_init(vmhp);
    virtio_mhp_report_init(vmhp);
    virtio_mhp_system_reset_add(vmhp);
    virtio_mhp_vmstate_add(vmhp);
    virtio_mhp_balloon_add(vmhp);
    virtio_mhp_event_init(vmhp);
    /* Now that all can be answered; the machine maps the region after this. */
    virtio_mhp_rdm_publish(vmhp);
    trace_virtio_mhp_realize(vmhp->addr, memory_region_size(&vmhp->memdev->mr),
                             vmhp->block_size);
}

static void virtio_mhp_unrealize(DeviceState *dev)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VirtIOMHP *vmhp = VIRTIO_MHP(dev);

    trace_virtio_mhp_unrealize(vmhp->addr, vmhp->blocks.nb_plugged);
    virtio_mhp_rdm_withdraw(vmhp);
    virtio_mhp_event_cleanup(vmhp);
    virtio_mhp_balloon_remove(vmhp);
    virtio_mhp_vmstate_remove(vmhp);
    virtio_mhp_system_reset_remove(vmhp);
    virtio_mhp_report_cleanup(vmhp);
    virtio_mhp_stats_cleanup(vmhp);
    virtio_mhp_queue_cleanup(vmhp);
    virtio_mhp_pending_cleanup(vmhp);
    virtio_mhp_op_cleanup(vmhp, virtio_mhp_give_host);
    virtio_mhp_busy_cleanup(vmhp);
    virtio_cleanup(vdev);
    virtio_mhp_memslots_unrealize(vmhp);
    virtio_mhp_blocks_free(&vmhp->blocks);
    virtio_mhp_allow_discards(vmhp);
}

static void virtio_mhp_get_config(VirtIODevice *vdev, uint8_t *data)
{
    const VirtIOMHP *vmhp = VIRTIO_MHP(vdev);
    const uint64_t region_size = memory_region_size(&vmhp->memdev->mr);
    const uint64_t plugged = virtio_mhp_blocks_plugged_size(&vmhp->blocks);
    const struct virtio_mhp_config config = {
        .block_size = cpu_to_le64(vmhp->block_size),
        .node_id = cpu_to_le16(vmhp->node),
        .addr = cpu_to_le64(vmhp->addr),
        .region_size = cpu_to_le64(region_size),
        .usable_region_size = cpu_to_le64(region_size),
        .plugged_size = cpu_to_le64(plugged),
        .requested_size = cpu_to_le64(vmhp->requested_size),
        .pressure_size = cpu_to_le64(vmhp->pressure_size),
    };

    memcpy(data, &config, vdev->config_len);
}

static uint64_t virtio_mhp_get_features(VirtIODevice *vdev, uint64_t features,
                                        Error **errp)
{
    const VirtIOMHP *vmhp = VIRTIO_MHP(vdev);

    virtio_add_feature(&features, VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE);
    if (virtio_mhp_has_numa_nodes()) {
        virtio_add_feature(&features, VIRTIO_MHP_F_ACPI_PXM);
    }
    /* What is plugged stays while the machine sleeps: virtio-mhp-reset.c */
    if (virtio_mhp_is_virtio_mem(vmhp) && qemu_wakeup_suspend_enabled()) {
        virtio_add_feature(&features, VIRTIO_MEM_F_PERSISTENT_SUSPEND);
    }
    features |= virtio_mhp_own_features(vmhp); /* DEV-FEAT-4 */
    return features;
}

/* DEV-FEAT-2; QEMU asks only drivers that accepted VERSION_1. */
static int virtio_mhp_validate_features(VirtIODevice *vdev)
{
    if (!virtio_vdev_has_feature(vdev, VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE)) {
        return -EFAULT;
    }
    return 0;
}

/* What the driver told is forgotten, what it plugged stays (DEV-RESET-1). */
static void virtio_mhp_reset(VirtIODevice *vdev)
{
    VirtIOMHP *vmhp = VIRTIO_MHP(vdev);

    trace_virtio_mhp_reset(vmhp->addr);
    virtio_mhp_queue_forget(vmhp);
    virtio_mhp_stats_forget(vmhp);
    virtio_mhp_report_forget(vmhp);
    vmhp->memmap = (VirtIOMHPMemmap){0};
    virtio_mhp_blocks_clear_reasons(&vmhp->blocks);
}

static void virtio_mhp_reset_queue(VirtIODevice *vdev, uint32_t queue_index)
{
    virtio_mhp_queue_reset(VIRTIO_MHP(vdev), queue_index);
    virtio_mhp_report_reset_queue(VIRTIO_MHP(vdev), queue_index);
}

void virtio_mhp_check_unplug_request(const VirtIOMHP *vmhp, Error **errp)
{
    const uint64_t size = virtio_mhp_blocks_plugged_size(&vmhp->blocks) +
                          virtio_mhp_memory_pending_plug_size(vmhp);

    if (size || vmhp->requested_size || vmhp->pressure_size) {
        g_autofree char *got = virtio_mhp_size_text(size);
        g_autofree char *requested = virtio_mhp_size_text(vmhp->requested_size);
        g_autofree char *pressure = virtio_mhp_size_text(vmhp->pressure_size);

        error_setg(
            errp,
            "mhp-vmemmap-mem can be removed when 'size', 'requested-size' and 'pressure-size' are 0, got %s, %s and %s",
            got, requested, pressure);
    }
}

void virtio_mhp_fill_device_info(const VirtIOMHP *vmhp,
                                 VirtioMEMDeviceInfo *info)
{
    info->memaddr = vmhp->addr;
    info->node = vmhp->node;
    info->requested_size = vmhp->requested_size;
    info->size = virtio_mhp_blocks_plugged_size(&vmhp->blocks);
    info->max_size = memory_region_size(&vmhp->memdev->mr);
    info->block_size = vmhp->block_size;
    info->memdev = object_get_canonical_path(OBJECT(vmhp->memdev));
}

static const Property virtio_mhp_properties[] = {
    DEFINE_PROP_UINT64(VIRTIO_MHP_ADDR_PROP, VirtIOMHP, addr, 0),
    DEFINE_PROP_UINT32(VIRTIO_MHP_NODE_PROP, VirtIOMHP, node, 0),
    DEFINE_PROP_INT32(VIRTIO_MHP_SLOT_PROP, VirtIOMHP, slot, -1),
    DEFINE_PROP_ON_OFF_AUTO(VIRTIO_MHP_BALLOON_PROP, VirtIOMHP, balloon,
                            ON_OFF_AUTO_AUTO),
    DEFINE_PROP_ON_OFF_AUTO(VIRTIO_MHP_REPORTING_PROP, VirtIOMHP,
                            free_page_reporting, ON_OFF_AUTO_AUTO),
    DEFINE_PROP_STRING(VIRTIO_MHP_COMPAT_PROP, VirtIOMHP, compat),
    DEFINE_PROP_BOOL(VIRTIO_MHP_PREALLOC_PROP, VirtIOMHP, prealloc, false),
    DEFINE_PROP_BOOL(VIRTIO_MHP_DYNAMIC_MEMSLOTS_PROP, VirtIOMHP,
                     dynamic_memslots, false),
    DEFINE_PROP_BIT64(VIRTIO_MHP_MEMMAP_ON_BLOCK_PROP, VirtIOMHP, features,
                      VIRTIO_MHP_F_MEMMAP_ON_BLOCK, true),
    DEFINE_PROP_BIT64(VIRTIO_MHP_STATUS_PROP, VirtIOMHP, features,
                      VIRTIO_MHP_F_STATUS, true),
    DEFINE_PROP_BIT64(VIRTIO_MHP_STATS_PROP, VirtIOMHP, features,
                      VIRTIO_MHP_F_STATS, true),
    DEFINE_PROP_BIT64(VIRTIO_MHP_PRESSURE_PROP, VirtIOMHP, features,
                      VIRTIO_MHP_F_PRESSURE, true),
    DEFINE_PROP_LINK(VIRTIO_MHP_MEMDEV_PROP, VirtIOMHP, memdev,
                     TYPE_MEMORY_BACKEND, HostMemoryBackend *),
};

static void virtio_mhp_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_CLASS(klass);

    device_class_set_props(dc, virtio_mhp_properties);
    virtio_mhp_add_properties(klass);
    virtio_mhp_rdm_class_init(klass);
    virtio_mhp_vmstate_class_init(klass);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    /* By itself, behind virtio-mmio, nothing would map its memory. */
    dc->user_creatable = false;
    vdc->realize = virtio_mhp_realize;
    vdc->unrealize = virtio_mhp_unrealize;
    vdc->get_config = virtio_mhp_get_config;
    vdc->get_features = virtio_mhp_get_features;
    vdc->validate_features = virtio_mhp_validate_features;
    vdc->reset = virtio_mhp_reset;
    vdc->queue_reset = virtio_mhp_reset_queue;
}

static InterfaceInfo virtio_mhp_interfaces[] = {
    {TYPE_RAM_DISCARD_MANAGER},
    {},
};

static void virtio_mhp_instance_finalize(Object *obj)
{
    virtio_mhp_memslots_finalize(VIRTIO_MHP(obj));
}

static const TypeInfo virtio_mhp_info = {
    .name = TYPE_VIRTIO_MHP,
    .parent = TYPE_VIRTIO_DEVICE,
    .instance_size = sizeof(VirtIOMHP),
    .instance_finalize = virtio_mhp_instance_finalize,
    .class_init = virtio_mhp_class_init,
    .interfaces = virtio_mhp_interfaces,
};

void virtio_mhp_register_type(void)
{
    type_register_static(&virtio_mhp_info);
}
