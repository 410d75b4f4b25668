/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that exists only because the device is a plugin.
 *
 * A QEMU plugin is meant to watch translated code. This one registers device
 * types instead, which works because QEMU exports its functions for its own
 * modules. It is built with QEMU's inner headers, so it fits one QEMU only:
 * it compares the version, then the sizes of all types it shares with QEMU,
 * and loads nowhere else.
 */
#include "qemu/osdep.h"
#include "exec/memory.h"
#include "hw/boards.h"
#include "hw/mem/memory-device.h"
#include "hw/pci/pci_device.h"
#include "hw/resettable.h"
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio-bus.h"
#include "hw/virtio/virtio-md-pci.h"
#include "qapi/qapi-commands-control.h"
#include "qemu/error-report.h"
#include "qemu/qemu-plugin.h"
#include "virtio-mhp.h"

/* The tests build a plugin for another version by setting these two. */
#ifndef MHP_QEMU_VERSION
#include "mhp-qemu-version.h"
#endif

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/* "10.0.2 (Debian 1:10.0.2+ds-2)" */
static char *mhp_version_text(const char *version, const char *package)
{
    return *package ? g_strdup_printf("%s (%s)", version, package)
                    : g_strdup(version);
}

static bool mhp_check_version(void)
{
    g_autoptr(VersionInfo) info = qmp_query_version(NULL);
    g_autofree char *version = g_strdup_printf(
        "%" PRId64 ".%" PRId64 ".%" PRId64, info->qemu->major,
        info->qemu->minor, info->qemu->micro);
    g_autofree char *got = mhp_version_text(version, info->package);
    g_autofree char *wanted = mhp_version_text(MHP_QEMU_VERSION,
                                               MHP_QEMU_PACKAGE);

    if (strcmp(wanted, got) != 0) {
        error_report(
            "this mhp-vmemmap-mem.so is built for QEMU %s and not for this QEMU %s",
            wanted, got);
        return false;
    }
    return true;
}

/* How QEMU's struct TypeImpl (qom/object.c) starts; no function tells sizes */
typedef struct MHPTypeHead {
    const char *name;
    size_t class_size;
    size_t instance_size;
} MHPTypeHead;

/* An interface has no instances, hence no instance size. */
static const MHPTypeHead mhp_types[] = {
    {TYPE_DEVICE, sizeof(DeviceClass), sizeof(DeviceState)},
    {TYPE_MACHINE, sizeof(MachineClass), sizeof(MachineState)},
    {TYPE_MEMORY_BACKEND, sizeof(HostMemoryBackendClass),
     sizeof(HostMemoryBackend)},
    {TYPE_MEMORY_DEVICE, sizeof(MemoryDeviceClass), 0},
    {TYPE_MEMORY_REGION, sizeof(MemoryRegionClass), sizeof(MemoryRegion)},
    {TYPE_PCI_DEVICE, sizeof(PCIDeviceClass), sizeof(PCIDevice)},
    {TYPE_RAM_DISCARD_MANAGER, sizeof(RamDiscardManagerClass), 0},
    {TYPE_RESETTABLE_INTERFACE, sizeof(ResettableClass), 0},
    {TYPE_VIRTIO_BALLOON, sizeof(VirtioDeviceClass), sizeof(VirtIOBalloon)},
    {TYPE_VIRTIO_BUS, sizeof(VirtioBusClass), sizeof(VirtioBusState)},
    {TYPE_VIRTIO_DEVICE, sizeof(VirtioDeviceClass), sizeof(VirtIODevice)},
    {TYPE_VIRTIO_MD_PCI, sizeof(VirtIOMDPCIClass), sizeof(VirtIOMDPCI)},
    {TYPE_VIRTIO_PCI, sizeof(VirtioPCIClass), sizeof(VirtIOPCIProxy)},
};

static bool mhp_check_type(const MHPTypeHead *wanted)
{
    ObjectClass *klass = object_class_by_name(wanted->name);
    const MHPTypeHead *got;

    if (!klass) {
        error_report("mhp-vmemmap-mem.so wants the type '%s', got none",
                     wanted->name);
        return false;
    }
    got = *(const MHPTypeHead **)klass;
    if (got->class_size != wanted->class_size ||
        got->instance_size != wanted->instance_size) {
        error_report(
            "mhp-vmemmap-mem.so wants the type '%s' to have sizes %zu and %zu (class, instance), got %zu and %zu",
            wanted->name, wanted->class_size, wanted->instance_size,
            got->class_size, got->instance_size);
        return false;
    }
    return true;
}

static bool mhp_check_types(void)
{
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(mhp_types); i++) {
        if (!mhp_check_type(&mhp_types[i])) {
            return false;
        }
    }
    if (object_class_by_name(TYPE_VIRTIO_MHP)) {
        error_report(
            "mhp-vmemmap-mem.so wants to be loaded once, got it loaded already");
        return false;
    }
    return true;
}

static char *mhp_get_version(Object *obj, Error **errp)
{
    return g_strdup(MHP_VERSION);
}

/* Inside QEMU's tree, QEMU's own version says it. */
static void mhp_add_version(void)
{
    ObjectClass *klass = object_class_by_name(TYPE_VIRTIO_MHP);

    object_class_property_add_str(klass, "version", mhp_get_version, NULL);
    object_class_property_set_description(
        klass, "version", "Of the plugin that has the device (read-only)");
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
                                           const qemu_info_t *info, int argc,
                                           char **argv)
{
    if (!mhp_check_version() || !mhp_check_types()) {
        return -1;
    }
    if (argc) {
        error_report("mhp-vmemmap-mem.so wants no arguments, got '%s'",
                     argv[0]);
        return -1;
    }
    virtio_mhp_system_reset_register_type();
    virtio_mhp_register_type();
    mhp_add_version();
    virtio_mhp_pci_register_types();
    virtio_mhp_no_balloon_register_type();
    return 0;
}
