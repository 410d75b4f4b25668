/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's types on top of what user space has of them */
#ifndef SHIM_LINUX_TYPES_H
#define SHIM_LINUX_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

typedef __u8 u8;
/* long long on every architecture, as in the kernel */
typedef __u64 u64;

#endif
