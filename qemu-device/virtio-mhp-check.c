/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks of what the user set: the machine, the backend and all properties.
 *
 * Nothing here registers, allocates or changes anything. Each message says
 * what was wanted and what was got.
 */
#include "qemu/osdep.h"
#include "hw/boards.h"
#include "hw/qdev-core.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/host-utils.h"
#include "qemu/units.h"
#include "system/hostmem.h"
#include "system/system.h"
#include "virtio-mhp.h"

/* Linux adds memory on x86 in blocks of this size at the least. */
#define VIRTIO_MHP_DEFAULT_BLOCK_SIZE (128 * MiB)
/* Smaller blocks make the tables of blocks large, to no advantage. */
#define VIRTIO_MHP_MIN_BLOCK_SIZE (1 * MiB)

#define VIRTIO_MHP_COMPAT_VIRTIO_MEM "virtio-mem"

#define THP_SIZE_PATH "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

char *virtio_mhp_size_text(uint64_t size)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    unsigned int i = 0;

    while (size && size % KiB == 0 && i < ARRAY_SIZE(units) - 1) {
        size /= KiB;
        i++;
    }
    return g_strdup_printf("%" PRIu64 " %s", size, units[i]);
}

const char *virtio_mhp_memdev_id(const VirtIOMHP *vmhp)
{
    return object_get_canonical_path_component(OBJECT(vmhp->memdev));
}

/* Size of a transparent huge page of the host, 0 if it has none */
static uint64_t virtio_mhp_thp_size(void)
{
    g_autofree char *text = NULL;
    uint64_t size;

    if (!g_file_get_contents(THP_SIZE_PATH, &text, NULL, NULL) ||
        qemu_strtou64(g_strchomp(text), NULL, 10, &size)) {
        return 0;
    }
    return size;
}

uint64_t virtio_mhp_block_size(const VirtIOMHP *vmhp)
{
    RAMBlock *rb = vmhp->memdev ? vmhp->memdev->mr.ram_block : NULL;

    if (vmhp->block_size) {
        return vmhp->block_size;
    }
    return MAX(VIRTIO_MHP_DEFAULT_BLOCK_SIZE, rb ? qemu_ram_pagesize(rb) : 0);
}

bool virtio_mhp_check_block_size(uint64_t value, Error **errp)
{
    g_autofree char *got = virtio_mhp_size_text(value);

    if (!is_power_of_2(value)) {
        error_setg(errp, "property 'block-size' wants a power of two, got %s",
                   got);
        return false;
    }
    return true;
}

/* With readonly=on,rom=off the guest can write, but nothing is discarded. */
static bool virtio_mhp_memdev_is_writable(HostMemoryBackend *memdev)
{
    return memory_region_is_ram(&memdev->mr) &&
           !memory_region_is_rom(&memdev->mr) && memdev->mr.ram_block &&
           !(object_property_find(OBJECT(memdev), "readonly") &&
             object_property_get_bool(OBJECT(memdev), "readonly", NULL));
}

static bool virtio_mhp_check_memdev(const VirtIOMHP *vmhp, Error **errp)
{
    HostMemoryBackend *memdev = vmhp->memdev;
    const char *id;

    if (!memdev) {
        error_setg(
            errp,
            "property 'memdev' wants the id of a memory backend, got none");
        return false;
    }
    id = virtio_mhp_memdev_id(vmhp);
    if (host_memory_backend_is_mapped(memdev)) {
        error_setg(
            errp,
            "property 'memdev' wants a memory backend of its own, got '%s', which is in use",
            id);
        return false;
    }
    if (!virtio_mhp_memdev_is_writable(memdev)) {
        error_setg(
            errp,
            "property 'memdev' wants a writable memory backend, got '%s', which is read-only",
            id);
        return false;
    }
    if (memdev->prealloc) {
        error_setg(
            errp,
            "property 'memdev' wants a memory backend with prealloc=off, got '%s' with prealloc=on",
            id);
        return false;
    }
    return true;
}

/*
 * A block must be whole pages of the backend, or it could not be discarded,
 * and whole huge pages, or a huge page would reach into an unplugged block.
 */
