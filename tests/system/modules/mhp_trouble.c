// SPDX-License-Identifier: GPL-2.0
/*
 * Trouble for the driver under test, made inside the guest's kernel: memory
 * notifiers that veto, calls into memory hotplug that fail, addresses, memory
 * blocks and pages that somebody else has taken, a slow hibernation. Each kind
 * is a parameter below /sys/module/mhp_trouble/parameters, written at run time.
 * It knows nothing of the driver, and makes no trouble until it is told to.
 */
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/ioport.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/suspend.h>

static int mhp_trouble_error = EBUSY;
module_param_named(error, mhp_trouble_error, int, 0644);
MODULE_PARM_DESC(error, "errno of what is made to fail");

/* How many more of each are made to fail */
static int mhp_trouble_online;
module_param_named(online, mhp_trouble_online, int, 0644);
MODULE_PARM_DESC(online, "onlining to veto");

static int mhp_trouble_offline;
module_param_named(offline, mhp_trouble_offline, int, 0644);
MODULE_PARM_DESC(offline, "offlining to veto");

static int mhp_trouble_add;
module_param_named(add, mhp_trouble_add, int, 0644);
MODULE_PARM_DESC(add, "calls of add_memory_driver_managed() to fail");

static int mhp_trouble_remove;
module_param_named(remove, mhp_trouble_remove, int, 0644);
MODULE_PARM_DESC(remove, "calls of offline_and_remove_memory() to fail");

static int mhp_trouble_take_out;
module_param_named(take_out, mhp_trouble_take_out, int, 0644);
MODULE_PARM_DESC(take_out, "removals to fail of what has been offlined");

static int mhp_trouble_group;
module_param_named(group, mhp_trouble_group, int, 0644);
MODULE_PARM_DESC(group, "calls of memory_group_register_dynamic() to fail");

static bool mhp_trouble_is_due(int *left)
{
	const int nr = READ_ONCE(*left);

	if (nr > 0)
		WRITE_ONCE(*left, nr - 1);
	return nr > 0;
}

/* A memory block that somebody else has added, and that is not plugged */
static u64 mhp_trouble_own;

static int mhp_trouble_notify(struct notifier_block *nb, unsigned long action,
			      void *data)
{
	const struct memory_notify *arg = data;

	/* Whatever the online policy is: nobody may touch it. */
	if (action == MEM_GOING_ONLINE &&
	    PFN_PHYS(arg->start_pfn) == READ_ONCE(mhp_trouble_own))
		return notifier_from_errno(-EPERM);
	if ((action == MEM_GOING_ONLINE &&
	     mhp_trouble_is_due(&mhp_trouble_online)) ||
	    (action == MEM_GOING_OFFLINE &&
	     mhp_trouble_is_due(&mhp_trouble_offline)))
		return notifier_from_errno(-READ_ONCE(mhp_trouble_error));
	return NOTIFY_OK;
}

static struct notifier_block mhp_trouble_nb = {
	.notifier_call = mhp_trouble_notify,
};

/* What is entered in place of a function that is to fail */
static noinline notrace int mhp_trouble_fail(void)
{
	return -READ_ONCE(mhp_trouble_error);
}

struct mhp_trouble_probe {
	struct kprobe kp;
	int *left;
};

static int mhp_trouble_call(struct kprobe *kp, struct pt_regs *regs)
{
	struct mhp_trouble_probe *probe =
		container_of(kp, struct mhp_trouble_probe, kp);

	if (!mhp_trouble_is_due(probe->left))
		return 0;
	instruction_pointer_set(regs, (unsigned long)mhp_trouble_fail);
	return 1;
}

/* Having one is what lets the other handler go elsewhere. */
static void mhp_trouble_called(struct kprobe *kp, struct pt_regs *regs,
			       unsigned long flags)
{
}

static struct mhp_trouble_probe mhp_trouble_probes[] = {
	{ { .symbol_name = "add_memory_driver_managed" }, &mhp_trouble_add },
	{ { .symbol_name = "offline_and_remove_memory" }, &mhp_trouble_remove },
	{ { .symbol_name = "try_remove_memory" }, &mhp_trouble_take_out },
	{ { .symbol_name = "memory_group_register_dynamic" },
	  &mhp_trouble_group },
};

/* Addresses of memory blocks that are in use by somebody else */
static struct resource *mhp_trouble_taken;

static uint mhp_trouble_take_blocks = 1;
module_param_named(take_blocks, mhp_trouble_take_blocks, uint, 0644);
MODULE_PARM_DESC(take_blocks, "how many memory blocks to reserve (default 1)");

