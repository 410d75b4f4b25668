/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing on pressure: how far a driver may plug beyond the requested size, by
 * the host's pressure-size, and what the host sees of it.
 */
#include <inttypes.h>
#include <string.h>

#include "migrate.h"

#define FEATURE (UINT64_C(1) << VIRTIO_MHP_F_PRESSURE)
#define NB_REQUESTED ((unsigned)(MHP_REQUESTED_SIZE / MHP_BLOCK_SIZE))
#define NB_PRESSURE 8u
#define PRESSURE_SIZE (NB_PRESSURE * MHP_BLOCK_SIZE)

static JsonNode *get(Mhp *mhp, const char *property)
{
    g_autoptr(GError) error = NULL;
    JsonNode *result = qmp_executef(vm_qmp(mhp->vm), &error, "qom-get",
                                    "{'path': '%s', 'property': '%s'}",
                                    MHP_QOM_PATH, property);

    g_assert_no_error(error);
    return result;
}

static uint64_t pressure_size(Mhp *mhp)
{
    g_autoptr(JsonNode) size = get(mhp, "pressure-size");

    return (uint64_t)json_node_get_int(size);
}

/* A counter, of blocks that were refused if @is_refused */
static int64_t counter(Mhp *mhp, bool is_refused, const char *name)
{
    g_autoptr(JsonNode) node = get(mhp, "counters");
    JsonObject *object = json_node_get_object(node);

    if (is_refused) {
        object = json_object_get_object_member(object, "refused-blocks");
    }
    g_assert_true(json_object_has_member(object, name));
    return json_object_get_int_member(object, name);
}

/* NULL if it was set, else why it was not */
static char *set(Mhp *mhp, const char *property, int64_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = qmp_executef(
        vm_qmp(mhp->vm), &error, "qom-set",
        "{'path': '%s', 'property': '%s', 'value': %" PRId64 "}", MHP_QOM_PATH,
        property, size);

    return result ? NULL : g_strdup(error->message);
}

/* DEV-PLUG-2 */
static void test_limit_is_exact(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_set_pressure_size(mhp, PRESSURE_SIZE);
    mhp_expect(mhp_plug(mhp, 0, NB_REQUESTED + NB_PRESSURE + 1), NACK);
    mhp_expect(mhp_plug(mhp, 0, NB_REQUESTED + NB_PRESSURE - 1), ACK);
    mhp_expect(mhp_plug(mhp, 60, 2), NACK);
    mhp_expect(mhp_plug(mhp, 60, 1), ACK);
    mhp_expect(mhp_plug(mhp, 61, 1), NACK);
    mhp_expect(mhp_unplug(mhp, 3, 1), ACK);
    mhp_expect(mhp_plug(mhp, 61, 1), ACK);
}

/* DEV-PLUG-2: not for a driver that does not know of it */
static void test_only_with_the_feature(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_set_pressure_size(mhp, PRESSURE_SIZE);
    mhp_restart_driver(mhp, MHP_FEATURES & ~FEATURE);
    mhp_expect(mhp_plug(mhp, 0, NB_REQUESTED), ACK);
    mhp_expect(mhp_plug(mhp, NB_REQUESTED, 1), NACK);
    g_assert_cmpint(counter(mhp, true, "requested-size"), ==, 1);
    g_assert_cmpuint(mhp_pressure_plugged(mhp), ==, 0);
    mhp_restart_driver(mhp, MHP_FEATURES);
    mhp_expect(mhp_plug(mhp, NB_REQUESTED, 1), ACK);
    g_assert_cmpuint(mhp_pressure_plugged(mhp), ==, MHP_BLOCK_SIZE);
    mhp_restart_driver(mhp, MHP_FEATURES & ~FEATURE);
    g_assert_cmpuint(mhp_pressure_plugged(mhp), ==, 0);
}

