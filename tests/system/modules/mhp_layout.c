// SPDX-License-Identifier: GPL-2.0
/*
 * What only the kernel can see of the layout of memory: how the memmap of a
 * memory block is mapped and where it is, what walkers of pages meet there,
 * which pageblocks offlining isolates, and with which sizes memory is added and
 * removed. Each is a parameter below /sys/module/mhp_layout/parameters. It
 * knows nothing of the driver, judges memory blocks that hold their memmap, and
 * changes nothing.
 */
#include <linux/kprobes.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/sched.h>

/* Pages of a memory block, and of them those that hold the memmap */
static unsigned long mhp_layout_nr_pages(void)
{
	return memory_block_size_bytes() >> PAGE_SHIFT;
}

static unsigned long mhp_layout_nr_memmap(void)
{
	return PHYS_PFN(mhp_layout_nr_pages() * sizeof(struct page));
}

static u64 mhp_layout_block;

struct mhp_layout_map {
	unsigned int nr_pmds;
	unsigned int nr_others;
	unsigned int nr_elsewhere;
};

/* One PMD's worth of the memmap of the block at @pfn */
static void mhp_layout_look(unsigned long pfn, unsigned long vaddr,
			    struct mhp_layout_map *map)
{
	unsigned int level;
	pte_t *entry = lookup_address(vaddr, &level);
	unsigned long to;

	if (!entry || level != PG_LEVEL_2M) {
		map->nr_others++;
		return;
	}
	map->nr_pmds++;
	to = pmd_pfn(*(pmd_t *)entry);
	if (to < pfn || to >= pfn + mhp_layout_nr_memmap())
		map->nr_elsewhere++;
}

static int mhp_layout_get_block(char *buffer, const struct kernel_param *kp)
{
	const unsigned long pfn = PHYS_PFN(mhp_layout_block);
	const unsigned long first = (unsigned long)pfn_to_page(pfn);
	const unsigned long end =
		(unsigned long)pfn_to_page(pfn + mhp_layout_nr_pages());
	struct mhp_layout_map map = {};
	unsigned long vaddr;

	if (!pfn_to_online_page(pfn))
		return -ENODEV;
	for (vaddr = first; vaddr < end; vaddr += PMD_SIZE)
		mhp_layout_look(pfn, vaddr, &map);
	return sysfs_emit(buffer, "%u %u %u %d\n", map.nr_pmds, map.nr_others,
			  map.nr_elsewhere, page_to_nid(pfn_to_page(pfn)));
}

static int mhp_layout_set_block(const char *value,
				const struct kernel_param *kp)
{
	return kstrtou64(value, 0, &mhp_layout_block);
}

static const struct kernel_param_ops mhp_layout_block_ops = {
	.set = mhp_layout_set_block,
	.get = mhp_layout_get_block,
};

/*
 * Read: how many PMDs and how many other entries map the memmap, how many of
 * the PMDs lead elsewhere than into the block, and its node
 */
module_param_cb(block, &mhp_layout_block_ops, NULL, 0600);
MODULE_PARM_DESC(block, "address of a memory block; read: how it is mapped");

static ulong mhp_layout_memmap_met;
module_param_named(memmap_met, mhp_layout_memmap_met, ulong, 0400);
MODULE_PARM_DESC(memmap_met, "memmap pages that walks have met");

static ulong mhp_layout_memmap_bad;
module_param_named(memmap_bad, mhp_layout_memmap_bad, ulong, 0400);
MODULE_PARM_DESC(memmap_bad, "of these, pages that looked free or movable");

static ulong mhp_layout_others_met;
module_param_named(others_met, mhp_layout_others_met, ulong, 0400);
MODULE_PARM_DESC(others_met, "other pages that walks have met");

/* What makes a walker pass by: held once, by nobody who could let it go */
static bool mhp_layout_is_left_alone(struct page *page)
{
	return PageVmemmapSelfHosted(page) && page_count(page) == 1 &&
	       !PageBuddy(page) && !PageLRU(page) && !PageCompound(page);
}

/* As compaction and page_owner go: page by page, each looked up anew */
static void mhp_layout_walk_block(unsigned long pfn)
{
	const unsigned long memmap_end = pfn + mhp_layout_nr_memmap();
	const unsigned long end = pfn + mhp_layout_nr_pages();
	struct page *page;

	for (; pfn < end; pfn++) {
		if (IS_ALIGNED(pfn, 512))
			cond_resched();
		page = pfn_to_online_page(pfn);
		if (!page)
			return;
		if (pfn >= memmap_end) {
			mhp_layout_others_met++;
			continue;
		}
		mhp_layout_memmap_met++;
		if (!mhp_layout_is_left_alone(page))
			mhp_layout_memmap_bad++;
	}
}

static int mhp_layout_walk(const char *value, const struct kernel_param *kp)
{
	const u64 size = memory_block_size_bytes();
	u64 addr, end;

	if (sscanf(value, "%llu %llu", &addr, &end) != 2)
		return -EINVAL;
	for (; addr + size <= end; addr += size)
		mhp_layout_walk_block(PHYS_PFN(addr));
	return 0;
}

