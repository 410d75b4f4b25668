// SPDX-License-Identifier: GPL-2.0
/*
 * Figures of the guest's memory, for the host: one buffer in a queue of its
 * own, filled when the host asks (DRV-STATS-2). That is a work item's business,
 * which waits for nobody, so that they also come while the worker vacates a
 * block. What the kernel does not count, or does not give away, is left out
 * (DRV-STATS-3).
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/scatterlist.h>
#include <linux/string.h>
#include <linux/virtio.h>
#include <linux/vmstat.h>

#include "compat.h"
#include "link.h"
#include "virtio_mhp.h"

/* The pressure of all, by the only file of it that the kernel can read, too */
#define VIRTIO_MHP_PSI_PATH "/sys/fs/cgroup/memory.pressure"
/* Two lines, each with the longest numbers that there can be */
#define VIRTIO_MHP_PSI_SIZE 192

static void virtio_mhp_stats_add(struct virtio_mhp_link *link, u16 tag,
				 u64 value)
{
	link->stats[link->nr_stats++] = (struct virtio_mhp_stat){
		.tag = cpu_to_le16(tag),
		.value = cpu_to_le64(value),
	};
}

static void virtio_mhp_stats_add_pages(struct virtio_mhp_link *link, u16 tag,
				       u64 nr_pages)
{
	virtio_mhp_stats_add(link, tag, nr_pages << PAGE_SHIFT);
}

#ifdef CONFIG_VM_EVENT_COUNTERS
static void virtio_mhp_stats_add_events(struct virtio_mhp_link *link)
{
	static const struct {
		u16 tag;
		int item;
	} reclaim[] = {
		{ VIRTIO_MHP_STAT_ASYNC_SCAN, PGSCAN_KSWAPD },
		{ VIRTIO_MHP_STAT_DIRECT_SCAN, PGSCAN_DIRECT },
		{ VIRTIO_MHP_STAT_ASYNC_RECLAIM, PGSTEAL_KSWAPD },
		{ VIRTIO_MHP_STAT_DIRECT_RECLAIM, PGSTEAL_DIRECT },
	};
	unsigned long events[NR_VM_EVENT_ITEMS];
	unsigned long nr_stalls = 0, nr;
	unsigned int i;
	int zone;

	all_vm_events(events);
	for (zone = 0; zone < MAX_NR_ZONES; zone++)
		nr_stalls += events[ALLOCSTALL_NORMAL - ZONE_NORMAL + zone];
	virtio_mhp_stats_add_pages(link, VIRTIO_MHP_STAT_SWAP_IN,
				   events[PSWPIN]);
	virtio_mhp_stats_add_pages(link, VIRTIO_MHP_STAT_SWAP_OUT,
				   events[PSWPOUT]);
	virtio_mhp_stats_add(link, VIRTIO_MHP_STAT_MAJFLT, events[PGMAJFAULT]);
	virtio_mhp_stats_add(link, VIRTIO_MHP_STAT_MINFLT, events[PGFAULT]);
	virtio_mhp_stats_add(link, VIRTIO_MHP_STAT_OOM_KILL, events[OOM_KILL]);
	virtio_mhp_stats_add(link, VIRTIO_MHP_STAT_ALLOC_STALL, nr_stalls);
	for (i = 0; i < ARRAY_SIZE(reclaim); i++) {
		nr = virtio_mhp_reclaim_figure(events, reclaim[i].item);
		virtio_mhp_stats_add_pages(link, reclaim[i].tag, nr);
	}
#ifdef CONFIG_HUGETLB_PAGE
	virtio_mhp_stats_add(link, VIRTIO_MHP_STAT_HTLB_PGALLOC,
			     events[HTLB_BUDDY_PGALLOC]);
	virtio_mhp_stats_add(link, VIRTIO_MHP_STAT_HTLB_PGFAIL,
			     events[HTLB_BUDDY_PGALLOC_FAIL]);
#endif
}
#else
static void virtio_mhp_stats_add_events(struct virtio_mhp_link *link)
{
}
#endif

static void virtio_mhp_stats_add_memory(struct virtio_mhp_link *link)
{
	static const struct {
		u16 tag;
		enum node_stat_item item;
	} nodes[] = {
		{ VIRTIO_MHP_STAT_CACHES, NR_FILE_PAGES },
		{ VIRTIO_MHP_STAT_REFAULT_ANON, WORKINGSET_REFAULT_ANON },
		{ VIRTIO_MHP_STAT_REFAULT_FILE, WORKINGSET_REFAULT_FILE },
	};
	struct sysinfo info;
	unsigned long nr;
	unsigned int i;

	si_meminfo(&info);
	virtio_mhp_stats_add_pages(link, VIRTIO_MHP_STAT_MEMFREE, info.freeram);
	virtio_mhp_stats_add_pages(link, VIRTIO_MHP_STAT_MEMTOT, info.totalram);
	virtio_mhp_stats_add_pages(link, VIRTIO_MHP_STAT_AVAIL,
				   max(si_mem_available(), 0L));
	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		nr = global_node_page_state(nodes[i].item);
		virtio_mhp_stats_add_pages(link, nodes[i].tag, nr);
	}
}