/* DEV-CFG-2, DEV-PLUG-2: together they may be more than there is */
static void test_more_than_the_region(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_set_pressure_size(mhp, MHP_REGION_SIZE);
    mhp_set_requested_size(mhp, MHP_REGION_SIZE);
    g_assert_cmpuint(mhp_config(mhp).pressure_size, ==, MHP_REGION_SIZE);
    mhp_expect(mhp_plug(mhp, 0, MHP_NB_BLOCKS), ACK);
    g_assert_cmpuint(mhp_pressure_plugged(mhp), ==, 0);
    /* DEV-PLUG-7: not more than may be plugged, but plugged already */
    mhp_expect(mhp_plug(mhp, 0, MHP_NB_BLOCKS), ERROR);
    mhp_set_requested_size(mhp, MHP_BLOCK_SIZE);
    g_assert_cmpuint(mhp_pressure_plugged(mhp), ==,
                     MHP_REGION_SIZE - MHP_BLOCK_SIZE);
}

/* DEV-CFG-3 */
static void test_change_notifies(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    uint8_t generation = virtio_pci_generation(mhp->pci);

    g_assert_cmpuint(mhp_config(mhp).pressure_size, ==, 0);
    virtio_pci_isr(mhp->pci);
    mhp_set_pressure_size(mhp, PRESSURE_SIZE);
    g_assert_cmphex(virtio_pci_isr(mhp->pci) & VIRTIO_PCI_ISR_CONFIG, !=, 0);
    g_assert_cmpuint(virtio_pci_generation(mhp->pci), !=, generation);
    g_assert_cmpuint(mhp_config(mhp).pressure_size, ==, PRESSURE_SIZE);
    g_assert_cmpuint(pressure_size(mhp), ==, PRESSURE_SIZE);
}

/* DEV-CFG-2 */
static void test_is_validated(void)
{
    static const struct {
        int64_t size;
        const char *message;
    } rows[] = {
        {MHP_BLOCK_SIZE + 1,
         "property 'pressure-size' wants a multiple of 2 MiB "
         "('block-size'), got 2097153 bytes"},
        {MHP_REGION_SIZE + MHP_BLOCK_SIZE,
         "property 'pressure-size' wants at most 128 MiB "
         "(the size of backend 'mem0'), got 130 MiB"},
        {-(int64_t)MHP_BLOCK_SIZE,
         "property 'pressure-size' wants at most 128 MiB "
         "(the size of backend 'mem0'), got -2 MiB"},
    };
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_set_pressure_size(mhp, PRESSURE_SIZE);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *message = set(mhp, "pressure-size", rows[i].size);

        g_assert_cmpstr(message, ==, rows[i].message);
        g_assert_cmpuint(mhp_config(mhp).pressure_size, ==, PRESSURE_SIZE);
    }
}

/* DEV-PRESSURE-1 */
static void test_what_the_host_sees(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    g_autofree char *summary = NULL;
    g_autoptr(JsonNode) lines = NULL;

    mhp_set_requested_size(mhp, 2 * MHP_BLOCK_SIZE);
    mhp_set_pressure_size(mhp, 4 * MHP_BLOCK_SIZE);
    mhp_expect(mhp_plug(mhp, 0, 1), ACK);
    g_assert_cmpuint(mhp_pressure_plugged(mhp), ==, 0);
    mhp_expect(mhp_plug(mhp, 1, 3), ACK);
    g_assert_cmpuint(mhp_pressure_plugged(mhp), ==, 2 * MHP_BLOCK_SIZE);
    mhp_expect(mhp_plug(mhp, 4, 2), ACK);
    g_assert_cmpuint(mhp_pressure_plugged(mhp), ==, 4 * MHP_BLOCK_SIZE);
    mhp_expect(mhp_plug(mhp, 6, 3), NACK);
    g_assert_cmpint(counter(mhp, false, "pressure-plugged-bytes"), ==,
                    4 * MHP_BLOCK_SIZE);
    g_assert_cmpint(counter(mhp, true, "pressure-size"), ==, 3);
    g_assert_cmpint(counter(mhp, true, "requested-size"), ==, 0);
    lines = get(mhp, "summary");
    summary = json_to_string(lines, FALSE);
    g_assert_nonnull(strstr(
        summary, "pressure: 8 MiB of 8 MiB beyond what is requested, 8 MiB so "
                 "far"));

    /* What is requested in the meantime is no longer more than that */
    mhp_set_requested_size(mhp, 5 * MHP_BLOCK_SIZE);
    g_assert_cmpuint(mhp_pressure_plugged(mhp), ==, MHP_BLOCK_SIZE);
    mhp_expect(mhp_unplug(mhp, 0, 1), ACK);
    g_assert_cmpuint(mhp_pressure_plugged(mhp), ==, 0);
    g_assert_cmpint(counter(mhp, false, "pressure-plugged-bytes"), ==,
                    4 * MHP_BLOCK_SIZE);
}

