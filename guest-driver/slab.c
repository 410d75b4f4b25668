// SPDX-License-Identifier: GPL-2.0
/*
 * Sparing the slab allocator what is not about its memory. When any memory goes
 * offline, kernels before 6.17 have it empty each of its caches on each CPU, in
 * case some of it is there: nothing of it is in ZONE_MOVABLE, and with the
 * caches and CPUs of a real guest that is half of what a shrink takes.
 *
 * So our notifier comes right before its, tells all who come after it, and ends
 * the round.
 */
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/pfn.h>

#include "compat.h"
#include "virtio_mhp.h"

/* Context: the chain's lock held, which keeps all who are in it. */
static struct notifier_block *
virtio_mhp_next_notifier(const struct notifier_block *nb)
{
	return rcu_dereference_protected(nb->next, true);
}

static int virtio_mhp_slab_spare(struct notifier_block *nb,
				 unsigned long action, void *data)
{
	const struct virtio_mhp *vmhp =
		container_of(nb, struct virtio_mhp, slab_nb);
	const struct memory_notify *arg = data;
	bool is_spared = false;
	int ret = NOTIFY_DONE;

	if (action != MEM_GOING_OFFLINE ||
	    !virtio_mhp_blocks_contain(&vmhp->blocks, PFN_PHYS(arg->start_pfn),
				       PFN_PHYS(arg->nr_pages)) ||
	    page_zonenum(pfn_to_page(arg->start_pfn)) != ZONE_MOVABLE)
		return NOTIFY_DONE;
	nb = virtio_mhp_next_notifier(nb);
	for (; nb && !(ret & NOTIFY_STOP_MASK);
	     nb = virtio_mhp_next_notifier(nb)) {
		/* It is there from boot on: the first of its priority. */
		if (nb->priority == VIRTIO_MHP_SLAB_PRI && !is_spared)
			is_spared = true;
		else
			ret = nb->notifier_call(nb, action, data);
	}
	return ret | NOTIFY_STOP_MASK;
}

/**
 * virtio_mhp_slab_init() - start sparing it
 * @vmhp: the device, with blocks laid out
 *
 * Context: may sleep.
 * Return: 0 or negative errno.
 */
int virtio_mhp_slab_init(struct virtio_mhp *vmhp)
{
	vmhp->slab_nb.notifier_call = virtio_mhp_slab_spare;
	vmhp->slab_nb.priority = VIRTIO_MHP_SLAB_PRI + 1;
	return register_memory_notifier(&vmhp->slab_nb);
}

/**
 * virtio_mhp_slab_deinit() - end sparing it
 * @vmhp: the device
 *
 * Context: may sleep.
 */
void virtio_mhp_slab_deinit(struct virtio_mhp *vmhp)
{
	unregister_memory_notifier(&vmhp->slab_nb);
}
