/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Read-only properties that show the counters: one for programs and one for
 * people.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-builtin-visit.h"
#include "qapi/visitor.h"
#include "qemu/timer.h"
#include "virtio-mhp.h"

static const char *const virtio_mhp_response_names[] = {
    [VIRTIO_MHP_RESP_ACK] = "ack",
    [VIRTIO_MHP_RESP_NACK] = "nack",
    [VIRTIO_MHP_RESP_BUSY] = "busy",
    [VIRTIO_MHP_RESP_ERROR] = "error",
};
static const char *const virtio_mhp_refusal_names[] = {
    [VIRTIO_MHP_REFUSED_RANGE] = "range",
    [VIRTIO_MHP_REFUSED_STATE] = "state",
    [VIRTIO_MHP_REFUSED_REQUESTED_SIZE] = "requested-size",
    [VIRTIO_MHP_REFUSED_MIGRATION] = "migration",
    [VIRTIO_MHP_REFUSED_DISCARD] = "discard",
    [VIRTIO_MHP_REFUSED_HOST_MEMORY] = "host-memory",
    [VIRTIO_MHP_REFUSED_LISTENER] = "listener",
    [VIRTIO_MHP_REFUSED_PRESSURE_SIZE] = "pressure-size",
};

QEMU_BUILD_BUG_ON(ARRAY_SIZE(virtio_mhp_response_names) !=
                  VIRTIO_MHP_NB_RESPONSES);
QEMU_BUILD_BUG_ON(ARRAY_SIZE(virtio_mhp_refusal_names) !=
                  VIRTIO_MHP_NB_REFUSALS);

/* One number of a struct; the visitor could change it, and must not */
static bool virtio_mhp_show(Visitor *v, const char *name, uint64_t value,
                            Error **errp)
{
    return visit_type_uint64(v, name, &value, errp);
}

static bool virtio_mhp_show_requests(Visitor *v, const char *name,
                                     const VirtIOMHPRequestCounters *requests,
                                     Error **errp)
{
    bool ok = visit_start_struct(v, name, NULL, 0, errp);
    unsigned int i;

    if (!ok) {
        return false;
    }
    for (i = 0; ok && i < VIRTIO_MHP_NB_RESPONSES; i++) {
        ok = virtio_mhp_show(v, virtio_mhp_response_names[i],
                             requests->responses[i], errp);
    }
    ok = ok && virtio_mhp_show(v, "time-ns", requests->time_ns, errp) &&
         virtio_mhp_show(v, "max-time-ns", requests->max_time_ns, errp);
    visit_end_struct(v, NULL);
    return ok;
}

static bool virtio_mhp_show_refused(Visitor *v, const uint64_t *refused,
                                    Error **errp)
{
    bool ok = visit_start_struct(v, "refused-blocks", NULL, 0, errp);
    unsigned int i;

    if (!ok) {
        return false;
    }
    for (i = 0; ok && i < VIRTIO_MHP_NB_REFUSALS; i++) {
        ok = virtio_mhp_show(v, virtio_mhp_refusal_names[i], refused[i], errp);
    }
    visit_end_struct(v, NULL);
    return ok;
}

static bool virtio_mhp_show_host(Visitor *v, const VirtIOMHPHostCounters *host,
                                 Error **errp)
{
    return virtio_mhp_show(v, "discards", host->nb_discards, errp) &&
           virtio_mhp_show(v, "failed-discards", host->nb_failed_discards,
                           errp) &&
           virtio_mhp_show(v, "discarded-bytes", host->discarded, errp) &&
           virtio_mhp_show(v, "backed-bytes", host->backed, errp);
}

static bool virtio_mhp_show_counters(Visitor *v,
                                     const VirtIOMHPCounters *counters,
                                     Error **errp)
{
    unsigned int i;

    for (i = 0; i < VIRTIO_MHP_NB_COUNTED_TYPES; i++) {
        if (!virtio_mhp_show_requests(v, virtio_mhp_request_name(i),
                                      &counters->requests[i], errp)) {
            return false;
        }
    }
    return virtio_mhp_show(v, "malformed", counters->nb_malformed, errp) &&
           virtio_mhp_show(v, "stats-read", counters->nb_stats_read, errp) &&
           virtio_mhp_show(v, "stats-asked", counters->nb_stats_asked, errp) &&
           virtio_mhp_show(v, "reports", counters->nb_reports, errp) &&
           virtio_mhp_show(v, "reported-bytes", counters->reported, errp) &&
           virtio_mhp_show(v, "reported-discarded-bytes",
                           counters->reported_discarded, errp) &&
           virtio_mhp_show(v, "plugged-bytes", counters->plugged, errp) &&
           virtio_mhp_show(v, "unplugged-bytes", counters->unplugged, errp) &&
           virtio_mhp_show(v, "pressure-plugged-bytes",
                           counters->pressure_plugged, errp) &&
           virtio_mhp_show_host(v, &counters->host, errp) &&
           virtio_mhp_show_refused(v, counters->refused, errp);
}

void virtio_mhp_get_counters(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    if (visit_start_struct(v, name, NULL, 0, errp)) {
        virtio_mhp_show_counters(v, &VIRTIO_MHP(obj)->counters, errp);
        visit_end_struct(v, NULL);
    }
}