static int64_t balloon_actual(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode)
        result = qmp_executef(vm_qmp(mhp->vm), &error, "query-balloon", NULL);

    g_assert_no_error(error);
    return json_object_get_int_member(json_node_get_object(result), "actual");
}

/* Events and the balloon's size are as of any plug */
static void test_is_told_as_any_plug(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) event = NULL;
    JsonObject *data;
    int64_t boot_size = balloon_actual(mhp);

    mhp_set_requested_size(mhp, 0);
    mhp_set_pressure_size(mhp, PRESSURE_SIZE);
    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    event = qmp_wait_event(vm_qmp(mhp->vm), "MEMORY_DEVICE_SIZE_CHANGE", 10000,
                           &error);
    g_assert_no_error(error);
    data = json_object_get_object_member(json_node_get_object(event), "data");
    g_assert_cmpint(json_object_get_int_member(data, "size"), ==,
                    2 * MHP_BLOCK_SIZE);
    g_assert_cmpint(balloon_actual(mhp), ==, boot_size + 2 * MHP_BLOCK_SIZE);
}

/* DEV-PRESSURE-2 */
static void test_less_unplugs_nothing(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_set_requested_size(mhp, 0);
    mhp_set_pressure_size(mhp, PRESSURE_SIZE);
    mhp_expect(mhp_plug(mhp, 0, NB_PRESSURE), ACK);
    mhp_fill(mhp, 7, 0x5a);
    mhp_set_pressure_size(mhp, MHP_BLOCK_SIZE);
    g_assert_cmpuint(mhp_size(mhp), ==, PRESSURE_SIZE);
    g_assert_cmpuint(mhp_pressure_plugged(mhp), ==, MHP_BLOCK_SIZE);
    g_assert_true(mhp_block_holds(mhp, 7, 0x5a));
    mhp_expect(mhp_plug(mhp, 20, 1), NACK);
    mhp_set_pressure_size(mhp, 0);
    g_assert_cmpuint(mhp_size(mhp), ==, PRESSURE_SIZE);
    g_assert_cmpuint(mhp_pressure_plugged(mhp), ==, 0);
    mhp_expect(mhp_unplug(mhp, 0, NB_PRESSURE), ACK);
    mhp_expect(mhp_plug(mhp, 0, 1), NACK);
}

/* DEV-PRESSURE-2, DEV-RESET-2 */
static void test_resets(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_set_requested_size(mhp, 0);
    mhp_set_pressure_size(mhp, PRESSURE_SIZE);
    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    mhp_restart_driver(mhp, MHP_FEATURES);
    g_assert_cmpuint(mhp_pressure_plugged(mhp), ==, 2 * MHP_BLOCK_SIZE);
    mhp_system_reset(mhp);
    g_assert_cmpuint(mhp_pressure_plugged(mhp), ==, 0);
    g_assert_cmpuint(mhp_config(mhp).pressure_size, ==, PRESSURE_SIZE);
    mhp_expect(mhp_plug(mhp, 0, NB_PRESSURE), ACK);
}

/* The configuration ends where the feature's field would be */
static void test_turned_off(void)
{
    static const char *const args[] = {"-set", "device.mhp0.pressure=off",
                                       NULL};
    g_autoptr(Mhp) mhp = mhp_new_with_args(args);
    g_autofree char *message = set(mhp, "pressure-size", MHP_BLOCK_SIZE);

    g_assert_cmphex(virtio_pci_features(mhp->pci) & FEATURE, ==, 0);
    g_assert_cmphex(mhp_config(mhp).pressure_size, ==, UINT64_MAX);
    g_assert_cmpuint(mhp_config(mhp).requested_size, ==, MHP_REQUESTED_SIZE);
    g_assert_cmpstr(
        message, ==,
        "property 'pressure-size' wants 0 where the guest cannot grow on pressure ('pressure' is 'off', or 'compat' is set), got 2 MiB");
    g_assert_null(set(mhp, "pressure-size", 0));
    mhp_expect(mhp_plug(mhp, 0, NB_REQUESTED), ACK);
    mhp_expect(mhp_plug(mhp, NB_REQUESTED, 1), NACK);
}

