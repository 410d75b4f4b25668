/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The counterpart of module.c inside QEMU's tree, where QEMU's own tables hold
 * the device: import puts it there.
 */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "virtio-mhp.h"

static void virtio_mhp_register_types(void)
{
    virtio_mhp_system_reset_register_type();
    virtio_mhp_register_type();
    virtio_mhp_pci_register_types();
    virtio_mhp_no_balloon_register_type();
}

type_init(virtio_mhp_register_types)
