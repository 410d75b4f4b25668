// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own memory: has as much of it as its parameter says.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>

static LIST_HEAD(mhp_kernel_pages);
static unsigned long mhp_kernel_nr;

static bool mhp_kernel_gives_up;
module_param_named(gives_up, mhp_kernel_gives_up, bool, 0644);
MODULE_PARM_DESC(gives_up, "rather than have a process killed for it");

static void mhp_kernel_free_to(unsigned long nr)
{
	struct page *page;

	for (; mhp_kernel_nr > nr; mhp_kernel_nr--) {
		page = list_first_entry(&mhp_kernel_pages, struct page, lru);
		list_del(&page->lru);
		__free_page(page);
	}
}

static int mhp_kernel_take_to(unsigned long nr)
{
	const unsigned long before = mhp_kernel_nr;
	const gfp_t gfp = mhp_kernel_gives_up
				  ? GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN
				  : GFP_KERNEL;
	struct page *page;

	for (; mhp_kernel_nr < nr; mhp_kernel_nr++) {
		page = alloc_page(gfp);
		if (!page) {
			mhp_kernel_free_to(before);
			return -ENOMEM;
		}
		list_add(&page->lru, &mhp_kernel_pages);
	}
	return 0;
}

static int mhp_kernel_set(const char *value, const struct kernel_param *kp)
{
	unsigned long mib, nr;
	int rc = kstrtoul(value, 0, &mib);

	if (rc)
		return rc;
	nr = mib << (20 - PAGE_SHIFT);
	mhp_kernel_free_to(nr);
	return mhp_kernel_take_to(nr);
}

static const struct kernel_param_ops mhp_kernel_ops = {
	.set = mhp_kernel_set,
};
module_param_cb(mib, &mhp_kernel_ops, NULL, 0200);
MODULE_PARM_DESC(mib, "how much to have");

static int __init mhp_kernel_init(void)
{
	return 0;
}
module_init(mhp_kernel_init);

static void __exit mhp_kernel_exit(void)
{
	mhp_kernel_free_to(0);
}
module_exit(mhp_kernel_exit);

MODULE_AUTHOR("The mhp-vmemmap-mem developers");
MODULE_DESCRIPTION("Takes the kernel's own memory");
MODULE_LICENSE("GPL");
