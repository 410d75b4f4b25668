/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernel versions, and the only place where a version is
 * tested. The rest of the driver reads as if only the newest existed.
 */
#ifndef _VIRTIO_MHP_COMPAT_H
#define _VIRTIO_MHP_COMPAT_H

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/gfp.h>
#include <linux/kernfs.h>
#include <linux/kobject.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/memremap.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/page-flags.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/version.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/vmstat.h>

#if !IS_ENABLED(CONFIG_MEMORY_HOTPLUG) ||                                     \
	!IS_ENABLED(CONFIG_MEMORY_HOTREMOVE) ||                               \
	!IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP) || !IS_ENABLED(CONFIG_SYSFS) || \
	!IS_ENABLED(CONFIG_64BIT)
#error "wanted: 64BIT, MEMORY_HOTPLUG, MEMORY_HOTREMOVE, SPARSEMEM_VMEMMAP, SYSFS"
#endif

/* Pages at the start of a memory block that hold its own memmap */
static inline unsigned long
virtio_mhp_nr_vmemmap_pages(const struct device *dev)
{
	const struct memory_block *mem =
		container_of(dev, struct memory_block, dev);

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	return mem->altmap ? mem->altmap->free : 0;
#else
	return mem->nr_vmemmap_pages;
#endif
}

/* Have a driver told that the machine goes down: before 6.15 none was. */
static inline void
virtio_mhp_set_shutdown(struct virtio_driver *driver,
			void (*shutdown)(struct virtio_device *vdev))
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
	driver->shutdown = shutdown;
#endif
}

/* Virtqueues of a device, at the most */
#define VIRTIO_MHP_NR_VQS 3

/* As of 6.11 all that is said of a virtqueue is in one struct. */
static inline int virtio_mhp_find_vqs(struct virtio_device *vdev,
				      unsigned int nr, struct virtqueue *vqs[],
				      vq_callback_t *callbacks[],
				      const char *const names[])
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	struct virtqueue_info infos[VIRTIO_MHP_NR_VQS] = {};
	unsigned int i;

	for (i = 0; i < nr && i < ARRAY_SIZE(infos); i++) {
		infos[i].name = names[i];
		infos[i].callback = callbacks[i];
	}
	return virtio_find_vqs(vdev, nr, vqs, infos, NULL);
#else
	return virtio_find_vqs(vdev, nr, vqs, callbacks, names, NULL);
#endif
}

/* What reclaim did: an event, and as of 7.1 a figure of nodes */
static inline unsigned long
virtio_mhp_reclaim_figure(const unsigned long *events, int item)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 1, 0)
	return global_node_page_state(item);
#else
	return events[item];
#endif
}

/* A file, looked for from init's root, which newer kernels want to be told */
static inline struct file *virtio_mhp_open_for_kernel(const char *path)
{
	struct file *file = ERR_PTR(-ENOENT);

#ifdef scoped_with_init_fs
	scoped_with_init_fs() {
		file = filp_open(path, O_RDONLY | O_NONBLOCK, 0);
	}
#else
	file = filp_open(path, O_RDONLY | O_NONBLOCK, 0);
#endif
	return file;
}

/* Does a memory block have a page that is broken? Before 6.2 nobody counted. */
static inline bool virtio_mhp_has_poison(const struct device *dev)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0) && \
	IS_ENABLED(CONFIG_MEMORY_FAILURE)
	const struct memory_block *mem =
		container_of(dev, struct memory_block, dev);

	return atomic_long_read(&mem->nr_hwpoison);
#else
	return false;
#endif
}

/* Order of the largest free run of pages that the buddy allocator keeps */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define VIRTIO_MHP_MAX_ORDER MAX_PAGE_ORDER
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define VIRTIO_MHP_MAX_ORDER MAX_ORDER
#else
#define VIRTIO_MHP_MAX_ORDER (MAX_ORDER - 1)
#endif

/*
 * A page that its owner knows how to move, as zsmalloc and balloons do: a type
 * of its own as of 6.17, before that a mark in its mapping
 */
static inline bool virtio_mhp_page_has_movable_ops(struct page *page)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	return page_has_movable_ops(page);
#else
	const unsigned long mapping = (unsigned long)READ_ONCE(page->mapping);

	return (mapping & PAGE_MAPPING_FLAGS) == PAGE_MAPPING_MOVABLE;
#endif
}

/* An event that only some kernels have: a block is to be onlined, to any zone */
static inline bool virtio_mhp_is_prepare_online(unsigned long action)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0) && \
	LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0)
	return action == MEM_PREPARE_ONLINE;
#else
	return false;
#endif
}

/*
 * Pages that go online to whoever keeps them for himself: before 6.11 they came
 * as reserved ones, and generic_online_page() wants them without a type.
 */
static inline void virtio_mhp_pages_set_offline(struct page *page,
						unsigned int order)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
	struct page *const end = page + (1UL << order);

	for (; page < end; page++) {
		ClearPageReserved(page);
		__SetPageOffline(page);
	}
#endif
}

static inline void virtio_mhp_pages_clear_offline(struct page *page,
						  unsigned int order)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
	struct page *const end = page + (1UL << order);

	for (; page < end; page++)
		__ClearPageOffline(page);
#endif
}

