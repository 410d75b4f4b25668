/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * With dynamic-memslots=on the machine maps only what holds plugged blocks.
 * The region of these tests is smaller than a slot may be, so it is one slot.
 */
#include <string.h>

#include "mhp.h"
#include "migrate.h"
#include "wait.h"

#define DYNAMIC "-global", "virtio-mhp.dynamic-memslots=on"

/* One who uses what is mapped, as VFIO does, and takes nothing twice */
#define FOLLOWER "mhp-test-listener,id=l0,memdev=mem0,follow=on"

static const char *const dynamic[] = {DYNAMIC, NULL};

/* How many slots the machine's address space has now */
static unsigned nb_slots(Mhp *mhp)
{
    g_autofree char *tree = mhp_hmp(mhp, "info mtree");
    /* Other address spaces show the same regions once more */
    g_auto(GStrv) spaces = g_strsplit(tree, "address-space: ", -1);
    const char *text;
    char *others;
    unsigned count = 0;

    for (char **space = spaces; *space; space++) {
        if (!g_str_has_prefix(*space, "memory\r\n")) {
            continue;
        }
        /* Behind the last one are the regions that they have aliases of */
        others = strstr(*space, "memory-region: ");
        if (others) {
            *others = '\0';
        }
        for (text = *space; (text = strstr(text, "alias memslot-")); text++) {
            count++;
        }
    }
    return count;
}

static void test_maps_what_is_plugged(void)
{
    g_autoptr(Mhp) mhp = mhp_new_with_args(dynamic);

    g_assert_cmpuint(nb_slots(mhp), ==, 0);
    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    g_assert_cmpuint(nb_slots(mhp), ==, 1);
    mhp_fill(mhp, 0, 0x11);
    g_assert_true(mhp_block_holds(mhp, 0, 0x11));
    mhp_expect(mhp_unplug(mhp, 0, 1), ACK);
    g_assert_cmpuint(nb_slots(mhp), ==, 1);
    mhp_expect(mhp_unplug(mhp, 1, 1), ACK);
    g_assert_cmpuint(nb_slots(mhp), ==, 0);
    /* Where nothing is mapped, the guest can take no memory of the host */
    mhp_fill(mhp, 0, 0x22);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

static void test_unmaps_all_at_once(void)
{
    g_autoptr(Mhp) mhp = mhp_new_with_args(dynamic);

    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    mhp_expect(mhp_unplug_all(mhp), ACK);
    g_assert_cmpuint(nb_slots(mhp), ==, 0);
    mhp_expect(mhp_plug(mhp, 9, 2), ACK);
    mhp_system_reset(mhp);
    g_assert_cmpuint(nb_slots(mhp), ==, 0);
}

static void test_migration_maps_what_is_plugged(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new_with_args(dynamic);
        g_autoptr(Mhp) target = mhp_new_incoming(source, dynamic);

        mhp_expect(mhp_plug(source, 3, 1), ACK);
        mhp_fill(source, 3, 0x33);
        migration_listen(target->vm, uri);
        migrate(source, target, uri);
        g_assert_cmpuint(nb_slots(target), ==, 1);
        g_assert_true(mhp_block_holds(target, 3, 0x33));
        mhp_expect(mhp_unplug_all(target), ACK);
        g_assert_cmpuint(nb_slots(target), ==, 0);
    }
    migrate_free_uri(uri);
}

static const char *const *followed(void)
{
    static const char *args[] = {DYNAMIC,   "-plugin", NULL,
                                 "-device", FOLLOWER,  NULL};

    args[3] = g_getenv("MHP_TEST_LISTENER");
    g_assert_nonnull(args[3]);
    return args;
}

static void assert_heard(Mhp *mhp, const char *wanted)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) heard = qmp_executef(
        vm_qmp(mhp->vm), &error, "qom-get",
        "{'path': '/machine/peripheral/l0', 'property': 'heard'}");

    g_assert_no_error(error);
    g_assert_cmpstr(json_node_get_string(heard), ==, wanted);
}

