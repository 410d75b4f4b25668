// SPDX-License-Identifier: GPL-2.0
/*
 * mhp_vmemmap_mem: a guest that grows and shrinks by whole memory blocks, each
 * with its memmap on itself and the rest of it in ZONE_MOVABLE. So growing
 * takes no boot memory, and shrinking finds nothing that cannot move.
 *
 * This file is the table of contents: how a device is set up, and taken down
 * in exactly the reverse order. The states of a block are drawn in the wire
 * header.
 */
#include <linux/crash_dump.h>
#include <linux/device.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "virtio_mhp.h"

static char *virtio_mhp_memmap_param = "prefer";
module_param_named(memmap, virtio_mhp_memmap_param, charp, 0444);
MODULE_PARM_DESC(memmap,
		 "memmap on its block: prefer (default), require or never");

static const char *const virtio_mhp_memmap_names[] = {
	[VIRTIO_MHP_MEMMAP_PREFER] = "prefer",
	[VIRTIO_MHP_MEMMAP_REQUIRE] = "require",
	[VIRTIO_MHP_MEMMAP_NEVER] = "never",
};

static int virtio_mhp_read_params(struct virtio_mhp *vmhp)
{
	int memmap = match_string(virtio_mhp_memmap_names,
				  ARRAY_SIZE(virtio_mhp_memmap_names),
				  virtio_mhp_memmap_param);

	if (memmap < 0) {
		virtio_mhp_err(vmhp,
			       "parameter memmap is '%s', not prefer, require or never\n",
			       virtio_mhp_memmap_param);
		return memmap;
	}
	vmhp->memmap = memmap;
	return 0;
}

static int virtio_mhp_lay_out_blocks(struct virtio_mhp *vmhp)
{
	struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	const u64 mb_size = memory_block_size_bytes();
	int rc = virtio_mhp_blocks_lay_out(blocks, vmhp->addr,
					   vmhp->region_size, vmhp->block_size,
					   mb_size);

	if (rc) {
		virtio_mhp_err(vmhp,
			       "the region %#llx-%#llx cannot be divided into memory blocks of %#llx: %d\n",
			       vmhp->addr, vmhp->addr + vmhp->region_size - 1,
			       mb_size, rc);
		return rc;
	}
	if (blocks->unit_size / vmhp->block_size > U16_MAX) {
		virtio_mhp_err(vmhp,
			       "block_size %#llx is too small for memory blocks of %#llx: one request holds %u\n",
			       vmhp->block_size, mb_size, U16_MAX);
		return -EINVAL;
	}
	return 0;
}

static void virtio_mhp_free_tables(struct virtio_mhp *vmhp)
{
	kvfree(vmhp->candidates);
	kvfree(vmhp->units);
	kvfree(vmhp->mbs);
	kvfree(vmhp->blocks.states);
}

static int virtio_mhp_alloc_tables(struct virtio_mhp *vmhp)
{
	const unsigned int nr_mbs = vmhp->blocks.nr_mbs;
	const unsigned int nr_units = vmhp->blocks.nr_units;
	u8 *states = kvcalloc(nr_mbs, sizeof(*states), GFP_KERNEL);

	if (states)
		virtio_mhp_blocks_reset(&vmhp->blocks, states);
	vmhp->mbs = kvcalloc(nr_mbs, sizeof(*vmhp->mbs), GFP_KERNEL);
	vmhp->units = kvcalloc(nr_units, sizeof(*vmhp->units), GFP_KERNEL);
	vmhp->candidates =
		kvcalloc(nr_units, sizeof(*vmhp->candidates), GFP_KERNEL);
	if (states && vmhp->mbs && vmhp->units && vmhp->candidates)
		return 0;
	virtio_mhp_free_tables(vmhp);
	return -ENOMEM;
}

static struct virtio_mhp *virtio_mhp_alloc(struct virtio_device *vdev)
{
	struct virtio_mhp *vmhp = kzalloc(sizeof(*vmhp), GFP_KERNEL);

	if (!vmhp)
		return NULL;
	vmhp->vdev = vdev;
	vmhp->index = vdev->index;
	strscpy(vmhp->name, dev_name(&vdev->dev), sizeof(vmhp->name));
	spin_lock_init(&vmhp->lock);
	init_waitqueue_head(&vmhp->wait);
	init_waitqueue_head(&vmhp->response);
	vdev->priv = vmhp;
	return vmhp;
}

/* What can be said without the device being set up */
static int virtio_mhp_examine(struct virtio_mhp *vmhp)
{
	int rc = virtio_mhp_read_params(vmhp);

	if (!rc)
		rc = virtio_mhp_check_features(vmhp->vdev);
	if (!rc)
		rc = virtio_mhp_config_init(vmhp);
	/* A crashed kernel's memory blocks may have had another size. */
	if (!rc && !is_kdump_kernel())
		rc = virtio_mhp_lay_out_blocks(vmhp);
	return rc;
}

static void virtio_mhp_print_geometry(const struct virtio_mhp *vmhp)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;

	virtio_mhp_info(vmhp,
			"region %#llx-%#llx on node %d, %u units of %llu MiB, memmap %s\n",
			vmhp->addr, vmhp->addr + vmhp->region_size - 1,
			vmhp->nid, blocks->nr_units, blocks->unit_size >> 20,
			vmhp->memmap_on_block ? "on the block" : "ordinary");
}

