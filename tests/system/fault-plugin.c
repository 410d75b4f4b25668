/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plugin that makes the device lie about its configuration and mishandle
 * requests, loaded after the device's own: "-plugin fault-plugin.so,fault=PATH"
 * with a file as in fault.h. What it does not touch is done by the device
 * itself.
 */
#include "qemu/osdep.h"
#include "hw/hotplug.h"
#include "hw/qdev-core.h"
#include "hw/virtio/virtio.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/iov.h"
#include "qemu/qemu-plugin.h"
#include "qemu/timer.h"

#include <dlfcn.h>

#include "fault.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

#define FAULT_POLL_MS 50
/* VirtQueue is QEMU's own: so many words of it are searched */
#define FAULT_QUEUE_WORDS 24

typedef void FaultHandler(VirtIODevice *vdev, VirtQueue *vq);

static Fault *fault;
static void (*get_true_config)(VirtIODevice *vdev, uint8_t *config);
static void (*true_realize)(DeviceState *dev, Error **errp);
static FaultHandler *true_handler;
/* Looks whether a request that was kept is to be done, and what is to vanish */
static QEMUTimer timer;

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

static void poll_later(void)
{
    timer_mod(&timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + FAULT_POLL_MS);
}

/* The proxy is the device that is on the bus. Nobody asks the guest. */
static void vanish(VirtIODevice *vdev)
{
    DeviceState *proxy = qdev_get_parent_bus(DEVICE(vdev))->parent;

    hotplug_handler_unplug(qdev_get_hotplug_handler(proxy), proxy,
                           &error_abort);
    object_unparent(OBJECT(proxy));
}

static void on_timer(void *opaque)
{
    VirtIODevice *vdev = opaque;

    switch (qatomic_load_acquire(&fault->kind)) {
    case FAULT_SILENCE:
        poll_later();
        break;
    case FAULT_VANISH:
        vanish(vdev);
        break;
    default:
        /* Unless the driver has given up and left */
        if (vdev->status & VIRTIO_CONFIG_S_DRIVER_OK) {
            true_handler(vdev, virtio_get_queue(vdev, 0));
        }
        break;
    }
}

static void answer(VirtIODevice *vdev, VirtQueue *vq, VirtQueueElement *elem)
{
    struct virtio_mhp_resp resp = {.type = cpu_to_le16(fault->type)};

    iov_from_buf(elem->in_sg, elem->in_num, 0, &resp,
                 MIN(sizeof(resp), fault->size));
    virtqueue_push(vq, elem, fault->size);
    virtio_notify(vdev, vq);
    g_free(elem);
}

static void mishandle(VirtIODevice *vdev, VirtQueue *vq, VirtQueueElement *elem)
{
    if (fault->kind == FAULT_ANSWER) {
        answer(vdev, vq, elem);
        return;
    }
    virtqueue_unpop(vq, elem, 0);
    g_free(elem);
    if (fault->kind == FAULT_BREAK) {
        virtio_error(vdev, "a fault that was asked for");
    } else {
        poll_later();
    }
}

static bool is_meant(VirtQueueElement *elem)
{
    struct virtio_mhp_req req = {0};

    iov_to_buf(elem->out_sg, elem->out_num, 0, &req, sizeof(req));
    return fault->left && (fault->request == FAULT_ALL_REQUESTS ||
                           fault->request == le16_to_cpu(req.type));
}

/* The driver has one request under way, so the queue has no more. */
static void handle_requests(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtQueueElement *elem = NULL;

    if (qatomic_load_acquire(&fault->kind) != FAULT_NONE) {
        elem = virtqueue_pop(vq, sizeof(*elem));
    }
    if (elem && is_meant(elem)) {
        fault->left--;
        fault->nb_hits++;
        mishandle(vdev, vq, elem);
        return;
    }
    if (elem) {
        virtqueue_unpop(vq, elem, 0);
        g_free(elem);
    }
    true_handler(vdev, vq);
}

/* The queue's handler is the one thing in it that points into the device. */
static FaultHandler **find_handler(VirtQueue *vq)
{
    FaultHandler **word = (void *)vq;
    unsigned int i;
    Dl_info info;

    for (i = 0; i < FAULT_QUEUE_WORDS; i++) {
        if (word[i] && dladdr((void *)word[i], &info) &&
            g_str_has_suffix(info.dli_fname, "mhp-vmemmap-mem.so")) {
            return &word[i];
        }
    }
    return NULL;
}

static void realize(DeviceState *dev, Error **errp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    FaultHandler **handler;
    ERRP_GUARD();

    true_realize(dev, errp);
    if (*errp) {
        return;
    }
    handler = find_handler(virtio_get_queue(vdev, 0));
    g_assert_nonnull(handler);
    true_handler = *handler;
    *handler = handle_requests;
    timer_init_ms(&timer, QEMU_CLOCK_REALTIME, on_timer, vdev);
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
    true_realize = vdc->realize;
    vdc->realize = realize;
    return 0;
}
