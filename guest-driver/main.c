// SPDX-License-Identifier: GPL-2.0
/*
 * mhp_vmemmap_mem: a guest that grows and shrinks by whole memory blocks, each
 * with its memmap on itself and the rest of it in ZONE_MOVABLE. So growing
 * takes no boot memory, and shrinking finds nothing that cannot move.
 *
 * Three things live for different times: a link from probe to remove (link.h),
 * a region as long as it has a link or memory in Linux (region.h), and the
 * region's worker, which does all of memory hotplug, as long as the region.
 *
 * This file is the virtio driver: devices come and go. The states of a block
 * are drawn in the wire header.
 */
#include <linux/crash_dump.h>
#include <linux/device.h>
#include <linux/module.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "link.h"
#include "trace.h"
#include "virtio_mhp.h"

static void virtio_mhp_print_geometry(const struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_geometry *geo = &vmhp->geo;
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;

	virtio_mhp_info(vmhp,
			"region %#llx-%#llx on node %d, %u units of %llu MiB, memmap %s\n",
			geo->addr, geo->addr + geo->region_size - 1, geo->nid,
			blocks->nr_units, blocks->unit_size >> 20,
			vmhp->memmap_on_block ? "on the block" : "ordinary");
}

/*
 * A device that has not plugged what is in use is none of ours. While a worker
 * is inside memory hotplug it cannot be waited for: it finds out by itself.
 */
static int virtio_mhp_compare(struct virtio_mhp *vmhp)
{
	const bool is_orphan = vmhp->blocks.count[VIRTIO_MHP_MB_UNPLUGGED] !=
			       vmhp->blocks.nr_mbs;
	int rc = 0;

	if (mutex_trylock(&vmhp->pass)) {
		rc = virtio_mhp_recover(vmhp);
		mutex_unlock(&vmhp->pass);
	}
	if (!rc && is_orphan)
		virtio_mhp_info(vmhp,
				"went on with the memory of an earlier device\n");
	return rc;
}

static int virtio_mhp_serve_region(struct virtio_mhp_link *link,
				   const struct virtio_mhp_geometry *geo,
				   const struct virtio_mhp_sizes *sizes)
{
	int rc = virtio_mhp_region_attach(link, geo, sizes);

	if (rc)
		return rc;
	virtio_mhp_print_geometry(link->region);
	rc = virtio_mhp_compare(link->region);
	if (rc) {
		virtio_mhp_region_detach(link);
		return rc;
	}
	virtio_mhp_wake(link->region, VIRTIO_MHP_CHANGED);
	virtio_mhp_report_begin(link);
	return 0;
}

/* The memory belongs to the crashed kernel: it is read, and no more. */
static int virtio_mhp_serve_vmcore(struct virtio_mhp_link *link,
				   const struct virtio_mhp_geometry *geo,
				   const struct virtio_mhp_sizes *sizes)
{
	int rc = virtio_mhp_link_open(link);

	return rc ?: virtio_mhp_vmcore_init(link, geo, sizes);
}

static int virtio_mhp_start(struct virtio_mhp_link *link)
{
	struct virtio_device *vdev = link->vdev;
	struct virtio_mhp_geometry geo;
	struct virtio_mhp_sizes sizes;
	int rc;

	rc = virtio_mhp_check_features(vdev);
	if (rc)
		return rc;
	rc = virtio_mhp_config_read_geometry(vdev, &geo);
	if (rc)
		return rc;
	rc = virtio_mhp_config_read_sizes(vdev, &geo, &sizes);
	if (rc)
		return rc;
	if (is_kdump_kernel())
		rc = virtio_mhp_serve_vmcore(link, &geo, &sizes);
	else
		rc = virtio_mhp_serve_region(link, &geo, &sizes);
	if (rc)
		virtio_mhp_link_close(link);
	return rc;
}

