/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Free page reporting: memory that the guest has no use for goes back to the
 * host.
 *
 * It is discarded in the main loop, for a short time and then not for as long,
 * in small pieces, and for each piece it is looked at anew whether it may be.
 * So there is no thread that could be late: behind an UNPLUG, or behind the
 * start of a migration.
 *
 * When the machine stops the buffer goes back into the ring, and is taken anew
 * from its start when the machine runs again, here or elsewhere: what has been
 * discarded by then reads as zero, which it may.
 */
#include "qemu/osdep.h"
#include "exec/memory.h"
#include "hw/qdev-core.h"
#include "qapi/error.h"
#include "qemu/iov.h"
#include "qemu/timer.h"
#include "system/runstate.h"
#include "trace.h"
#include "virtio-mhp.h"

/* There is one buffer at a time. */
#define VIRTIO_MHP_REPORT_QUEUE_SIZE 128
/* What the main loop is held for at a time, but for the piece at hand */
#define VIRTIO_MHP_REPORT_NS (1 * SCALE_MS)

bool virtio_mhp_report_is_offered(const VirtIOMHP *vmhp)
{
    return !virtio_mhp_is_virtio_mem(vmhp) &&
           vmhp->free_page_reporting != ON_OFF_AUTO_OFF;
}

bool virtio_mhp_report_check(const VirtIOMHP *vmhp, Error **errp)
{
    const char *why = virtio_mhp_reclaim_why_not(vmhp->memdev);

    if (vmhp->free_page_reporting != ON_OFF_AUTO_ON) {
        return true;
    }
    if (virtio_mhp_is_virtio_mem(vmhp)) {
        why = "a virtio-mem (property 'compat')";
    } else if (vmhp->prealloc) {
        why = "property 'prealloc' with on";
    } else if (ram_block_discard_is_disabled()) {
        why =
            "a machine that forbids to discard it (one with VFIO does, for example)";
    }
    if (why) {
        error_setg(
            errp,
            "property 'free-page-reporting' wants memory that can be discarded while it is in use, got %s",
            why);
    }
    return !why;
}

/* DEV-REPORT-1, but for the driver's right to use the queue */
static bool virtio_mhp_report_check_shape(const VirtIOMHP *vmhp,
                                          const VirtQueueElement *elem)
{
    const size_t size = iov_size(elem->out_sg, elem->out_num);
    const size_t room = iov_size(elem->in_sg, elem->in_num);
    const size_t max = VIRTIO_MHP_REPORT_MAX * sizeof(struct virtio_mhp_report);

    if (!size || size > max || size % sizeof(struct virtio_mhp_report) ||
        room < sizeof(struct virtio_mhp_report_resp)) {
        virtio_error(
            VIRTIO_DEVICE(vmhp),
            "virtio-mhp: wanted a report of 1 to %d ranges of %zu bytes and room for %zu, got %zu bytes and room for %zu",
            VIRTIO_MHP_REPORT_MAX, sizeof(struct virtio_mhp_report),
            sizeof(struct virtio_mhp_report_resp), size, room);
        return false;
    }
    return true;
}

static bool virtio_mhp_report_check_single(const VirtIOMHP *vmhp)
{
    if (!virtio_queue_empty(vmhp->report.vq)) {
        virtio_error(VIRTIO_DEVICE(vmhp),
                     "virtio-mhp: wanted one report at a time, got more");
        return false;
    }
    return true;
}

