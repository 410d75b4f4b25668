// SPDX-License-Identifier: GPL-2.0
/*
 * Removes a PCI device as ACPI does when a slot or a bridge is ejected, that is
 * with device_hotplug_lock held, and at the worst moment: once a task, named
 * by the beginning of its name, waits for that lock.
 */
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#define MHP_EJECT_SAMPLES   20
#define MHP_EJECT_SAMPLE_MS 20
#define MHP_EJECT_TRIES	    3000

static char *mhp_eject_device = "";
module_param_named(device, mhp_eject_device, charp, 0444);
MODULE_PARM_DESC(device, "the PCI device, as 0000:00:00.0");

static char *mhp_eject_task = "";
module_param_named(task, mhp_eject_task, charp, 0444);
MODULE_PARM_DESC(task, "how the name of the task begins");

static bool mhp_eject_held;
module_param_named(held, mhp_eject_held, bool, 0444);
MODULE_PARM_DESC(held, "device_hotplug_lock is held");

/* That has no arguments and returns nothing */
struct mhp_eject_function {
	void (*call)(void);
};

/* Neither of them is exported. */
static struct mhp_eject_function mhp_eject_find(const char *name)
{
	struct kprobe kp = { .symbol_name = name };
	struct mhp_eject_function function = {};

	if (!register_kprobe(&kp)) {
		function.call = (void *)kp.addr;
		unregister_kprobe(&kp);
	}
	return function;
}

static bool mhp_eject_is_blocked(const struct task_struct *task)
{
	return !strncmp(task->comm, mhp_eject_task, strlen(mhp_eject_task)) &&
	       READ_ONCE(task->__state) == TASK_UNINTERRUPTIBLE;
}

/* How often it has slept while it sleeps, and no signal wakes it; else 0 */
static unsigned long mhp_eject_task_sleeps(void)
{
	struct task_struct *task = &init_task;
	unsigned long nr = 0;

	rcu_read_lock();
	do {
		if (mhp_eject_is_blocked(task))
			nr = task->nvcsw + 1;
		task = next_task(task);
	} while (task != &init_task);
	rcu_read_unlock();
	return nr;
}

static int mhp_eject_wait(void)
{
	unsigned long now, before = 0;
	unsigned int nr = 0, i;

	for (i = 0; i < MHP_EJECT_TRIES && nr < MHP_EJECT_SAMPLES; i++) {
		now = mhp_eject_task_sleeps();
		nr = now && now == before ? nr + 1 : 0;
		before = now;
		msleep(MHP_EJECT_SAMPLE_MS);
	}
	return nr == MHP_EJECT_SAMPLES ? 0 : -ETIME;
}

static struct pci_dev *mhp_eject_get_device(void)
{
	struct pci_dev *pdev = NULL;

	do {
		pdev = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, pdev);
	} while (pdev && strcmp(pci_name(pdev), mhp_eject_device));
	return pdev;
}

static int __init mhp_eject_init(void)
{
	struct mhp_eject_function lock = mhp_eject_find("lock_device_hotplug");
	struct mhp_eject_function unlock =
		mhp_eject_find("unlock_device_hotplug");
	struct pci_dev *pdev = mhp_eject_get_device();
	int rc = -ENOENT;

	if (lock.call && unlock.call && pdev) {
		lock.call();
		WRITE_ONCE(mhp_eject_held, true);
		rc = mhp_eject_wait();
		if (!rc)
			pci_stop_and_remove_bus_device_locked(pdev);
		unlock.call();
	}
	pci_dev_put(pdev);
	return rc;
}
module_init(mhp_eject_init);

static void __exit mhp_eject_exit(void)
{
}
module_exit(mhp_eject_exit);

MODULE_AUTHOR("The mhp-vmemmap-mem developers");
MODULE_DESCRIPTION("Ejects a PCI device while a task is in memory hotplug");
MODULE_LICENSE("GPL");
