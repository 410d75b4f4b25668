/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Architectures: see arch.h.
 */
#include "arch.h"

#include <glib.h>

static const Arch arch_arm64 = {
    .suffix = "-arm64",
    .qemu = "qemu-system-aarch64",
    .machine = "virt",
    .console = "ttyAMA0",
    /* That kernel maps memory that is added by single pages */
    .page_tables = 2 << 20,
};

static const Arch arch_x86 = {
    .suffix = "",
    .qemu = "qemu-system-x86_64",
    .machine = "q35",
    .console = "ttyS0",
    /* By 2 MiB or 1 GiB: next to nothing */
    .page_tables = 0,
    .has_accessible_virtio_mem = true,
};

const Arch *arch_of(const char *kver)
{
    return g_str_has_suffix(kver, arch_arm64.suffix) ? &arch_arm64 : &arch_x86;
}
