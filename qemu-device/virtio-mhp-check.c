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
    /* QMP lets a negative number pass for a size. */
    const bool is_negative = (int64_t)size < 0 && size != (uint64_t)INT64_MIN;
    unsigned int i = 0;

    if (is_negative) {
        size = -size;
    }

    while (size && size % KiB == 0 && i < ARRAY_SIZE(units) - 1) {
        size /= KiB;
        i++;
    }
    return g_strdup_printf("%s%" PRIu64 " %s", is_negative ? "-" : "", size,
                           units[i]);
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

/*
 * A block must be whole pages of the backend, or it could not be discarded,
 * and whole huge pages, or a huge page would reach into an unplugged block.
 */
static uint64_t virtio_mhp_least_block_size(const VirtIOMHP *vmhp,
                                            const char **why)
{
    RAMBlock *rb = vmhp->memdev ? vmhp->memdev->mr.ram_block : NULL;
    const uint64_t page_size = rb ? qemu_ram_pagesize(rb) : 0;
    const uint64_t thp_size = page_size == qemu_real_host_page_size()
                                  ? virtio_mhp_thp_size()
                                  : 0;
    uint64_t least = VIRTIO_MHP_MIN_BLOCK_SIZE;

    *why = "the smallest size";
    if (thp_size > least) {
        least = thp_size;
        *why = "the host's transparent huge pages";
    }
    if (page_size > least) {
        least = page_size;
        *why = "the backend's pages";
    }
    return least;
}

uint64_t virtio_mhp_block_size(const VirtIOMHP *vmhp)
{
    const char *why;

    if (vmhp->block_size) {
        return vmhp->block_size;
    }
    return MAX(VIRTIO_MHP_DEFAULT_BLOCK_SIZE,
               virtio_mhp_least_block_size(vmhp, &why));
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

static bool virtio_mhp_check_block_limits(const VirtIOMHP *vmhp, Error **errp)
{
    const uint64_t block_size = virtio_mhp_block_size(vmhp);
    const char *why;
    const uint64_t least = virtio_mhp_least_block_size(vmhp, &why);

    if (block_size < least) {
        g_autofree char *wanted = virtio_mhp_size_text(least);
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

/*
 * QEMU 10.0 counts a chain of a packed ring as one descriptor when it goes back
 * into the ring, and a driver ends QEMU by an empty indirect table in one.
 */
static bool virtio_mhp_check_packed(const VirtIOMHP *vmhp, Error **errp)
{
    if (virtio_host_has_feature(VIRTIO_DEVICE(vmhp), VIRTIO_F_RING_PACKED)) {
        error_setg(
            errp,
            "property 'packed' wants off (QEMU cannot put a request back into a packed ring), got on");
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
           virtio_mhp_check_compat(vmhp, errp) &&
           virtio_mhp_check_packed(vmhp, errp) && virtio_mhp_check_mlock(errp);
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
