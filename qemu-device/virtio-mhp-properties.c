/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Properties that are more than a field: those that may change while the
 * machine runs, and what the device tells its operator.
 *
 * The names are virtio-mem's wherever virtio-mem has one.
 */
#include "qemu/osdep.h"
#include "exec/memory.h"
#include "qapi/error.h"
#include "qapi/qapi-builtin-visit.h"
#include "qapi/visitor.h"
#include "virtio-mhp.h"

/*
 * The guest decides how many ranges there are. An answer of 10 MiB is the end
 * of libvirt's connection to the monitor.
 */
#define VIRTIO_MHP_STUCK_RANGES_MAX 256

static void virtio_mhp_get_size(Object *obj, Visitor *v, const char *name,
                                void *opaque, Error **errp)
{
    const VirtIOMHP *vmhp = VIRTIO_MHP(obj);
    uint64_t value = virtio_mhp_blocks_plugged_size(&vmhp->blocks);

    visit_type_size(v, name, &value, errp);
}

static void virtio_mhp_get_pending_discard_size(Object *obj, Visitor *v,
                                                const char *name, void *opaque,
                                                Error **errp)
{
    const VirtIOMHP *vmhp = VIRTIO_MHP(obj);
    uint64_t value = virtio_mhp_blocks_pending_size(&vmhp->blocks);

    visit_type_size(v, name, &value, errp);
}

static void virtio_mhp_get_block_size(Object *obj, Visitor *v, const char *name,
                                      void *opaque, Error **errp)
{
    uint64_t value = virtio_mhp_block_size(VIRTIO_MHP(obj));

    visit_type_size(v, name, &value, errp);
}

static void virtio_mhp_set_block_size(Object *obj, Visitor *v, const char *name,
                                      void *opaque, Error **errp)
{
    VirtIOMHP *vmhp = VIRTIO_MHP(obj);
    uint64_t value;

    if (DEVICE(obj)->realized) {
        error_setg(errp, "property '%s' cannot be changed any more", name);
        return;
    }
    if (visit_type_size(v, name, &value, errp) &&
        virtio_mhp_check_block_size(value, errp)) {
        vmhp->block_size = value;
    }
}

static void virtio_mhp_get_requested_size(Object *obj, Visitor *v,
                                          const char *name, void *opaque,
                                          Error **errp)
{
    uint64_t value = VIRTIO_MHP(obj)->requested_size;

    visit_type_size(v, name, &value, errp);
}

/* The limits are not known before realize, which checks. */
static void virtio_mhp_visit_size(
    VirtIOMHP *vmhp, Visitor *v, const char *name, uint64_t *size,
    bool (*change)(VirtIOMHP *vmhp, uint64_t value, Error **errp), Error **errp)
{
    uint64_t value;

    if (!visit_type_size(v, name, &value, errp)) {
        return;
    }
    if (DEVICE(vmhp)->realized) {
        change(vmhp, value, errp);
    } else {
        *size = value;
    }
}

static void virtio_mhp_set_requested_size(Object *obj, Visitor *v,
                                          const char *name, void *opaque,
                                          Error **errp)
{
    VirtIOMHP *vmhp = VIRTIO_MHP(obj);

    virtio_mhp_visit_size(vmhp, v, name, &vmhp->requested_size,
                          virtio_mhp_size_change, errp);
}

static void virtio_mhp_get_pressure_size(Object *obj, Visitor *v,
                                         const char *name, void *opaque,
                                         Error **errp)
{
    uint64_t value = VIRTIO_MHP(obj)->pressure_size;

    visit_type_size(v, name, &value, errp);
}

static void virtio_mhp_set_pressure_size(Object *obj, Visitor *v,
                                         const char *name, void *opaque,
                                         Error **errp)
{
    VirtIOMHP *vmhp = VIRTIO_MHP(obj);

    virtio_mhp_visit_size(vmhp, v, name, &vmhp->pressure_size,
                          virtio_mhp_size_change_pressure, errp);
}

/* Before realize there is no region to compare with. */
static void virtio_mhp_get_pressure_plugged(Object *obj, Visitor *v,
                                            const char *name, void *opaque,
                                            Error **errp)
{
    uint64_t value = DEVICE(obj)->realized
                         ? virtio_mhp_size_on_pressure(VIRTIO_MHP(obj))
                         : 0;

    visit_type_size(v, name, &value, errp);
}

static void virtio_mhp_get_unit_size(Object *obj, Visitor *v, const char *name,
                                     void *opaque, Error **errp)
{
    const VirtIOMHP *vmhp = VIRTIO_MHP(obj);
    uint64_t value = virtio_mhp_unit_size(&vmhp->blocks, &vmhp->memmap);

    visit_type_size(v, name, &value, errp);
}

static void virtio_mhp_get_stuck_size(Object *obj, Visitor *v, const char *name,
                                      void *opaque, Error **errp)
{
    const VirtIOMHPBlocks *blocks = &VIRTIO_MHP(obj)->blocks;
    uint64_t value = blocks->nb_stuck * blocks->block_size;

    visit_type_size(v, name, &value, errp);
}

