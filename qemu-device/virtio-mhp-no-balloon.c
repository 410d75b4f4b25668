/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device that does nothing, that no guest sees, and that has no state.
 *
 * libvirt resizes and asks for statistics only in domains with a memballoon,
 * for which it has QEMU make a virtio-balloon. Overridden with this, the domain
 * has one and the guest has none.
 */
#include "qemu/osdep.h"
#include "hw/qdev-core.h"
#include "qemu/bitops.h"
#include "virtio-mhp.h"

static void virtio_mhp_no_balloon_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->desc = "stands where a virtio-balloon was wanted, and is none";
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo virtio_mhp_no_balloon_info = {
    .name = TYPE_MHP_NO_BALLOON,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(DeviceState),
    .class_init = virtio_mhp_no_balloon_class_init,
};

void virtio_mhp_no_balloon_register_type(void)
{
    type_register_static(&virtio_mhp_no_balloon_info);
}