static int mhp_trouble_take(const char *value, const struct kernel_param *kp)
{
	u64 addr;
	int rc = kstrtou64(value, 0, &addr);

	if (rc)
		return rc;
	if (mhp_trouble_taken) {
		release_resource(mhp_trouble_taken);
		kfree(mhp_trouble_taken);
		mhp_trouble_taken = NULL;
	}
	if (!addr)
		return 0;
	mhp_trouble_taken = __request_region(&iomem_resource, addr,
					     memory_block_size_bytes() *
						     mhp_trouble_take_blocks,
					     KBUILD_MODNAME, 0);
	return mhp_trouble_taken ? 0 : -EBUSY;
}

static const struct kernel_param_ops mhp_trouble_take_ops = {
	.set = mhp_trouble_take,
};
module_param_cb(take, &mhp_trouble_take_ops, NULL, 0200);
MODULE_PARM_DESC(take, "address of memory blocks to reserve; 0: none");

static int mhp_trouble_have(const char *value, const struct kernel_param *kp)
{
	const u64 size = memory_block_size_bytes();
	u64 addr;
	int rc = kstrtou64(value, 0, &addr);

	if (!rc && mhp_trouble_own)
		rc = offline_and_remove_memory(mhp_trouble_own, size);
	if (rc)
		return rc;
	WRITE_ONCE(mhp_trouble_own, addr);
	if (addr)
		rc = add_memory(memory_add_physaddr_to_nid(addr), addr, size,
				MHP_NONE);
	if (rc)
		WRITE_ONCE(mhp_trouble_own, 0);
	return rc;
}

static const struct kernel_param_ops mhp_trouble_have_ops = {
	.set = mhp_trouble_have,
};
module_param_cb(have, &mhp_trouble_have_ops, NULL, 0200);
MODULE_PARM_DESC(have, "address of a memory block to add; 0: none");

/* How long hibernation stays where all drivers know of it and nothing froze */
static bool mhp_trouble_linger;
module_param_named(linger, mhp_trouble_linger, bool, 0644);
MODULE_PARM_DESC(linger, "1: hibernation waits at its beginning; 0: goes on");

static bool mhp_trouble_lingers;
module_param_named(lingers, mhp_trouble_lingers, bool, 0444);
MODULE_PARM_DESC(lingers, "whether it does so now");

static int mhp_trouble_pm_notify(struct notifier_block *nb,
				 unsigned long action, void *data)
{
	if (action != PM_HIBERNATION_PREPARE)
		return NOTIFY_DONE;
	WRITE_ONCE(mhp_trouble_lingers, true);
	while (READ_ONCE(mhp_trouble_linger))
		msleep(20);
	WRITE_ONCE(mhp_trouble_lingers, false);
	return NOTIFY_OK;
}

static struct notifier_block mhp_trouble_pm_nb = {
	.notifier_call = mhp_trouble_pm_notify,
	/* After the driver under test */
	.priority = -1,
};

/* What went online and was kept, as the balloons of other hypervisors do */
#define MHP_TROUBLE_KEPT_MAX 512

static struct {
	struct page *page;
	unsigned int order;
} mhp_trouble_kept[MHP_TROUBLE_KEPT_MAX];

static unsigned int mhp_trouble_nr_kept;
static bool mhp_trouble_keeps;

static void mhp_trouble_keep_page(struct page *page, unsigned int order)
{
	if (mhp_trouble_nr_kept == MHP_TROUBLE_KEPT_MAX) {
		generic_online_page(page, order);
		return;
	}
	mhp_trouble_kept[mhp_trouble_nr_kept].page = page;
	mhp_trouble_kept[mhp_trouble_nr_kept++].order = order;
}

static void mhp_trouble_let_go(void)
{
	while (mhp_trouble_nr_kept) {
		mhp_trouble_nr_kept--;
		generic_online_page(mhp_trouble_kept[mhp_trouble_nr_kept].page,
				    mhp_trouble_kept[mhp_trouble_nr_kept].order);
	}
}

static int mhp_trouble_set_keep(bool keep)
{
	int rc;

	if (keep == mhp_trouble_keeps)
		return 0;
	if (keep)
		rc = set_online_page_callback(mhp_trouble_keep_page);
	else
		rc = restore_online_page_callback(mhp_trouble_keep_page);
	if (rc)
		return rc;
	mhp_trouble_keeps = keep;
	if (!keep)
		mhp_trouble_let_go();
	return 0;
}

