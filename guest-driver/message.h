/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages about a region. They look like those of its device, which may be
 * gone when they are printed.
 */
#ifndef _VIRTIO_MHP_MESSAGE_H
#define _VIRTIO_MHP_MESSAGE_H

#include <linux/printk.h>

#define VIRTIO_MHP_MESSAGE(fmt) KBUILD_MODNAME " %s: " fmt

#define virtio_mhp_err(vmhp, fmt, ...) \
	pr_err(VIRTIO_MHP_MESSAGE(fmt), (vmhp)->name, ##__VA_ARGS__)
#define virtio_mhp_err_ratelimited(vmhp, fmt, ...) \
	pr_err_ratelimited(VIRTIO_MHP_MESSAGE(fmt), (vmhp)->name, ##__VA_ARGS__)
#define virtio_mhp_warn(vmhp, fmt, ...) \
	pr_warn(VIRTIO_MHP_MESSAGE(fmt), (vmhp)->name, ##__VA_ARGS__)
#define virtio_mhp_warn_ratelimited(vmhp, fmt, ...)                \
	pr_warn_ratelimited(VIRTIO_MHP_MESSAGE(fmt), (vmhp)->name, \
			    ##__VA_ARGS__)
#define virtio_mhp_info(vmhp, fmt, ...) \
	pr_info(VIRTIO_MHP_MESSAGE(fmt), (vmhp)->name, ##__VA_ARGS__)
#define virtio_mhp_info_ratelimited(vmhp, fmt, ...)                \
	pr_info_ratelimited(VIRTIO_MHP_MESSAGE(fmt), (vmhp)->name, \
			    ##__VA_ARGS__)
#define virtio_mhp_dbg(vmhp, fmt, ...) \
	pr_debug(VIRTIO_MHP_MESSAGE(fmt), (vmhp)->name, ##__VA_ARGS__)

#endif /* _VIRTIO_MHP_MESSAGE_H */
