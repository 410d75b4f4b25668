/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Figures of the guest's memory: read when they come, asked for when the host
 * wants fresh ones.
 *
 * The driver's buffer stays in the ring: what is taken to be read is put back,
 * and it is taken for good when it is returned. So there is nothing to migrate,
 * and nothing to drop at a reset.
 *
 * What the host is shown has the form and the names of virtio-balloon's, whose
 * readers then need not know this device.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-builtin-visit.h"
#include "qapi/visitor.h"
#include "qemu/iov.h"
#include "qemu/timer.h"
#include "trace.h"
#include "virtio-mhp.h"

/* There is one buffer at a time. */
#define VIRTIO_MHP_STATS_QUEUE_SIZE 128

static const struct {
    uint16_t tag;
    const char *name;
} virtio_mhp_stats[] = {
    {VIRTIO_MHP_STAT_SWAP_IN, "stat-swap-in"},
    {VIRTIO_MHP_STAT_SWAP_OUT, "stat-swap-out"},
    {VIRTIO_MHP_STAT_MAJFLT, "stat-major-faults"},
    {VIRTIO_MHP_STAT_MINFLT, "stat-minor-faults"},
    {VIRTIO_MHP_STAT_MEMFREE, "stat-free-memory"},
    {VIRTIO_MHP_STAT_MEMTOT, "stat-total-memory"},
    {VIRTIO_MHP_STAT_AVAIL, "stat-available-memory"},
    {VIRTIO_MHP_STAT_CACHES, "stat-disk-caches"},
    {VIRTIO_MHP_STAT_HTLB_PGALLOC, "stat-htlb-pgalloc"},
    {VIRTIO_MHP_STAT_HTLB_PGFAIL, "stat-htlb-pgfail"},
    {VIRTIO_MHP_STAT_OOM_KILL, "stat-oom-kills"},
    {VIRTIO_MHP_STAT_ALLOC_STALL, "stat-alloc-stalls"},
    {VIRTIO_MHP_STAT_ASYNC_SCAN, "stat-async-scans"},
    {VIRTIO_MHP_STAT_DIRECT_SCAN, "stat-direct-scans"},
    {VIRTIO_MHP_STAT_ASYNC_RECLAIM, "stat-async-reclaims"},
    {VIRTIO_MHP_STAT_DIRECT_RECLAIM, "stat-direct-reclaims"},
    {VIRTIO_MHP_STAT_REFAULT_ANON, "stat-refault-anon"},
    {VIRTIO_MHP_STAT_REFAULT_FILE, "stat-refault-file"},
    {VIRTIO_MHP_STAT_MOVABLE_FREE, "stat-movable-free"},
    {VIRTIO_MHP_STAT_MOVABLE_TOTAL, "stat-movable-total"},
    {VIRTIO_MHP_STAT_KERNEL_FREE, "stat-kernel-free"},
    {VIRTIO_MHP_STAT_KERNEL_TOTAL, "stat-kernel-total"},
    {VIRTIO_MHP_STAT_MEMMAP, "stat-memmap"},
    {VIRTIO_MHP_STAT_PLUGGED, "stat-plugged"},
    {VIRTIO_MHP_STAT_ONLINE, "stat-online"},
    {VIRTIO_MHP_STAT_STUCK, "stat-stuck"},
    {VIRTIO_MHP_STAT_PSI_SOME, "stat-psi-some-avg10"},
    {VIRTIO_MHP_STAT_PSI_SOME_TOTAL, "stat-psi-some-total"},
    {VIRTIO_MHP_STAT_PSI_FULL, "stat-psi-full-avg10"},
    {VIRTIO_MHP_STAT_PSI_FULL_TOTAL, "stat-psi-full-total"},
    {VIRTIO_MHP_STAT_PRESSURE, "stat-pressure"},
};
QEMU_BUILD_BUG_ON(ARRAY_SIZE(virtio_mhp_stats) != VIRTIO_MHP_NB_STATS);

bool virtio_mhp_stats_is_offered(const VirtIOMHP *vmhp)
{
    return !virtio_mhp_is_virtio_mem(vmhp) &&
           vmhp->features >> VIRTIO_MHP_F_STATS & 1;
}