static const struct kernel_param_ops mhp_layout_walk_ops = {
	.set = mhp_layout_walk,
};
module_param_cb(walk, &mhp_layout_walk_ops, NULL, 0200);
MODULE_PARM_DESC(walk, "start and end of the memory blocks to walk");

static ulong mhp_layout_isolated_memmaps;
module_param_named(isolated_memmaps, mhp_layout_isolated_memmaps, ulong, 0400);
MODULE_PARM_DESC(isolated_memmaps, "pageblocks of memmaps that were isolated");

static ulong mhp_layout_isolated_others;
module_param_named(isolated_others, mhp_layout_isolated_others, ulong, 0400);
MODULE_PARM_DESC(isolated_others, "other pageblocks that were isolated");

/* What the bits of a pageblock say: newer kernels have one just for this. */
static bool mhp_layout_says_isolated(unsigned long bits)
{
#ifdef PAGEBLOCK_ISO_MASK
	return bits & PAGEBLOCK_ISO_MASK;
#else
	return (bits & MIGRATETYPE_MASK) == MIGRATE_ISOLATE;
#endif
}

/* The kernel's own function for this is not exported. */
static bool mhp_layout_is_isolated(unsigned long pfn)
{
	const unsigned long *flags = section_to_usemap(__pfn_to_section(pfn));
	const unsigned long bit = (pfn & (PAGES_PER_SECTION - 1)) >>
				  pageblock_order
					  << order_base_2(NR_PAGEBLOCK_BITS);

	return mhp_layout_says_isolated(flags[bit / BITS_PER_LONG] >>
					(bit % BITS_PER_LONG));
}

/* Offlining starts behind the memmap, once all that it wants is isolated. */
static int mhp_layout_notify(struct notifier_block *nb, unsigned long action,
			     void *data)
{
	const struct memory_notify *arg = data;
	const unsigned long end = arg->start_pfn + arg->nr_pages;
	unsigned long pfn = ALIGN_DOWN(arg->start_pfn, mhp_layout_nr_pages());
	const unsigned long memmap_end = pfn + mhp_layout_nr_memmap();

	if (action != MEM_GOING_OFFLINE)
		return NOTIFY_DONE;
	for (; pfn < end; pfn += pageblock_nr_pages) {
		if (!mhp_layout_is_isolated(pfn))
			continue;
		if (pfn < memmap_end)
			mhp_layout_isolated_memmaps++;
		else
			mhp_layout_isolated_others++;
	}
	return NOTIFY_OK;
}

static struct notifier_block mhp_layout_nb = {
	.notifier_call = mhp_layout_notify,
};

static ulong mhp_layout_calls;
module_param_named(calls, mhp_layout_calls, ulong, 0400);
MODULE_PARM_DESC(calls, "calls that added or removed memory");

static ulong mhp_layout_other_sizes;
module_param_named(other_sizes, mhp_layout_other_sizes, ulong, 0400);
MODULE_PARM_DESC(other_sizes, "of these, calls not for one memory block");

static int mhp_layout_count_call(u64 addr, u64 size)
{
	mhp_layout_calls++;
	if (size != memory_block_size_bytes() || addr % size)
		mhp_layout_other_sizes++;
	return 0;
}

static int mhp_layout_add(struct kprobe *kp, struct pt_regs *regs)
{
	return mhp_layout_count_call(regs_get_kernel_argument(regs, 1),
				     regs_get_kernel_argument(regs, 2));
}

static int mhp_layout_remove(struct kprobe *kp, struct pt_regs *regs)
{
	return mhp_layout_count_call(regs_get_kernel_argument(regs, 0),
				     regs_get_kernel_argument(regs, 1));
}

static struct kprobe mhp_layout_probes[] = {
	{ .symbol_name = "add_memory_driver_managed",
	  .pre_handler = mhp_layout_add },
	{ .symbol_name = "offline_and_remove_memory",
	  .pre_handler = mhp_layout_remove },
};

static struct kprobe *mhp_layout_kps[] = {
	&mhp_layout_probes[0],
	&mhp_layout_probes[1],
};

static int __init mhp_layout_init(void)
{
	int rc = register_memory_notifier(&mhp_layout_nb);

	if (rc)
		return rc;
	rc = register_kprobes(mhp_layout_kps, ARRAY_SIZE(mhp_layout_kps));
	if (rc)
		unregister_memory_notifier(&mhp_layout_nb);
	return rc;
}
module_init(mhp_layout_init);

static void __exit mhp_layout_exit(void)
{
	unregister_kprobes(mhp_layout_kps, ARRAY_SIZE(mhp_layout_kps));
	unregister_memory_notifier(&mhp_layout_nb);
}
module_exit(mhp_layout_exit);

MODULE_AUTHOR("The mhp-vmemmap-mem developers");
MODULE_DESCRIPTION("What the kernel sees of the layout of memory");
MODULE_LICENSE("GPL");