static bool virtio_mhp_report_check_driver(const VirtIOMHP *vmhp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(vmhp);

    if (!(vdev->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
        !virtio_vdev_has_feature(vdev, VIRTIO_MHP_F_REPORTING)) {
        virtio_error(
            vdev,
            "virtio-mhp: wanted FEATURES_OK with feature bit %d before the first report, got status 0x%x and features 0x%" PRIx64,
            VIRTIO_MHP_F_REPORTING, vdev->status, vdev->guest_features);
        return false;
    }
    return true;
}

/* Without an answer */
static void virtio_mhp_report_drop(VirtIOMHP *vmhp)
{
    VirtQueueElement *elem = g_steal_pointer(&vmhp->report.elem);

    virtqueue_detach_element(vmhp->report.vq, elem, 0);
    g_free(elem);
}

static void virtio_mhp_report_refuse(VirtIOMHP *vmhp)
{
    trace_virtio_mhp_report_malformed(vmhp->addr);
    vmhp->counters.nb_malformed++;
    virtio_mhp_report_drop(vmhp);
}

/* DEV-REPORT-3 */
static bool virtio_mhp_report_is_right(const VirtIOMHPExtent *extent)
{
    return extent->size && extent->size % 4096 == 0 &&
           extent->addr % 4096 == 0 &&
           extent->addr <= UINT64_MAX - extent->size;
}

/* Once: the driver may change it any time. */
static void virtio_mhp_report_read(VirtIOMHPReport *report)
{
    const VirtQueueElement *elem = report->elem;
    struct virtio_mhp_report ranges[VIRTIO_MHP_REPORT_MAX];
    const size_t size = iov_to_buf(elem->out_sg, elem->out_num, 0, ranges,
                                   sizeof(ranges));
    unsigned int i;

    report->nb_extents = size / sizeof(ranges[0]);
    for (i = 0; i < report->nb_extents; i++) {
        VirtIOMHPExtent extent = {
            .addr = le64_to_cpu(ranges[i].addr),
            .size = le64_to_cpu(ranges[i].size),
        };

        if (!virtio_mhp_report_is_right(&extent)) {
            extent.size = 0;
        }
        report->extents[i] = extent;
    }
    report->next = 0;
    report->zero_size = 0;
    report->has_kept = false;
}

static void virtio_mhp_report_take(VirtIOMHP *vmhp)
{
    VirtIOMHPReport *report = &vmhp->report;

    if (virtio_queue_empty(report->vq) ||
        !virtio_mhp_report_check_driver(vmhp)) {
        return;
    }
    report->elem = virtio_mhp_queue_pop(vmhp, report->vq);
    if (!report->elem) {
        return;
    }
    if (!virtio_mhp_report_check_shape(vmhp, report->elem) ||
        !virtio_mhp_report_check_single(vmhp)) {
        virtio_mhp_report_refuse(vmhp);
        return;
    }
    virtio_mhp_report_read(report);
    vmhp->counters.nb_reports++;
    trace_virtio_mhp_report_taken(vmhp->addr, report->nb_extents);
}

static void virtio_mhp_report_answer(VirtIOMHP *vmhp)
{
    VirtIOMHPReport *report = &vmhp->report;
    g_autofree VirtQueueElement *elem = g_steal_pointer(&report->elem);
    const struct virtio_mhp_report_resp resp = {
        .zero_size = cpu_to_le64(report->zero_size),
    };

    trace_virtio_mhp_report_answered(vmhp->addr, report->zero_size);
    iov_from_buf(elem->in_sg, elem->in_num, 0, &resp, sizeof(resp));
    virtio_mhp_queue_push(vmhp, report->vq, elem, sizeof(resp));
}

/* Do one piece, false if there is no more to be done. */
static bool virtio_mhp_report_step(VirtIOMHP *vmhp)
{
    VirtIOMHPReport *report = &vmhp->report;
    VirtIOMHPCounters *counters = &vmhp->counters;
    VirtIOMHPExtent *extent = &report->extents[report->next];
    uint64_t size;

    if (report->next == report->nb_extents) {
        return false;
    }
    size = extent->size;
    if (size && virtio_mhp_reclaim(vmhp, extent->addr, &size)) {
        counters->reported_discarded += size;
        report->zero_size += report->has_kept ? 0 : size;
    } else {
        report->has_kept = true;
    }
    counters->reported += MIN(size, INT64_MAX - counters->reported);
    extent->addr += size;
    extent->size -= size;
    report->next += !extent->size;
    return true;
}

void virtio_mhp_report_forget(VirtIOMHP *vmhp)
{
    if (vmhp->report.elem) {
        trace_virtio_mhp_report_forgotten(vmhp->addr);
        timer_del(vmhp->report.timer);
        virtio_mhp_report_drop(vmhp);
    }
}

/* Requests go first: what they do to the memory may take long. */
static void virtio_mhp_report_go_on(void *opaque)
{
    VirtIOMHP *vmhp = opaque;
    VirtIOMHPReport *report = &vmhp->report;
    const int64_t start = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    int64_t now = start;
    bool is_over = false;

    if (report->elem && VIRTIO_DEVICE(vmhp)->broken) {
        virtio_mhp_report_forget(vmhp);
    }
    if (!report->elem || virtio_mhp_op_is_on(vmhp)) {
        return;
    }
    while (!is_over && now < start + VIRTIO_MHP_REPORT_NS) {
        is_over = !virtio_mhp_report_step(vmhp);
        now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    }
    report->rest_ns = now + (now - start);
    if (is_over) {
        virtio_mhp_report_answer(vmhp);
    } else {
        timer_mod(report->timer, report->rest_ns);
    }
}

static void virtio_mhp_report_start(VirtIOMHP *vmhp)
{
    VirtIOMHPReport *report = &vmhp->report;

    if (report->elem && !timer_pending(report->timer)) {
        timer_mod(report->timer, report->rest_ns);
    }
}

/* Where the machine is stopped nothing is changed. */
static void virtio_mhp_report_look(VirtIOMHP *vmhp)
{
    if (vmhp->report.is_stopped) {
        return;
    }
    if (!vmhp->report.elem) {
        virtio_mhp_report_take(vmhp);
    } else if (!virtio_mhp_report_check_single(vmhp)) {
        virtio_mhp_report_refuse(vmhp);
    }
    virtio_mhp_report_start(vmhp);
}

static void virtio_mhp_report_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    virtio_mhp_report_look(VIRTIO_MHP(vdev));
}

