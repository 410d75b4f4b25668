// SPDX-License-Identifier: GPL-2.0
/*
 * What a page of a block is used for, as far as that decides whether it can go.
 * Nothing is held that would keep a page from being freed, split or merged
 * under our eyes, so an answer may be stale at once.
 */
#include <linux/buffer_head.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "census.h"
#include "compat.h"
#include "virtio_mhp.h"

/**
 * virtio_mhp_page_free_run() - how many free pages begin with this one
 * @page: a page of an ONLINE block
 *
 * Context: any.
 * Return: their number, 0 if this one is not free.
 */
unsigned long virtio_mhp_page_free_run(struct page *page)
{
	unsigned long order;

	if (!PageBuddy(page))
		return 0;
	order = READ_ONCE(page_private(page));
	return order <= VIRTIO_MHP_MAX_ORDER ? 1UL << order : 1;
}

/**
 * virtio_mhp_page_is_kernels() - can only the kernel have allocated this page
 * @page: a page of an ONLINE block that is not free
 *
 * Context: any.
 * Return: true if it is neither on the way to or from the LRU lists, nor
 *	movable in another way.
 */
bool virtio_mhp_page_is_kernels(struct page *page)
{
	struct folio *folio = page_folio(page);

	/* Slabs and page tables use the field that says where others belong. */
	if (PageReserved(page) || folio_test_slab(folio) ||
	    PageTable(&folio->page))
		return true;
	return page_count(page) && !folio_test_lru(folio) &&
	       !READ_ONCE(folio->mapping) &&
	       !virtio_mhp_page_has_movable_ops(page);
}

/**
 * virtio_mhp_page_is_pinned() - does somebody else hold this page
 * @page: a page of an ONLINE block that is not free
 *
 * Context: any.
 * Return: true if it is in use by more than what maps it and caches it. Of
 *	large folios only the pins are known.
 */
bool virtio_mhp_page_is_pinned(struct page *page)
{
	int expected = atomic_read(&page->_mapcount) + 1;

	if (PageCompound(page))
		return folio_maybe_dma_pinned(page_folio(page));
	if (!PageLRU(page))
		return false;
	if (PageAnon(page))
		expected += folio_test_swapcache(page_folio(page));
	else
		expected += 1 + !!PagePrivate(page);
	return page_count(page) > expected;
}

static bool virtio_mhp_has_locked_buffer(struct folio *folio)
{
	struct buffer_head *const head = folio_buffers(folio);
	struct buffer_head *buffer = head;

	if (!head || !folio->mapping || !S_ISBLK(folio->mapping->host->i_mode))
		return false;
	do {
		if (buffer_locked(buffer))
			return true;
		buffer = buffer->b_this_page;
	} while (buffer != head);
	return false;
}

/*
 * What file systems keep of themselves is read and written by its buffers, of
 * which the folio knows nothing. Its lock keeps them where they are.
 */
static bool virtio_mhp_folio_has_io(struct folio *folio)
{
	bool has_io = true;

	if (!folio_test_lru(folio) || folio_test_swapbacked(folio) ||
	    !folio_test_private(folio) || !folio_try_get(folio))
		return false;
	if (folio_trylock(folio)) {
		has_io = virtio_mhp_has_locked_buffer(folio);
		folio_unlock(folio);
	}
	folio_put(folio);
	return has_io;
}

/**
 * virtio_mhp_page_is_in_io() - is this page being read or written
 * @page: a page of an ONLINE block that is not free
 *
 * Whoever migrates it would wait until that is done, and not see a signal.
 *
 * Context: may sleep.
 * Return: true if it is, or is locked for whatever other reason.
 */
bool virtio_mhp_page_is_in_io(struct page *page)
{
	struct folio *folio = page_folio(page);

	return folio_test_writeback(folio) || folio_test_locked(folio) ||
	       virtio_mhp_folio_has_io(folio);
}

/**
 * virtio_mhp_page_is_dirty() - may this page be written at any time
 * @page: a page of an ONLINE block that is not free
 *
 * Context: any.
 * Return: true if it caches a file and is newer than that.
 */
bool virtio_mhp_page_is_dirty(struct page *page)
{
	struct folio *folio = page_folio(page);

	return folio_test_dirty(folio) && folio_test_lru(folio) &&
	       !folio_test_swapbacked(folio);
}

