/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which event tells the operator that the plugged size has changed.
 */
#include "qemu/osdep.h"
#include "hw/qdev-core.h"
#include "qapi/qapi-events-machine.h"
#include "qemu/main-loop.h"
#include "virtio-mhp.h"

/*
 * Who has the balloon tells it by the balloon's event, and by that alone where
 * libvirt 9 would count the memory twice. The other event carries the names of
 * the PCI device.
 */
static void virtio_mhp_event_bh(void *opaque)
{
    VirtIOMHP *vmhp = opaque;
    DeviceState *proxy = qdev_get_parent_bus(DEVICE(vmhp))->parent;
    g_autofree char *path = object_get_canonical_path(OBJECT(proxy));
    const uint64_t size = virtio_mhp_blocks_plugged_size(&vmhp->blocks);

    virtio_mhp_balloon_look();
    if (virtio_mhp_balloon_is_owner(vmhp)) {
        virtio_mhp_balloon_notify(vmhp);
    }
    if (!virtio_mhp_balloon_is_only_event(vmhp)) {
        qapi_event_send_memory_device_size_change(proxy->id, size, path);
    }
}

/* QEMU drops all but one event a second, so do not make one a request. */
static void virtio_mhp_event_size_changed(Notifier *notifier, void *data)
{
    VirtIOMHP *vmhp = container_of(notifier, VirtIOMHP, event.size_changed);

    qemu_bh_schedule(vmhp->event.bh);
}

void virtio_mhp_event_init(VirtIOMHP *vmhp)
{
    vmhp->event.bh = qemu_bh_new(virtio_mhp_event_bh, vmhp);
    vmhp->event.size_changed.notify = virtio_mhp_event_size_changed;
    notifier_list_add(&vmhp->memory.size_change_notifiers,
                      &vmhp->event.size_changed);
}

void virtio_mhp_event_cleanup(VirtIOMHP *vmhp)
{
    notifier_remove(&vmhp->event.size_changed);
    qemu_bh_delete(vmhp->event.bh);
}
