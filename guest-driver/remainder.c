// SPDX-License-Identifier: GPL-2.0
/*
 * Used memory stays together. Beside the memmap at its start a block has a run
 * of free pages that is smaller than those that the rest of it is made of, and
 * the buddy allocator breaks up the smallest runs first: a guest that uses
 * little would use some of every block, and none would be empty. So these runs,
 * the remainders, are kept from it until memory gets short.
 *
 * Their pages look like those in a balloon. They count as memory of the guest,
 * which they are as soon as it wants them, but not as free.
 */
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/vmstat.h>

#include "compat.h"
#include "virtio_mhp.h"

/* Free pages of ZONE_MOVABLE below which it is short of them, and above high */
#define VIRTIO_MHP_SHORT_PAGES ((16UL << 20) / PAGE_SIZE)

static bool virtio_mhp_keep = true;
module_param_named(keep_remainders, virtio_mhp_keep, bool, 0644);
MODULE_PARM_DESC(keep_remainders,
		 "keep what is beside memmaps for hard times (default Y)");

/*
 * The one block that is being onlined by any worker. Written while the kernel
 * does not call virtio_mhp_online_page(): setting and restoring the callback
 * wait for who is onlining.
 */
static DEFINE_MUTEX(virtio_mhp_onlining_lock);
static struct virtio_mhp *virtio_mhp_onlining;
static unsigned int virtio_mhp_onlining_mb;

static unsigned long virtio_mhp_remainder_pfn(const struct virtio_mhp *vmhp,
					      unsigned int mb)
{
	return PHYS_PFN(virtio_mhp_mb_addr(&vmhp->blocks, mb) +
			virtio_mhp_memmap_size(vmhp));
}

/* Context: the kernel's hotplug locks held. */
static void virtio_mhp_remainder_keep(struct virtio_mhp *vmhp, unsigned int mb,
				      struct page *page, unsigned int order)
{
	spin_lock(&vmhp->lock);
	virtio_mhp_pages_set_offline(page, order);
	adjust_managed_page_count(page, 1L << order);
	vmhp->mbs[mb].kept = page;
	vmhp->mbs[mb].kept_order = order;
	WRITE_ONCE(vmhp->nr_kept, vmhp->nr_kept + (1UL << order));
	spin_unlock(&vmhp->lock);
}

/* Context: the kernel's hotplug locks held. */
static void virtio_mhp_online_page(struct page *page, unsigned int order)
{
	struct virtio_mhp *vmhp = virtio_mhp_onlining;
	const unsigned int mb = virtio_mhp_onlining_mb;

	if (order < VIRTIO_MHP_MAX_ORDER &&
	    page_to_pfn(page) == virtio_mhp_remainder_pfn(vmhp, mb))
		virtio_mhp_remainder_keep(vmhp, mb, page, order);
	else
		generic_online_page(page, order);
}

/* Is it for want of memory that the guest grows? Then it gets all there is. */
static bool virtio_mhp_is_in_need(const struct virtio_mhp *vmhp)
{
	return si_mem_available() < (long)PHYS_PFN(vmhp->blocks.mb_size);
}

/**
 * virtio_mhp_remainder_begin() - have a block's remainder kept when it is
 *	onlined
 * @vmhp: the device
 * @mb: the memory block, not onlined yet
 *
 * The kernel has one hook for this, which virtio-mem cannot do without: it is
 * taken for one block at a time, and not where that driver is.
 *
 * Context: worker.
 * Return: true if it will be, and virtio_mhp_remainder_end() is due.
 */
bool virtio_mhp_remainder_begin(struct virtio_mhp *vmhp, unsigned int mb)
{
	if (!READ_ONCE(virtio_mhp_keep) || !vmhp->shrinker ||
	    !vmhp->memmap_on_block || virtio_mhp_is_in_need(vmhp) ||
	    virtio_mhp_module_is_there("virtio_mem"))
		return false;
	mutex_lock(&virtio_mhp_onlining_lock);
	virtio_mhp_onlining = vmhp;
	virtio_mhp_onlining_mb = mb;
	if (!set_online_page_callback(virtio_mhp_online_page))
		return true;
	mutex_unlock(&virtio_mhp_onlining_lock);
	return false;
}

