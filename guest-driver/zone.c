// SPDX-License-Identifier: GPL-2.0
/*
 * Every block in ZONE_MOVABLE, whatever the online policy and whatever
 * userspace does: onlining to any other zone is vetoed, but for what is meant
 * to be the kernel's own (kernel.c).
 *
 * The notifiers here also follow what happens to blocks: they alone move a
 * block between PLUGGED, OFFLINE and ONLINE. They run with the hotplug locks
 * held and take nothing but our spinlock.
 */
#include <linux/device.h>
#include <linux/device/bus.h>
#include <linux/gfp.h>
#include <linux/kobject.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "compat.h"
#include "virtio_mhp.h"

/*
 * The bus of memory blocks is not exported: reach it through a block, which is
 * in the same set as any other device.
 */
static struct device *virtio_mhp_find_memory_block(const struct device *any,
						   u64 addr)
{
	struct kset *devices = any->kobj.kset;
	struct device *dev;
	struct kobject *kobj;
	char name[32];

	snprintf(name, sizeof(name), "memory%llu",
		 addr / memory_block_size_bytes());
	kobj = devices ? kset_find_obj(devices, name) : NULL;
	if (!kobj)
		return NULL;
	dev = kobj_to_dev(kobj);
	/* Others could have that name. */
	if (dev->bus && !strcmp(dev->bus->name, "memory"))
		return dev;
	put_device(dev);
	return NULL;
}

/**
 * virtio_mhp_mb_unclaim() - free what the worker has allocated of a block
 * @vmhp: the device
 * @mb: the memory block
 *
 * Context: the block's device locked, as it is for who offlines it.
 */
void virtio_mhp_mb_unclaim(struct virtio_mhp *vmhp, unsigned int mb)
{
	struct virtio_mhp_mb *const b = &vmhp->mbs[mb];

	if (b->nr_claimed)
		free_contig_range(b->claimed_pfn, b->nr_claimed);
	WRITE_ONCE(b->nr_claimed, 0);
}

/* Context: lock held. */
static void virtio_mhp_mb_added(struct virtio_mhp *vmhp, unsigned int mb,
				struct device *dev)
{
	if (vmhp->blocks.states[mb] != VIRTIO_MHP_MB_PLUGGED)
		return;
	vmhp->mbs[mb].dev = get_device(dev);
	virtio_mhp_event_hush(dev);
	virtio_mhp_mb_move(vmhp, mb, VIRTIO_MHP_MB_OFFLINE);
}

/* Context: lock held. Returns what is to be put once it is not. */
static struct device *virtio_mhp_mb_removed(struct virtio_mhp *vmhp,
					    unsigned int mb)
{
	struct device *dev = vmhp->mbs[mb].dev;

	if (vmhp->blocks.states[mb] != VIRTIO_MHP_MB_OFFLINE)
		return NULL;
	vmhp->mbs[mb] = (struct virtio_mhp_mb){};
	virtio_mhp_mb_move(vmhp, mb, VIRTIO_MHP_MB_PLUGGED);
	return dev;
}

static int virtio_mhp_bus_notify(struct notifier_block *nb,
				 unsigned long action, void *data)
{
	struct virtio_mhp *vmhp = container_of(nb, struct virtio_mhp, bus_nb);
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	struct device *dev = data, *removed = NULL;
	const u64 addr = (u64)dev->id * blocks->mb_size;
	unsigned int mb;

	if (!virtio_mhp_blocks_contain(blocks, addr, blocks->mb_size))
		return NOTIFY_DONE;
	mb = virtio_mhp_mb_at(blocks, addr);

	spin_lock(&vmhp->lock);
	if (action == BUS_NOTIFY_ADD_DEVICE)
		virtio_mhp_mb_added(vmhp, mb, dev);
	else if (action == BUS_NOTIFY_DEL_DEVICE)
		removed = virtio_mhp_mb_removed(vmhp, mb);
	spin_unlock(&vmhp->lock);
	put_device(removed);
	return NOTIFY_OK;
}

