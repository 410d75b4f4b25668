/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP's balloon commands: which device they go to, what they make of a size,
 * and which of the two events tells of a change.
 */
#include <string.h>

#include "migrate.h"

#define BOOT_SIZE (64 * MHP_MIB)
#define BALLOON_OFF "-global", "mhp-vmemmap-mem.balloon=off"
#define BALLOON_ON "-global", "mhp-vmemmap-mem.balloon=on"
#define OTHER_BALLOON "-device", "virtio-balloon-pci,id=other,addr=0x10"

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

static void assert_no_balloon(Vm *vm)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(vm_qmp(vm), &error, "query-balloon", NULL);
    g_assert_null(result);
    g_assert_cmpstr(error->message, ==, "No balloon device has been activated");
}

static uint64_t requested_size(Vm *vm, const char *id)
{
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", id);
    g_autoptr(GError) error = NULL;
    uint64_t size = 0;

    qmp_get_uint(vm_qmp(vm), path, "requested-size", &size, &error);
    g_assert_no_error(error);
    return size;
}

static int64_t event_size(Vm *vm, const char *name, const char *member)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) event = NULL;
    JsonObject *data;

    event = qmp_wait_event(vm_qmp(vm), name, 10000, &error);
    g_assert_no_error(error);
    data = json_object_get_object_member(json_node_get_object(event), "data");
    return json_object_get_int_member(data, member);
}

/* Whether one came before what was executed last */
static bool has_event(Vm *vm, const char *name)
{
    g_autoptr(JsonNode) event = qmp_wait_event(vm_qmp(vm), name, 1, NULL);

    return event != NULL;
}

static void test_balloon_grows_and_shrinks(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    g_assert_cmpuint(balloon_actual(mhp->vm), ==, BOOT_SIZE);
    virtio_pci_isr(mhp->pci);
    set_balloon(mhp->vm, BOOT_SIZE + 8 * MHP_BLOCK_SIZE);
    g_assert_cmphex(virtio_pci_isr(mhp->pci) & VIRTIO_PCI_ISR_CONFIG, !=, 0);
    g_assert_cmpuint(mhp_config(mhp).requested_size, ==, 8 * MHP_BLOCK_SIZE);
    g_assert_cmpuint(balloon_actual(mhp->vm), ==, BOOT_SIZE);
    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    g_assert_cmpuint(balloon_actual(mhp->vm), ==,
                     BOOT_SIZE + 8 * MHP_BLOCK_SIZE);
    set_balloon(mhp->vm, BOOT_SIZE);
    g_assert_cmpuint(mhp_config(mhp).requested_size, ==, 0);
    mhp_expect(mhp_unplug(mhp, 0, 8), ACK);
    g_assert_cmpuint(balloon_actual(mhp->vm), ==, BOOT_SIZE);
}

static void check_balloon_event_alone(const char *const *args)
{
    g_autoptr(Mhp) mhp = mhp_new_with_args(args);

    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    g_assert_cmpint(event_size(mhp->vm, "BALLOON_CHANGE", "actual"), ==,
                    BOOT_SIZE + 2 * MHP_BLOCK_SIZE);
    mhp_system_reset(mhp);
    g_assert_cmpint(event_size(mhp->vm, "BALLOON_CHANGE", "actual"), ==,
                    BOOT_SIZE);
    g_assert_false(has_event(mhp->vm, "MEMORY_DEVICE_SIZE_CHANGE"));
}

static void test_on_sends_the_balloon_event_alone(void)
{
    const char *const args[] = {BALLOON_ON, NULL};

    check_balloon_event_alone(args);
}

static void test_beside_virtio_balloon_sends_its_event_alone(void)
{
    const char *const args[] = {OTHER_BALLOON, NULL};

    check_balloon_event_alone(args);
}

static void test_auto_by_itself_sends_both_events(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    g_assert_cmpint(event_size(mhp->vm, "BALLOON_CHANGE", "actual"), ==,
                    BOOT_SIZE + 2 * MHP_BLOCK_SIZE);
    g_assert_cmpint(event_size(mhp->vm, "MEMORY_DEVICE_SIZE_CHANGE", "size"),
                    ==, 2 * MHP_BLOCK_SIZE);
}

static void test_off_leaves_the_balloon_alone(void)
{
    const char *const args[] = {BALLOON_OFF, NULL};
    g_autoptr(Mhp) mhp = mhp_new_with_args(args);

    assert_no_balloon(mhp->vm);
    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    g_assert_cmpint(event_size(mhp->vm, "MEMORY_DEVICE_SIZE_CHANGE", "size"),
                    ==, 2 * MHP_BLOCK_SIZE);
    g_assert_false(has_event(mhp->vm, "BALLOON_CHANGE"));
}

