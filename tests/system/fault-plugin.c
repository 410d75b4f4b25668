/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plugin that makes the device lie about its configuration, loaded after the
 * device's own: "-plugin fault-plugin.so,fault=PATH" with a file as in fault.h.
 * It changes what the guest reads and nothing else.
 */
#include "qemu/osdep.h"
#include "hw/virtio/virtio.h"
#include "qemu/error-report.h"
#include "qemu/qemu-plugin.h"

#include "fault.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static Fault *fault;
static void (*get_true_config)(VirtIODevice *vdev, uint8_t *config);

static void get_config(VirtIODevice *vdev, uint8_t *config)
{
    unsigned int i;

    get_true_config(vdev, config);
    for (i = 0; i < sizeof(fault->mask); i++) {
        if (fault->mask[i]) {
            config[i] = fault->value[i];
        }
    }
}

static void set_config(VirtIODevice *vdev, const uint8_t *config)
{
    fault->nb_writes++;
}

static bool map_fault(const char *path)
{
    int fd = open(path, O_RDWR);

    if (fd < 0) {
        return false;
    }
    fault = mmap(NULL, sizeof(*fault), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                 0);
    close(fd);
    return fault != MAP_FAILED;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
                                           const qemu_info_t *info, int argc,
                                           char **argv)
{
    ObjectClass *klass = object_class_by_name("virtio-mhp");
    VirtioDeviceClass *vdc;

    if (!klass || argc != 1 || !g_str_has_prefix(argv[0], "fault=") ||
        !map_fault(argv[0] + strlen("fault="))) {
        error_report(
            "fault-plugin.so wants the device's plugin before it and fault=PATH");
        return -1;
    }
    vdc = VIRTIO_DEVICE_CLASS(klass);
    get_true_config = vdc->get_config;
    vdc->get_config = get_config;
    vdc->set_config = set_config;
    return 0;
}