/* Context: lock held. */
static void virtio_mhp_mb_went(struct virtio_mhp *vmhp, unsigned int mb,
			       enum virtio_mhp_mb_state state, const char *zone)
{
	vmhp->mbs[mb].zone = zone;
	virtio_mhp_mb_move(vmhp, mb, state);
}

/*
 * Userspace vacated a block: perhaps the very one that would not go, now or at
 * an earlier request.
 */
static void virtio_mhp_help_shrinking(struct virtio_mhp *vmhp, unsigned int mb)
{
	if (current == vmhp->worker)
		return;
	vmhp->units[virtio_mhp_unit_of_mb(&vmhp->blocks, mb)].failed = false;
	if (READ_ONCE(vmhp->plugged_size) > virtio_mhp_target_size(vmhp))
		virtio_mhp_wake(vmhp, VIRTIO_MHP_RETRY);
}

/*
 * What is for the kernel is not brought to ZONE_MOVABLE by its own policy,
 * while userspace may do as it likes with it.
 */
static bool virtio_mhp_is_wrong_zone(const struct virtio_mhp *vmhp,
				     unsigned int mb, int zone)
{
	if (virtio_mhp_mb_is_kernels(vmhp, mb))
		return zone == ZONE_MOVABLE && current == vmhp->worker;
	return zone != ZONE_MOVABLE;
}

/* Whatever it was for before. Context: lock held. */
static void virtio_mhp_mb_is_users(struct virtio_mhp *vmhp, unsigned int mb)
{
	const unsigned int unit = virtio_mhp_unit_of_mb(&vmhp->blocks, mb);

	WRITE_ONCE(vmhp->units[unit].is_kernels, false);
}

static int virtio_mhp_memory_notify(struct notifier_block *nb,
				    unsigned long action, void *data)
{
	struct virtio_mhp *vmhp =
		container_of(nb, struct virtio_mhp, memory_nb);
	const struct memory_notify *arg = data;
	const u64 addr = PFN_PHYS(arg->start_pfn);
	struct page *page;
	unsigned int mb;

	if (!virtio_mhp_blocks_contain(&vmhp->blocks, addr,
				       PFN_PHYS(arg->nr_pages)))
		return NOTIFY_DONE;
	mb = virtio_mhp_mb_at(&vmhp->blocks, addr);
	/* Changes only under the hotplug lock, which our caller holds. */
	if (!READ_ONCE(vmhp->mbs[mb].dev))
		return NOTIFY_DONE;
	/*
	 * While a block is added the kernel's policy has its turn; ours comes
	 * right after. To try another zone and to be refused costs as much as
	 * to online, and the more the more blocks there are: the kernel looks
	 * for the other zone's end all the way down.
	 */
	if (virtio_mhp_is_prepare_online(action) && current == vmhp->worker &&
	    vmhp->adding)
		return notifier_from_errno(-EPERM);
	page = pfn_to_page(arg->start_pfn);

	switch (action) {
	case MEM_GOING_ONLINE:
		if (virtio_mhp_is_wrong_zone(vmhp, mb, page_zonenum(page)))
			return notifier_from_errno(-EPERM);
		break;
	case MEM_ONLINE:
		spin_lock(&vmhp->lock);
		if (page_zonenum(page) == ZONE_MOVABLE)
			virtio_mhp_mb_is_users(vmhp, mb);
		virtio_mhp_mb_went(vmhp, mb, VIRTIO_MHP_MB_ONLINE,
				   page_zone(page)->name);
		spin_unlock(&vmhp->lock);
		break;
	case MEM_OFFLINE:
		spin_lock(&vmhp->lock);
		virtio_mhp_mb_went(vmhp, mb, VIRTIO_MHP_MB_OFFLINE, NULL);
		spin_unlock(&vmhp->lock);
		virtio_mhp_help_shrinking(vmhp, mb);
		break;
	case MEM_GOING_OFFLINE:
		virtio_mhp_remainder_give(vmhp, mb);
		virtio_mhp_mb_unclaim(vmhp, mb);
		return NOTIFY_OK;
	default:
		return NOTIFY_OK;
	}
	if (action != MEM_GOING_ONLINE && current != vmhp->worker)
		virtio_mhp_wake(vmhp, VIRTIO_MHP_MOVED);
	return NOTIFY_OK;
}

