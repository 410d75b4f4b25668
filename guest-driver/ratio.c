// SPDX-License-Identifier: GPL-2.0
/*
 * How much kernel memory a request can come to need: memory in ZONE_MOVABLE is
 * used through page tables, and these have to be elsewhere. Works out figures
 * and warns; decides nothing, and nothing is refused because of them.
 *
 * Assumed is the worst that one user of each page can do: every page mapped
 * once, by itself and not as part of a huge page. What several processes map
 * with page tables of their own takes so many times as much.
 */
#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/pgtable.h>

#include "virtio_mhp.h"

/*
 * The share of kernel memory that page tables may come to take without a word:
 * one in so many bytes. The kernel itself, its caches and what keeps track of
 * files in the plugged memory have to do with the rest.
 */
#define VIRTIO_MHP_RATIO_SHARE 4

/* What the hosts of all devices request together: one kernel serves them. */
static atomic64_t virtio_mhp_ratio_total = ATOMIC64_INIT(0);

/**
 * virtio_mhp_page_tables_size() - page tables that memory can come to need
 * @size: bytes of memory
 *
 * A table of PTEs for each so many pages, and one of PMDs for each so many of
 * those: 1/512 and 1/512² of @size with pages of 4 KiB. Higher levels are a
 * few pages at most.
 *
 * Context: any.
 * Return: bytes.
 */
u64 virtio_mhp_page_tables_size(u64 size)
{
	const u64 nr_pages = DIV_ROUND_UP_ULL(size, PAGE_SIZE);
	const u64 nr_pte_tables = DIV_ROUND_UP_ULL(nr_pages, PTRS_PER_PTE);
	const u64 nr_pmd_tables = DIV_ROUND_UP_ULL(nr_pte_tables, PTRS_PER_PMD);

	return (nr_pte_tables + nr_pmd_tables) << PAGE_SHIFT;
}

static u64 virtio_mhp_node_kernel_pages(int nid)
{
	u64 nr_pages = 0;
	int zone;

	for (zone = 0; zone < ZONE_MOVABLE; zone++)
		nr_pages +=
			zone_managed_pages(&NODE_DATA(nid)->node_zones[zone]);
	return nr_pages;
}

/**
 * virtio_mhp_kernel_memory_size() - memory that can hold page tables
 *
 * Context: any.
 * Return: bytes that the page allocator has outside ZONE_MOVABLE.
 */
u64 virtio_mhp_kernel_memory_size(void)
{
	u64 nr_pages = 0;
	int nid;

	for_each_online_node(nid)
		nr_pages += virtio_mhp_node_kernel_pages(nid);
	return nr_pages << PAGE_SHIFT;
}

static u64 virtio_mhp_ratio_count(struct virtio_mhp *vmhp, u64 size)
{
	const u64 counted = vmhp->ratio_size;

	vmhp->ratio_size = size;
	return atomic64_add_return(size - counted, &virtio_mhp_ratio_total);
}

/**
 * virtio_mhp_ratio_check() - warn, once, of a request that goes far
 * @vmhp: the device, with requested_size up to date
 *
 * Context: worker.
 */
void virtio_mhp_ratio_check(struct virtio_mhp *vmhp)
{
	const u64 total =
		virtio_mhp_ratio_count(vmhp, virtio_mhp_limit_size(vmhp));
	const u64 tables = virtio_mhp_page_tables_size(total);
	const u64 memory = virtio_mhp_kernel_memory_size();

	if (vmhp->is_ratio_warned || tables <= memory / VIRTIO_MHP_RATIO_SHARE)
		return;
	vmhp->is_ratio_warned = true;
	virtio_mhp_warn(vmhp,
			"page tables for %llu MiB can take %llu MiB of the %llu MiB outside ZONE_MOVABLE: boot with more memory, or use huge pages\n",
			total >> 20, tables >> 20, memory >> 20);
}

/**
 * virtio_mhp_ratio_forget() - the device's request counts no longer
 * @vmhp: the device
 *
 * Context: worker.
 */
void virtio_mhp_ratio_forget(struct virtio_mhp *vmhp)
{
	virtio_mhp_ratio_count(vmhp, 0);
}
