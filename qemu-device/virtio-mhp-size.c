/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much the guest may plug: the one place that says it, and where it is
 * changed and the driver told.
 */
#include "qemu/osdep.h"
#include "hw/qdev-core.h"
#include "qapi/error.h"
#include "trace.h"
#include "virtio-mhp.h"

uint64_t virtio_mhp_size_limit(const VirtIOMHP *vmhp)
{
    return vmhp->requested_size;
}

bool virtio_mhp_size_check(const VirtIOMHP *vmhp, uint64_t value, Error **errp)
{
    const uint64_t region_size = memory_region_size(&vmhp->memdev->mr);
    const uint64_t block_size = virtio_mhp_block_size(vmhp);
    g_autofree char *got = virtio_mhp_size_text(value);
    g_autofree char *wanted = NULL;

    if (value % block_size) {
        wanted = virtio_mhp_size_text(block_size);
        error_setg(
            errp,
            "property 'requested-size' wants a multiple of %s ('block-size'), got %s",
            wanted, got);
        return false;
    }
    if (value > region_size) {
        wanted = virtio_mhp_size_text(region_size);
        error_setg(
            errp,
            "property 'requested-size' wants at most %s (the size of backend '%s'), got %s",
            wanted, virtio_mhp_memdev_id(vmhp), got);
        return false;
    }
    return true;
}

bool virtio_mhp_size_change(VirtIOMHP *vmhp, uint64_t value, Error **errp)
{
    DeviceState *proxy = qdev_get_parent_bus(DEVICE(vmhp))->parent;

    if (!virtio_mhp_size_check(vmhp, value, errp) ||
        !virtio_mhp_busy_check_not_left(errp)) {
        return false;
    }
    if (proxy->pending_deleted_event) {
        error_setg(
            errp,
            "property 'requested-size' cannot be changed while the device is being removed");
        return false;
    }
    trace_virtio_mhp_requested_size(vmhp->addr, vmhp->requested_size, value);
    vmhp->requested_size = value;
    /* Also when it is what it was: that makes the driver try again now. */
    virtio_notify_config(VIRTIO_DEVICE(vmhp));
    return true;
}