static void test_off_leaves_it_to_virtio_balloon(void)
{
    const char *const args[] = {BALLOON_OFF, OTHER_BALLOON, NULL};
    g_autoptr(Mhp) mhp = mhp_new_with_args(args);

    set_balloon(mhp->vm, BOOT_SIZE / 2);
    g_assert_cmpuint(requested_size(mhp->vm, "mhp0"), ==, MHP_REQUESTED_SIZE);
    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    g_assert_cmpuint(balloon_actual(mhp->vm), ==, BOOT_SIZE);
}

static void test_takes_over_from_virtio_balloon(void)
{
    const char *const args[] = {OTHER_BALLOON, NULL};
    g_autoptr(Mhp) mhp = mhp_new_with_args(args);

    set_balloon(mhp->vm, BOOT_SIZE + 4 * MHP_BLOCK_SIZE);
    g_assert_cmpuint(requested_size(mhp->vm, "mhp0"), ==, 4 * MHP_BLOCK_SIZE);
    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    g_assert_cmpuint(balloon_actual(mhp->vm), ==,
                     BOOT_SIZE + 4 * MHP_BLOCK_SIZE);
}

/* There is no way to refuse: it does what it can and logs it */
static void test_sizes_are_clamped(void)
{
    static const struct {
        uint64_t size;
        uint64_t requested_size;
        const char *log;
    } rows[] = {
        {BOOT_SIZE, 0, ""},
        {BOOT_SIZE + MHP_REGION_SIZE, MHP_REGION_SIZE, ""},
        {1, 0, "got 1 bytes, which is taken as 64 MiB"},
        {BOOT_SIZE - 1, 0, "got 67108863 bytes, which is taken as 64 MiB"},
        {BOOT_SIZE + MHP_BLOCK_SIZE + 4096, MHP_BLOCK_SIZE,
         "got 67588 KiB, which is taken as 66 MiB"},
        {BOOT_SIZE + MHP_REGION_SIZE + 1, MHP_REGION_SIZE,
         "got 201326593 bytes, which is taken as 192 MiB"},
        {INT64_MAX, MHP_REGION_SIZE, "which is taken as 192 MiB"},
    };
    g_autoptr(Mhp) mhp = mhp_new();
    g_autofree char *start = vm_stderr(mhp->vm);
    size_t seen = strlen(start);

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *log = NULL;

        g_test_message("row %u", i);
        set_balloon(mhp->vm, rows[i].size);
        g_assert_cmpuint(requested_size(mhp->vm, "mhp0"), ==,
                         rows[i].requested_size);
        log = vm_stderr(mhp->vm);
        if (*rows[i].log) {
            g_assert_nonnull(
                strstr(log + seen,
                       "the balloon wants 64 MiB to 192 MiB by steps of 2 MiB, "
                       "got "));
            g_assert_nonnull(strstr(log + seen, rows[i].log));
        } else {
            g_assert_cmpstr(log + seen, ==, "");
        }
        seen = strlen(log);
    }
}

#define SECOND_MEMORY "-object", "memory-backend-ram,id=mem1,size=128M"
#define FIRST_DEVICE "mhp-vmemmap-mem,id=mhp0,memdev=mem0,block-size=2M"
#define SECOND_DEVICE "mhp-vmemmap-mem,id=mhp1,memdev=mem1,block-size=2M"

/* The first has it, but one that is told to have it goes before */
static void test_two_devices_have_one_owner(void)
{
    static const struct {
        const char *second;
        const char *owner;
        const char *other;
    } rows[] = {
        {SECOND_DEVICE, "mhp0", "mhp1"},
        {SECOND_DEVICE ",balloon=on", "mhp1", "mhp0"},
        {SECOND_DEVICE ",balloon=off", "mhp0", "mhp1"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *const args[] = {SECOND_MEMORY, "-device", rows[i].second,
                                    NULL};
        g_autoptr(Mhp) mhp = mhp_new_with_args(args);
        uint64_t other = requested_size(mhp->vm, rows[i].other);

        g_test_message("row %u", i);
        set_balloon(mhp->vm, BOOT_SIZE + 3 * MHP_BLOCK_SIZE);
        g_assert_cmpuint(requested_size(mhp->vm, rows[i].owner), ==,
                         3 * MHP_BLOCK_SIZE);
        g_assert_cmpuint(requested_size(mhp->vm, rows[i].other), ==, other);
    }
}

static void test_only_one_can_be_told_to_have_it(void)
{
    g_autoptr(Vm) vm = vm_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *log = NULL;
    int status;

    vm_add_plugin(vm);
    vm_add_args(vm, "-M", "q35", "-m", "64M,maxmem=1G", "-object",
                "memory-backend-ram,id=mem0,size=128M", SECOND_MEMORY,
                "-device", "mhp-vmemmap-mem,memdev=mem0,balloon=on", "-device",
                SECOND_DEVICE ",balloon=on", NULL);
    vm_run(vm, 10000, &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 1);
    log = vm_stderr(vm);
    g_assert_nonnull(strstr(log, "property 'balloon' wants to be 'on' for one "
                                 "device, got it for a second one"));
}

/*
 * A machine whose ACPI takes devices out at once; there is no firmware, so the
 * test presses its button.
 */
static Vm *start_pc(Qtest **qtest, const char *first, const char *second)
{
    Vm *vm = vm_new();
    g_autoptr(GError) error = NULL;

    *qtest = qtest_new(vm);
    vm_add_plugin(vm);
    vm_add_args(vm, "-M", "pc", "-m", "64M,maxmem=1G", "-object",
                "memory-backend-ram,id=mem0,size=128M", SECOND_MEMORY,
                "-device", first, "-device", second, NULL);
    vm_start(vm, &error);
    g_assert_no_error(error);
    return vm;
}

static void unplug_device(Vm *vm, Qtest *qtest, const char *id, unsigned slot)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL, event = NULL;

    result = qmp_executef(vm_qmp(vm), &error, "device_del", "{'id': '%s'}", id);
    g_assert_no_error(error);
    g_assert_nonnull(result);
    qtest_outl(qtest, 0xae10, 0);
    qtest_outl(qtest, 0xae08, 1u << slot);
    event = qmp_wait_event(vm_qmp(vm), "DEVICE_DELETED", 10000, &error);
    g_assert_no_error(error);
    g_assert_nonnull(event);
}