/* DEV-STATS-1, but for the driver's right to use the queue */
static bool virtio_mhp_stats_check_shape(const VirtIOMHP *vmhp,
                                         const VirtQueueElement *elem)
{
    const size_t size = iov_size(elem->out_sg, elem->out_num);
    const size_t max = VIRTIO_MHP_STATS_MAX * sizeof(struct virtio_mhp_stat);

    if (elem->in_num || !size || size > max ||
        size % sizeof(struct virtio_mhp_stat)) {
        virtio_error(
            VIRTIO_DEVICE(vmhp),
            "virtio-mhp: wanted 1 to %d figures of %zu bytes to read, got %zu bytes and %u to write",
            VIRTIO_MHP_STATS_MAX, sizeof(struct virtio_mhp_stat), size,
            elem->in_num);
        return false;
    }
    if (!virtio_queue_empty(vmhp->stats.vq)) {
        virtio_error(VIRTIO_DEVICE(vmhp),
                     "virtio-mhp: wanted one buffer of figures, got more");
        return false;
    }
    return true;
}

static bool virtio_mhp_stats_check_driver(const VirtIOMHP *vmhp)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(vmhp);

    if (!(vdev->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
        !virtio_vdev_has_feature(vdev, VIRTIO_MHP_F_STATS)) {
        virtio_error(
            vdev,
            "virtio-mhp: wanted FEATURES_OK with feature bit %d before the first figures, got status 0x%x and features 0x%" PRIx64,
            VIRTIO_MHP_F_STATS, vdev->status, vdev->guest_features);
        return false;
    }
    return true;
}

/* The driver's buffer, to be put back or pushed; NULL if none is right */
static VirtQueueElement *virtio_mhp_stats_take(VirtIOMHP *vmhp)
{
    VirtQueue *vq = vmhp->stats.vq;
    VirtQueueElement *elem;

    if (virtio_queue_empty(vq) || !virtio_mhp_stats_check_driver(vmhp)) {
        return NULL;
    }
    elem = virtqueue_pop(vq, sizeof(*elem));
    if (elem && !virtio_mhp_stats_check_shape(vmhp, elem)) {
        trace_virtio_mhp_stats_malformed(vmhp->addr);
        vmhp->counters.nb_malformed++;
        virtqueue_detach_element(vq, elem, 0);
        g_clear_pointer(&elem, g_free);
    }
    return elem;
}

/* DEV-STATS-2 */
static void virtio_mhp_stats_set(VirtIOMHPStats *stats, uint16_t tag,
                                 uint64_t value)
{
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(virtio_mhp_stats); i++) {
        if (virtio_mhp_stats[i].tag == tag) {
            stats->values[i] = value;
            stats->is_known[i] = true;
        }
    }
}

static void virtio_mhp_stats_read(VirtIOMHP *vmhp, const VirtQueueElement *elem)
{
    VirtIOMHPStats *stats = &vmhp->stats;
    struct virtio_mhp_stat entries[VIRTIO_MHP_STATS_MAX];
    const size_t size = iov_to_buf(elem->out_sg, elem->out_num, 0, entries,
                                   sizeof(entries));
    const size_t nb = size / sizeof(entries[0]);
    size_t i;

    memset(stats->is_known, 0, sizeof(stats->is_known));
    for (i = 0; i < nb; i++) {
        virtio_mhp_stats_set(stats, le16_to_cpu(entries[i].tag),
                             le64_to_cpu(entries[i].value));
    }
    stats->last_update = g_get_real_time() / G_USEC_PER_SEC;
    vmhp->counters.nb_stats_read++;
    trace_virtio_mhp_stats_read(vmhp->addr, nb);
}

static void virtio_mhp_stats_ask_in(VirtIOMHPStats *stats, int64_t seconds)
{
    timer_mod(stats->timer,
              qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + seconds * 1000);
}

/* Where the machine is stopped nothing is written; it tells again later. */
static void virtio_mhp_stats_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOMHP *vmhp = VIRTIO_MHP(vdev);
    VirtIOMHPStats *stats = &vmhp->stats;
    g_autofree VirtQueueElement *elem = NULL;

    if (vmhp->queue.is_stopped) {
        return;
    }
    elem = virtio_mhp_stats_take(vmhp);
    if (!elem) {
        return;
    }
    virtio_mhp_stats_read(vmhp, elem);
    virtqueue_unpop(vq, elem, 0);
    if (stats->interval && !timer_pending(stats->timer)) {
        virtio_mhp_stats_ask_in(stats, stats->interval);
    }
}

/*
 * DEV-STATS-4. If the driver has no buffer there, it is asked when it has told
 * some more.
 */
static void virtio_mhp_stats_ask(void *opaque)
{
    VirtIOMHP *vmhp = opaque;
    g_autofree VirtQueueElement *elem = virtio_mhp_stats_take(vmhp);

    if (elem) {
        vmhp->counters.nb_stats_asked++;
        trace_virtio_mhp_stats_asked(vmhp->addr);
        virtio_mhp_queue_push(vmhp, vmhp->stats.vq, elem, 0);
    }
}

