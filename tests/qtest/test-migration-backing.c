/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is promised backed stays backed wherever the guest goes: all of a block
 * with prealloc=on, and memmaps always. A host that has not got the memory says
 * so before it has taken any of the guest's, and the source goes on.
 */
#include <string.h>
#include <unistd.h>

#include "group.h"
#include "migrate.h"
#include "pool.h"
#include "wait.h"

/* Plugged on the source, and the part of it that its guest has touched */
#define NB_PLUGGED 16u
#define PLUGGED_SIZE (NB_PLUGGED * MHP_BLOCK_SIZE)
#define UNIT_SIZE (4 * MHP_BLOCK_SIZE)
#define MEMMAP_SIZE 0x40000

static const char *const no_args[] = {NULL};
/* Of the device inside the PCI device: what the tests' device has not set */
static const char *const prealloc[] = {"-global", "virtio-mhp.prealloc=on",
                                       NULL};

/* How the guest goes: in a file it waits for the destination */
typedef struct Way {
    const char *scheme;
    const char *capabilities[3];
} Way;

static const Way precopy = {"unix", {NULL}};
static const Way multifd = {"unix", {"multifd", NULL}};
static const Way postcopy = {"unix", {"postcopy-ram", NULL}};
static const Way postcopy_unused = {"unix", {"postcopy-ram", NULL}};
static const Way file = {"file", {NULL}};
static const Way mapped_ram = {"file", {"mapped-ram", NULL}};
static const Way parallel_file = {"file", {"mapped-ram", "multifd", NULL}};

static bool is_file(const Way *way)
{
    return strcmp(way->scheme, "file") == 0;
}

static void set_way(Mhp *mhp, const Way *way)
{
    for (const char *const *capability = way->capabilities; *capability;
         capability++) {
        migration_enable(mhp->vm, *capability);
    }
}

/* Until the last page has come, if some come after the guest */
static void go(Mhp *source, Mhp *target, const Way *way, const char *uri)
{
    set_way(source, way);
    set_way(target, way);
    if (!is_file(way)) {
        migration_listen(target->vm, uri);
    }
    if (way == &postcopy) {
        migration_set(source->vm, "max-bandwidth", 4096);
        migration_start(source->vm, uri);
        migration_wait(source->vm, "active");
        migration_start_postcopy(source->vm);
    } else {
        migration_start(source->vm, uri);
    }
    migration_wait(source->vm, "completed");
    if (is_file(way)) {
        migration_listen(target->vm, uri);
    }
    mhp_arrived(target, source);
}

static void plug(Mhp *mhp)
{
    mhp_set_requested_size(mhp, PLUGGED_SIZE);
    mhp_expect(mhp_memmap(mhp, UNIT_SIZE, MEMMAP_SIZE), ACK);
    mhp_expect(mhp_plug(mhp, 0, NB_PLUGGED), ACK);
    mhp_fill(mhp, 1, 0x11);
}

static bool has_all(void *opaque, GError **error)
{
    (void)error;
    return mhp_is_backed(opaque, 0, PLUGGED_SIZE);
}

static bool has_memmaps(void *opaque, GError **error)
{
    (void)error;
    for (uint64_t at = 0; at < PLUGGED_SIZE; at += UNIT_SIZE) {
        if (!mhp_is_backed(opaque, at, MEMMAP_SIZE)) {
            return false;
        }
    }
    return true;
}

/* After postcopy it takes a moment: it wants all memory missing before */
static void wait_backed(Mhp *mhp, const Way *way, WaitReady has)
{
    g_autoptr(GError) error = NULL;

    if (way != &postcopy && way != &postcopy_unused) {
        g_assert_true(has(mhp, NULL));
        return;
    }
    wait_until(has, mhp, 10000, "memory that is backed", &error);
    g_assert_no_error(error);
}

static void check_kept(const Way *way, const char *const *args, WaitReady has)
{
    char *uri = migrate_new_uri(way->scheme);
    {
        g_autoptr(Mhp) source = mhp_new_with_args(args);
        g_autoptr(Mhp) target = mhp_new_incoming(source, args);

        plug(source);
        go(source, target, way, uri);
        wait_backed(target, way, has);
        g_assert_true(mhp_block_holds(target, 0, 0));
        g_assert_true(mhp_block_holds(target, 1, 0x11));
        mhp_expect(mhp_unplug_all(target), ACK);
        g_assert_cmpuint(mhp_backed_size(target), ==, 0);
    }
    migrate_free_uri(uri);
}

