/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plugin for QEMU with a device that exists for the tests alone: it listens
 * to the RamDiscardManager of a memory backend, as VFIO does, and shows what
 * it heard and what the manager answers.
 *
 *   -device mhp-test-listener,id=l0,memdev=mem0,offset=0,size=4M
 *
 * It listens while its property "listening" is true, to the part of the
 * backend that "offset" and "size" name. It refuses what starts at or behind
 * "refuse-from", counted from the backend's start, and what it has already.
 *
 *   -device mhp-test-listener,id=l0,memdev=mem0,follow=on
 *
 * This one listens to whatever of the backend the machine maps.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "hw/qdev-core.h"
#include "hw/qdev-properties.h"
#include "qapi/error.h"
#include "qemu/qemu-plugin.h"
#include "system/hostmem.h"

#define TYPE_MHP_TEST_LISTENER "mhp-test-listener"
OBJECT_DECLARE_SIMPLE_TYPE(MHPTestListener, MHP_TEST_LISTENER)

/* Listens to one part of the backend */
typedef struct MHPTestPart {
    RamDiscardListener listener;
    MHPTestListener *l;
    QLIST_ENTRY(MHPTestPart) next;
} MHPTestPart;

struct MHPTestListener {
    DeviceState parent_obj;

    HostMemoryBackend *memdev;
    uint64_t offset;
    uint64_t size;
    uint64_t refuse_from;
    bool listening;
    bool follow;
    MHPTestPart part; /* that "listening" is about */
    QLIST_HEAD(, MHPTestPart) mapped;
    MemoryListener memory_listener;
    bool *has;      /* for each block of the backend */
    GString *heard; /* "+0x0-0x200000 -0x0-0x200000 ", minus is discard */
};

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static void mhp_test_add(GString *text, char sign,
                         const MemoryRegionSection *section)
{
    const uint64_t start = section->offset_within_region;

    g_string_append_printf(text, "%c0x%" PRIx64 "-0x%" PRIx64 " ", sign, start,
                           start + int128_get64(section->size));
}

static RamDiscardManager *mhp_test_manager(MHPTestListener *l)
{
    return memory_region_get_ram_discard_manager(&l->memdev->mr);
}

static uint64_t mhp_test_granularity(MHPTestListener *l)
{
    return ram_discard_manager_get_min_granularity(mhp_test_manager(l),
                                                   &l->memdev->mr);
}

/* Whether it had any of the section's blocks; from now on it has all or none */
static bool mhp_test_take(MHPTestListener *l,
                          const MemoryRegionSection *section, bool has)
{
    const uint64_t granularity = mhp_test_granularity(l);
    const uint64_t start = section->offset_within_region;
    const uint64_t end = start + int128_get64(section->size);
    bool had = false;
    uint64_t i;

    for (i = start / granularity; i * granularity < end; i++) {
        had |= l->has[i];
        l->has[i] = has;
    }
    return had;
}

static int mhp_test_notify_populate(RamDiscardListener *listener,
                                    MemoryRegionSection *section)
{
    MHPTestListener *l = container_of(listener, MHPTestPart, listener)->l;

    if (section->offset_within_region >= l->refuse_from) {
        mhp_test_add(l->heard, '!', section);
        return -ENOSPC;
    }
    if (mhp_test_take(l, section, true)) {
        mhp_test_add(l->heard, '=', section);
        return -EEXIST;
    }
    mhp_test_add(l->heard, '+', section);
    return 0;
}

static void mhp_test_notify_discard(RamDiscardListener *listener,
                                    MemoryRegionSection *section)
{
    MHPTestListener *l = container_of(listener, MHPTestPart, listener)->l;

    mhp_test_take(l, section, false);
    mhp_test_add(l->heard, '-', section);
}

static void mhp_test_register(MHPTestListener *l, MHPTestPart *part,
                              MemoryRegionSection *section)
{
    part->l = l;
    ram_discard_listener_init(&part->listener, mhp_test_notify_populate,
                              mhp_test_notify_discard, false);
    ram_discard_manager_register_listener(mhp_test_manager(l), &part->listener,
                                          section);
}

static void mhp_test_unregister(MHPTestListener *l, MHPTestPart *part)
{
    ram_discard_manager_unregister_listener(mhp_test_manager(l),
                                            &part->listener);
}

static void mhp_test_region_add(MemoryListener *listener,
                                MemoryRegionSection *section)
{
    MHPTestListener *l = container_of(listener, MHPTestListener,
                                      memory_listener);
    MHPTestPart *part;

    if (section->mr == &l->memdev->mr) {
        part = g_new0(MHPTestPart, 1);
        QLIST_INSERT_HEAD(&l->mapped, part, next);
        mhp_test_register(l, part, section);
    }
}

static void mhp_test_region_del(MemoryListener *listener,
                                MemoryRegionSection *section)
{
    MHPTestListener *l = container_of(listener, MHPTestListener,
                                      memory_listener);
    MHPTestPart *part, *next;

    QLIST_FOREACH_SAFE(part, &l->mapped, next, next)
    {
        if (section->mr == &l->memdev->mr &&
            section->offset_within_region ==
                part->listener.section->offset_within_region) {
            mhp_test_unregister(l, part);
            QLIST_REMOVE(part, next);
            g_free(part);
        }
    }
}

