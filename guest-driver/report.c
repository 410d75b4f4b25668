// SPDX-License-Identifier: GPL-2.0
/*
 * Free page reporting: the kernel's page reporting names free pages, which
 * nobody can allocate meanwhile, and the host gets their memory back.
 *
 * A kernel has one reporter, so there is one for all devices: each is told of
 * the pages in its region, and the first one of all the others. What a device
 * does not have it keeps, as it does whatever it may not discard.
 *
 * The one work item of page reporting waits for the device (DRV-REPORT-2), and
 * is the only user of a link's report. Nobody waits for the work item, but for
 * one end of that: the link is closed. So a device that never answers keeps its
 * report's pages, and nothing else.
 */
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/page_reporting.h>
#include <linux/scatterlist.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "link.h"
#include "virtio_mhp.h"

/* As many as the kernel names at a time if there are more to come */
#define VIRTIO_MHP_REPORT_FULL 32
/*
 * The kernel reports a sixteenth of what is free each two seconds. Much that
 * gets free at once is reported soon: for a while passes follow each other,
 * and then for as long they do not.
 */
#define VIRTIO_MHP_HURRY       (3 * HZ)
#define VIRTIO_MHP_HURRY_DELAY (HZ / 20)

static bool virtio_mhp_free_page_reporting = true;
module_param_named(free_page_reporting, virtio_mhp_free_page_reporting, bool,
		   0444);
MODULE_PARM_DESC(free_page_reporting,
		 "report free memory to the host (default: true)");

static int virtio_mhp_report_pages(struct page_reporting_dev_info *info,
				   struct scatterlist *sgl, unsigned int nents);

static struct page_reporting_dev_info virtio_mhp_reporter = {
	.report = virtio_mhp_report_pages,
};

/* Whether that is registered; held while it comes or goes */
static bool virtio_mhp_is_reporter;
static DEFINE_MUTEX(virtio_mhp_reporter_lock);

/* Of links that can be told of free pages, and the one that is just told */
static LIST_HEAD(virtio_mhp_report_links);
static struct virtio_mhp_link *virtio_mhp_told_link;
static DEFINE_SPINLOCK(virtio_mhp_report_links_lock);
/* Woken when that one is not told any more */
static DECLARE_WAIT_QUEUE_HEAD(virtio_mhp_report_told);

/* How soon the kernel's next pass begins, if there is much to be reported */
static void virtio_mhp_report_hurry(struct page_reporting_dev_info *info)
{
	static unsigned long end;

	if (time_after(jiffies, end + VIRTIO_MHP_HURRY))
		end = jiffies + VIRTIO_MHP_HURRY;
	if (time_before(jiffies, end))
		mod_delayed_work(system_wq, &info->work,
				 VIRTIO_MHP_HURRY_DELAY);
}

/* The first link if @prev is NULL, else the one behind it; NULL at the end */
static struct virtio_mhp_link *
virtio_mhp_report_next(struct virtio_mhp_link *prev, bool *is_first)
{
	struct virtio_mhp_link *link, *next = NULL;
	bool is_behind = !prev;

	spin_lock(&virtio_mhp_report_links_lock);
	list_for_each_entry(link, &virtio_mhp_report_links, report_links) {
		if (is_behind) {
			next = link;
			break;
		}
		is_behind = link == prev;
	}
	*is_first = next && list_is_first(&next->report_links,
					  &virtio_mhp_report_links);
	virtio_mhp_told_link = next;
	spin_unlock(&virtio_mhp_report_links_lock);
	wake_up_all(&virtio_mhp_report_told);
	return next;
}

static bool virtio_mhp_report_is_told(const struct virtio_mhp_link *link)
{
	bool is_told;

	spin_lock(&virtio_mhp_report_links_lock);
	is_told = virtio_mhp_told_link == link;
	spin_unlock(&virtio_mhp_report_links_lock);
	return is_told;
}

