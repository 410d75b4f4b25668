/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happened since the device was created, as numbers that only grow. They
 * are for the operator; the device decides nothing by them.
 */
#ifndef VIRTIO_MHP_COUNTERS_H
#define VIRTIO_MHP_COUNTERS_H

#include <stdint.h>

/* Requests are counted by type; the last one is for unknown types */
#define VIRTIO_MHP_NB_COUNTED_TYPES 7
/* VIRTIO_MHP_RESP_* */
#define VIRTIO_MHP_NB_RESPONSES 4

/**
 * enum VirtIOMHPRefusal - why blocks were not plugged or not unplugged
 * @VIRTIO_MHP_REFUSED_RANGE: the request named blocks that are not there
 * @VIRTIO_MHP_REFUSED_STATE: some were plugged, or unplugged, already
 * @VIRTIO_MHP_REFUSED_REQUESTED_SIZE: it would be more than the host wants
 * @VIRTIO_MHP_REFUSED_MIGRATION: a migration or a snapshot goes on
 * @VIRTIO_MHP_REFUSED_DISCARD: the host could not discard their memory
 * @VIRTIO_MHP_REFUSED_HOST_MEMORY: the host had no memory to back them with
 * @VIRTIO_MHP_REFUSED_LISTENER: VFIO or the like could not use them
 * @VIRTIO_MHP_REFUSED_PRESSURE_SIZE: it would be more than the host lets the
 *     guest decide
 * @VIRTIO_MHP_NB_REFUSALS: how many reasons there are
 * @VIRTIO_MHP_GRANTED: they were
 */
typedef enum VirtIOMHPRefusal {
    VIRTIO_MHP_REFUSED_RANGE,
    VIRTIO_MHP_REFUSED_STATE,
    VIRTIO_MHP_REFUSED_REQUESTED_SIZE,
    VIRTIO_MHP_REFUSED_MIGRATION,
    VIRTIO_MHP_REFUSED_DISCARD,
    VIRTIO_MHP_REFUSED_HOST_MEMORY,
    VIRTIO_MHP_REFUSED_LISTENER,
    VIRTIO_MHP_REFUSED_PRESSURE_SIZE,
    VIRTIO_MHP_NB_REFUSALS,
    VIRTIO_MHP_GRANTED = VIRTIO_MHP_NB_REFUSALS,
} VirtIOMHPRefusal;

/**
 * struct VirtIOMHPHostCounters - what was done with the host's memory
 * @nb_discards: calls that discarded a piece of it
 * @nb_failed_discards: calls that failed to
 * @discarded: bytes that were discarded, whether they had memory or not
 * @backed: bytes that were backed beforehand, whether they had memory or not
 */
typedef struct VirtIOMHPHostCounters {
    uint64_t nb_discards;
    uint64_t nb_failed_discards;
    uint64_t discarded;
    uint64_t backed;
} VirtIOMHPHostCounters;

/**
 * struct VirtIOMHPRequestCounters - requests of one type
 * @responses: how many got each response
 * @time_ns: time from taking them from the queue to the response, all together
 * @max_time_ns: the longest of these times
 */
typedef struct VirtIOMHPRequestCounters {
    uint64_t responses[VIRTIO_MHP_NB_RESPONSES];
    uint64_t time_ns;
    uint64_t max_time_ns;
} VirtIOMHPRequestCounters;

/**
 * struct VirtIOMHPCounters - all of a device
 * @requests: by type
 * @nb_malformed: buffers of the wrong shape, which broke the device
 * @nb_stats_read: buffers of figures that were read
 * @nb_stats_asked: times that the driver was asked for fresh ones
 * @nb_reports: buffers of memory that the guest has no use for
 * @reported: bytes in these, as the driver says, and never beyond INT64_MAX
 * @reported_discarded: bytes of these that were discarded
 * @plugged: bytes that were plugged
 * @unplugged: bytes that were unplugged, by requests and by system resets
 * @pressure_plugged: bytes of @plugged that were more than was requested
 * @refused: blocks of requests that were not granted
 * @host: what was done with the host's memory
 */
typedef struct VirtIOMHPCounters {
    VirtIOMHPRequestCounters requests[VIRTIO_MHP_NB_COUNTED_TYPES];
    uint64_t nb_malformed;
    uint64_t nb_stats_read;
    uint64_t nb_stats_asked;
    uint64_t nb_reports;
    uint64_t reported;
    uint64_t reported_discarded;
    uint64_t plugged;
    uint64_t unplugged;
    uint64_t pressure_plugged;
    uint64_t refused[VIRTIO_MHP_NB_REFUSALS];
    VirtIOMHPHostCounters host;
} VirtIOMHPCounters;

/* @type is a place in virtio-mhp-request.c's table, whose size it may be */
void virtio_mhp_count_request(VirtIOMHPCounters *counters, unsigned int type,
                              uint16_t response, uint64_t time_ns);
void virtio_mhp_count_host(VirtIOMHPCounters *counters,
                           const VirtIOMHPHostCounters *host);

#endif