static MemoryRegionSection mhp_test_section(MHPTestListener *l)
{
    return (MemoryRegionSection){
        .mr = &l->memdev->mr,
        .offset_within_region = l->offset,
        .size = int128_make64(l->size),
    };
}

static void mhp_test_set_listening(Object *obj, bool value, Error **errp)
{
    MHPTestListener *l = MHP_TEST_LISTENER(obj);
    MemoryRegionSection section = mhp_test_section(l);

    if (value && !l->listening) {
        mhp_test_register(l, &l->part, &section);
    } else if (!value && l->listening) {
        mhp_test_unregister(l, &l->part);
    }
    l->listening = value;
}

static bool mhp_test_get_listening(Object *obj, Error **errp)
{
    return MHP_TEST_LISTENER(obj)->listening;
}

/* What was heard since the last look */
static char *mhp_test_get_heard(Object *obj, Error **errp)
{
    MHPTestListener *l = MHP_TEST_LISTENER(obj);
    char *heard = g_strchomp(g_strdup(l->heard->str));

    g_string_truncate(l->heard, 0);
    return heard;
}

static int mhp_test_replay_populated(MemoryRegionSection *section, void *opaque)
{
    mhp_test_add(opaque, '+', section);
    return 0;
}

static void mhp_test_replay_discarded(MemoryRegionSection *section,
                                      void *opaque)
{
    mhp_test_add(opaque, '-', section);
}

/* What the manager says of the section, plugged parts first */
static char *mhp_test_get_replay(Object *obj, Error **errp)
{
    MHPTestListener *l = MHP_TEST_LISTENER(obj);
    MemoryRegionSection section = mhp_test_section(l);
    GString *text = g_string_new(NULL);

    ram_discard_manager_replay_populated(mhp_test_manager(l), &section,
                                         mhp_test_replay_populated, text);
    ram_discard_manager_replay_discarded(mhp_test_manager(l), &section,
                                         mhp_test_replay_discarded, text);
    return g_strchomp(g_string_free(text, false));
}

static bool mhp_test_get_populated(Object *obj, Error **errp)
{
    MHPTestListener *l = MHP_TEST_LISTENER(obj);
    MemoryRegionSection section = mhp_test_section(l);

    return ram_discard_manager_is_populated(mhp_test_manager(l), &section);
}

static char *mhp_test_get_granularity(Object *obj, Error **errp)
{
    MHPTestListener *l = MHP_TEST_LISTENER(obj);

    return g_strdup_printf("%" PRIu64, mhp_test_granularity(l));
}

static void mhp_test_realize(DeviceState *dev, Error **errp)
{
    MHPTestListener *l = MHP_TEST_LISTENER(dev);

    if (!l->memdev || !mhp_test_manager(l)) {
        error_setg(errp, "wanted a backend that a manager watches");
        return;
    }
    l->has = g_new0(bool, memory_region_size(&l->memdev->mr) /
                              mhp_test_granularity(l));
    if (!l->size) {
        l->size = memory_region_size(&l->memdev->mr);
    }
    if (l->follow) {
        l->memory_listener = (MemoryListener){
            .name = TYPE_MHP_TEST_LISTENER,
            .region_add = mhp_test_region_add,
            .region_del = mhp_test_region_del,
        };
        memory_listener_register(&l->memory_listener, &address_space_memory);
    }
}

static const Property mhp_test_properties[] = {
    DEFINE_PROP_LINK("memdev", MHPTestListener, memdev, TYPE_MEMORY_BACKEND,
                     HostMemoryBackend *),
    DEFINE_PROP_SIZE("offset", MHPTestListener, offset, 0),
    DEFINE_PROP_SIZE("size", MHPTestListener, size, 0),
    DEFINE_PROP_BOOL("follow", MHPTestListener, follow, false),
};

static void mhp_test_instance_init(Object *obj)
{
    MHPTestListener *l = MHP_TEST_LISTENER(obj);

    l->heard = g_string_new(NULL);
    l->refuse_from = UINT64_MAX;
    object_property_add_uint64_ptr(obj, "refuse-from", &l->refuse_from,
                                   OBJ_PROP_FLAG_READWRITE);
}

static void mhp_test_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->realize = mhp_test_realize;
    dc->user_creatable = true;
    device_class_set_props(dc, mhp_test_properties);
    object_class_property_add_bool(klass, "listening", mhp_test_get_listening,
                                   mhp_test_set_listening);
    object_class_property_add_str(klass, "heard", mhp_test_get_heard, NULL);
    object_class_property_add_str(klass, "replay", mhp_test_get_replay, NULL);
    object_class_property_add_str(klass, "granularity",
                                  mhp_test_get_granularity, NULL);
    object_class_property_add_bool(klass, "populated", mhp_test_get_populated,
                                   NULL);
}

static const TypeInfo mhp_test_info = {
    .name = TYPE_MHP_TEST_LISTENER,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(MHPTestListener),
    .instance_init = mhp_test_instance_init,
    .class_init = mhp_test_class_init,
};

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
                                           const qemu_info_t *info, int argc,
                                           char **argv)
{
    type_register_static(&mhp_test_info);
    return 0;
}
