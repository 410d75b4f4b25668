/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much the guest may plug: the one place that says it, and where it is
 * changed and the driver told. That is what the host requests, and for a driver
 * that knows of it (7.10 of the specification) pressure-size more.
 */
#include "qemu/osdep.h"
#include "hw/qdev-core.h"
#include "qapi/error.h"
#include "trace.h"
#include "virtio-mhp.h"

bool virtio_mhp_pressure_is_offered(const VirtIOMHP *vmhp)
{
    return !virtio_mhp_is_virtio_mem(vmhp) &&
           vmhp->features >> VIRTIO_MHP_F_PRESSURE & 1;
}

/*
 * Neither size exceeds the region, so their sum cannot overflow. Their sum may
 * exceed it: a range that is too large then has blocks that are plugged.
 */
uint64_t virtio_mhp_size_limit(const VirtIOMHP *vmhp)
{
    if (!virtio_vdev_has_feature(VIRTIO_DEVICE(vmhp), VIRTIO_MHP_F_PRESSURE)) {
        return vmhp->requested_size;
    }
    return vmhp->requested_size + vmhp->pressure_size;
}

uint64_t virtio_mhp_size_on_pressure(const VirtIOMHP *vmhp)
{
    const uint64_t limit = virtio_mhp_size_limit(vmhp);
    const uint64_t size = virtio_mhp_blocks_plugged_size(&vmhp->blocks);

    return MIN(MAX(size, vmhp->requested_size), limit) - vmhp->requested_size;
}

/* What any of the sizes must be (DEV-CFG-2) */
static bool virtio_mhp_size_check_value(const VirtIOMHP *vmhp, const char *name,
                                        uint64_t value, Error **errp)
{
    const uint64_t region_size = memory_region_size(&vmhp->memdev->mr);
    const uint64_t block_size = virtio_mhp_block_size(vmhp);
    g_autofree char *got = virtio_mhp_size_text(value);
    g_autofree char *wanted = NULL;

    if (value % block_size) {
        wanted = virtio_mhp_size_text(block_size);
        error_setg(
            errp, "property '%s' wants a multiple of %s ('block-size'), got %s",
            name, wanted, got);
        return false;
    }
    if (value > region_size) {
        wanted = virtio_mhp_size_text(region_size);
        error_setg(
            errp,
            "property '%s' wants at most %s (the size of backend '%s'), got %s",
            name, wanted, virtio_mhp_memdev_id(vmhp), got);
        return false;
    }
    return true;
}

static bool virtio_mhp_size_check_pressure(const VirtIOMHP *vmhp,
                                           uint64_t value, Error **errp)
{
    if (value && !virtio_mhp_pressure_is_offered(vmhp)) {
        g_autofree char *got = virtio_mhp_size_text(value);

        error_setg(
            errp,
            "property 'pressure-size' wants 0 where the guest cannot grow on pressure ('pressure' is 'off', or 'compat' is set), got %s",
            got);
        return false;
    }
    return virtio_mhp_size_check_value(vmhp, VIRTIO_MHP_PRESSURE_SIZE_PROP,
                                       value, errp);
}

bool virtio_mhp_size_check(const VirtIOMHP *vmhp, Error **errp)
{
    return virtio_mhp_size_check_value(vmhp, VIRTIO_MHP_REQUESTED_SIZE_PROP,
                                       vmhp->requested_size, errp) &&
           virtio_mhp_size_check_pressure(vmhp, vmhp->pressure_size, errp);
}

/* What is 0 for a removal stays 0: no PLUG is granted until it has ended. */
static bool virtio_mhp_size_check_removal(const VirtIOMHP *vmhp,
                                          const char *name, Error **errp)
{
    DeviceState *proxy = qdev_get_parent_bus(DEVICE(vmhp))->parent;

    if (proxy->pending_deleted_event) {
        error_setg(
            errp,
            "property '%s' cannot be changed while the device is being removed",
            name);
    }
    return !proxy->pending_deleted_event;
}

bool virtio_mhp_size_change(VirtIOMHP *vmhp, uint64_t value, Error **errp)
{
    const char *name = VIRTIO_MHP_REQUESTED_SIZE_PROP;

    if (!virtio_mhp_size_check_value(vmhp, name, value, errp) ||
        !virtio_mhp_busy_check_not_left(name, errp) ||
        !virtio_mhp_size_check_removal(vmhp, name, errp)) {
        return false;
    }
    trace_virtio_mhp_requested_size(vmhp->addr, vmhp->requested_size, value);
    vmhp->requested_size = value;
    /* Also when it is what it was: that makes the driver try again now. */
    virtio_notify_config(VIRTIO_DEVICE(vmhp));
    return true;
}

bool virtio_mhp_size_change_pressure(VirtIOMHP *vmhp, uint64_t value,
                                     Error **errp)
{
    const char *name = VIRTIO_MHP_PRESSURE_SIZE_PROP;

    if (!virtio_mhp_size_check_pressure(vmhp, value, errp) ||
        !virtio_mhp_busy_check_not_left(name, errp) ||
        !virtio_mhp_size_check_removal(vmhp, name, errp)) {
        return false;
    }
    trace_virtio_mhp_pressure_size(vmhp->addr, vmhp->pressure_size, value);
    vmhp->pressure_size = value;
    virtio_notify_config(VIRTIO_DEVICE(vmhp));
    return true;
}