static void test_set_at_start(void)
{
    static const char *const args[] = {
        "-set", "device.mhp0.pressure-size=16777216", NULL};
    g_autoptr(Mhp) mhp = mhp_new_with_args(args);

    g_assert_cmpuint(mhp_config(mhp).pressure_size, ==, PRESSURE_SIZE);
    mhp_expect(mhp_plug(mhp, 0, NB_REQUESTED + NB_PRESSURE), ACK);
}

/* Nothing is plugged while the device is being removed */
static void test_removal(void)
{
    g_autoptr(Mhp) mhp = mhp_new_pc("");
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) refused = NULL, done = NULL;
    g_autofree char *message = NULL;

    mhp_set_requested_size(mhp, 0);
    mhp_set_pressure_size(mhp, PRESSURE_SIZE);
    refused = qmp_executef(vm_qmp(mhp->vm), &error, "device_del",
                           "{'id': 'mhp0'}");
    g_assert_null(refused);
    g_assert_cmpstr(
        error->message, ==,
        "mhp-vmemmap-mem can be removed when 'size', 'requested-size' and 'pressure-size' are 0, got 0 bytes, 0 bytes and 16 MiB");
    g_clear_error(&error);
    mhp_set_pressure_size(mhp, 0);
    done = qmp_executef(vm_qmp(mhp->vm), &error, "device_del",
                        "{'id': 'mhp0'}");
    g_assert_no_error(error);
    message = set(mhp, "pressure-size", PRESSURE_SIZE);
    g_assert_cmpstr(
        message, ==,
        "property 'pressure-size' cannot be changed while the device is being removed");
    mhp_expect(mhp_plug(mhp, 0, 1), NACK);
}

/* The source's size goes along, also if it is none */
static void migrate_size(uint64_t from, uint64_t to)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        g_autoptr(Mhp) target = migrate_new_target(source, uri);

        mhp_set_requested_size(source, 0);
        mhp_set_pressure_size(source, PRESSURE_SIZE);
        mhp_expect(mhp_plug(source, 0, NB_PRESSURE), ACK);
        mhp_set_pressure_size(source, from);
        mhp_set_pressure_size(target, to);
        migrate(source, target, uri);
        g_assert_cmpuint(mhp_config(target).pressure_size, ==, from);
        g_assert_cmpuint(mhp_pressure_plugged(target), ==, from);
        g_assert_cmpuint(mhp_size(target), ==, PRESSURE_SIZE);
        mhp_expect(mhp_plug(target, 20, 1), NACK);
        if (from) {
            mhp_expect(mhp_unplug(target, 0, 1), ACK);
            mhp_expect(mhp_plug(target, 20, 1), ACK);
        }
    }
    migrate_free_uri(uri);
}

static void test_migration(void)
{
    migrate_size(PRESSURE_SIZE, 0);
    migrate_size(0, PRESSURE_SIZE);
}

static void test_snapshot(void)
{
    char *uri = migrate_new_uri("file");
    {
        g_autoptr(Mhp) mhp = mhp_new();

        migration_add_disk(mhp->vm, strchr(uri, ':') + 1);
        migration_save(mhp->vm, "one");
        mhp_set_pressure_size(mhp, PRESSURE_SIZE);
        mhp_load_snapshot(mhp, "one");
        g_assert_cmpuint(mhp_config(mhp).pressure_size, ==, 0);
        mhp_expect(mhp_plug(mhp, 0, NB_REQUESTED), ACK);
        mhp_expect(mhp_plug(mhp, NB_REQUESTED, 1), NACK);
    }
    migrate_free_uri(uri);
}

#define ADD(test) g_test_add_func("/virtio-mhp/pressure/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(limit_is_exact);
    ADD(only_with_the_feature);
    ADD(more_than_the_region);
    ADD(change_notifies);
    ADD(is_validated);
    ADD(what_the_host_sees);
    ADD(is_told_as_any_plug);
    ADD(less_unplugs_nothing);
    ADD(resets);
    ADD(turned_off);
    ADD(set_at_start);
    ADD(removal);
    ADD(migration);
    ADD(snapshot);
    return g_test_run();
}
