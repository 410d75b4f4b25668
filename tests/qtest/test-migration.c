/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device goes through every kind of migration and snapshot: which blocks
 * are plugged, what they hold, and all that host and driver have said. What is
 * not plugged is not sent, although these drivers have written to it.
 */
#include "migrate.h"

#include <string.h>

/* What else a migration sends: the 64 MiB of the machine, which are empty */
#define OTHER_BYTES (4 * MHP_MIB)

static void test_precopy(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        g_autoptr(Mhp) target = migrate_new_target(source, uri);
        const uint64_t plugged = MIGRATE_NB_PLUGGED * MHP_BLOCK_SIZE;
        uint64_t backed;

        migrate_prepare(source);
        backed = mhp_backed_size(source);
        migrate(source, target, uri);
        migrate_check(target);
        g_assert_cmpuint(migration_bytes(source->vm), >=, plugged);
        g_assert_cmpuint(migration_bytes(source->vm), <=,
                         plugged + OTHER_BYTES);
        /* Reading a hole would have filled it */
        g_assert_cmpuint(mhp_backed_size(source), ==, backed);
    }
    migrate_free_uri(uri);
}

static void test_multifd(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        const char *const no_args[] = {NULL};
        g_autoptr(Mhp) target = mhp_new_incoming(source, no_args);

        migration_enable(source->vm, "multifd");
        migration_enable(target->vm, "multifd");
        migration_listen(target->vm, uri);
        migrate_prepare(source);
        migrate(source, target, uri);
        migrate_check(target);
    }
    migrate_free_uri(uri);
}

/* The last memory comes after the guest */
static void test_postcopy(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        const char *const no_args[] = {NULL};
        g_autoptr(Mhp) target = mhp_new_incoming(source, no_args);

        migration_enable(source->vm, "postcopy-ram");
        migration_enable(target->vm, "postcopy-ram");
        migration_listen(target->vm, uri);
        migrate_prepare(source);
        migration_set(source->vm, "max-bandwidth", MHP_MIB);
        migration_start(source->vm, uri);
        migration_wait(source->vm, "active");
        migration_start_postcopy(source->vm);
        migration_wait(source->vm, "completed");
        mhp_arrived(target, source);
        migrate_check(target);
    }
    migrate_free_uri(uri);
}

/* To a file, and from there into a machine that starts later */
static void check_file(const char *const *capabilities)
{
    char *uri = migrate_new_uri("file");
    {
        g_autoptr(Mhp) source = mhp_new();
        const char *const no_args[] = {NULL};
        g_autoptr(Mhp) target = mhp_new_incoming(source, no_args);

        for (; *capabilities; capabilities++) {
            migration_enable(source->vm, *capabilities);
            migration_enable(target->vm, *capabilities);
        }
        migrate_prepare(source);
        migration_start(source->vm, uri);
        migration_wait(source->vm, "completed");
        migration_listen(target->vm, uri);
        mhp_arrived(target, source);
        migrate_check(target);
    }
    migrate_free_uri(uri);
}

static void test_file(void)
{
    static const char *const plain[] = {NULL};

    check_file(plain);
}

static void test_mapped_ram(void)
{
    static const char *const mapped[] = {"mapped-ram", NULL};
    static const char *const parallel[] = {"mapped-ram", "multifd", NULL};

    check_file(mapped);
    check_file(parallel);
}

/* Memory that is left where it is, for the next QEMU in the same place */
static void test_shared_memory_stays(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        g_autoptr(Mhp) target = mhp_new_incoming_shared(source);

        migration_enable(source->vm, "x-ignore-shared");
        migration_enable(target->vm, "x-ignore-shared");
        migration_listen(target->vm, uri);
        migrate_prepare(source);
        /* What the driver wrote to without plugging it stays there, too */
        mhp_expect(mhp_plug(source, 40, 1), ACK);
        mhp_expect(mhp_unplug(source, 40, 1), ACK);
        migrate(source, target, uri);
        g_assert_cmpuint(migration_bytes(source->vm), <=, OTHER_BYTES);
        g_assert_true(mhp_block_holds(target, 0, 0x40));
        g_assert_true(mhp_block_holds(target, 27, 0x40 + 27));
        g_assert_cmpuint(mhp_size(target), ==,
                         MIGRATE_NB_PLUGGED * MHP_BLOCK_SIZE);
    }
    migrate_free_uri(uri);
}

/* Also into a machine in which other blocks are plugged by then */
static void test_snapshot(void)
{
    char *uri = migrate_new_uri("file");
    {
        g_autoptr(Mhp) mhp = mhp_new();

        migration_add_disk(mhp->vm, strchr(uri, ':') + 1);
        migrate_prepare(mhp);
        migration_save(mhp->vm, "one");
        mhp_expect(mhp_unplug(mhp, 20, 8), ACK);
        mhp_set_requested_size(mhp, MHP_REGION_SIZE);
        mhp_expect(mhp_plug(mhp, 40, 20), ACK);
        for (unsigned block = 40; block < 60; block++) {
            mhp_fill(mhp, block, 0x22);
        }
        mhp_fill(mhp, 0, 0x22);
        mhp_expect(mhp_memmap(mhp, MHP_BLOCK_SIZE, 0), ACK);
        mhp_expect(mhp_status(mhp, 0, 8, VIRTIO_MHP_REASON_BUSY), ACK);
        mhp_load_snapshot(mhp, "one");
        migrate_check(mhp);
        /* And again, into what it is */
        mhp_load_snapshot(mhp, "one");
        migrate_check(mhp);
    }
    migrate_free_uri(uri);
}

#define ADD(test) g_test_add_func("/virtio-mhp/migration/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(precopy);
    ADD(multifd);
    ADD(postcopy);
    ADD(file);
    ADD(mapped_ram);
    ADD(shared_memory_stays);
    ADD(snapshot);
    return g_test_run();
}