static void test_followers_hear_of_each_slot(void)
{
    g_autoptr(Mhp) mhp = mhp_new_with_args(followed());

    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    mhp_expect(mhp_plug(mhp, 4, 1), ACK);
    assert_heard(mhp, "+0x0-0x400000 +0x800000-0xa00000");
    mhp_expect(mhp_unplug_all(mhp), ACK);
    assert_heard(mhp, "-0x0-0x400000 -0x800000-0xa00000");
    mhp_expect(mhp_plug(mhp, 63, 1), ACK);
    assert_heard(mhp, "+0x7e00000-0x8000000");
}

static void test_migration_tells_followers_once(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new_with_args(dynamic);
        g_autoptr(Mhp) target = mhp_new_incoming(source, followed());

        mhp_expect(mhp_plug(source, 3, 2), ACK);
        mhp_expect(mhp_plug(source, 63, 1), ACK);
        migration_listen(target->vm, uri);
        migrate(source, target, uri);
        assert_heard(target, "+0x600000-0x800000 +0x800000-0xa00000"
                             " +0x7e00000-0x8000000");
        mhp_expect(mhp_unplug(target, 4, 1), ACK);
        assert_heard(target, "-0x800000-0xa00000");
    }
    migrate_free_uri(uri);
}

/* Into a machine in which a slot with other blocks is mapped */
static void test_snapshot_tells_followers_once(void)
{
    char *uri = migrate_new_uri("file");
    {
        g_autoptr(Mhp) mhp = mhp_new_with_args(followed());

        migration_add_disk(mhp->vm, strchr(uri, ':') + 1);
        mhp_expect(mhp_plug(mhp, 3, 2), ACK);
        migration_save(mhp->vm, "one");
        mhp_expect(mhp_plug(mhp, 7, 1), ACK);
        mhp_expect(mhp_unplug(mhp, 3, 1), ACK);
        assert_heard(mhp, "+0x600000-0xa00000 +0xe00000-0x1000000"
                          " -0x600000-0x800000");
        mhp_load_snapshot(mhp, "one");
        assert_heard(mhp, "-0x800000-0xa00000 -0xe00000-0x1000000"
                          " +0x600000-0x800000 +0x800000-0xa00000");
        g_assert_cmpuint(nb_slots(mhp), ==, 1);
    }
    migrate_free_uri(uri);
}

static bool region_has_gone(void *opaque, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/maps",
                                            vm_pid(((Mhp *)opaque)->vm));
    g_autofree char *maps = NULL;

    return g_file_get_contents(path, &maps, NULL, error) &&
           !strstr(maps, "/memfd:region");
}

/* A guest takes the device out, which it can do at any time on this machine */
static void test_removal_lets_go_of_plugged_memory(void)
{
    g_autoptr(Mhp) mhp = mhp_new_pc(",dynamic-memslots=on");
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) event = NULL, result = NULL;

    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    mhp_eject(mhp);
    event = qmp_wait_event(vm_qmp(mhp->vm), "DEVICE_DELETED", 10000, &error);
    g_assert_no_error(error);
    g_assert_nonnull(event);
    result = qmp_executef(vm_qmp(mhp->vm), &error, "object-del",
                          "{'id': 'mem0'}");
    g_assert_no_error(error);
    g_assert_nonnull(result);
    wait_until(region_has_gone, mhp, 10000, "the end of the backend's memory",
               &error);
    g_assert_no_error(error);
}

/* Without the property all is mapped from the start */
static void test_off_has_no_slots(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 0, 1), ACK);
    g_assert_cmpuint(nb_slots(mhp), ==, 0);
    mhp_fill(mhp, 5, 0x22);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, MHP_BLOCK_SIZE);
}

#define ADD(test) g_test_add_func("/virtio-mhp/memslots/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(maps_what_is_plugged);
    ADD(unmaps_all_at_once);
    ADD(migration_maps_what_is_plugged);
    ADD(followers_hear_of_each_slot);
    ADD(migration_tells_followers_once);
    ADD(snapshot_tells_followers_once);
    ADD(removal_lets_go_of_plugged_memory);
    ADD(off_has_no_slots);
    return g_test_run();
}