static bool virtio_mhp_report_has(const struct virtio_mhp_link *link, u64 addr)
{
	return addr - link->report_addr < link->report_region_size;
}

/* Is it in the region of any link? */
static bool virtio_mhp_report_is_plugged(u64 addr)
{
	struct virtio_mhp_link *link;
	bool has = false;

	spin_lock(&virtio_mhp_report_links_lock);
	list_for_each_entry(link, &virtio_mhp_report_links, report_links)
		has |= virtio_mhp_report_has(link, addr);
	spin_unlock(&virtio_mhp_report_links_lock);
	return has;
}

static unsigned int virtio_mhp_report_fill(struct virtio_mhp_link *link,
					   bool is_first,
					   struct scatterlist *sgl,
					   unsigned int nents)
{
	struct scatterlist *sg;
	unsigned int i, nr = 0;

	for_each_sg(sgl, sg, nents, i) {
		const u64 addr = page_to_phys(sg_page(sg));

		if (nr < VIRTIO_MHP_REPORT_MAX &&
		    (virtio_mhp_report_has(link, addr) ||
		     (is_first && !virtio_mhp_report_is_plugged(addr))))
			link->report[nr++] = (struct virtio_mhp_report){
				.addr = cpu_to_le64(addr),
				.size = cpu_to_le64(sg->length),
			};
	}
	return nr;
}

/* The device of a link that is closed, or broken, has it no more. */
static int virtio_mhp_report_submit(struct virtio_mhp_link *link,
				    unsigned int nr)
{
	struct scatterlist sg_report, sg_resp;
	struct scatterlist *sgs[] = { &sg_report, &sg_resp };
	int rc = -EIO;

	sg_init_one(&sg_report, link->report, nr * sizeof(*link->report));
	sg_init_one(&sg_resp, link->report_resp, sizeof(*link->report_resp));
	spin_lock_irq(&link->report_lock);
	if (link->is_reporting && !link->is_reported)
		rc = virtqueue_add_sgs(link->report_vq, sgs, 1, 1, link,
				       GFP_NOWAIT | __GFP_NOWARN);
	link->is_reported |= !rc;
	if (!rc)
		virtqueue_kick(link->report_vq);
	spin_unlock_irq(&link->report_lock);
	return rc;
}

/* Has the device returned it, or been reset? */
static bool virtio_mhp_report_is_back(struct virtio_mhp_link *link, int *rc)
{
	unsigned int len;
	bool is_back;

	spin_lock_irq(&link->report_lock);
	if (!link->is_reported) {
		*rc = -EIO;
	} else if (virtqueue_get_buf(link->report_vq, &len)) {
		link->is_reported = false;
		*rc = 0;
	}
	is_back = !link->is_reported;
	spin_unlock_irq(&link->report_lock);
	return is_back;
}

/* One that is broken changes nothing any more (DEV-REPORT-7). */
static bool virtio_mhp_report_is_lost(struct virtio_mhp_link *link)
{
	bool is_lost;

	spin_lock_irq(&link->report_lock);
	is_lost = link->is_reported && !virtio_mhp_link_can_answer(link);
	spin_unlock_irq(&link->report_lock);
	return is_lost;
}

static int virtio_mhp_report_wait(struct virtio_mhp_link *link)
{
	int rc = -EIO;

	while (!wait_event_idle_timeout(link->reported,
					virtio_mhp_report_is_back(link, &rc),
					HZ))
		if (virtio_mhp_report_is_lost(link))
			return -EIO;
	return rc;
}

static int virtio_mhp_report_tell(struct virtio_mhp_link *link, bool is_first,
				  struct scatterlist *sgl, unsigned int nents)
{
	const unsigned int nr =
		virtio_mhp_report_fill(link, is_first, sgl, nents);
	int rc;

	if (!nr)
		return 0;
	rc = virtio_mhp_report_submit(link, nr);
	return rc ?: virtio_mhp_report_wait(link);
}

