/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that starts another kernel by itself, by kexec or when it crashes:
 * the very kernel and initramfs that it was booted with, which it finds on two
 * disks. (NVMe is built into all stock kernels.)
 */
#ifndef MHP_SYSTEM_KEXEC_H
#define MHP_SYSTEM_KEXEC_H

#include "guest.h"

/* Give the disks to a guest that is not started */
void kexec_add_disks(Guest *guest);

/*
 * Load the kernel, with this at the end of its command line; for a crash if
 * @on_crash, which wants crashkernel= on the present one's
 */
void kexec_load(Guest *guest, bool on_crash, const char *cmdline);

/* Run a script after which the loaded kernel starts, and wait for its agent */
void kexec_start(Guest *guest, const char *script);

#endif /* MHP_SYSTEM_KEXEC_H */
