/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Model: see model.h. */
#include "model.h"

#include <inttypes.h>

unsigned model_nb_plugged(const Model *model)
{
    unsigned nb = 0;

    for (unsigned i = 0; i < MHP_NB_BLOCKS; i++) {
        nb += model->blocks[i].plugged;
    }
    return nb;
}

unsigned model_nb_stuck(const Model *model)
{
    unsigned nb = 0;

    for (unsigned i = 0; i < MHP_NB_BLOCKS; i++) {
        nb += model->blocks[i].reason != VIRTIO_MHP_REASON_NONE;
    }
    return nb;
}

/* Blocks from @first up to, not including, @end */
typedef struct Range {
    unsigned first;
    unsigned end;
} Range;

/* DEV-REQ-3 */
static bool model_range(const Model *model, uint64_t addr, uint16_t nb_blocks,
                        Range *range)
{
    for (unsigned i = 0; i < MHP_NB_BLOCKS; i++) {
        if (addr == model->addr + i * MHP_BLOCK_SIZE) {
            *range = (Range){i, i + nb_blocks};
            return nb_blocks > 0 && range->end <= MHP_NB_BLOCKS;
        }
    }
    return false;
}

static unsigned model_nb_plugged_in(const Model *model, Range range)
{
    unsigned nb = 0;

    for (unsigned i = range.first; i < range.end; i++) {
        nb += model->blocks[i].plugged;
    }
    return nb;
}

/* What a block holds that changes its state is lost (DEV-PLUG-5) */
static void model_set_plugged(Model *model, Range range, bool plugged)
{
    for (unsigned i = range.first; i < range.end; i++) {
        model->blocks[i] = (ModelBlock){.plugged = plugged};
    }
}

static bool model_has_feature(const Model *model, unsigned bit)
{
    return model->features >> bit & 1;
}

/* DEV-PRESSURE-1 */
uint64_t model_on_pressure(const Model *model)
{
    uint64_t size = model_nb_plugged(model) * MHP_BLOCK_SIZE;

    if (!model_has_feature(model, VIRTIO_MHP_F_PRESSURE) ||
        size <= model->requested_size) {
        return 0;
    }
    return MIN(size - model->requested_size, model->pressure_size);
}

/* DEV-PLUG-1, DEV-PLUG-2, DEV-PLUG-7 */
static uint16_t model_plug(Model *model, Range range)
{
    uint64_t nb = model_nb_plugged(model) + range.end - range.first;
    uint64_t limit = model->requested_size;

    if (model_has_feature(model, VIRTIO_MHP_F_PRESSURE)) {
        limit += model->pressure_size;
    }
    if (nb * MHP_BLOCK_SIZE > limit) {
        return VIRTIO_MHP_RESP_NACK;
    }
    if (model_nb_plugged_in(model, range)) {
        return VIRTIO_MHP_RESP_ERROR;
    }
    model_set_plugged(model, range, true);
    return VIRTIO_MHP_RESP_ACK;
}

/* DEV-UNPLUG-1 */
static uint16_t model_unplug(Model *model, Range range)
{
    if (model_nb_plugged_in(model, range) != range.end - range.first) {
        return VIRTIO_MHP_RESP_ERROR;
    }
    model_set_plugged(model, range, false);
    return VIRTIO_MHP_RESP_ACK;
}

/* DEV-STATE-1 */
static uint16_t model_state(const Model *model, Range range)
{
    unsigned nb = model_nb_plugged_in(model, range);

    if (!nb) {
        return VIRTIO_MHP_STATE_UNPLUGGED;
    }
    return nb == range.end - range.first ? VIRTIO_MHP_STATE_PLUGGED
                                         : VIRTIO_MHP_STATE_MIXED;
}

/* DEV-STATUS-1 */
static uint16_t model_status(Model *model, Range range, uint16_t reason)
{
    if (reason > VIRTIO_MHP_REASON_WRITEBACK) {
        return VIRTIO_MHP_RESP_ERROR;
    }
    for (unsigned i = range.first; i < range.end; i++) {
        model->blocks[i].reason = reason;
    }
    return VIRTIO_MHP_RESP_ACK;
}

/* DEV-MEMMAP-1, DEV-MEMMAP-2 */
static uint16_t model_memmap(Model *model, uint64_t unit_size,
                             uint64_t memmap_size)
{
    bool is_power_of_two = unit_size && !(unit_size & (unit_size - 1));

    if (!is_power_of_two || unit_size < VIRTIO_MHP_UNIT_SIZE_MIN ||
        memmap_size >= unit_size || memmap_size % 4096 != 0) {
        return VIRTIO_MHP_RESP_ERROR;
    }
    model->memmap.unit_size = unit_size;
    model->memmap.memmap_size = memmap_size;
    return VIRTIO_MHP_RESP_ACK;
}

/* PLUG, UNPLUG, STATE and STATUS */
static uint16_t model_range_request(Model *model, uint16_t type,
                                    const struct virtio_mhp_req *req,
                                    struct virtio_mhp_resp *resp)
{
    Range range;

    if (!model_range(model, GUINT64_FROM_LE(req->u.plug.addr),
                     GUINT16_FROM_LE(req->u.plug.nb_blocks), &range)) {
        return VIRTIO_MHP_RESP_ERROR;
    }
    switch (type) {
    case VIRTIO_MHP_REQ_PLUG:
        return model_plug(model, range);
    case VIRTIO_MHP_REQ_UNPLUG:
        return model_unplug(model, range);
    case VIRTIO_MHP_REQ_STATE:
        resp->u.state.state = GUINT16_TO_LE(model_state(model, range));
        return VIRTIO_MHP_RESP_ACK;
    default:
        return model_status(model, range,
                            GUINT16_FROM_LE(req->u.status.reason));
    }
}

