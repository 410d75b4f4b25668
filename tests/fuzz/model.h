/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the device must do, written down a second time: the state of each block
 * and the response to each request. Knows the specification and nothing of
 * QEMU; shares no code with the device.
 */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include "mhp.h"

/**
 * struct ModelBlock - a block of the region
 * @plugged: whether it is plugged
 * @touched: somebody may have written to it while it was unplugged
 * @reason: what the driver reported last
 * @mark: what the driver has written to it (marks.h), 0 for nothing
 * @gone: bit i is set if that has been discarded at place i
 */
typedef struct ModelBlock {
    bool plugged;
    bool touched;
    uint16_t reason;
    uint64_t mark;
    unsigned gone;
} ModelBlock;

/* Tags that have a name, virtio-balloon's and ours, and where ours start */
#define MODEL_NB_STATS 31
#define MODEL_NB_BALLOON_STATS 16
#define MODEL_OWN_STATS 0x100

/**
 * struct ModelStats - what the driver told in the statsq
 * @has_buffer: it has a buffer there
 * @values: the figures of the latest one, UINT64_MAX for what was not in it
 */
typedef struct ModelStats {
    bool has_buffer;
    uint64_t values[MODEL_NB_STATS];
} ModelStats;

/* Boot memory that is reported, and what the driver has written there */
#define MODEL_PAGE UINT64_C(4096)
#define MODEL_BOOT (16 * MHP_MIB)
#define MODEL_BOOT_END (64 * MHP_MIB)
#define MODEL_NB_CELLS 64

/* Memory as a report names it, right or wrong */
typedef struct ModelRange {
    uint64_t addr;
    uint64_t size;
} ModelRange;

typedef struct Model {
    uint64_t addr;
    uint64_t requested_size;
    uint64_t pressure_size;
    uint64_t features; /* that the driver accepted */
    ModelBlock blocks[MHP_NB_BLOCKS];
    ModelStats stats;
    struct {
        uint64_t unit_size;
        uint64_t memmap_size;
    } memmap; /* the layout in force, zeros if there is none */
    uint64_t cells[MODEL_NB_CELLS];
} Model;

unsigned model_nb_plugged(const Model *model);
unsigned model_nb_stuck(const Model *model);

/* What is plugged beyond the requested size that the driver may decide */
uint64_t model_on_pressure(const Model *model);

/* The response (in wire order) to a request of the right shape */
struct virtio_mhp_resp model_request(Model *model,
                                     const struct virtio_mhp_req *req);

/*
 * A buffer with @size bytes to read and perhaps some to write is there; false
 * if it breaks the device
 */
bool model_tell(Model *model, const struct virtio_mhp_stat *stats, size_t size,
                bool has_writable);
void model_forget_stats(Model *model);

/* model-report.c: what a report does to the memory */

/* Whether a buffer of this size and room is taken, or else breaks the device */
bool model_takes_report(const Model *model, size_t size, size_t room);
/* What the answer must say */
uint64_t model_zero_size(const Model *model, const ModelRange *ranges,
                         unsigned nb);
/* Whether what @addr holds is discarded */
bool model_discards(const Model *model, const ModelRange *ranges, unsigned nb,
                    uint64_t addr);

/* A driver has reset the device and accepted @features */
void model_restart_driver(Model *model, uint64_t features);
void model_system_reset(Model *model);
/* The device was removed and added again, as it was at the start */
void model_new_device(Model *model);

/* What property "stuck-blocks" must say, one range a line */
char *model_reports(const Model *model);

#endif /* FUZZ_MODEL_H */