static void virtio_mhp_report_set_told(struct virtio_mhp_link *link)
{
	spin_lock(&virtio_mhp_report_links_lock);
	virtio_mhp_told_link = link;
	spin_unlock(&virtio_mhp_report_links_lock);
	wake_up_all(&virtio_mhp_report_told);
}

/*
 * What the host does with the pages is its own matter. Those that no device
 * could be told of come once more.
 */
static int virtio_mhp_report_pages(struct page_reporting_dev_info *info,
				   struct scatterlist *sgl, unsigned int nents)
{
	struct virtio_mhp_link *link = NULL;
	bool is_first;
	int rc = 0;

	while (!rc && (link = virtio_mhp_report_next(link, &is_first)))
		rc = virtio_mhp_report_tell(link, is_first, sgl, nents);
	virtio_mhp_report_set_told(NULL);
	if (!rc && nents >= VIRTIO_MHP_REPORT_FULL)
		virtio_mhp_report_hurry(info);
	return rc;
}

/*
 * Poisoned pages are looked at before they are used: zeros would be taken for
 * damage. Pages that are zeroed when they are freed stay as they are.
 */
static bool virtio_mhp_report_is_wanted(const struct virtio_mhp_link *link)
{
	return virtio_has_feature(link->vdev, VIRTIO_MHP_F_REPORTING) &&
	       virtio_mhp_free_page_reporting &&
	       !page_poisoning_enabled_static();
}

static void virtio_mhp_report_register(const struct virtio_mhp_link *link)
{
	int rc;

	if (virtio_mhp_is_reporter)
		return;
	rc = page_reporting_register(&virtio_mhp_reporter);
	virtio_mhp_is_reporter = !rc;
	if (rc == -EBUSY)
		dev_info(&link->vdev->dev,
			 "free memory is reported by another driver, such as virtio_balloon\n");
	else if (rc)
		dev_warn(&link->vdev->dev, "free memory is not reported: %d\n",
			 rc);
}

/**
 * virtio_mhp_report_begin() - tell a device of free pages from now on
 * @link: its link, open and with a region
 *
 * Whenever the link is open, until virtio_mhp_report_leave().
 *
 * Context: may sleep.
 */
void virtio_mhp_report_begin(struct virtio_mhp_link *link)
{
	if (!virtio_mhp_report_is_wanted(link))
		return;
	link->report_addr = link->region->geo.addr;
	link->report_region_size = link->region->geo.region_size;
	mutex_lock(&virtio_mhp_reporter_lock);
	spin_lock(&virtio_mhp_report_links_lock);
	list_add_tail(&link->report_links, &virtio_mhp_report_links);
	spin_unlock(&virtio_mhp_report_links_lock);
	virtio_mhp_report_register(link);
	mutex_unlock(&virtio_mhp_reporter_lock);
}

/**
 * virtio_mhp_report_leave() - do not tell a device of free pages any more
 * @link: its link, which may have a report under way until it is closed
 *
 * Context: may sleep.
 */
void virtio_mhp_report_leave(struct virtio_mhp_link *link)
{
	spin_lock(&virtio_mhp_report_links_lock);
	list_del_init(&link->report_links);
	spin_unlock(&virtio_mhp_report_links_lock);
}

/**
 * virtio_mhp_report_end() - see that nobody uses a link for reports
 * @link: the link, which was left, and closed after that
 *
 * Waits for nothing but its own report, which has ended. With the last link,
 * others can be the kernel's reporter.
 *
 * Context: may sleep.
 */
void virtio_mhp_report_end(struct virtio_mhp_link *link)
{
	mutex_lock(&virtio_mhp_reporter_lock);
	wait_event(virtio_mhp_report_told, !virtio_mhp_report_is_told(link));
	if (virtio_mhp_is_reporter && list_empty(&virtio_mhp_report_links)) {
		page_reporting_unregister(&virtio_mhp_reporter);
		virtio_mhp_is_reporter = false;
	}
	mutex_unlock(&virtio_mhp_reporter_lock);
}
