/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Beside a virtio-balloon that somebody uses: what it holds stays in it, and
 * what the device has backed beforehand does not get into it.
 */
#include <linux/virtio_balloon.h>
#include <string.h>

#include "migrate.h"

#define BOOT_SIZE (64 * MHP_MIB)
#define BALLOON_PCI_DEVICE_ID (0x1040 + 5)
#define BALLOON_PAGE_SIZE (1u << VIRTIO_BALLOON_PFN_SHIFT)
#define PAGES(size) ((uint32_t)((size) / BALLOON_PAGE_SIZE))
#define BALLOON "virtio-balloon-pci,id=other,addr=0x10,disable-legacy=on"

static void set_balloon(Vm *vm, uint64_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(vm_qmp(vm), &error, "balloon",
                          "{'value': %" G_GUINT64_FORMAT "}", size);
    g_assert_no_error(error);
    g_assert_nonnull(result);
}

static uint64_t balloon_actual(Vm *vm)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(vm_qmp(vm), &error, "query-balloon", NULL);
    g_assert_no_error(error);
    return json_object_get_int_member(json_node_get_object(result), "actual");
}

static uint64_t requested_size(Vm *vm)
{
    g_autoptr(GError) error = NULL;
    uint64_t size = 0;

    qmp_get_uint(vm_qmp(vm), MHP_QOM_PATH, "requested-size", &size, &error);
    g_assert_no_error(error);
    return size;
}

/* What the virtio-balloon is told to hold */
static uint32_t balloon_target(VirtioPci *balloon)
{
    struct virtio_balloon_config config;

    virtio_pci_read_config(balloon, &config, sizeof(config));
    return GUINT32_FROM_LE(config.num_pages);
}

/* What its driver says that it holds */
static void hold(VirtioPci *balloon, uint64_t size)
{
    virtio_pci_write_config(
        balloon, G_STRUCT_OFFSET(struct virtio_balloon_config, actual), 4,
        PAGES(size));
}

/* A machine with a virtio-balloon, and memory for devices to come */
typedef struct Beside {
    Vm *vm;
    Qtest *qtest;
    VirtioPci *balloon;
} Beside;

static Beside beside_new(void)
{
    Beside beside = {.vm = vm_new()};
    g_autoptr(GError) error = NULL;

    beside.qtest = qtest_new(beside.vm);
    vm_add_plugin(beside.vm);
    vm_add_args(beside.vm, "-M", "pc", "-m", "64M,maxmem=1G", "-object",
                "memory-backend-ram,id=mem0,size=128M", "-object",
                "memory-backend-ram,id=mem1,size=128M", "-device", BALLOON,
                NULL);
    vm_start(beside.vm, &error);
    g_assert_no_error(error);
    beside.balloon = virtio_pci_new(beside.qtest, BALLOON_PCI_DEVICE_ID);
    g_assert_nonnull(beside.balloon);
    return beside;
}

static void beside_clear(Beside *beside)
{
    virtio_pci_free(beside->balloon);
    qtest_free(beside->qtest);
    vm_free(beside->vm);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Beside, beside_clear)

/* Add a device; what QEMU refuses it with, NULL if it does not */
static char *beside_add_nth(Beside *beside, unsigned n, const char *properties)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(
        vm_qmp(beside->vm), &error, "device_add",
        "{'driver': 'mhp-vmemmap-mem', 'id': 'mhp%u', 'memdev': 'mem%u', 'block-size': 2097152%s}",
        n, n, properties);
    return result ? NULL : g_strdup(error->message);
}

static char *beside_add(Beside *beside, const char *properties)
{
    return beside_add_nth(beside, 0, properties);
}

static void assert_log(Vm *vm, const char *wanted)
{
    g_autofree char *log = vm_stderr(vm);

    if (wanted) {
        g_assert_nonnull(strstr(log, wanted));
    } else {
        g_assert_cmpstr(log, ==, "");
    }
}