static void model_drop_reports(Model *model)
{
    for (unsigned i = 0; i < MHP_NB_BLOCKS; i++) {
        model->blocks[i].reason = VIRTIO_MHP_REASON_NONE;
    }
}

/* DEV-UNPLUGALL-1, DEV-UNPLUGALL-2, DEV-STATUS-2 */
static uint16_t model_unplug_all(Model *model)
{
    if (model_nb_plugged(model)) {
        model_set_plugged(model, (Range){0, MHP_NB_BLOCKS}, false);
    }
    model_drop_reports(model);
    return VIRTIO_MHP_RESP_ACK;
}

/* DEV-REQ-2 */
static uint16_t model_answer(Model *model, const struct virtio_mhp_req *req,
                             struct virtio_mhp_resp *resp)
{
    uint16_t type = GUINT16_FROM_LE(req->type);

    switch (type) {
    case VIRTIO_MHP_REQ_UNPLUG_ALL:
        return model_unplug_all(model);
    case VIRTIO_MHP_REQ_MEMMAP:
        return model_has_feature(model, VIRTIO_MHP_F_MEMMAP_ON_BLOCK)
                   ? model_memmap(model,
                                  GUINT64_FROM_LE(req->u.memmap.unit_size),
                                  GUINT64_FROM_LE(req->u.memmap.memmap_size))
                   : VIRTIO_MHP_RESP_ERROR;
    case VIRTIO_MHP_REQ_STATUS:
        if (!model_has_feature(model, VIRTIO_MHP_F_STATUS)) {
            return VIRTIO_MHP_RESP_ERROR;
        }
        return model_range_request(model, type, req, resp);
    case VIRTIO_MHP_REQ_PLUG:
    case VIRTIO_MHP_REQ_UNPLUG:
    case VIRTIO_MHP_REQ_STATE:
        return model_range_request(model, type, req, resp);
    default:
        return VIRTIO_MHP_RESP_ERROR;
    }
}

struct virtio_mhp_resp model_request(Model *model,
                                     const struct virtio_mhp_req *req)
{
    struct virtio_mhp_resp resp = {0};

    resp.type = GUINT16_TO_LE(model_answer(model, req, &resp));
    return resp;
}

/* DEV-STATS-2; MODEL_NB_STATS if the tag has no name */
static unsigned model_stat(uint16_t tag)
{
    if (tag < MODEL_NB_BALLOON_STATS) {
        return tag;
    }
    if (tag >= MODEL_OWN_STATS &&
        tag < MODEL_OWN_STATS + MODEL_NB_STATS - MODEL_NB_BALLOON_STATS) {
        return tag - MODEL_OWN_STATS + MODEL_NB_BALLOON_STATS;
    }
    return MODEL_NB_STATS;
}

static void model_drop_figures(Model *model)
{
    for (unsigned i = 0; i < MODEL_NB_STATS; i++) {
        model->stats.values[i] = UINT64_MAX;
    }
}

/* DEV-STATS-1, DEV-STATS-3 */
bool model_tell(Model *model, const struct virtio_mhp_stat *stats, size_t size,
                bool has_writable)
{
    if (!model_has_feature(model, VIRTIO_MHP_F_STATS) ||
        model->stats.has_buffer || has_writable || !size ||
        size % sizeof(*stats) || size / sizeof(*stats) > VIRTIO_MHP_STATS_MAX) {
        return false;
    }
    model->stats.has_buffer = true;
    model_drop_figures(model);
    for (size_t i = 0; i < size / sizeof(*stats); i++) {
        unsigned stat = model_stat(GUINT16_FROM_LE(stats[i].tag));

        if (stat < MODEL_NB_STATS) {
            model->stats.values[stat] = GUINT64_FROM_LE(stats[i].value);
        }
    }
    return true;
}

/* DEV-STATS-5 */
void model_forget_stats(Model *model)
{
    model->stats.has_buffer = false;
    model_drop_figures(model);
}

/* DEV-MEMMAP-2 */
static void model_forget_memmap(Model *model)
{
    model->memmap.unit_size = 0;
    model->memmap.memmap_size = 0;
}

/* DEV-RESET-1, DEV-STATUS-2 */
void model_restart_driver(Model *model, uint64_t features)
{
    model_forget_stats(model);
    model_forget_memmap(model);
    model->features = features;
    model_drop_reports(model);
}

/* DEV-RESET-2 */
void model_system_reset(Model *model)
{
    model_set_plugged(model, (Range){0, MHP_NB_BLOCKS}, false);
    model_forget_stats(model);
    model_forget_memmap(model);
    model->features = MHP_FEATURES;
}

void model_new_device(Model *model)
{
    model_system_reset(model);
    model->requested_size = MHP_REQUESTED_SIZE;
    model->pressure_size = 0;
}

char *model_reports(const Model *model)
{
    static const char *const names[] = {
        "none",          "busy",      "pinned",     "hugetlb",   "no-room",
        "kernel-memory", "not-added", "not-online", "no-memmap", "writeback",
    };
    GString *lines = g_string_new(NULL);
    unsigned end;

    for (unsigned i = 0; i < MHP_NB_BLOCKS; i = end) {
        uint16_t reason = model->blocks[i].reason;

        for (end = i + 1;
             end < MHP_NB_BLOCKS && model->blocks[end].reason == reason;
             end++) {
        }
        if (reason != VIRTIO_MHP_REASON_NONE) {
            g_string_append_printf(
                lines, "%s0x%" PRIx64 "-0x%" PRIx64 ": %s",
                lines->len ? "\n" : "", model->addr + i * MHP_BLOCK_SIZE,
                model->addr + end * MHP_BLOCK_SIZE - 1, names[reason]);
        }
    }
    return g_string_free(lines, FALSE);
}