/* All that outlives the device if memory is in use when it goes */
static int virtio_mhp_set_up(struct virtio_mhp *vmhp)
{
	int rc;

	rc = virtio_mhp_alloc_tables(vmhp);
	if (rc)
		return rc;
	rc = virtio_mhp_hotplug_init(vmhp);
	if (rc)
		goto out_free_tables;
	rc = virtio_mhp_zone_init(vmhp);
	if (rc)
		goto out_deinit_hotplug;
	rc = virtio_mhp_pm_init(vmhp);
	if (rc)
		goto out_deinit_zone;
	virtio_mhp_memmap_init(vmhp);
	virtio_mhp_reserve_init(vmhp);
	/* DRV-RESET-1 */
	vmhp->unplug_all_first = vmhp->plugged_size;
	return 0;

out_deinit_zone:
	virtio_mhp_zone_deinit(vmhp);
out_deinit_hotplug:
	virtio_mhp_hotplug_deinit(vmhp);
out_free_tables:
	virtio_mhp_free_tables(vmhp);
	return rc;
}

static void virtio_mhp_take_down(struct virtio_mhp *vmhp)
{
	virtio_mhp_reserve_deinit(vmhp);
	virtio_mhp_pm_deinit(vmhp);
	virtio_mhp_zone_deinit(vmhp);
	virtio_mhp_hotplug_deinit(vmhp);
	virtio_mhp_free_tables(vmhp);
}

/* Instead of a region that was just examined, the same one set up, or NULL */
static struct virtio_mhp *virtio_mhp_take_up(struct virtio_mhp *vmhp, int *rc)
{
	struct virtio_mhp *orphan = virtio_mhp_orphan_adopt(vmhp);

	*rc = orphan ? 0 : virtio_mhp_set_up(vmhp);
	if (!orphan && !*rc)
		return vmhp;
	kfree(vmhp);
	return orphan;
}

/* Without memory in use there is nothing left to guard. */
static void virtio_mhp_leave(struct virtio_mhp *vmhp)
{
	if (virtio_mhp_orphan_leave(vmhp))
		return;
	if (vmhp->module_held)
		module_put(THIS_MODULE);
	virtio_mhp_take_down(vmhp);
	kfree(vmhp);
}

static int virtio_mhp_connect(struct virtio_mhp *vmhp)
{
	int rc = virtio_mhp_vq_init(vmhp);

	if (!rc)
		virtio_device_ready(vmhp->vdev);
	return rc;
}

static void virtio_mhp_disconnect(struct virtio_mhp *vmhp)
{
	if (!virtio_mhp_is_gone(vmhp->vdev))
		virtio_reset_device(vmhp->vdev);
	virtio_mhp_vq_deinit(vmhp);
}

/* The memory belongs to the crashed kernel: it is read, and no more. */
static int virtio_mhp_start_vmcore(struct virtio_mhp *vmhp)
{
	int rc = virtio_mhp_connect(vmhp);

	if (rc)
		goto out_free;
	rc = virtio_mhp_vmcore_init(vmhp);
	if (rc)
		goto out_disconnect;
	return 0;

out_disconnect:
	virtio_mhp_disconnect(vmhp);
out_free:
	kfree(vmhp);
	return rc;
}

static int virtio_mhp_start(struct virtio_mhp *vmhp)
{
	int rc = virtio_mhp_connect(vmhp);

	if (rc)
		goto out_leave;
	virtio_mhp_print_geometry(vmhp);
	rc = virtio_mhp_orphan_reconcile(vmhp);
	if (!rc)
		rc = virtio_mhp_worker_start(vmhp);
	if (rc)
		goto out_disconnect;
	return 0;

out_disconnect:
	virtio_mhp_disconnect(vmhp);
out_leave:
	virtio_mhp_leave(vmhp);
	return rc;
}

static int virtio_mhp_probe(struct virtio_device *vdev)
{
	struct virtio_mhp *vmhp = virtio_mhp_alloc(vdev);
	int rc;

	if (!vmhp)
		return -ENOMEM;
	rc = virtio_mhp_examine(vmhp);
	if (rc) {
		kfree(vmhp);
		return rc;
	}
	if (is_kdump_kernel())
		return virtio_mhp_start_vmcore(vmhp);
	vmhp = virtio_mhp_take_up(vmhp, &rc);
	return vmhp ? virtio_mhp_start(vmhp) : rc;
}

static void virtio_mhp_remove(struct virtio_device *vdev)
{
	struct virtio_mhp *vmhp = vdev->priv;

	if (vmhp->vmcore) {
		virtio_mhp_vmcore_deinit(vmhp);
		virtio_mhp_disconnect(vmhp);
		kfree(vmhp);
		return;
	}
	virtio_mhp_worker_stop(vmhp);
	virtio_mhp_disconnect(vmhp);
	virtio_mhp_leave(vmhp);
}

static void virtio_mhp_config_changed(struct virtio_device *vdev)
{
	struct virtio_mhp *vmhp = vdev->priv;

	virtio_mhp_wake(vmhp, VIRTIO_MHP_CHANGED);
	virtio_mhp_interrupt(vmhp);
}

static const unsigned int virtio_mhp_features[] = {
#ifdef CONFIG_ACPI_NUMA
	VIRTIO_MHP_F_ACPI_PXM,
#endif
	VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE,
	VIRTIO_MHP_F_MEMMAP_ON_BLOCK,
	VIRTIO_MHP_F_STATUS,
};

static struct virtio_driver virtio_mhp_driver = {
	.feature_table = virtio_mhp_features,
	.feature_table_size = ARRAY_SIZE(virtio_mhp_features),
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.driver.dev_groups = virtio_mhp_groups,
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
	return register_virtio_driver(&virtio_mhp_driver);
}
module_init(virtio_mhp_init);

static void __exit virtio_mhp_exit(void)
{
	unregister_virtio_driver(&virtio_mhp_driver);
}
module_exit(virtio_mhp_exit);

MODULE_AUTHOR("The mhp-vmemmap-mem developers");
MODULE_DESCRIPTION("Memory by whole blocks with their memmap on themselves");
MODULE_LICENSE("GPL");
