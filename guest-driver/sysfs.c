// SPDX-License-Identifier: GPL-2.0
/*
 * Attributes in the virtio device's folder: what the driver sees and does, for
 * administrators and scripts. Read-only; sizes are in bytes. Nothing here
 * waits for the worker, so they can be read whatever it is doing.
 */
#include <linux/device.h>
#include <linux/minmax.h>
#include <linux/sysfs.h>
#include <linux/virtio.h>

#include "compat.h"
#include "link.h"
#include "virtio_mhp.h"

static struct virtio_mhp_link *virtio_mhp_link_of(struct device *dev)
{
	return dev_to_virtio(dev)->priv;
}

static struct virtio_mhp *virtio_mhp_of(struct device *dev)
{
	return virtio_mhp_link_of(dev)->region;
}

static ssize_t block_size_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", virtio_mhp_of(dev)->geo.block_size);
}
static DEVICE_ATTR_RO(block_size);

/* What is plugged in one go: a device block or a memory block */
static ssize_t unit_size_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	return sysfs_emit(buf, "%llu\n", virtio_mhp_of(dev)->blocks.unit_size);
}
static DEVICE_ATTR_RO(unit_size);

static ssize_t requested_size_show(struct device *dev,
				   struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  READ_ONCE(virtio_mhp_of(dev)->requested_size));
}
static DEVICE_ATTR_RO(requested_size);

/* What may be plugged beyond that while memory is short */
static ssize_t pressure_size_show(struct device *dev,
				  struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  READ_ONCE(virtio_mhp_of(dev)->pressure_size));
}
static DEVICE_ATTR_RO(pressure_size);

static ssize_t pressure_plugged_size_show(struct device *dev,
					  struct device_attribute *attr,
					  char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  virtio_mhp_on_pressure_size(virtio_mhp_of(dev)));
}
static DEVICE_ATTR_RO(pressure_plugged_size);

static ssize_t plugged_size_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  READ_ONCE(virtio_mhp_of(dev)->plugged_size));
}
static DEVICE_ATTR_RO(plugged_size);

static ssize_t online_size_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	const struct virtio_mhp_blocks *blocks = &virtio_mhp_of(dev)->blocks;
	const u64 nr = READ_ONCE(blocks->count[VIRTIO_MHP_MB_ONLINE]);

	return sysfs_emit(buf, "%llu\n", nr * blocks->mb_size);
}
static DEVICE_ATTR_RO(online_size);

static ssize_t memmap_on_block_size_show(struct device *dev,
					 struct device_attribute *attr,
					 char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  virtio_mhp_memmap_on_block_size(virtio_mhp_of(dev)));
}
static DEVICE_ATTR_RO(memmap_on_block_size);

/* Of all that is requested, if all of it were used in the smallest pages */
static ssize_t page_tables_size_show(struct device *dev,
				     struct device_attribute *attr, char *buf)
{
	const u64 size = READ_ONCE(virtio_mhp_of(dev)->requested_size);

	return sysfs_emit(buf, "%llu\n", virtio_mhp_page_tables_size(size));
}
static DEVICE_ATTR_RO(page_tables_size);

static ssize_t kernel_memory_size_show(struct device *dev,
				       struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", virtio_mhp_kernel_memory_size());
}
static DEVICE_ATTR_RO(kernel_memory_size);

static ssize_t reserve_size_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	const struct virtio_mhp *vmhp = virtio_mhp_of(dev);
	const u64 nr = READ_ONCE(vmhp->nr_reserve);

	return sysfs_emit(buf, "%llu\n",
			  nr * PAGE_SIZE + virtio_mhp_spare_size(vmhp));
}
static DEVICE_ATTR_RO(reserve_size);

static ssize_t remainder_size_show(struct device *dev,
				   struct device_attribute *attr, char *buf)
{
	const u64 nr = READ_ONCE(virtio_mhp_of(dev)->nr_kept);

	return sysfs_emit(buf, "%llu\n", nr * PAGE_SIZE);
}
static DEVICE_ATTR_RO(remainder_size);

static ssize_t kernel_blocks_size_show(struct device *dev,
				       struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  virtio_mhp_kernel_size(virtio_mhp_of(dev)));
}
static DEVICE_ATTR_RO(kernel_blocks_size);

/* What the administrator wants, and what that comes to with this kernel */
static ssize_t memmap_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	const struct virtio_mhp *vmhp = virtio_mhp_of(dev);
	const char *effect = "ordinary";

	if (READ_ONCE(vmhp->memmap_on_block))
		effect = "block";
	else if (virtio_mhp_memmap_is_refused(vmhp))
		effect = "refused";
	return sysfs_emit(buf, "%s %s\n", virtio_mhp_memmap_names[vmhp->memmap],
			  effect);
}
static DEVICE_ATTR_RO(memmap);