/* Move what is in a range of pages elsewhere, and allocate them */
static inline int virtio_mhp_alloc_range(unsigned long pfn, unsigned long end)
{
#if !IS_ENABLED(CONFIG_CONTIG_ALLOC)
	return -EOPNOTSUPP;
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	return alloc_contig_range(pfn, end, ACR_FLAGS_NONE,
				  GFP_KERNEL | __GFP_NOWARN);
#else
	return alloc_contig_range(pfn, end, MIGRATE_MOVABLE,
				  GFP_KERNEL | __GFP_NOWARN);
#endif
}

/* A shrinker of objects that cost nothing to get back: 6.7 allocates it itself */
typedef unsigned long virtio_mhp_shrinker_fn(struct shrinker *shrinker,
					     struct shrink_control *sc);

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline void *virtio_mhp_shrinker_data(const struct shrinker *shrinker)
{
	return shrinker->private_data;
}

static inline struct shrinker *
virtio_mhp_shrinker_new(const char *name, void *data,
			virtio_mhp_shrinker_fn *count,
			virtio_mhp_shrinker_fn *scan)
{
	struct shrinker *shrinker = shrinker_alloc(0, "%s", name);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->private_data = data;
	shrinker->seeks = 0;
	shrinker_register(shrinker);
	return shrinker;
}

static inline void virtio_mhp_shrinker_free(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}
#else
struct virtio_mhp_shrinker {
	struct shrinker shrinker;
	void *data;
};

static inline void *virtio_mhp_shrinker_data(const struct shrinker *shrinker)
{
	return container_of(shrinker, struct virtio_mhp_shrinker, shrinker)
		->data;
}

static inline struct shrinker *
virtio_mhp_shrinker_new(const char *name, void *data,
			virtio_mhp_shrinker_fn *count,
			virtio_mhp_shrinker_fn *scan)
{
	struct virtio_mhp_shrinker *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	s->data = data;
	s->shrinker.count_objects = count;
	s->shrinker.scan_objects = scan;
	if (!register_shrinker(&s->shrinker, "%s", name))
		return &s->shrinker;
	kfree(s);
	return NULL;
}

static inline void virtio_mhp_shrinker_free(struct shrinker *shrinker)
{
	if (!shrinker)
		return;
	unregister_shrinker(shrinker);
	kfree(container_of(shrinker, struct virtio_mhp_shrinker, shrinker));
}
#endif

/* /sys/module: its name is not exported, so a module starts from its own place */
static inline struct kset *virtio_mhp_modules(void)
{
#ifdef MODULE
	return THIS_MODULE->mkobj.kobj.kset;
#else
	return module_kset;
#endif
}

/* Is a module there, or does the kernel have it built in, with parameters */
static inline bool virtio_mhp_module_is_there(const char *name)
{
	struct kobject *kobj = kset_find_obj(virtio_mhp_modules(), name);

	kobject_put(kobj);
	return kobj;
}

/* The slab allocator's place among who is told of memory; none as of 6.17 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define VIRTIO_MHP_SLAB_PRI INT_MIN
#else
#define VIRTIO_MHP_SLAB_PRI SLAB_CALLBACK_PRI
#endif

/* What a binary attribute's functions and lists take: const as of 6.17 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define VIRTIO_MHP_SYSFS_CONST const
#else
#define VIRTIO_MHP_SYSFS_CONST
#endif

/* The parameter that lets the kernel put memmaps on memory, by its own words */
static inline bool virtio_mhp_param_is_set(struct kobject *module,
					   struct kernfs_node *node, char *buf)
{
	struct module_kobject *mk =
		container_of(module, struct module_kobject, kobj);
	/* A parameter's file points to its attribute. */
	struct attribute *attr = node->priv;
	struct module_attribute *mattr =
		container_of(attr, struct module_attribute, attr);

	/* "Y", "N", or with 6.6 and later "force" */
	return mattr->show(mattr, mk, buf) > 0 && strchr("Yyf1", *buf);
}

static inline bool virtio_mhp_memmap_param_is_set(void)
{
	struct kobject *kobj =
		kset_find_obj(virtio_mhp_modules(), "memory_hotplug");
	struct kernfs_node *dir = NULL, *node = NULL;
	char *buf = (char *)get_zeroed_page(GFP_KERNEL);
	bool is_set = false;

	if (kobj)
		dir = sysfs_get_dirent(kobj->sd, "parameters");
	if (dir)
		node = sysfs_get_dirent(dir, "memmap_on_memory");
	if (node && buf)
		is_set = virtio_mhp_param_is_set(kobj, node, buf);
	sysfs_put(node);
	sysfs_put(dir);
	kobject_put(kobj);
	free_page((unsigned long)buf);
	return is_set;
}

/*
 * Why the kernel would put no memmaps on memory, NULL if it would. Before 6.8
 * modules could not ask it, so there the parameter is all that is known; what
 * is built in asks before any can be seen.
 */
static inline const char *virtio_mhp_kernel_memmap_obstacle(void)
{
	const bool is_set = virtio_mhp_memmap_param_is_set();

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	if (mhp_supports_memmap_on_memory())
		return NULL;
	if (is_set)
		return "its code for this architecture does not allow it";
#endif
	return is_set ? NULL : "boot it with memory_hotplug.memmap_on_memory=1";
}

#endif /* _VIRTIO_MHP_COMPAT_H */