/* DEV-STATS-5; the driver's first buffer starts the timer. */
void virtio_mhp_stats_forget(VirtIOMHP *vmhp)
{
    VirtIOMHPStats *stats = &vmhp->stats;

    memset(stats->is_known, 0, sizeof(stats->is_known));
    stats->last_update = 0;
    if (stats->vq) {
        timer_del(stats->timer);
    }
}

void virtio_mhp_stats_go_on(VirtIOMHP *vmhp)
{
    if (vmhp->stats.vq && vmhp->stats.interval) {
        virtio_mhp_stats_ask_in(&vmhp->stats, vmhp->stats.interval);
    }
}

/*
 * Where there is no virtio-balloon of the name that it knows, libvirt looks for
 * a link to one, anywhere, and reads statistics from where that leads.
 */
static void virtio_mhp_stats_add_link(VirtIOMHP *vmhp)
{
    vmhp->stats.shown_by = OBJECT(vmhp);
    object_property_add_link(OBJECT(vmhp), VIRTIO_MHP_BALLOON_STATS_PROP,
                             "virtio-balloon-pci", &vmhp->stats.shown_by, NULL,
                             0);
}

static void virtio_mhp_stats_remove_link(VirtIOMHP *vmhp)
{
    object_property_del(OBJECT(vmhp), VIRTIO_MHP_BALLOON_STATS_PROP);
    vmhp->stats.shown_by = NULL;
}

void virtio_mhp_stats_init(VirtIOMHP *vmhp)
{
    VirtIOMHPStats *stats = &vmhp->stats;

    if (virtio_mhp_stats_is_offered(vmhp)) {
        stats->vq = virtio_add_queue(VIRTIO_DEVICE(vmhp),
                                     VIRTIO_MHP_STATS_QUEUE_SIZE,
                                     virtio_mhp_stats_kicked);
        stats->timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, virtio_mhp_stats_ask,
                                    vmhp);
        virtio_mhp_stats_add_link(vmhp);
    }
}

void virtio_mhp_stats_cleanup(VirtIOMHP *vmhp)
{
    VirtIOMHPStats *stats = &vmhp->stats;

    if (stats->vq) {
        virtio_mhp_stats_remove_link(vmhp);
        g_clear_pointer(&stats->timer, timer_free);
        virtio_delete_queue(stats->vq);
        stats->vq = NULL;
    }
}

/* DEV-STATS-3; what is not known has all bits set, as in virtio-balloon */
static bool virtio_mhp_stats_show(Visitor *v, const VirtIOMHPStats *stats,
                                  Error **errp)
{
    bool ok = visit_start_struct(v, "stats", NULL, 0, errp);
    unsigned int i;

    if (!ok) {
        return false;
    }
    for (i = 0; ok && i < ARRAY_SIZE(virtio_mhp_stats); i++) {
        uint64_t value = stats->is_known[i] ? stats->values[i] : UINT64_MAX;

        ok = visit_type_uint64(v, virtio_mhp_stats[i].name, &value, errp);
    }
    visit_end_struct(v, NULL);
    return ok;
}

void virtio_mhp_get_stats(Object *obj, Visitor *v, const char *name,
                          void *opaque, Error **errp)
{
    const VirtIOMHPStats *stats = &VIRTIO_MHP(obj)->stats;
    int64_t last_update = stats->last_update;

    if (visit_start_struct(v, name, NULL, 0, errp)) {
        if (visit_type_int(v, "last-update", &last_update, errp)) {
            virtio_mhp_stats_show(v, stats, errp);
        }
        visit_end_struct(v, NULL);
    }
}

void virtio_mhp_get_stats_interval(Object *obj, Visitor *v, const char *name,
                                   void *opaque, Error **errp)
{
    int64_t value = VIRTIO_MHP(obj)->stats.interval;

    visit_type_int(v, name, &value, errp);
}

/* The errors are virtio-balloon's, too. */
void virtio_mhp_set_stats_interval(Object *obj, Visitor *v, const char *name,
                                   void *opaque, Error **errp)
{
    VirtIOMHPStats *stats = &VIRTIO_MHP(obj)->stats;
    const int64_t old = stats->interval;
    int64_t value;

    if (!visit_type_int(v, name, &value, errp)) {
        return;
    }
    if (value < 0) {
        error_setg(errp, "timer value must be greater than zero");
        return;
    }
    if (value > UINT32_MAX) {
        error_setg(errp, "timer value is too big");
        return;
    }
    stats->interval = value;
    if (!stats->vq || value == old) {
        return;
    }
    if (!value) {
        timer_del(stats->timer);
    } else {
        /* The first time at once: what is there may be from long ago. */
        virtio_mhp_stats_ask_in(stats, old ? value : 0);
    }
}