/**
 * virtio_mhp_remainder_end() - undo virtio_mhp_remainder_begin()
 *
 * Context: worker.
 */
void virtio_mhp_remainder_end(void)
{
	restore_online_page_callback(virtio_mhp_online_page);
	mutex_unlock(&virtio_mhp_onlining_lock);
}

/**
 * virtio_mhp_remainder_give() - give a block's remainder to the kernel
 * @vmhp: the device
 * @mb: the memory block
 *
 * Who offlines a block has its free pages isolated already, and these with
 * them.
 *
 * Context: any.
 * Return: number of pages, 0 if it is not kept.
 */
unsigned long virtio_mhp_remainder_give(struct virtio_mhp *vmhp,
					unsigned int mb)
{
	unsigned long nr = 0;
	unsigned int order;
	struct page *page;

	/* What offlines a block comes here first: until then its pages stay. */
	spin_lock(&vmhp->lock);
	page = vmhp->mbs[mb].kept;
	if (page) {
		order = vmhp->mbs[mb].kept_order;
		nr = 1UL << order;
		vmhp->mbs[mb].kept = NULL;
		WRITE_ONCE(vmhp->nr_kept, vmhp->nr_kept - nr);
		adjust_managed_page_count(page, -(long)nr);
		virtio_mhp_pages_clear_offline(page, order);
		generic_online_page(page, order);
	}
	spin_unlock(&vmhp->lock);
	return nr;
}

/* The kernel's own memory may be short for another reason. */
static bool virtio_mhp_movable_is_short(const struct virtio_mhp *vmhp)
{
	struct zone *zone = &NODE_DATA(vmhp->geo.nid)->node_zones[ZONE_MOVABLE];

	return zone_page_state(zone, NR_FREE_PAGES) <
	       high_wmark_pages(zone) + VIRTIO_MHP_SHORT_PAGES;
}

static unsigned long virtio_mhp_count_kept(struct shrinker *shrinker,
					   struct shrink_control *sc)
{
	const struct virtio_mhp *vmhp = virtio_mhp_shrinker_data(shrinker);

	return virtio_mhp_movable_is_short(vmhp) ? READ_ONCE(vmhp->nr_kept) : 0;
}

static unsigned long virtio_mhp_scan_kept(struct shrinker *shrinker,
					  struct shrink_control *sc)
{
	struct virtio_mhp *vmhp = virtio_mhp_shrinker_data(shrinker);
	unsigned long done = 0;
	unsigned int mb;

	for (mb = 0; mb < vmhp->blocks.nr_mbs && done < sc->nr_to_scan; mb++)
		if (READ_ONCE(vmhp->mbs[mb].kept))
			done += virtio_mhp_remainder_give(vmhp, mb);
	return done ?: SHRINK_STOP;
}

/**
 * virtio_mhp_remainder_init() - be asked for remainders when memory is short
 * @vmhp: the device, with blocks laid out
 *
 * Without that none is kept.
 *
 * Context: may sleep.
 */
void virtio_mhp_remainder_init(struct virtio_mhp *vmhp)
{
	vmhp->shrinker = virtio_mhp_shrinker_new(KBUILD_MODNAME, vmhp,
						 virtio_mhp_count_kept,
						 virtio_mhp_scan_kept);
}

/**
 * virtio_mhp_remainder_deinit() - undo virtio_mhp_remainder_init()
 * @vmhp: the device, with nothing online
 *
 * Context: may sleep.
 */
void virtio_mhp_remainder_deinit(struct virtio_mhp *vmhp)
{
	virtio_mhp_shrinker_free(vmhp->shrinker);
}