/**
 * virtio_mhp_zone_init() - start following and vetoing
 * @vmhp: the device, with blocks laid out and reset
 * @any: any device that is registered
 *
 * Context: may sleep.
 * Return: 0 or negative errno.
 */
int virtio_mhp_zone_init(struct virtio_mhp *vmhp, const struct device *any)
{
	int rc;

	/* One that surely exists: the one that this object is in. */
	vmhp->any_mb = virtio_mhp_find_memory_block(any, virt_to_phys(vmhp));
	if (!vmhp->any_mb) {
		virtio_mhp_err(vmhp,
			       "the kernel has no memory block devices\n");
		return -EOPNOTSUPP;
	}
	vmhp->bus_nb.notifier_call = virtio_mhp_bus_notify;
	rc = bus_register_notifier(vmhp->any_mb->bus, &vmhp->bus_nb);
	if (rc)
		goto out_put;
	/* The veto comes before anybody prepares for the wrong zone. */
	vmhp->memory_nb.notifier_call = virtio_mhp_memory_notify;
	vmhp->memory_nb.priority = INT_MAX;
	rc = register_memory_notifier(&vmhp->memory_nb);
	if (rc)
		goto out_unregister_bus;
	rc = virtio_mhp_slab_init(vmhp);
	if (rc)
		goto out_unregister_memory;
	return 0;

out_unregister_memory:
	unregister_memory_notifier(&vmhp->memory_nb);
out_unregister_bus:
	bus_unregister_notifier(vmhp->any_mb->bus, &vmhp->bus_nb);
out_put:
	put_device(vmhp->any_mb);
	return rc;
}

/**
 * virtio_mhp_zone_deinit() - end following and vetoing
 * @vmhp: the device
 *
 * Context: may sleep.
 */
void virtio_mhp_zone_deinit(struct virtio_mhp *vmhp)
{
	unsigned int mb;

	virtio_mhp_slab_deinit(vmhp);
	unregister_memory_notifier(&vmhp->memory_nb);
	bus_unregister_notifier(vmhp->any_mb->bus, &vmhp->bus_nb);
	put_device(vmhp->any_mb);
	for (mb = 0; mb < vmhp->blocks.nr_mbs; mb++)
		put_device(vmhp->mbs[mb].dev);
}

/**
 * virtio_mhp_mb_get_device() - the device of a memory block
 * @vmhp: the device
 * @mb: the memory block
 *
 * Context: may sleep.
 * Return: its device with a reference for the caller, NULL if it is not added.
 */
struct device *virtio_mhp_mb_get_device(struct virtio_mhp *vmhp,
					unsigned int mb)
{
	struct device *dev;

	spin_lock(&vmhp->lock);
	dev = get_device(vmhp->mbs[mb].dev);
	spin_unlock(&vmhp->lock);
	return dev;
}

/**
 * virtio_mhp_mb_get_state() - state of a memory block right now
 * @vmhp: the device
 * @mb: the memory block
 *
 * Context: any.
 * Return: the state; userspace may change OFFLINE and ONLINE at any time.
 */
enum virtio_mhp_mb_state virtio_mhp_mb_get_state(struct virtio_mhp *vmhp,
						 unsigned int mb)
{
	enum virtio_mhp_mb_state state;

	spin_lock(&vmhp->lock);
	state = vmhp->blocks.states[mb];
	spin_unlock(&vmhp->lock);
	return state;
}