static ssize_t last_error_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	struct virtio_mhp *vmhp = virtio_mhp_of(dev);
	const char *what;
	u64 addr;
	int error;

	spin_lock(&vmhp->lock);
	addr = vmhp->last_error_addr;
	what = vmhp->last_error_what;
	error = vmhp->last_error;
	spin_unlock(&vmhp->lock);

	if (READ_ONCE(virtio_mhp_link_of(dev)->state) >= VIRTIO_MHP_LINK_BROKEN)
		return sysfs_emit(buf, "device broken\n");
	if (!error)
		return sysfs_emit(buf, "none\n");
	return sysfs_emit(buf, "%#llx %s %d\n", addr, what, error);
}
static DEVICE_ATTR_RO(last_error);

/*
 * All lines of "blocks" have the same length, so that any offset is found
 * without having printed what is before it.
 */
#define VIRTIO_MHP_LINE_LENGTH 72

/* Context: lock held. */
static void virtio_mhp_print_mb_locked(const struct virtio_mhp *vmhp,
				       unsigned int mb, char *line)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	const struct virtio_mhp_unit *unit =
		&vmhp->units[virtio_mhp_unit_of_mb(blocks, mb)];
	const enum virtio_mhp_mb_state state = blocks->states[mb];
	const char *memmap = "-";

	if (vmhp->mbs[mb].is_memmap_known)
		memmap = vmhp->mbs[mb].memmap_size ? "block" : "ordinary";
	snprintf(line, VIRTIO_MHP_LINE_LENGTH + 1,
		 "%-10lu 0x%016llx %-9s %-8s %-8s %-13s\n",
		 virtio_mhp_mb_id(blocks, mb), virtio_mhp_mb_addr(blocks, mb),
		 virtio_mhp_mb_state_name(state), vmhp->mbs[mb].zone ?: "-",
		 memmap, virtio_mhp_reason_name(unit->reason));
}

/*
 * There may be very many blocks, and notifiers of memory hotplug wait for the
 * lock: it is held for one line at a time. False if a block has none.
 */
static bool virtio_mhp_print_mb(struct virtio_mhp *vmhp, unsigned int mb,
				char *line)
{
	bool has_line;

	spin_lock(&vmhp->lock);
	has_line = vmhp->blocks.states[mb] != VIRTIO_MHP_MB_UNPLUGGED;
	if (has_line)
		virtio_mhp_print_mb_locked(vmhp, mb, line);
	spin_unlock(&vmhp->lock);
	return has_line;
}

/* nr_mbs if there are not so many lines */
static unsigned int
virtio_mhp_mb_of_line(const struct virtio_mhp_blocks *blocks, u64 line)
{
	unsigned int mb;

	for (mb = 0; mb < blocks->nr_mbs; mb++)
		if (READ_ONCE(blocks->states[mb]) != VIRTIO_MHP_MB_UNPLUGGED &&
		    !line--)
			return mb;
	return mb;
}

static ssize_t blocks_read(struct file *file, struct kobject *kobj,
			   VIRTIO_MHP_SYSFS_CONST struct bin_attribute *attr,
			   char *buf, loff_t off, size_t count)
{
	struct virtio_mhp *vmhp = virtio_mhp_of(kobj_to_dev(kobj));
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;
	char line[VIRTIO_MHP_LINE_LENGTH + 1];
	size_t skip = off % VIRTIO_MHP_LINE_LENGTH;
	size_t done = 0, len;
	unsigned int mb;

	mb = virtio_mhp_mb_of_line(blocks, off / VIRTIO_MHP_LINE_LENGTH);
	for (; mb < blocks->nr_mbs && done < count; mb++) {
		if (!virtio_mhp_print_mb(vmhp, mb, line))
			continue;
		len = min(count - done, VIRTIO_MHP_LINE_LENGTH - skip);
		memcpy(buf + done, line + skip, len);
		done += len;
		skip = 0;
	}
	return done;
}
static BIN_ATTR_RO(blocks, 0);

static struct attribute *virtio_mhp_attrs[] = {
	&dev_attr_block_size.attr,
	&dev_attr_unit_size.attr,
	&dev_attr_requested_size.attr,
	&dev_attr_pressure_size.attr,
	&dev_attr_pressure_plugged_size.attr,
	&dev_attr_plugged_size.attr,
	&dev_attr_online_size.attr,
	&dev_attr_memmap_on_block_size.attr,
	&dev_attr_memmap.attr,
	&dev_attr_page_tables_size.attr,
	&dev_attr_kernel_memory_size.attr,
	&dev_attr_reserve_size.attr,
	&dev_attr_remainder_size.attr,
	&dev_attr_kernel_blocks_size.attr,
	&dev_attr_last_error.attr,
	NULL,
};

static VIRTIO_MHP_SYSFS_CONST struct bin_attribute *virtio_mhp_bin_attrs[] = {
	&bin_attr_blocks,
	NULL,
};

static const struct attribute_group virtio_mhp_group = {
	.attrs = virtio_mhp_attrs,
	.bin_attrs = virtio_mhp_bin_attrs,
};

const struct attribute_group *virtio_mhp_groups[] = {
	&virtio_mhp_group,
	NULL,
};
