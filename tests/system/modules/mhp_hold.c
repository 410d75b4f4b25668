// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel memory in a range of addresses: takes movable pages until one lies in
 * the range, keeps that one and gives the others back. What it keeps cannot
 * move, as with any module that uses the wrong flags. The pages go when the
 * module does.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>

static ulong mhp_hold_addr;
module_param_named(addr, mhp_hold_addr, ulong, 0444);
MODULE_PARM_DESC(addr, "start of the range");

static ulong mhp_hold_size;
module_param_named(size, mhp_hold_size, ulong, 0444);
MODULE_PARM_DESC(size, "size of the range");

static bool mhp_hold_reserved;
module_param_named(reserved, mhp_hold_reserved, bool, 0444);
MODULE_PARM_DESC(reserved, "mark the page as reserved, too");

static struct page *mhp_hold_page;

static bool mhp_hold_is_wanted(struct page *page)
{
	const unsigned long addr = PFN_PHYS(page_to_pfn(page));

	return addr >= mhp_hold_addr && addr - mhp_hold_addr < mhp_hold_size;
}

static int __init mhp_hold_init(void)
{
	const gfp_t gfp = GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOWARN;
	struct page *page;
	LIST_HEAD(others);

	while (!mhp_hold_page) {
		page = alloc_page(gfp);
		if (!page)
			break;
		if (mhp_hold_is_wanted(page))
			mhp_hold_page = page;
		else
			list_add(&page->lru, &others);
	}
	while (!list_empty(&others)) {
		page = list_first_entry(&others, struct page, lru);
		list_del(&page->lru);
		__free_page(page);
	}
	if (!mhp_hold_page)
		return -ENOMEM;
	if (mhp_hold_reserved)
		SetPageReserved(mhp_hold_page);
	return 0;
}
module_init(mhp_hold_init);

static void __exit mhp_hold_exit(void)
{
	ClearPageReserved(mhp_hold_page);
	__free_page(mhp_hold_page);
}
module_exit(mhp_hold_exit);

MODULE_AUTHOR("The mhp-vmemmap-mem developers");
MODULE_DESCRIPTION("Kernel memory where none should be");
MODULE_LICENSE("GPL");