static void test_removal_hands_it_to_the_next_device(void)
{
    Qtest *qtest;
    g_autoptr(Vm) vm = start_pc(&qtest, FIRST_DEVICE ",addr=0x8",
                                SECOND_DEVICE ",addr=0x9");

    unplug_device(vm, qtest, "mhp0", 8);
    set_balloon(vm, BOOT_SIZE + 3 * MHP_BLOCK_SIZE);
    g_assert_cmpuint(requested_size(vm, "mhp1"), ==, 3 * MHP_BLOCK_SIZE);
    set_balloon(vm, BOOT_SIZE);
    unplug_device(vm, qtest, "mhp1", 9);
    assert_no_balloon(vm);
    qtest_free(qtest);
}

static void test_removal_hands_it_back_to_virtio_balloon(void)
{
    Qtest *qtest;
    g_autoptr(Vm) vm = start_pc(&qtest, "virtio-balloon-pci,id=b,addr=0x9",
                                FIRST_DEVICE ",addr=0x8");

    set_balloon(vm, BOOT_SIZE + 3 * MHP_BLOCK_SIZE);
    g_assert_cmpuint(requested_size(vm, "mhp0"), ==, 3 * MHP_BLOCK_SIZE);
    set_balloon(vm, BOOT_SIZE);
    unplug_device(vm, qtest, "mhp0", 8);
    g_assert_cmpuint(balloon_actual(vm), ==, BOOT_SIZE);
    set_balloon(vm, BOOT_SIZE / 2);
    unplug_device(vm, qtest, "b", 9);
    assert_no_balloon(vm);
    qtest_free(qtest);
}

/*
 * As libvirt does on the side that a machine migrates to: what comes with the
 * machine goes before it.
 */
static void test_balloon_before_incoming_data(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        g_autoptr(Mhp) target = migrate_new_target(source, uri);
        uint64_t size;

        set_balloon(target->vm, BOOT_SIZE + 4 * MHP_BLOCK_SIZE);
        g_assert_cmpuint(requested_size(target->vm, "mhp0"), ==,
                         4 * MHP_BLOCK_SIZE);
        g_assert_cmpuint(balloon_actual(target->vm), ==, BOOT_SIZE);
        migrate_prepare(source);
        size = requested_size(source->vm, "mhp0");
        migrate(source, target, uri);
        g_assert_cmpuint(requested_size(target->vm, "mhp0"), ==, size);
        g_assert_cmpuint(balloon_actual(target->vm), ==,
                         BOOT_SIZE + MIGRATE_NB_PLUGGED * MHP_BLOCK_SIZE);
        g_assert_cmpint(event_size(target->vm, "BALLOON_CHANGE", "actual"), ==,
                        BOOT_SIZE + MIGRATE_NB_PLUGGED * MHP_BLOCK_SIZE);
    }
    migrate_free_uri(uri);
}

#define ADD(test) g_test_add_func("/virtio-mhp/balloon/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(balloon_grows_and_shrinks);
    ADD(on_sends_the_balloon_event_alone);
    ADD(beside_virtio_balloon_sends_its_event_alone);
    ADD(auto_by_itself_sends_both_events);
    ADD(off_leaves_the_balloon_alone);
    ADD(off_leaves_it_to_virtio_balloon);
    ADD(takes_over_from_virtio_balloon);
    ADD(sizes_are_clamped);
    ADD(two_devices_have_one_owner);
    ADD(only_one_can_be_told_to_have_it);
    ADD(removal_hands_it_to_the_next_device);
    ADD(removal_hands_it_back_to_virtio_balloon);
    ADD(balloon_before_incoming_data);
    return g_test_run();
}