/* A block is not given up because of a request that wants it gone, too. */
static void virtio_mhp_look(struct work_struct *work)
{
	struct virtio_mhp_link *link =
		container_of(work, struct virtio_mhp_link, look);
	struct virtio_mhp *vmhp = link->region;
	struct virtio_mhp_sizes sizes;

	if (!virtio_mhp_config_read_sizes(link->vdev, &vmhp->geo, &sizes) &&
	    virtio_mhp_is_superseded(vmhp, virtio_mhp_target_of(vmhp, &sizes)))
		virtio_mhp_interrupt(vmhp);
}

static int virtio_mhp_probe(struct virtio_device *vdev)
{
	struct virtio_mhp_link *link = virtio_mhp_link_new(vdev);
	int rc;

	if (!link)
		return -ENOMEM;
	INIT_WORK(&link->look, virtio_mhp_look);
	INIT_WORK(&link->tell, virtio_mhp_stats_tell);
	rc = virtio_mhp_start(link);
	if (rc)
		virtio_mhp_link_free(link);
	return rc;
}

static void virtio_mhp_stop(struct virtio_mhp_link *link)
{
	cancel_work_sync(&link->look);
	virtio_mhp_report_leave(link);
	if (link->vmcore)
		virtio_mhp_vmcore_deinit(link);
	else
		virtio_mhp_region_detach(link);
	virtio_mhp_link_close(link);
	virtio_mhp_report_end(link);
}

static void virtio_mhp_remove(struct virtio_device *vdev)
{
	struct virtio_mhp_link *link = vdev->priv;

	virtio_mhp_stop(link);
	virtio_mhp_link_free(link);
}

static void virtio_mhp_config_changed(struct virtio_device *vdev)
{
	struct virtio_mhp_link *link = vdev->priv;

	if (!link->region)
		return;
	/* Before whatever it leads to */
	trace_virtio_mhp_interrupt(link->region->index);
	virtio_mhp_wake(link->region, VIRTIO_MHP_CHANGED);
	/* Here the configuration cannot be read. */
	queue_work(system_freezable_wq, &link->look);
}

static const unsigned int virtio_mhp_features[] = {
#ifdef CONFIG_ACPI_NUMA
	VIRTIO_MHP_F_ACPI_PXM,
#endif
	VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE,
	VIRTIO_MHP_F_MEMMAP_ON_BLOCK,
	VIRTIO_MHP_F_STATUS,
	VIRTIO_MHP_F_STATS,
	VIRTIO_MHP_F_REPORTING,
	VIRTIO_MHP_F_PRESSURE,
};

static struct virtio_driver virtio_mhp_driver = {
	.feature_table = virtio_mhp_features,
	.feature_table_size = ARRAY_SIZE(virtio_mhp_features),
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.probe = virtio_mhp_probe,
	.remove = virtio_mhp_remove,
	.config_changed = virtio_mhp_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = virtio_mhp_freeze,
	.restore = virtio_mhp_restore,
#endif
};

static int __init virtio_mhp_init(void)
{
	virtio_mhp_driver.id_table = virtio_mhp_id_table();
	/* They are about regions, and a kdump kernel has none. */
	if (!is_kdump_kernel())
		virtio_mhp_driver.driver.dev_groups = virtio_mhp_groups;
	virtio_mhp_set_shutdown(&virtio_mhp_driver, virtio_mhp_shutdown);
	return register_virtio_driver(&virtio_mhp_driver);
}
module_init(virtio_mhp_init);

static void __exit virtio_mhp_exit(void)
{
	unregister_virtio_driver(&virtio_mhp_driver);
	virtio_mhp_regions_end();
}
module_exit(virtio_mhp_exit);

MODULE_AUTHOR("The mhp-vmemmap-mem developers");
MODULE_DESCRIPTION("Memory by whole blocks with their memmap on themselves");
MODULE_LICENSE("GPL");
#ifdef VIRTIO_MHP_VERSION
MODULE_VERSION(VIRTIO_MHP_VERSION);
#endif