/**
 * virtio_mhp_mb_hold_pages() - keep the struct pages of a block readable
 * @vmhp: the device
 * @mb: the memory block
 *
 * What is offline has no valid struct pages. Going offline takes the lock of
 * the block's device, and can take as long as a page is stuck: never wait for
 * that.
 *
 * Context: worker.
 * Return: 0 and virtio_mhp_mb_release_pages() is due; -ENODEV: the block is not
 *	ONLINE; -EBUSY: somebody is onlining or offlining it.
 */
int virtio_mhp_mb_hold_pages(struct virtio_mhp *vmhp, unsigned int mb)
{
	struct device *dev = virtio_mhp_mb_get_device(vmhp, mb);
	int rc = -EBUSY;

	if (!dev)
		return -ENODEV;
	if (device_trylock(dev)) {
		if (virtio_mhp_mb_get_state(vmhp, mb) == VIRTIO_MHP_MB_ONLINE)
			return 0;
		device_unlock(dev);
		rc = -ENODEV;
	}
	put_device(dev);
	return rc;
}

/**
 * virtio_mhp_mb_release_pages() - undo virtio_mhp_mb_hold_pages()
 * @vmhp: the device
 * @mb: the memory block
 *
 * Context: worker, which alone removes blocks: the device is the same.
 */
void virtio_mhp_mb_release_pages(struct virtio_mhp *vmhp, unsigned int mb)
{
	struct device *dev = vmhp->mbs[mb].dev;

	device_unlock(dev);
	put_device(dev);
}

/**
 * virtio_mhp_pfn_is_stuck() - is a page still what kept a unit from going
 * @vmhp: the device
 * @pfn: a page of a block that was ONLINE
 *
 * Context: worker.
 * Return: true if it is, or if that cannot be told now.
 */
bool virtio_mhp_pfn_is_stuck(struct virtio_mhp *vmhp, unsigned long pfn)
{
	const unsigned int mb = virtio_mhp_mb_at(&vmhp->blocks, PFN_PHYS(pfn));
	struct page *page = pfn_to_page(pfn);
	bool is_stuck;

	if (virtio_mhp_mb_hold_pages(vmhp, mb))
		return true;
	is_stuck = !PageBuddy(page) && (virtio_mhp_page_is_kernels(page) ||
					virtio_mhp_page_is_pinned(page) ||
					virtio_mhp_page_is_in_io(page));
	virtio_mhp_mb_release_pages(vmhp, mb);
	return is_stuck;
}

/* The first page from *@pfn on that is in I/O, if any, goes to *@pfn */
static int virtio_mhp_mb_find_io(struct virtio_mhp *vmhp, unsigned int mb,
				 unsigned long *pfn)
{
	const u64 end = virtio_mhp_mb_addr(&vmhp->blocks, mb + 1);
	int rc = virtio_mhp_mb_hold_pages(vmhp, mb);
	unsigned long nr;

	if (rc)
		return rc == -ENODEV ? 0 : rc;
	while (!rc && *pfn < PHYS_PFN(end)) {
		nr = virtio_mhp_page_free_run(pfn_to_page(*pfn));
		if (!nr && virtio_mhp_page_is_in_io(pfn_to_page(*pfn)))
			rc = -EINPROGRESS;
		else
			*pfn += nr ?: 1;
	}
	virtio_mhp_mb_release_pages(vmhp, mb);
	return rc;
}

/**
 * virtio_mhp_mb_wait_for_io() - wait until the pages of a block are not in I/O
 * @vmhp: the device
 * @mb: the memory block
 *
 * Storage that answers does so for each page within the deadline, and then will
 * for those that come into I/O meanwhile: these are not waited for.
 *
 * Context: worker; a signal ends it.
 * Return: 0; -EINPROGRESS: it is storage that takes so long; -EINTR: it is
 *	somebody who is onlining or offlining the block.
 */
int virtio_mhp_mb_wait_for_io(struct virtio_mhp *vmhp, unsigned int mb)
{
	const u64 addr = virtio_mhp_mb_addr(&vmhp->blocks, mb);
	unsigned long pfn = PHYS_PFN(addr + vmhp->mbs[mb].memmap_size);
	int rc = virtio_mhp_mb_find_io(vmhp, mb, &pfn);

	while (rc && !signal_pending(current)) {
		schedule_timeout_interruptible(1);
		rc = virtio_mhp_mb_find_io(vmhp, mb, &pfn);
	}
	return rc == -EBUSY ? -EINTR : rc;
}