/* Told to hold by the host, held by the guest, or both */
static const struct {
    uint64_t target;
    uint64_t actual;
    const char *holds;
} inflated[] = {
    {32 * MHP_MIB, 0, "32 MiB"},
    {32 * MHP_MIB, 32 * MHP_MIB, "32 MiB"},
    {32 * MHP_MIB, 4 * MHP_MIB, "32 MiB"},
    {0, 16 * MHP_MIB, "16 MiB"},
};

static void test_auto_leaves_it_to_one_that_holds_memory(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(inflated); i++) {
        g_auto(Beside) beside = beside_new();
        g_autofree char *wanted = g_strdup_printf(
            "property 'balloon' wants a virtio-balloon that holds no memory, got one that holds %s",
            inflated[i].holds);
        g_autofree char *refusal = NULL;

        g_test_message("row %u", i);
        set_balloon(beside.vm, BOOT_SIZE - inflated[i].target);
        hold(beside.balloon, inflated[i].actual);
        refusal = beside_add(&beside, "");
        g_assert_cmpstr(refusal, ==, NULL);
        g_assert_cmpuint(balloon_target(beside.balloon), ==,
                         PAGES(inflated[i].target));
        assert_log(beside.vm, wanted);
        g_assert_cmpuint(balloon_actual(beside.vm), ==,
                         BOOT_SIZE - inflated[i].actual);
        set_balloon(beside.vm, BOOT_SIZE - 8 * MHP_MIB);
        g_assert_cmpuint(balloon_target(beside.balloon), ==,
                         PAGES(8 * MHP_MIB));
        g_assert_cmpuint(requested_size(beside.vm), ==, 0);
    }
}

/* The first of two devices, because it has waited longer */
static void test_emptied_one_loses_it_to_the_first_device(void)
{
    g_auto(Beside) beside = beside_new();
    g_autofree char *refusal = NULL;

    set_balloon(beside.vm, BOOT_SIZE / 2);
    refusal = beside_add_nth(&beside, 0, "");
    g_assert_cmpstr(refusal, ==, NULL);
    set_balloon(beside.vm, BOOT_SIZE);
    g_assert_cmpuint(requested_size(beside.vm), ==, 0);
    refusal = beside_add_nth(&beside, 1, "");
    g_assert_cmpstr(refusal, ==, NULL);
    set_balloon(beside.vm, BOOT_SIZE + 4 * MHP_BLOCK_SIZE);
    g_assert_cmpuint(requested_size(beside.vm), ==, 4 * MHP_BLOCK_SIZE);
}

static void test_on_is_refused_beside_one_that_holds_memory(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(inflated); i++) {
        g_auto(Beside) beside = beside_new();
        g_autofree char *wanted = g_strdup_printf(
            "property 'balloon' wants a virtio-balloon that holds no memory, got one that holds %s",
            inflated[i].holds);
        g_autofree char *refusal = NULL;

        g_test_message("row %u", i);
        set_balloon(beside.vm, BOOT_SIZE - inflated[i].target);
        hold(beside.balloon, inflated[i].actual);
        refusal = beside_add(&beside, ", 'balloon': 'on'");
        g_assert_cmpstr(refusal, ==, wanted);
        g_assert_cmpuint(balloon_target(beside.balloon), ==,
                         PAGES(inflated[i].target));

        set_balloon(beside.vm, BOOT_SIZE);
        hold(beside.balloon, 0);
        g_clear_pointer(&refusal, g_free);
        refusal = beside_add(&beside, ", 'balloon': 'on'");
        g_assert_cmpstr(refusal, ==, NULL);
        set_balloon(beside.vm, BOOT_SIZE + 4 * MHP_BLOCK_SIZE);
        g_assert_cmpuint(requested_size(beside.vm), ==, 4 * MHP_BLOCK_SIZE);
    }
}