static void test_prealloc(const void *way)
{
    check_kept(way, prealloc, has_all);
}

static void test_memmaps(const void *way)
{
    check_kept(way, no_args, has_memmaps);
}

static void check_kept_in_snapshot(const char *const *args, WaitReady has)
{
    char *uri = migrate_new_uri("file");
    {
        g_autoptr(Mhp) mhp = mhp_new_with_args(args);

        migration_add_disk(mhp->vm, strchr(uri, ':') + 1);
        plug(mhp);
        migration_save(mhp->vm, "one");
        mhp_expect(mhp_unplug_all(mhp), ACK);
        mhp_load_snapshot(mhp, "one");
        g_assert_true(has(mhp, NULL));
        g_assert_true(mhp_block_holds(mhp, 1, 0x11));
    }
    migrate_free_uri(uri);
}

static void test_prealloc_in_snapshot(void)
{
    check_kept_in_snapshot(prealloc, has_all);
}

static void test_memmaps_in_snapshot(void)
{
    check_kept_in_snapshot(no_args, has_memmaps);
}

/* The driver tells of another layout while the guest is on its way */
static void test_memmaps_that_are_told_late(void)
{
    char *uri = migrate_new_uri("file");
    {
        g_autoptr(Mhp) source = mhp_new();
        g_autoptr(Mhp) target = mhp_new_incoming(source, no_args);
        g_autoptr(GError) error = NULL;

        plug(source);
        mhp_expect(mhp_memmap(source, UNIT_SIZE, 0), ACK);
        set_way(source, &mapped_ram);
        set_way(target, &mapped_ram);
        migration_enable(source->vm, "pause-before-switchover");
        migration_start(source->vm, uri);
        migration_wait(source->vm, "pre-switchover");
        mhp_expect(mhp_memmap(source, UNIT_SIZE, MEMMAP_SIZE), ACK);
        migration_go_on(source->vm);
        migration_wait(source->vm, "completed");
        migration_listen(target->vm, uri);
        mhp_arrived(target, source);
        wait_until(has_memmaps, target, 10000, "memmaps that are backed",
                   &error);
        g_assert_no_error(error);
    }
    migrate_free_uri(uri);
}

/* Hosts that have not got it */

/* Two QEMUs that have huge pages, or memory of their control group */
#define HUGETLB \
    "memory-backend-memfd,hugetlb=on,hugetlbsize=2M,share=on,reserve=off"
#define RAM "memory-backend-ram"

static uint64_t anonymous_size(Mhp *mhp)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", vm_pid(mhp->vm));
    g_autofree char *text = NULL;
    const char *line = NULL;

    if (g_file_get_contents(path, &text, NULL, NULL)) {
        line = strstr(text, "RssAnon:");
    }
    g_assert_nonnull(line);
    return g_ascii_strtoull(line + strlen("RssAnon:"), NULL, 10) * 1024;
}

static bool has_region(void *opaque, GError **error)
{
    (void)error;
    return anonymous_size(opaque) >= MHP_REGION_SIZE;
}

/* Of which zeros are not written: all but one block of all are zeros */
static void test_prealloc_of_ram(const void *way)
{
    char *uri = migrate_new_uri(((const Way *)way)->scheme);
    {
        g_autoptr(Mhp) source = mhp_new_with_backend(RAM, ",prealloc=on", NULL);
        g_autoptr(Mhp)
            target = mhp_new_incoming_with_backend(source, RAM, ",prealloc=on");

        mhp_expect(mhp_plug(source, 0, MHP_NB_BLOCKS), ACK);
        mhp_fill(source, 1, 0x11);
        go(source, target, way, uri);
        wait_backed(target, way, has_region);
        g_assert_true(mhp_block_holds(target, 1, 0x11));
    }
    migrate_free_uri(uri);
}

