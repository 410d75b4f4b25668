// SPDX-License-Identifier: GPL-2.0
/*
 * Where memmaps are: on the block they describe, or, as with any other memory,
 * in memory that is there already ("ordinary"). Decides once at probe what the
 * kernel can do, and looks at each added block whether it did.
 */
#include <linux/device.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pageblock-flags.h>
#include <linux/pgtable.h>

#include "compat.h"
#include "virtio_mhp.h"

static char *virtio_mhp_memmap_param = "prefer";
module_param_named(memmap, virtio_mhp_memmap_param, charp, 0444);
MODULE_PARM_DESC(memmap,
		 "memmap on its block: prefer (default), require or never");

const char *const virtio_mhp_memmap_names[] = {
	[VIRTIO_MHP_MEMMAP_PREFER] = "prefer",
	[VIRTIO_MHP_MEMMAP_REQUIRE] = "require",
	[VIRTIO_MHP_MEMMAP_NEVER] = "never",
};

static int virtio_mhp_memmap_read_param(struct virtio_mhp *vmhp)
{
	int memmap = match_string(virtio_mhp_memmap_names,
				  ARRAY_SIZE(virtio_mhp_memmap_names),
				  virtio_mhp_memmap_param);

	if (memmap < 0) {
		virtio_mhp_err(vmhp,
			       "parameter memmap is '%s', not prefer, require or never\n",
			       virtio_mhp_memmap_param);
		return memmap;
	}
	vmhp->memmap = memmap;
	return 0;
}

/* The vmemmap is mapped by whole PMDs: all that one maps must be one block's. */
static bool virtio_mhp_memmap_fills(unsigned long nr_vmemmap_pages)
{
	return nr_vmemmap_pages &&
	       IS_ALIGNED(nr_vmemmap_pages, pageblock_nr_pages) &&
	       IS_ALIGNED(nr_vmemmap_pages, PMD_SIZE >> PAGE_SHIFT);
}

static u64 virtio_mhp_memmap_bytes(const struct virtio_mhp *vmhp)
{
	return (vmhp->blocks.mb_size >> PAGE_SHIFT) * sizeof(struct page);
}

static const char *virtio_mhp_memmap_obstacle(const struct virtio_mhp *vmhp)
{
	const char *misfit =
		virtio_mhp_memmap_misfit(vmhp->blocks.mb_size, PAGE_SIZE,
					 sizeof(struct page),
					 pageblock_nr_pages << PAGE_SHIFT,
					 PMD_SIZE);

	if (!IS_ENABLED(CONFIG_MHP_MEMMAP_ON_MEMORY))
		return "it is built without CONFIG_MHP_MEMMAP_ON_MEMORY";
	return misfit ?: virtio_mhp_kernel_memmap_obstacle();
}

/* Once for each device: the kernel's answer does not change while it runs. */
static void virtio_mhp_memmap_fall_back(struct virtio_mhp *vmhp,
					const char *why)
{
	vmhp->memmap_on_block = false;
	vmhp->memmap_told = false;
	if (vmhp->memmap == VIRTIO_MHP_MEMMAP_REQUIRE)
		virtio_mhp_err(vmhp,
			       "nothing will be plugged: memmap=require, but this kernel cannot put memmaps on their blocks: %s\n",
			       why);
	else
		virtio_mhp_warn(vmhp,
				"memmaps take boot memory: this kernel cannot put them on their blocks: %s\n",
				why);
}

/**
 * virtio_mhp_memmap_init() - find out where memmaps will be
 * @vmhp: the region, with blocks laid out
 *
 * Context: may sleep.
 * Return: 0, or -EINVAL after a message: the administrator wants nonsense.
 */
int virtio_mhp_memmap_init(struct virtio_mhp *vmhp)
{
	const char *obstacle;
	int rc = virtio_mhp_memmap_read_param(vmhp);

	if (rc || vmhp->memmap == VIRTIO_MHP_MEMMAP_NEVER)
		return rc;
	obstacle = virtio_mhp_memmap_obstacle(vmhp);
	vmhp->memmap_on_block = !obstacle;
	if (obstacle)
		virtio_mhp_memmap_fall_back(vmhp, obstacle);
	return 0;
}

/**
 * virtio_mhp_memmap_is_refused() - is nothing to be plugged for lack of memmaps
 *	on blocks
 * @vmhp: the device
 *
 * Context: any.
 * Return: true if nothing may be plugged.
 */
bool virtio_mhp_memmap_is_refused(const struct virtio_mhp *vmhp)
{
	return vmhp->memmap == VIRTIO_MHP_MEMMAP_REQUIRE &&
	       !READ_ONCE(vmhp->memmap_on_block);
}

/**
 * virtio_mhp_memmap_size() - bytes of memmap at the start of a memory block
 * @vmhp: the device
 *
 * Context: any.
 * Return: bytes, 0 if the memmap is not on the block.
 */
u32 virtio_mhp_memmap_size(const struct virtio_mhp *vmhp)
{
	if (!READ_ONCE(vmhp->memmap_on_block))
		return 0;
	return virtio_mhp_memmap_bytes(vmhp);
}

/**
 * virtio_mhp_memmap_on_block_size() - what memmaps take of the region
 * @vmhp: the device
 *
 * Context: any.
 * Return: bytes of memmap on blocks that are added.
 */
u64 virtio_mhp_memmap_on_block_size(const struct virtio_mhp *vmhp)
{
	unsigned int mb;
	u64 size = 0;

	for (mb = 0; mb < vmhp->blocks.nr_mbs; mb++)
		size += READ_ONCE(vmhp->mbs[mb].memmap_size);
	return size;
}

/**
 * virtio_mhp_memmap_check() - is the memmap of an added block where it should be
 * @vmhp: the device
 * @mb: an OFFLINE memory block
 * @dev: its device
 *
 * Notes where it is. A kernel that silently took an ordinary memmap is the
 * reason to fall back or to refuse, as the administrator wants.
 *
 * Context: worker.
 * Return: 0 if the block may be used, else -EOPNOTSUPP.
 */
int virtio_mhp_memmap_check(struct virtio_mhp *vmhp, unsigned int mb,
			    const struct device *dev)
{
	const unsigned long nr_vmemmap_pages = virtio_mhp_nr_vmemmap_pages(dev);
	const u64 pfn = PHYS_PFN(virtio_mhp_mb_addr(&vmhp->blocks, mb));

	/* Not when it was added: 6.12 tells only afterwards. */
	spin_lock(&vmhp->lock);
	vmhp->mbs[mb].memmap_size = nr_vmemmap_pages << PAGE_SHIFT;
	vmhp->mbs[mb].is_memmap_known = true;
	spin_unlock(&vmhp->lock);

	if (!nr_vmemmap_pages) {
		if (vmhp->memmap_on_block)
			virtio_mhp_memmap_fall_back(vmhp,
						    "it was to do so and did not");
		return virtio_mhp_memmap_is_refused(vmhp) ? -EOPNOTSUPP : 0;
	}
	if (!virtio_mhp_memmap_fills(nr_vmemmap_pages) ||
	    !IS_ALIGNED(pfn, pageblock_nr_pages) ||
	    !IS_ALIGNED(pfn, PMD_SIZE >> PAGE_SHIFT))
		return -EOPNOTSUPP;
	return 0;
}