/* "plug: 12 ack, 1 nack; 0.310 ms each, 4.100 ms at most", NULL if none */
static char *virtio_mhp_requests_text(unsigned int type,
                                      const VirtIOMHPRequestCounters *requests)
{
    g_autoptr(GString) text = g_string_new(virtio_mhp_request_name(type));
    const char *separator = ": ";
    uint64_t sum = 0;
    unsigned int i;

    for (i = 0; i < VIRTIO_MHP_NB_RESPONSES; i++) {
        if (requests->responses[i]) {
            g_string_append_printf(text, "%s%" PRIu64 " %s", separator,
                                   requests->responses[i],
                                   virtio_mhp_response_names[i]);
            separator = ", ";
            sum += requests->responses[i];
        }
    }
    if (!sum) {
        return NULL;
    }
    g_string_append_printf(text, "; %.3f ms each, %.3f ms at most",
                           (double)requests->time_ns / sum / SCALE_MS,
                           (double)requests->max_time_ns / SCALE_MS);
    return g_strdup(text->str);
}

static char *virtio_mhp_memory_text(const VirtIOMHPCounters *counters)
{
    g_autofree char *plugged = virtio_mhp_size_text(counters->plugged);
    g_autofree char *unplugged = virtio_mhp_size_text(counters->unplugged);
    g_autofree char *discarded = virtio_mhp_size_text(counters->host.discarded);
    g_autofree char *backed = virtio_mhp_size_text(counters->host.backed);

    return g_strdup_printf(
        "memory: %s plugged, %s unplugged, %s discarded in %" PRIu64
        " calls (%" PRIu64 " failed), %s backed",
        plugged, unplugged, discarded, counters->host.nb_discards,
        counters->host.nb_failed_discards, backed);
}

static char *virtio_mhp_reports_text(const VirtIOMHPCounters *counters)
{
    g_autofree char *reported = virtio_mhp_size_text(counters->reported);
    g_autofree char *discarded = virtio_mhp_size_text(
        counters->reported_discarded);

    return g_strdup_printf("free pages: %" PRIu64
                           " reports of %s, of which %s discarded",
                           counters->nb_reports, reported, discarded);
}

/* "pressure: 1 GiB of 4 GiB beyond what is requested, 9 GiB so far" */
static char *virtio_mhp_pressure_text(const VirtIOMHP *vmhp)
{
    g_autofree char *now = virtio_mhp_size_text(
        virtio_mhp_size_on_pressure(vmhp));
    g_autofree char *max = virtio_mhp_size_text(vmhp->pressure_size);
    g_autofree char *all = virtio_mhp_size_text(
        vmhp->counters.pressure_plugged);

    return g_strdup_printf(
        "pressure: %s of %s beyond what is requested, %s so far", now, max,
        all);
}

/* "guest: plugs units of 2 GiB, at most 0 bytes of the requested 1 GiB" */
static char *virtio_mhp_unit_text(const VirtIOMHP *vmhp)
{
    const uint64_t unit = virtio_mhp_unit_size(&vmhp->blocks, &vmhp->memmap);
    const uint64_t within = virtio_mhp_units_within(
        &vmhp->blocks, &vmhp->memmap, vmhp->requested_size);
    g_autofree char *unit_text = virtio_mhp_size_text(unit);
    g_autofree char *within_text = virtio_mhp_size_text(within);
    g_autofree char *wanted_text = virtio_mhp_size_text(vmhp->requested_size);

    if (within == vmhp->requested_size) {
        return g_strdup_printf("guest: plugs units of %s", unit_text);
    }
    return g_strdup_printf(
        "guest: plugs units of %s, at most %s of the requested %s", unit_text,
        within_text, wanted_text);
}

void virtio_mhp_get_summary(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    const VirtIOMHP *vmhp = VIRTIO_MHP(obj);
    const VirtIOMHPCounters *counters = &vmhp->counters;
    strList *list = NULL, **tail = &list;
    unsigned int i;

    for (i = 0; i < VIRTIO_MHP_NB_COUNTED_TYPES; i++) {
        char *text = virtio_mhp_requests_text(i, &counters->requests[i]);

        if (text) {
            QAPI_LIST_APPEND(tail, text);
        }
    }
    for (i = 0; i < VIRTIO_MHP_NB_REFUSALS; i++) {
        if (counters->refused[i]) {
            QAPI_LIST_APPEND(
                tail, g_strdup_printf(
                          "refused: %" PRIu64 " blocks because of %s",
                          counters->refused[i], virtio_mhp_refusal_names[i]));
        }
    }
    QAPI_LIST_APPEND(tail, virtio_mhp_memory_text(counters));
    if (counters->nb_stats_read) {
        QAPI_LIST_APPEND(
            tail,
            g_strdup_printf("statistics: %" PRIu64
                            " buffers read, asked for %" PRIu64 " times",
                            counters->nb_stats_read, counters->nb_stats_asked));
    }
    if (counters->nb_reports) {
        QAPI_LIST_APPEND(tail, virtio_mhp_reports_text(counters));
    }
    if (vmhp->pressure_size || counters->pressure_plugged) {
        QAPI_LIST_APPEND(tail, virtio_mhp_pressure_text(vmhp));
    }
    if (vmhp->memmap.unit_size) {
        QAPI_LIST_APPEND(tail, virtio_mhp_unit_text(vmhp));
    }
    visit_type_strList(v, name, &list, errp);
    qapi_free_strList(list);
}