static void test_prealloc_of_ram_in_snapshot(void)
{
    char *uri = migrate_new_uri("file");
    {
        g_autoptr(Mhp) mhp = mhp_new_with_backend(RAM, ",prealloc=on", NULL);

        migration_add_disk(mhp->vm, strchr(uri, ':') + 1);
        mhp_expect(mhp_plug(mhp, 0, MHP_NB_BLOCKS), ACK);
        mhp_fill(mhp, 1, 0x11);
        migration_save(mhp->vm, "one");
        mhp_expect(mhp_unplug_all(mhp), ACK);
        g_assert_false(has_region(mhp, NULL));
        mhp_load_snapshot(mhp, "one");
        g_assert_true(has_region(mhp, NULL));
    }
    migrate_free_uri(uri);
}

/* All but the first line of what QEMU said names this file's own work */
static void assert_said_first(Mhp *mhp, const char *message)
{
    g_autofree char *said = vm_stderr(mhp->vm);
    g_auto(GStrv) lines = g_strsplit(said, "\n", 2);
    const char *colon = strstr(lines[0], ": ");

    g_assert_nonnull(colon);
    if (!g_pattern_match_simple(message, colon + strlen(": "))) {
        g_assert_cmpstr(colon + strlen(": "), ==, message);
    }
}

/* Send the guest there, or into a file and from there */
static void send(Mhp *source, Mhp *target, const Way *way, const char *uri)
{
    set_way(source, way);
    set_way(target, way);
    if (!is_file(way)) {
        migration_listen(target->vm, uri);
        migration_start(source->vm, uri);
        return;
    }
    migration_start(source->vm, uri);
    migration_wait(source->vm, "completed");
}