/* What goes wrong is the PCI device's, after the virtio device was ready. */
static void test_hotplug_that_fails_changes_nothing(void)
{
    static const uint64_t held[] = {0, 32 * MHP_MIB};

    for (unsigned i = 0; i < G_N_ELEMENTS(held); i++) {
        g_auto(Beside) beside = beside_new();
        g_autofree char *refusal = NULL;

        g_test_message("row %u", i);
        set_balloon(beside.vm, BOOT_SIZE - held[i]);
        refusal = beside_add(&beside, ", 'romfile': '/nonexistent'");
        g_assert_nonnull(strstr(refusal, "/nonexistent"));
        g_assert_cmpuint(balloon_target(beside.balloon), ==, PAGES(held[i]));
        set_balloon(beside.vm, BOOT_SIZE - 8 * MHP_MIB);
        g_assert_cmpuint(balloon_target(beside.balloon), ==,
                         PAGES(8 * MHP_MIB));
    }
}

static void test_hotplug_takes_it_from_an_empty_one(void)
{
    g_auto(Beside) beside = beside_new();
    g_autofree char *refusal = beside_add(&beside, "");

    g_assert_cmpstr(refusal, ==, NULL);
    assert_log(beside.vm, NULL);
    set_balloon(beside.vm, BOOT_SIZE + 4 * MHP_BLOCK_SIZE);
    g_assert_cmpuint(requested_size(beside.vm), ==, 4 * MHP_BLOCK_SIZE);
    g_assert_cmpuint(balloon_target(beside.balloon), ==, 0);
}

/* What the guest says it holds is no reason to take the balloon away again */
static void test_guest_cannot_take_it_back(void)
{
    g_auto(Beside) beside = beside_new();
    g_autofree char *refusal = beside_add(&beside, "");

    g_assert_cmpstr(refusal, ==, NULL);
    hold(beside.balloon, 32 * MHP_MIB);
    set_balloon(beside.vm, BOOT_SIZE + 4 * MHP_BLOCK_SIZE);
    g_assert_cmpuint(requested_size(beside.vm), ==, 4 * MHP_BLOCK_SIZE);
    g_assert_cmpuint(balloon_target(beside.balloon), ==, 0);
}

static bool has_event(Vm *vm, const char *name, unsigned timeout_ms)
{
    g_autoptr(JsonNode)
        event = qmp_wait_event(vm_qmp(vm), name, timeout_ms, NULL);

    return event != NULL;
}

/*
 * The machine that is migrated to has an empty virtio-balloon until the data
 * come, and libvirt sets the balloon before that.
 */
static void test_inflated_one_comes_by_migration(void)
{
    const char *const source_args[] = {"-device", BALLOON, "-global",
                                       "mhp-vmemmap-mem.balloon=off", NULL};
    const char *const target_args[] = {"-device", BALLOON, NULL};
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new_with_args(source_args);
        g_autoptr(Mhp) target = mhp_new_incoming(source, target_args);
        g_autoptr(VirtioPci)
            here = virtio_pci_new(source->qtest, BALLOON_PCI_DEVICE_ID);
        g_autoptr(VirtioPci)
            there = virtio_pci_new_migrated(here, target->qtest);

        set_balloon(source->vm, BOOT_SIZE / 2);
        hold(here, BOOT_SIZE / 2);
        set_balloon(target->vm, BOOT_SIZE + 4 * MHP_BLOCK_SIZE);
        migration_listen(target->vm, uri);
        migrate(source, target, uri);
        g_assert_cmpuint(balloon_target(there), ==, PAGES(BOOT_SIZE / 2));
        g_assert_cmpuint(requested_size(target->vm), ==, MHP_REQUESTED_SIZE);
        mhp_expect(mhp_plug(target, 0, 2), ACK);
        g_assert_true(
            has_event(target->vm, "MEMORY_DEVICE_SIZE_CHANGE", 10000));
        g_assert_false(has_event(target->vm, "BALLOON_CHANGE", 1));
        g_assert_cmpuint(balloon_actual(target->vm), ==, BOOT_SIZE / 2);
        set_balloon(target->vm, BOOT_SIZE - 8 * MHP_MIB);
        g_assert_cmpuint(balloon_target(there), ==, PAGES(8 * MHP_MIB));
        g_assert_cmpuint(requested_size(target->vm), ==, MHP_REQUESTED_SIZE);
    }
    migrate_free_uri(uri);
}