/* For example "0x148000000-0x14fffffff: pinned" */
static char *virtio_mhp_stuck_text(const VirtIOMHPBlocks *blocks,
                                   const VirtIOMHPRange *range)
{
    const uint64_t addr = blocks->addr +
                          virtio_mhp_blocks_offset(blocks, range);
    const uint64_t size = virtio_mhp_blocks_size(blocks, range);
    const uint8_t reason = blocks->reasons[range->first];

    return g_strdup_printf("0x%" PRIx64 "-0x%" PRIx64 ": %s", addr,
                           addr + size - 1, virtio_mhp_reason_name(reason));
}

static void virtio_mhp_get_stuck_blocks(Object *obj, Visitor *v,
                                        const char *name, void *opaque,
                                        Error **errp)
{
    const VirtIOMHPBlocks *blocks = &VIRTIO_MHP(obj)->blocks;
    VirtIOMHPRange range = {0};
    uint64_t nb_ranges = 0, nb_blocks = 0;
    strList *list = NULL, **tail = &list;

    while (virtio_mhp_blocks_next_stuck(blocks, &range)) {
        if (++nb_ranges <= VIRTIO_MHP_STUCK_RANGES_MAX) {
            QAPI_LIST_APPEND(tail, virtio_mhp_stuck_text(blocks, &range));
        } else {
            nb_blocks += range.nb_blocks;
        }
    }
    if (nb_blocks) {
        QAPI_LIST_APPEND(
            tail, g_strdup_printf(
                      "and %" PRIu64 " more ranges, %" PRIu64 " blocks",
                      nb_ranges - VIRTIO_MHP_STUCK_RANGES_MAX, nb_blocks));
    }
    visit_type_strList(v, name, &list, errp);
    qapi_free_strList(list);
}

static const struct {
    const char *name;
    const char *type;
    ObjectPropertyAccessor *get;
    ObjectPropertyAccessor *set;
    const char *description;
} virtio_mhp_class_properties[] = {
    {VIRTIO_MHP_BLOCK_SIZE_PROP, "size", virtio_mhp_get_block_size,
     virtio_mhp_set_block_size, "Unit in which memory is plugged"},
    {VIRTIO_MHP_REQUESTED_SIZE_PROP, "size", virtio_mhp_get_requested_size,
     virtio_mhp_set_requested_size, "How much the guest shall plug"},
    {VIRTIO_MHP_PRESSURE_SIZE_PROP, "size", virtio_mhp_get_pressure_size,
     virtio_mhp_set_pressure_size,
     "How much more it may plug while it is short of memory"},
    {VIRTIO_MHP_PRESSURE_PLUGGED_PROP, "size", virtio_mhp_get_pressure_plugged,
     NULL, "How much of that it has plugged (read-only)"},
    {VIRTIO_MHP_SIZE_PROP, "size", virtio_mhp_get_size, NULL,
     "How much the guest has plugged (read-only)"},
    {VIRTIO_MHP_PENDING_DISCARD_SIZE_PROP, "size",
     virtio_mhp_get_pending_discard_size, NULL,
     "How much of the rest the host may still hold (read-only)"},
    {VIRTIO_MHP_UNIT_SIZE_PROP, "size", virtio_mhp_get_unit_size, NULL,
     "What the guest plugs in one go, 0: not known (read-only)"},
    {VIRTIO_MHP_STUCK_SIZE_PROP, "size", virtio_mhp_get_stuck_size, NULL,
     "How much the guest cannot plug, unplug or use (read-only)"},
    {VIRTIO_MHP_STUCK_BLOCKS_PROP, "strList", virtio_mhp_get_stuck_blocks, NULL,
     "Which addresses these are, and why (read-only)"},
    {VIRTIO_MHP_COUNTERS_PROP, "struct", virtio_mhp_get_counters, NULL,
     "What happened so far, as numbers (read-only)"},
    {VIRTIO_MHP_SUMMARY_PROP, "strList", virtio_mhp_get_summary, NULL,
     "What happened so far, for people (read-only)"},
    {VIRTIO_MHP_GUEST_STATS_PROP, "guest statistics", virtio_mhp_get_stats,
     NULL, "What the guest tells of its memory (read-only)"},
    {VIRTIO_MHP_STATS_INTERVAL_PROP, "int", virtio_mhp_get_stats_interval,
     virtio_mhp_set_stats_interval,
     "After how many seconds it is asked again, 0: never"},
};

void virtio_mhp_add_properties(ObjectClass *klass)
{
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(virtio_mhp_class_properties); i++) {
        const char *name = virtio_mhp_class_properties[i].name;

        object_class_property_add(
            klass, name, virtio_mhp_class_properties[i].type,
            virtio_mhp_class_properties[i].get,
            virtio_mhp_class_properties[i].set, NULL, NULL);
        object_class_property_set_description(
            klass, name, virtio_mhp_class_properties[i].description);
    }
}