static void assert_refused(Mhp *target, const char *message)
{
    g_autoptr(GError) error = NULL;
    int exit_status;

    vm_wait_exit(target->vm, 30000, &exit_status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(exit_status, ==, 1);
    assert_said_first(target, message);
}

/* The guest is where it was, and its memory is as it was */
static void assert_goes_on(Mhp *source)
{
    g_autofree char *state = NULL;

    migration_wait(source->vm, "failed");
    state = migration_run_state(source->vm);
    g_assert_cmpstr(state, ==, "prelaunch");
    g_assert_true(mhp_block_holds(source, 1, 0x11));
    mhp_expect(mhp_unplug(source, 1, 1), ACK);
}

#define POOL_MESSAGE                                                        \
    "mhp-vmemmap-mem: property 'prealloc' wants 16 MiB of host memory for " \
    "what is plugged on the migration's source, got 8 MiB: *"

static void refuse_for_pool(const Way *way)
{
    char *uri = migrate_new_uri(way->scheme);
    {
        g_autoptr(Mhp)
            source = mhp_new_with_backend(HUGETLB, ",prealloc=on", NULL);
        Mhp *target = mhp_new_incoming_with_backend(source, HUGETLB,
                                                    ",prealloc=on");

        mhp_expect(mhp_plug(source, 0, 8), ACK);
        mhp_fill(source, 1, 0x11);
        send(source, target, way, uri);
        if (is_file(way)) {
            g_clear_pointer(&source, mhp_free);
            pool_set_free(4);
            migration_listen(target->vm, uri);
        }
        assert_refused(target, POOL_MESSAGE);
        mhp_abandon(target);
        if (source) {
            assert_goes_on(source);
        }
    }
    migrate_free_uri(uri);
}

/* 12 pages for two QEMUs that need 8 each */
static void test_pool_is_too_small(const void *way)
{
    uint64_t old;

    if (pool_take(12, &old)) {
        refuse_for_pool(way);
        pool_return(old);
    }
}

static void refuse_snapshot_for_pool(void)
{
    char *uri = migrate_new_uri("file");
    {
        g_autoptr(Mhp)
            mhp = mhp_new_with_backend(HUGETLB, ",prealloc=on", NULL);
        g_autofree char *message = NULL;

        migration_add_disk(mhp->vm, strchr(uri, ':') + 1);
        mhp_expect(mhp_plug(mhp, 0, 8), ACK);
        mhp_fill(mhp, 1, 0x11);
        migration_save(mhp->vm, "one");
        mhp_expect(mhp_unplug_all(mhp), ACK);
        pool_set_free(4);
        message = migration_try_load(mhp->vm, "one");
        g_assert_nonnull(message);
        assert_said_first(mhp, POOL_MESSAGE);
        g_assert_cmpuint(mhp_size(mhp), ==, 0);
        g_assert_cmpuint(pool_free(), ==, 4);
        pool_set_free(8);
        mhp_load_snapshot(mhp, "one");
        g_assert_true(mhp_block_holds(mhp, 1, 0x11));
        g_assert_cmpuint(pool_free(), ==, 0);
    }
    migrate_free_uri(uri);
}

static void test_pool_is_too_small_for_snapshot(void)
{
    uint64_t old;

    if (pool_take(12, &old)) {
        refuse_snapshot_for_pool();
        pool_return(old);
    }
}

#define GROUP_MESSAGE                                                        \
    "mhp-vmemmap-mem: property 'prealloc' wants 128 MiB of host memory for " \
    "what is plugged on the migration's source, got * MiB: *control group*"
#define GROUP_MEMMAPS_MESSAGE                                                 \
    "mhp-vmemmap-mem wants 64 MiB of host memory for the memmaps of what is " \
    "plugged on the migration's source, got * MiB: *control group*"

static void refuse_for_group(Group *group, const Way *way,
                             const char *properties, uint64_t limit,
                             const char *message)
{
    char *uri = migrate_new_uri(way->scheme);
    {
        g_autoptr(Mhp) source = mhp_new_with_backend(RAM, properties, NULL);
        Mhp *target = mhp_new_incoming_with_backend(source, RAM, properties);

        group_add(group, vm_pid(target->vm));
        group_set_limit(group, limit);
        mhp_expect(mhp_memmap(source, 2 * MHP_BLOCK_SIZE, MHP_BLOCK_SIZE), ACK);
        mhp_expect(mhp_plug(source, 0, MHP_NB_BLOCKS), ACK);
        mhp_fill(source, 1, 0x11);
        send(source, target, way, uri);
        if (is_file(way)) {
            migration_listen(target->vm, uri);
        }
        assert_refused(target, message);
        mhp_abandon(target);
        if (!is_file(way)) {
            assert_goes_on(source);
        }
    }
    migrate_free_uri(uri);
}

/* All that is plugged is 128 MiB */
static void test_group_is_too_small(const void *way)
{
    g_autoptr(Group) group = group_new();

    if (group) {
        refuse_for_group(group, way, ",prealloc=on", 112 * MHP_MIB,
                         GROUP_MESSAGE);
    }
}

/* Half of that are memmaps */
static void test_group_is_too_small_for_memmaps(const void *way)
{
    g_autoptr(Group) group = group_new();

    if (group) {
        refuse_for_group(group, way, "", 48 * MHP_MIB, GROUP_MEMMAPS_MESSAGE);
    }
}

#define PREFIX "/virtio-mhp/migration-backing/"
#define ADD(test) g_test_add_func(PREFIX #test, test_##test)
#define ADD_ROW(test, way) \
    g_test_add_data_func(PREFIX #test "/" #way, &(way), test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_ROW(prealloc, precopy);
    ADD_ROW(prealloc, multifd);
    ADD_ROW(prealloc, postcopy);
    ADD_ROW(prealloc, postcopy_unused);
    ADD_ROW(prealloc, file);
    ADD_ROW(prealloc, mapped_ram);
    ADD_ROW(prealloc, parallel_file);
    ADD_ROW(prealloc_of_ram, precopy);
    ADD_ROW(prealloc_of_ram, postcopy);
    ADD_ROW(prealloc_of_ram, multifd);
    ADD_ROW(prealloc_of_ram, mapped_ram);
    ADD(prealloc_in_snapshot);
    ADD(prealloc_of_ram_in_snapshot);
    ADD_ROW(memmaps, precopy);
    ADD_ROW(memmaps, postcopy);
    ADD_ROW(memmaps, mapped_ram);
    ADD(memmaps_in_snapshot);
    ADD(memmaps_that_are_told_late);
    ADD_ROW(pool_is_too_small, precopy);
    ADD_ROW(pool_is_too_small, postcopy);
    ADD_ROW(pool_is_too_small, file);
    ADD_ROW(pool_is_too_small, mapped_ram);
    ADD(pool_is_too_small_for_snapshot);
    ADD_ROW(group_is_too_small, precopy);
    ADD_ROW(group_is_too_small, postcopy);
    ADD_ROW(group_is_too_small, file);
    ADD_ROW(group_is_too_small_for_memmaps, precopy);
    ADD_ROW(group_is_too_small_for_memmaps, file);
    return g_test_run();
}
