// SPDX-License-Identifier: GPL-2.0
/*
 * Vacating a unit within its NUMA node. Who offlines memory moves its pages to
 * other nodes if there are any, however much room their own one has. Who
 * allocates a range of pages moves what is there to where there is room, and
 * rather nearby. So all of a unit's pages are allocated, and then offlined:
 * they are freed again when that has isolated them (see zone.c).
 *
 * It takes longer than offlining alone, as pages may be moved to what is
 * allocated next, so this is for units that could not go otherwise.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/sched.h>

#include "census.h"
#include "compat.h"
#include "virtio_mhp.h"

/* Context: the block's pages held, see virtio_mhp_mb_hold_pages(). */
static int virtio_mhp_mb_claim_pages(struct virtio_mhp *vmhp, unsigned int mb)
{
	struct virtio_mhp_mb *const b = &vmhp->mbs[mb];
	const u64 addr = virtio_mhp_mb_addr(&vmhp->blocks, mb);
	const unsigned long end = PHYS_PFN(addr + vmhp->blocks.mb_size);
	unsigned long pfn = PHYS_PFN(addr + b->memmap_size), next;
	int rc = 0;

	virtio_mhp_remainder_give(vmhp, mb);
	b->claimed_pfn = pfn;
	for (; pfn < end && !rc; pfn = next) {
		next = min(ALIGN(pfn + 1, pageblock_nr_pages), end);
		rc = virtio_mhp_is_interrupted(vmhp)
			     ? -EAGAIN
			     : virtio_mhp_alloc_range(pfn, next);
		if (!rc)
			b->nr_claimed += next - pfn;
		cond_resched();
	}
	return rc;
}

static int virtio_mhp_mb_claim(struct virtio_mhp *vmhp, unsigned int mb)
{
	int rc = virtio_mhp_mb_hold_pages(vmhp, mb);

	/* What is not online has no pages that would have to move. */
	if (rc)
		return rc == -ENODEV ? 0 : rc;
	rc = virtio_mhp_mb_claim_pages(vmhp, mb);
	virtio_mhp_mb_release_pages(vmhp, mb);
	return rc;
}

/**
 * virtio_mhp_unit_claim() - allocate all pages of a unit
 * @vmhp: the device
 * @unit: a unit with no page in I/O, for which the kernel would wait
 *
 * Context: worker.
 * Return: 0 and the unit is to be offlined; -EAGAIN: interrupted; else negative
 *	errno. In any case virtio_mhp_unit_unclaim() is due afterwards.
 */
int virtio_mhp_unit_claim(struct virtio_mhp *vmhp, unsigned int unit)
{
	const unsigned int first =
		virtio_mhp_unit_first_mb(&vmhp->blocks, unit);
	const unsigned int nr_mbs = virtio_mhp_unit_nr_mbs(&vmhp->blocks);
	unsigned int i;
	int rc = 0;

	for (i = 0; i < nr_mbs && !rc; i++)
		rc = virtio_mhp_mb_claim(vmhp, first + i);
	return rc;
}

/**
 * virtio_mhp_unit_unclaim() - free what is still allocated of a unit
 * @vmhp: the device
 * @unit: the unit
 *
 * Whoever offlines a block meanwhile has done so himself.
 *
 * Context: worker.
 */
void virtio_mhp_unit_unclaim(struct virtio_mhp *vmhp, unsigned int unit)
{
	const unsigned int first =
		virtio_mhp_unit_first_mb(&vmhp->blocks, unit);
	const unsigned int nr_mbs = virtio_mhp_unit_nr_mbs(&vmhp->blocks);
	unsigned int mb;

	for (mb = first; mb < first + nr_mbs; mb++) {
		while (READ_ONCE(vmhp->mbs[mb].nr_claimed)) {
			/* Who has it locked offlines it, or lets go soon. */
			if (virtio_mhp_mb_hold_pages(vmhp, mb)) {
				schedule_timeout_uninterruptible(1);
				continue;
			}
			virtio_mhp_mb_unclaim(vmhp, mb);
			virtio_mhp_mb_release_pages(vmhp, mb);
		}
	}
}
