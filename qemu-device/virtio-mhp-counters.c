/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting: see virtio-mhp-counters.h.
 */
#include "qemu/osdep.h"
#include "virtio-mhp-counters.h"

void virtio_mhp_count_request(VirtIOMHPCounters *counters, unsigned int type,
                              uint16_t response, uint64_t time_ns)
{
    VirtIOMHPRequestCounters *requests = &counters->requests[type];

    g_assert(type < VIRTIO_MHP_NB_COUNTED_TYPES);
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
