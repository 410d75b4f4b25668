/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a report does to the memory, page by page: see model.h. */
#include "model.h"

/* What the device may discard of pages: boot memory, and plugged blocks */
static bool model_may_discard(const Model *model, uint64_t page)
{
    uint64_t offset = page - model->addr;

    if (page >= MODEL_BOOT && page < MODEL_BOOT_END) {
        return true;
    }
    if (offset >= MHP_REGION_SIZE ||
        !model->blocks[offset / MHP_BLOCK_SIZE].plugged) {
        return false;
    }
    return !model->memmap.unit_size ||
           page % model->memmap.unit_size >= model->memmap.memmap_size;
}

/* DEV-REPORT-3 */
static bool model_range_is_right(const ModelRange *range)
{
    return range->size && range->size % MODEL_PAGE == 0 &&
           range->addr % MODEL_PAGE == 0 &&
           range->addr + range->size > range->addr;
}

/* DEV-REPORT-2 */
uint64_t model_zero_size(const Model *model, const ModelRange *ranges,
                         unsigned nb)
{
    uint64_t size = 0;

    for (unsigned i = 0; i < nb; i++) {
        uint64_t page = ranges[i].addr;

        if (!model_range_is_right(&ranges[i])) {
            return size;
        }
        for (; page - ranges[i].addr < ranges[i].size; page += MODEL_PAGE) {
            if (!model_may_discard(model, page)) {
                return size;
            }
            size += MODEL_PAGE;
        }
    }
    return size;
}

/* DEV-REPORT-4, DEV-REPORT-5 */
bool model_discards(const Model *model, const ModelRange *ranges, unsigned nb,
                    uint64_t addr)
{
    for (unsigned i = 0; i < nb; i++) {
        if (model_range_is_right(&ranges[i]) &&
            addr - ranges[i].addr < ranges[i].size &&
            model_may_discard(model, addr - addr % MODEL_PAGE)) {
            return true;
        }
    }
    return false;
}

/* DEV-REPORT-1 */
bool model_takes_report(const Model *model, size_t size, size_t room)
{
    return model->features >> VIRTIO_MHP_F_REPORTING & 1 && size &&
           size % sizeof(struct virtio_mhp_report) == 0 &&
           size / sizeof(struct virtio_mhp_report) <= VIRTIO_MHP_REPORT_MAX &&
           room >= sizeof(struct virtio_mhp_report_resp);
}
