/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting: see virtio-mhp-counters.h.
 */
#include "qemu/osdep.h"
#include "virtio-mhp-counters.h"

#include <uapi/linux/virtio_mhp.h>

/* Where a type is counted */
static unsigned int virtio_mhp_counted_type(uint16_t type)
{
    switch (type) {
    case VIRTIO_MHP_REQ_PLUG:
    case VIRTIO_MHP_REQ_UNPLUG:
    case VIRTIO_MHP_REQ_UNPLUG_ALL:
    case VIRTIO_MHP_REQ_STATE:
        return type - VIRTIO_MHP_REQ_PLUG;
    case VIRTIO_MHP_REQ_MEMMAP:
        return 4;
    case VIRTIO_MHP_REQ_STATUS:
        return 5;
    default:
        return 6;
    }
}

void virtio_mhp_count_request(VirtIOMHPCounters *counters, uint16_t type,
                              uint16_t response, uint64_t time_ns)
{
    VirtIOMHPRequestCounters *requests =
        &counters->requests[virtio_mhp_counted_type(type)];

    g_assert(response < VIRTIO_MHP_NB_RESPONSES);
    requests->responses[response]++;
    requests->time_ns += time_ns;
    requests->max_time_ns = MAX(requests->max_time_ns, time_ns);
}

void virtio_mhp_count_host(VirtIOMHPCounters *counters,
                           const VirtIOMHPHostCounters *host)
{
    counters->host.nb_discards += host->nb_discards;
    counters->host.nb_failed_discards += host->nb_failed_discards;
    counters->host.discarded += host->discarded;
    counters->host.backed += host->backed;
}
