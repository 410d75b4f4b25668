/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system reset: it unplugs all memory (DEV-RESET-2), which a reset of the
 * device alone must not do (DEV-RESET-1). QEMU resets a device in both cases,
 * so an object of its own, which is on no bus, listens to the system's.
 *
 * There is one for all devices and it stays: a system reset may end the
 * removal of a device, and QEMU aborts when a listener leaves during a reset.
 */
#include "qemu/osdep.h"
#include "hw/resettable.h"
#include "system/reset.h"
#include "trace.h"
#include "virtio-mhp.h"

OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMHPSystemReset, VIRTIO_MHP_SYSTEM_RESET)

struct VirtIOMHPSystemReset {
    Object parent_obj;

    ResettableState reset_state;
};

/* Of VirtIOMHP */
static GSList *virtio_mhp_devices;

void virtio_mhp_system_reset_add(VirtIOMHP *vmhp)
{
    static Object *listener;

    if (!listener) {
        listener = object_new(TYPE_VIRTIO_MHP_SYSTEM_RESET);
        qemu_register_resettable(listener);
    }
    virtio_mhp_devices = g_slist_prepend(virtio_mhp_devices, vmhp);
}

void virtio_mhp_system_reset_remove(VirtIOMHP *vmhp)
{
    virtio_mhp_devices = g_slist_remove(virtio_mhp_devices, vmhp);
}

static void virtio_mhp_system_reset_hold(Object *obj, ResetType type)
{
    GSList *item;
    bool is_busy;

    /* A machine that wakes up from suspend needs its memory. */
    if (type == RESET_TYPE_WAKEUP) {
        return;
    }
    is_busy = virtio_mhp_busy_for_reset();
    for (item = virtio_mhp_devices; item; item = item->next) {
        const VirtIOMHP *vmhp = item->data;

        trace_virtio_mhp_system_reset(vmhp->addr, is_busy);
        virtio_mhp_queue_forget(item->data);
        /* Not in a migration: a driver that comes up unplugs what it finds. */
        if (!is_busy) {
            virtio_mhp_memory_reset(item->data);
        }
    }
}

static ResettableState *virtio_mhp_system_reset_get_state(Object *obj)
{
    return &VIRTIO_MHP_SYSTEM_RESET(obj)->reset_state;
}

static void virtio_mhp_system_reset_class_init(ObjectClass *klass, void *data)
{
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    rc->get_state = virtio_mhp_system_reset_get_state;
    rc->phases.hold = virtio_mhp_system_reset_hold;
}

static InterfaceInfo virtio_mhp_system_reset_interfaces[] = {
    {TYPE_RESETTABLE_INTERFACE},
    {},
};

static const TypeInfo virtio_mhp_system_reset_info = {
    .name = TYPE_VIRTIO_MHP_SYSTEM_RESET,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(VirtIOMHPSystemReset),
    .class_init = virtio_mhp_system_reset_class_init,
    .interfaces = virtio_mhp_system_reset_interfaces,
};

void virtio_mhp_system_reset_register_type(void)
{
    type_register_static(&virtio_mhp_system_reset_info);
}
