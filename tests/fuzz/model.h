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
 */
typedef struct ModelBlock {
    bool plugged;
    bool touched;
    uint16_t reason;
    uint64_t mark;
} ModelBlock;

typedef struct Model {
    uint64_t addr;
    uint64_t requested_size;
    uint64_t features; /* that the driver accepted */
    ModelBlock blocks[MHP_NB_BLOCKS];
} Model;

unsigned model_nb_plugged(const Model *model);
unsigned model_nb_stuck(const Model *model);

/* The response (in wire order) to a request of the right shape */
struct virtio_mhp_resp model_request(Model *model,
                                     const struct virtio_mhp_req *req);

/* A driver has reset the device and accepted @features */
void model_restart_driver(Model *model, uint64_t features);
void model_system_reset(Model *model);
/* The device was removed and added again, as it was at the start */
void model_new_device(Model *model);

/* What property "stuck-blocks" must say, one range a line */
char *model_reports(const Model *model);

#endif /* FUZZ_MODEL_H */