static int mhp_trouble_keep(const char *value, const struct kernel_param *kp)
{
	bool keep;
	int rc = kstrtobool(value, &keep);

	return rc ?: mhp_trouble_set_keep(keep);
}

static const struct kernel_param_ops mhp_trouble_keep_ops = {
	.set = mhp_trouble_keep,
};
module_param_cb(keep, &mhp_trouble_keep_ops, NULL, 0200);
MODULE_PARM_DESC(keep, "1: keep all pages that go online; 0: let them go");

#ifdef CONFIG_FAULT_INJECTION
/*
 * Where an allocation must not fail, mostly because the kernel itself does not
 * survive it: fail-nth does not count what is allocated in these functions.
 */
static int mhp_trouble_enter(struct kretprobe_instance *ri,
			     struct pt_regs *regs)
{
	unsigned int *fail_nth = (unsigned int *)ri->data;

	*fail_nth = current->fail_nth;
	current->fail_nth = 0;
	return 0;
}

static int mhp_trouble_leave(struct kretprobe_instance *ri,
			     struct pt_regs *regs)
{
	current->fail_nth = *(unsigned int *)ri->data;
	return 0;
}

static struct kretprobe mhp_trouble_shields[] = {
	/*
	 * x86's direct map uses a page table without a look whether it got one
	 * (phys_pud_init() and the like).
	 */
	{ .kp.symbol_name = "alloc_low_pages" },
	/*
	 * Nobody remembers which of an interrupt's files in /proc could not be
	 * made, and remove_proc_entry() warns of each that is not there.
	 */
	{ .kp.symbol_name = "register_irq_proc" },
#ifdef CONFIG_KASAN
	/*
	 * The shadow of a block that goes online, 16 MiB page by page: that is
	 * no part of going online, and a notifier that vetoes is made above.
	 */
	{ .kp.symbol_name = "kasan_mem_notifier" },
#endif
};

static void mhp_trouble_lower_shields(unsigned int nr)
{
	while (nr--)
		unregister_kretprobe(&mhp_trouble_shields[nr]);
}

static int mhp_trouble_raise_shields(void)
{
	unsigned int i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(mhp_trouble_shields); i++) {
		struct kretprobe *shield = &mhp_trouble_shields[i];

		shield->entry_handler = mhp_trouble_enter;
		shield->handler = mhp_trouble_leave;
		shield->data_size = sizeof(unsigned int);
		rc = register_kretprobe(shield);
		if (rc) {
			mhp_trouble_lower_shields(i);
			return rc;
		}
	}
	return 0;
}

static void mhp_trouble_lower_all_shields(void)
{
	mhp_trouble_lower_shields(ARRAY_SIZE(mhp_trouble_shields));
}
#else
static int mhp_trouble_raise_shields(void)
{
	return 0;
}

static void mhp_trouble_lower_all_shields(void)
{
}
#endif

static void mhp_trouble_unregister(unsigned int nr_probes)
{
	while (nr_probes--)
		unregister_kprobe(&mhp_trouble_probes[nr_probes].kp);
	unregister_memory_notifier(&mhp_trouble_nb);
}

static int __init mhp_trouble_init(void)
{
	unsigned int i;
	int rc = register_memory_notifier(&mhp_trouble_nb);

	if (rc)
		return rc;
	for (i = 0; i < ARRAY_SIZE(mhp_trouble_probes); i++) {
		struct kprobe *kp = &mhp_trouble_probes[i].kp;

		kp->pre_handler = mhp_trouble_call;
		kp->post_handler = mhp_trouble_called;
		rc = register_kprobe(kp);
		if (rc) {
			mhp_trouble_unregister(i);
			return rc;
		}
	}
	rc = mhp_trouble_raise_shields();
	if (!rc)
		rc = register_pm_notifier(&mhp_trouble_pm_nb);
	if (rc)
		mhp_trouble_unregister(ARRAY_SIZE(mhp_trouble_probes));
	return rc;
}
module_init(mhp_trouble_init);

static void __exit mhp_trouble_exit(void)
{
	unregister_pm_notifier(&mhp_trouble_pm_nb);
	mhp_trouble_set_keep(false);
	mhp_trouble_lower_all_shields();
	mhp_trouble_unregister(ARRAY_SIZE(mhp_trouble_probes));
}
module_exit(mhp_trouble_exit);

MODULE_AUTHOR("The mhp-vmemmap-mem developers");
MODULE_DESCRIPTION("Trouble for the driver under test");
MODULE_LICENSE("GPL");