static void virtio_mhp_report_idle(Notifier *notifier, void *data)
{
    virtio_mhp_report_start(container_of(notifier, VirtIOMHP, report.idle));
}

/*
 * What a block holds is another matter from now on (DEV-REPORT-7): the rest of
 * an extent that reaches into it is kept.
 */
static void virtio_mhp_report_changed(Notifier *notifier, void *data)
{
    VirtIOMHP *vmhp = container_of(notifier, VirtIOMHP, report.changed);
    VirtIOMHPReport *report = &vmhp->report;
    const VirtIOMHPRange *range = data;
    const uint64_t start = virtio_mhp_blocks_addr(&vmhp->blocks, range);
    const uint64_t end = start + virtio_mhp_blocks_size(&vmhp->blocks, range);
    unsigned int i;

    if (!report->elem) {
        return;
    }
    for (i = report->next; i < report->nb_extents; i++) {
        VirtIOMHPExtent *extent = &report->extents[i];

        if (extent->addr < end &&
            (extent->addr >= start || extent->size > start - extent->addr)) {
            extent->size = 0;
        }
    }
}

static void virtio_mhp_report_put_back(VirtIOMHP *vmhp)
{
    VirtIOMHPReport *report = &vmhp->report;
    g_autofree VirtQueueElement *elem = g_steal_pointer(&report->elem);

    trace_virtio_mhp_report_put_back(vmhp->addr);
    timer_del(report->timer);
    virtqueue_unpop(report->vq, elem, 0);
}

static void virtio_mhp_report_vm_state(void *opaque, bool running,
                                       RunState state)
{
    VirtIOMHP *vmhp = opaque;

    vmhp->report.is_stopped = !running;
    if (running) {
        virtio_mhp_report_look(vmhp);
    } else if (vmhp->report.elem) {
        virtio_mhp_report_put_back(vmhp);
    }
}

void virtio_mhp_report_reset_queue(VirtIOMHP *vmhp, uint32_t index)
{
    if (vmhp->report.vq && virtio_get_queue_index(vmhp->report.vq) == index) {
        virtio_mhp_report_forget(vmhp);
    }
}

void virtio_mhp_report_init(VirtIOMHP *vmhp)
{
    VirtIOMHPReport *report = &vmhp->report;

    if (!virtio_mhp_report_is_offered(vmhp)) {
        return;
    }
    report->vq = virtio_add_queue(VIRTIO_DEVICE(vmhp),
                                  VIRTIO_MHP_REPORT_QUEUE_SIZE,
                                  virtio_mhp_report_kicked);
    report->timer = timer_new_ns(QEMU_CLOCK_REALTIME, virtio_mhp_report_go_on,
                                 vmhp);
    report->vm_state = qdev_add_vm_change_state_handler(
        DEVICE(vmhp), virtio_mhp_report_vm_state, vmhp);
    report->idle.notify = virtio_mhp_report_idle;
    notifier_list_add(&vmhp->op.idle_notifiers, &report->idle);
    report->changed.notify = virtio_mhp_report_changed;
    notifier_list_add(&vmhp->memory.change_notifiers, &report->changed);
}

void virtio_mhp_report_cleanup(VirtIOMHP *vmhp)
{
    VirtIOMHPReport *report = &vmhp->report;

    if (!report->vq) {
        return;
    }
    notifier_remove(&report->changed);
    notifier_remove(&report->idle);
    qemu_del_vm_change_state_handler(report->vm_state);
    virtio_mhp_report_forget(vmhp);
    g_clear_pointer(&report->timer, timer_free);
    virtio_delete_queue(report->vq);
    report->vq = NULL;
}