static void virtio_mhp_stats_add_zones(struct virtio_mhp_link *link)
{
	u64 nr_free[] = { 0, 0 }, nr_pages[] = { 0, 0 };
	int nid, i;

	for_each_online_node(nid) {
		for (i = 0; i <= ZONE_MOVABLE; i++) {
			struct zone *zone = &NODE_DATA(nid)->node_zones[i];

			nr_free[i == ZONE_MOVABLE] +=
				zone_page_state(zone, NR_FREE_PAGES);
			nr_pages[i == ZONE_MOVABLE] += zone_managed_pages(zone);
		}
	}
	virtio_mhp_stats_add_pages(link, VIRTIO_MHP_STAT_KERNEL_FREE,
				   nr_free[0]);
	virtio_mhp_stats_add_pages(link, VIRTIO_MHP_STAT_KERNEL_TOTAL,
				   nr_pages[0]);
	virtio_mhp_stats_add_pages(link, VIRTIO_MHP_STAT_MOVABLE_FREE,
				   nr_free[1]);
	virtio_mhp_stats_add_pages(link, VIRTIO_MHP_STAT_MOVABLE_TOTAL,
				   nr_pages[1]);
}

static u64 virtio_mhp_stuck_size(const struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	unsigned int unit;
	u64 nr = 0;

	for (unit = 0; unit < blocks->nr_units; unit++)
		nr += READ_ONCE(vmhp->units[unit].reason) !=
		      VIRTIO_MHP_REASON_NONE;
	return nr * blocks->unit_size;
}

static void virtio_mhp_stats_add_region(struct virtio_mhp_link *link)
{
	const struct virtio_mhp *vmhp = link->region;
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	const u64 nr_online = READ_ONCE(blocks->count[VIRTIO_MHP_MB_ONLINE]);

	virtio_mhp_stats_add(link, VIRTIO_MHP_STAT_MEMMAP,
			     virtio_mhp_memmap_on_block_size(vmhp));
	virtio_mhp_stats_add(link, VIRTIO_MHP_STAT_PLUGGED,
			     READ_ONCE(vmhp->plugged_size));
	virtio_mhp_stats_add(link, VIRTIO_MHP_STAT_ONLINE,
			     nr_online * blocks->mb_size);
	virtio_mhp_stats_add(link, VIRTIO_MHP_STAT_STUCK,
			     virtio_mhp_stuck_size(vmhp));
	virtio_mhp_stats_add(link, VIRTIO_MHP_STAT_PRESSURE,
			     virtio_mhp_on_pressure_size(vmhp));
}

/* Whatever else is mounted there could take its time, or be anything. */
static ssize_t virtio_mhp_psi_read(char *text)
{
	struct file *file = virtio_mhp_open_for_kernel(VIRTIO_MHP_PSI_PATH);
	ssize_t size = -EOPNOTSUPP;
	loff_t pos = 0;

	if (IS_ERR(file))
		return PTR_ERR(file);
	if (file_inode(file)->i_sb->s_magic == CGROUP2_SUPER_MAGIC)
		size = kernel_read(file, text, VIRTIO_MHP_PSI_SIZE - 1, &pos);
	filp_close(file, NULL);
	return size;
}

/* "some avg10=0.12 avg60=0.00 avg300=0.00 total=34567" */
static void virtio_mhp_stats_add_stall(struct virtio_mhp_link *link,
				       const char *line, u16 tag, u16 total_tag)
{
	unsigned int percent, hundredths;
	u64 total;

	if (!line || sscanf(line, "%*s avg10=%u.%2u %*s %*s total=%llu",
			    &percent, &hundredths, &total) != 3)
		return;
	virtio_mhp_stats_add(link, tag, percent * 100 + hundredths);
	virtio_mhp_stats_add(link, total_tag, total);
}

static void virtio_mhp_stats_add_psi(struct virtio_mhp_link *link)
{
	char text[VIRTIO_MHP_PSI_SIZE];
	const ssize_t size = virtio_mhp_psi_read(text);

	if (size <= 0)
		return;
	text[size] = '\0';
	virtio_mhp_stats_add_stall(link, strstr(text, "some "),
				   VIRTIO_MHP_STAT_PSI_SOME,
				   VIRTIO_MHP_STAT_PSI_SOME_TOTAL);
	virtio_mhp_stats_add_stall(link, strstr(text, "full "),
				   VIRTIO_MHP_STAT_PSI_FULL,
				   VIRTIO_MHP_STAT_PSI_FULL_TOTAL);
}

/* There are fewer than VIRTIO_MHP_STATS_MAX tags. */
static void virtio_mhp_stats_fill(struct virtio_mhp_link *link)
{
	link->nr_stats = 0;
	virtio_mhp_stats_add_events(link);
	virtio_mhp_stats_add_memory(link);
	virtio_mhp_stats_add_zones(link);
	virtio_mhp_stats_add_region(link);
	virtio_mhp_stats_add_psi(link);
}

/**
 * virtio_mhp_stats_tell() - fill the buffer, if the device does not have it
 * @work: the work item of an open link
 *
 * Context: workqueue; ends before the link is closed or its region goes.
 */
void virtio_mhp_stats_tell(struct work_struct *work)
{
	struct virtio_mhp_link *link =
		container_of(work, struct virtio_mhp_link, tell);
	struct scatterlist sg;
	unsigned int len;

	/* There is one (DRV-STATS-1), and nobody waits for it (DRV-STATS-4). */
	if (link->is_told && !virtqueue_get_buf(link->stats_vq, &len))
		return;
	virtio_mhp_stats_fill(link);
	sg_init_one(&sg, link->stats, link->nr_stats * sizeof(*link->stats));
	link->is_told =
		!virtqueue_add_outbuf(link->stats_vq, &sg, 1, link, GFP_KERNEL);
	virtqueue_kick(link->stats_vq);
}