/* The first command after the data have come is the virtio-balloon's, too */
static void test_command_after_an_inflated_one_came(void)
{
    const char *const source_args[] = {"-device", BALLOON, "-global",
                                       "mhp-vmemmap-mem.balloon=off", NULL};
    const char *const target_args[] = {"-device", BALLOON, NULL};
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new_with_args(source_args);
        g_autoptr(Mhp) target = mhp_new_incoming(source, target_args);
        g_autoptr(VirtioPci)
            here = virtio_pci_new(source->qtest, BALLOON_PCI_DEVICE_ID);
        g_autoptr(VirtioPci)
            there = virtio_pci_new_migrated(here, target->qtest);

        set_balloon(source->vm, BOOT_SIZE / 2);
        migration_listen(target->vm, uri);
        migrate(source, target, uri);
        set_balloon(target->vm, BOOT_SIZE - 8 * MHP_MIB);
        g_assert_cmpuint(balloon_target(there), ==, PAGES(8 * MHP_MIB));
        g_assert_cmpuint(requested_size(target->vm), ==, MHP_REQUESTED_SIZE);
    }
    migrate_free_uri(uri);
}

/* A driver that puts all pages of a block into the virtio-balloon */
static void inflate_block(Mhp *mhp, VirtioPci *balloon, unsigned block)
{
    const unsigned nb_pages = MHP_BLOCK_SIZE / BALLOON_PAGE_SIZE;
    const struct vring_desc desc = {.addr = MHP_REQ_ADDR,
                                    .len = nb_pages * sizeof(uint32_t)};
    const uint64_t pfn = mhp_block_addr(mhp, block) / BALLOON_PAGE_SIZE;

    g_assert_true(
        virtio_pci_negotiate(balloon, UINT64_C(1) << VIRTIO_F_VERSION_1));
    for (unsigned i = 0; i < nb_pages; i++) {
        qtest_write_reg(mhp->qtest, MHP_REQ_ADDR + i * sizeof(uint32_t), 4,
                        pfn + i);
    }
    virtio_pci_run(balloon);
    virtio_pci_submit(balloon, &desc, 1);
    g_assert_cmpint(virtio_pci_wait(balloon, NULL), ==, VIRTIO_PCI_USED);
}

/* Free page reporting asks QEMU the same question before it discards. */
static void test_prealloc_keeps_memory_out_of_it(void)
{
    static const struct {
        const char *prealloc;
        uint64_t left;
    } rows[] = {
        {"mhp-vmemmap-mem.prealloc=off", 0},
        {"mhp-vmemmap-mem.prealloc=on", MHP_BLOCK_SIZE},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *const args[] = {"-device", BALLOON, "-global",
                                    rows[i].prealloc, NULL};
        g_autoptr(Mhp) mhp = mhp_new_with_args(args);
        g_autoptr(VirtioPci)
            balloon = virtio_pci_new(mhp->qtest, BALLOON_PCI_DEVICE_ID);

        g_test_message("row %u", i);
        mhp_expect(mhp_plug(mhp, 0, 1), ACK);
        mhp_fill(mhp, 0, 0x55);
        g_assert_cmpuint(mhp_backed_size(mhp), ==, MHP_BLOCK_SIZE);
        inflate_block(mhp, balloon, 0);
        g_assert_cmpuint(mhp_backed_size(mhp), ==, rows[i].left);
    }
}

#define ADD(test) \
    g_test_add_func("/virtio-mhp/balloon-beside/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(auto_leaves_it_to_one_that_holds_memory);
    ADD(emptied_one_loses_it_to_the_first_device);
    ADD(on_is_refused_beside_one_that_holds_memory);
    ADD(hotplug_that_fails_changes_nothing);
    ADD(hotplug_takes_it_from_an_empty_one);
    ADD(guest_cannot_take_it_back);
    ADD(inflated_one_comes_by_migration);
    ADD(command_after_an_inflated_one_came);
    ADD(prealloc_keeps_memory_out_of_it);
    return g_test_run();
}
