// SPDX-License-Identifier: GPL-2.0
/*
 * Why a request is not fulfilled: the words for it, and the latest one. Whoever
 * tells the host uses request.c.
 */
#include <linux/kernel.h>
#include <linux/spinlock.h>

#include "virtio_mhp.h"

static const char *const virtio_mhp_reason_names[] = {
	[VIRTIO_MHP_REASON_NONE] = "none",
	[VIRTIO_MHP_REASON_BUSY] = "busy",
	[VIRTIO_MHP_REASON_PINNED] = "pinned",
	[VIRTIO_MHP_REASON_HUGETLB] = "hugetlb",
	[VIRTIO_MHP_REASON_NO_ROOM] = "no-room",
	[VIRTIO_MHP_REASON_KERNEL_MEMORY] = "kernel-memory",
	[VIRTIO_MHP_REASON_NOT_ADDED] = "not-added",
	[VIRTIO_MHP_REASON_NOT_ONLINE] = "not-online",
	[VIRTIO_MHP_REASON_NO_MEMMAP] = "no-memmap",
	[VIRTIO_MHP_REASON_WRITEBACK] = "writeback",
};

/**
 * virtio_mhp_reason_name() - word for a reason
 * @reason: VIRTIO_MHP_REASON_*
 *
 * Context: any.
 * Return: the word, the same in all messages and attributes.
 */
const char *virtio_mhp_reason_name(u16 reason)
{
	if (reason >= ARRAY_SIZE(virtio_mhp_reason_names))
		return "invalid";
	return virtio_mhp_reason_names[reason];
}

/**
 * virtio_mhp_note_error() - note what keeps the request from being fulfilled
 * @vmhp: the device
 * @unit: the unit that it is about, 0 if it is about none
 * @what: the word for it, which stays
 * @error: negative errno that goes with it
 *
 * Context: worker.
 */
void virtio_mhp_note_error(struct virtio_mhp *vmhp, unsigned int unit,
			   const char *what, int error)
{
	spin_lock(&vmhp->lock);
	vmhp->last_error_addr = virtio_mhp_unit_addr(&vmhp->blocks, unit);
	vmhp->last_error_what = what;
	vmhp->last_error = error;
	spin_unlock(&vmhp->lock);
}