static bool virtio_mhp_check_block_limits(const VirtIOMHP *vmhp, Error **errp)
{
    const uint64_t page_size = qemu_ram_pagesize(vmhp->memdev->mr.ram_block);
    const uint64_t thp_size = virtio_mhp_thp_size();
    const uint64_t block_size = virtio_mhp_block_size(vmhp);
    uint64_t limit = VIRTIO_MHP_MIN_BLOCK_SIZE;
    const char *why = "the smallest size";

    if (thp_size > limit && page_size == qemu_real_host_page_size()) {
        limit = thp_size;
        why = "the host's transparent huge pages";
    }
    if (page_size > limit) {
        limit = page_size;
        why = "the backend's pages";
    }
    if (block_size < limit) {
        g_autofree char *wanted = virtio_mhp_size_text(limit);
        g_autofree char *got = virtio_mhp_size_text(block_size);

        error_setg(errp, "property 'block-size' wants at least %s (%s), got %s",
                   wanted, why, got);
        return false;
    }
    return true;
}

static bool virtio_mhp_check_region_size(const VirtIOMHP *vmhp, Error **errp)
{
    const uint64_t block_size = virtio_mhp_block_size(vmhp);
    const uint64_t size = memory_region_size(&vmhp->memdev->mr);
    g_autofree char *wanted = virtio_mhp_size_text(block_size);
    g_autofree char *got = virtio_mhp_size_text(size);

    if (size % block_size) {
        error_setg(
            errp,
            "property 'memdev' wants a backend whose size is a multiple of %s ('block-size'), got '%s' with %s",
            wanted, virtio_mhp_memdev_id(vmhp), got);
        return false;
    }
    return true;
}

static int virtio_mhp_nb_numa_nodes(void)
{
    MachineState *ms = MACHINE(qdev_get_machine());

    return ms->numa_state ? ms->numa_state->num_nodes : 0;
}

bool virtio_mhp_has_numa_nodes(void)
{
    return virtio_mhp_nb_numa_nodes() > 0;
}

static bool virtio_mhp_check_node(const VirtIOMHP *vmhp, Error **errp)
{
    /* A machine without NUMA nodes is one node. */
    const unsigned int nb_nodes = MAX(1, virtio_mhp_nb_numa_nodes());

    if (vmhp->node >= nb_nodes) {
        error_setg(
            errp,
            "property 'node' wants less than %u (the number of NUMA nodes), got %u",
            nb_nodes, vmhp->node);
        return false;
    }
    return true;
}

static bool virtio_mhp_check_addr(const VirtIOMHP *vmhp, Error **errp)
{
    const uint64_t block_size = virtio_mhp_block_size(vmhp);

    if (vmhp->addr % block_size) {
        g_autofree char *wanted = virtio_mhp_size_text(block_size);

        error_setg(errp,
                   "property 'memaddr' wants a multiple of %s, got 0x%" PRIx64,
                   wanted, vmhp->addr);
        return false;
    }
    return true;
}

bool virtio_mhp_is_virtio_mem(const VirtIOMHP *vmhp)
{
    return vmhp->compat && *vmhp->compat;
}

static bool virtio_mhp_check_compat(const VirtIOMHP *vmhp, Error **errp)
{
    if (virtio_mhp_is_virtio_mem(vmhp) &&
        strcmp(vmhp->compat, VIRTIO_MHP_COMPAT_VIRTIO_MEM) != 0) {
        error_setg(errp, "property 'compat' wants '%s' or nothing, got '%s'",
                   VIRTIO_MHP_COMPAT_VIRTIO_MEM, vmhp->compat);
        return false;
    }
    return true;
}

static bool virtio_mhp_check_mlock(Error **errp)
{
    if (should_mlock(mlock_state)) {
        error_setg(
            errp,
            "mhp-vmemmap-mem wants unplugged memory to take no memory of the host, got -overcommit mem-lock");
        return false;
    }
    return true;
}

bool virtio_mhp_check_properties(const VirtIOMHP *vmhp, Error **errp)
{
    return virtio_mhp_check_memdev(vmhp, errp) &&
           virtio_mhp_check_block_limits(vmhp, errp) &&
           virtio_mhp_check_region_size(vmhp, errp) &&
           virtio_mhp_check_node(vmhp, errp) &&
           virtio_mhp_check_addr(vmhp, errp) &&
           virtio_mhp_check_compat(vmhp, errp) && virtio_mhp_check_mlock(errp);
}

/* Without the machine's hook the region would get no address (microvm). */
bool virtio_mhp_check_machine(DeviceState *proxy, Error **errp)
{
    if (!qdev_get_machine_hotplug_handler(proxy)) {
        error_setg(
            errp,
            "mhp-vmemmap-mem wants a machine that maps memory devices (such as pc or q35), got '%s'",
            MACHINE_GET_CLASS(qdev_get_machine())->name);
        return false;
    }
    return true;
}
