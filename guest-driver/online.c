// SPDX-License-Identifier: GPL-2.0
/*
 * A block that was added goes online, to the zone that it is for: through its
 * own "state" attribute, with the kernel's own locks. What came of it is looked
 * at afterwards.
 */
#include <linux/align.h>
#include <linux/device.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "compat.h"
#include "virtio_mhp.h"

static struct attribute *virtio_mhp_state_attr(const struct device *dev)
{
	const struct attribute_group **group = dev->groups;
	struct attribute **attr;

	for (; group && *group; group++)
		for (attr = (*group)->attrs; attr && *attr; attr++)
			if (!strcmp((*attr)->name, "state"))
				return *attr;
	return NULL;
}

/*
 * As sysfs calls it, which knows how an attribute wants to be called. A signal,
 * or somebody else holding the hotplug lock, asks for the system call to be
 * restarted. This is none, so start again ourselves.
 */
static int virtio_mhp_store_state(struct virtio_mhp *vmhp, struct device *dev,
				  const char *state)
{
	const struct sysfs_ops *ops = dev->kobj.ktype->sysfs_ops;
	struct attribute *attr = virtio_mhp_state_attr(dev);
	ssize_t rc;

	if (!attr || !ops || !ops->store)
		return -EOPNOTSUPP;
	do {
		flush_signals(current);
		rc = ops->store(&dev->kobj, attr, state, strlen(state));
	} while (rc == -ERESTARTNOINTR && READ_ONCE(vmhp->link));
	return rc < 0 ? rc : 0;
}

/*
 * Hyper-V's and Xen's balloon can take what goes online for theirs, and keep it.
 * A page that looks kept may be in some balloon since: not one of each chunk.
 */
static bool virtio_mhp_pages_are_kept(unsigned long pfn, unsigned long end)
{
	for (; pfn < end; pfn = ALIGN(pfn + 1, 1UL << VIRTIO_MHP_MAX_ORDER))
		if (!PageReserved(pfn_to_page(pfn)) &&
		    !PageOffline(pfn_to_page(pfn)))
			return false;
	return true;
}

/* Only the worker removes blocks, so their memmaps stay while it looks. */
static int virtio_mhp_mb_check_pages(struct virtio_mhp *vmhp, unsigned int mb)
{
	const u64 addr = virtio_mhp_mb_addr(&vmhp->blocks, mb);
	const u32 memmap_size = vmhp->mbs[mb].memmap_size;
	const unsigned long usable = PHYS_PFN(addr + memmap_size);

	if (page_zonenum(pfn_to_page(usable)) != ZONE_MOVABLE &&
	    !virtio_mhp_mb_is_kernels(vmhp, mb))
		return -EPERM;
	if (memmap_size && !PageVmemmapSelfHosted(pfn_to_page(PHYS_PFN(addr))))
		return -EOPNOTSUPP;
	if (!virtio_mhp_pages_are_kept(usable,
				       PHYS_PFN(addr + vmhp->blocks.mb_size)))
		return 0;
	virtio_mhp_err(vmhp,
		       "the memory block at %#llx went online, but another driver keeps its pages: a balloon of Hyper-V or Xen?\n",
		       addr);
	return -EXDEV;
}

/*
 * Userspace may offline it at any time. It does so under its device's lock: if
 * that is taken now, what is found would not be true for long.
 */
static int virtio_mhp_mb_check(struct virtio_mhp *vmhp, unsigned int mb,
			       struct device *dev)
{
	int rc = 0;

	if (!device_trylock(dev))
		return 0;
	if (virtio_mhp_mb_get_state(vmhp, mb) == VIRTIO_MHP_MB_ONLINE)
		rc = virtio_mhp_mb_check_pages(vmhp, mb);
	device_unlock(dev);
	return rc;
}

/**
 * virtio_mhp_mb_online() - online an added memory block to its zone
 * @vmhp: the device
 * @mb: a memory block that is OFFLINE, or ONLINE by the kernel's policy
 *
 * Context: worker.
 * Return: 0 and the block is ONLINE, unless userspace has offlined it since;
 *	-EXDEV: another driver keeps its pages; else negative errno.
 */
int virtio_mhp_mb_online(struct virtio_mhp *vmhp, unsigned int mb)
{
	struct device *dev = virtio_mhp_mb_get_device(vmhp, mb);
	int rc;

	if (!dev)
		return -ENODEV;
	rc = virtio_mhp_store_state(vmhp, dev,
				    virtio_mhp_mb_is_kernels(vmhp, mb)
					    ? "online_kernel"
					    : "online_movable");
	virtio_mhp_dbg(vmhp, "online %#llx: %d\n",
		       virtio_mhp_mb_addr(&vmhp->blocks, mb), rc);
	/* That it was online already is -EINVAL too. */
	if (rc == -EINVAL &&
	    virtio_mhp_mb_get_state(vmhp, mb) == VIRTIO_MHP_MB_ONLINE)
		rc = 0;
	if (!rc)
		rc = virtio_mhp_mb_check(vmhp, mb, dev);
	put_device(dev);
	return rc;
}
