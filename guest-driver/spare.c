// SPDX-License-Identifier: GPL-2.0
/*
 * Boot memory for the page tables of what a guest grows by on pressure. Who
 * fills ZONE_MOVABLE has filled boot memory before, so just then there may be
 * none for them: some is kept back, and given before a process is killed for
 * the lack of it. In large pieces: single pages would go to who waits with
 * less to lose.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include "virtio_mhp.h"

/* 1 MiB: page tables for 512 MiB, in pages of 4 KiB */
#define VIRTIO_MHP_SPARE_ORDER	   8
/* At most this share of all memory is kept back */
#define VIRTIO_MHP_SPARE_SHARE_MAX 64

static unsigned long virtio_mhp_spare_wanted(const struct virtio_mhp *vmhp)
{
	const u64 size = virtio_mhp_page_tables_size(vmhp->pressure_size);
	const unsigned long max = totalram_pages() / VIRTIO_MHP_SPARE_SHARE_MAX;

	return min(DIV_ROUND_UP_ULL(size, PAGE_SIZE << VIRTIO_MHP_SPARE_ORDER),
		   (u64)max >> VIRTIO_MHP_SPARE_ORDER);
}

/**
 * virtio_mhp_spare_give() - give one piece back to the kernel
 * @vmhp: the device
 *
 * Context: any that may free pages.
 * Return: number of pages, 0 if none is kept back.
 */
unsigned long virtio_mhp_spare_give(struct virtio_mhp *vmhp)
{
	struct page *page;

	spin_lock(&vmhp->lock);
	page = list_first_entry_or_null(&vmhp->spare, struct page, lru);
	if (page) {
		list_del(&page->lru);
		WRITE_ONCE(vmhp->nr_spare, vmhp->nr_spare - 1);
	}
	spin_unlock(&vmhp->lock);
	if (!page)
		return 0;
	__free_pages(page, VIRTIO_MHP_SPARE_ORDER);
	return 1UL << VIRTIO_MHP_SPARE_ORDER;
}

static bool virtio_mhp_spare_take(struct virtio_mhp *vmhp)
{
	struct page *page =
		alloc_pages(GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC,
			    VIRTIO_MHP_SPARE_ORDER);

	if (!page)
		return false;
	spin_lock(&vmhp->lock);
	list_add(&page->lru, &vmhp->spare);
	WRITE_ONCE(vmhp->nr_spare, vmhp->nr_spare + 1);
	spin_unlock(&vmhp->lock);
	return true;
}

/**
 * virtio_mhp_spare_adjust() - keep back as much as the host's limit may need
 * @vmhp: the device
 * @may_take: memory is not short
 *
 * Context: worker.
 */
void virtio_mhp_spare_adjust(struct virtio_mhp *vmhp, bool may_take)
{
	const unsigned long wanted = virtio_mhp_spare_wanted(vmhp);

	while (READ_ONCE(vmhp->nr_spare) > wanted)
		virtio_mhp_spare_give(vmhp);
	while (may_take && READ_ONCE(vmhp->nr_spare) < wanted)
		if (!virtio_mhp_spare_take(vmhp))
			return;
}

/**
 * virtio_mhp_spare_size() - what is kept back
 * @vmhp: the device
 *
 * Context: any.
 * Return: bytes.
 */
u64 virtio_mhp_spare_size(const struct virtio_mhp *vmhp)
{
	return (u64)READ_ONCE(vmhp->nr_spare)
	       << (PAGE_SHIFT + VIRTIO_MHP_SPARE_ORDER);
}

/**
 * virtio_mhp_spare_deinit() - give all of it back
 * @vmhp: the device
 *
 * Context: any, without a worker.
 */
void virtio_mhp_spare_deinit(struct virtio_mhp *vmhp)
{
	while (virtio_mhp_spare_give(vmhp))
		;
}
