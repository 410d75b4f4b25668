/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the driver and the operator meet while a migration goes on, and
 * afterwards, on the side where the guest runs then.
 */
#include <string.h>

#include "migrate.h"
#include "wait.h"

/* Slow enough that a test can do what it likes meanwhile */
#define SLOW_BANDWIDTH 4096

static const char *const no_args[] = {NULL};

/* Start a migration of @mhp to @uri that does not end by itself */
static void start_slowly(Mhp *mhp, const char *uri)
{
    migration_set(mhp->vm, "max-bandwidth", SLOW_BANDWIDTH);
    migration_start(mhp->vm, uri);
    migration_wait(mhp->vm, "active");
}

static void go_on(Mhp *mhp)
{
    migration_set(mhp->vm, "max-bandwidth", UINT64_C(1) << 30);
}

static bool has_config_change(void *opaque, GError **error)
{
    (void)error;
    return virtio_pci_isr(opaque) & VIRTIO_PCI_ISR_CONFIG;
}

/* The driver is told to look at the configuration, and with it to try again */
static void wait_config_change(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;

    wait_until(has_config_change, mhp->pci, 5000,
               "a configuration change notification", &error);
    g_assert_no_error(error);
}

/* DEV-PLUG-3, DEV-UNPLUG-2, DEV-UNPLUGALL-1, DEV-REQ-5 */
static void check_busy(Mhp *mhp)
{
    mhp_expect(mhp_plug(mhp, 10, 1), BUSY);
    mhp_expect(mhp_unplug(mhp, 5, 1), BUSY);
    mhp_expect(mhp_unplug_all(mhp), BUSY);
    /* What is wrong stays wrong, and questions get their answers */
    mhp_expect(mhp_plug(mhp, 5, 1), ERROR);
    mhp_expect(mhp_unplug(mhp, 4, 1), ERROR);
    mhp_expect(mhp_plug(mhp, 28, 30), NACK);
    g_assert_cmpstr(mhp_state_name(mhp, 5, 1), ==, "PLUGGED");
    g_assert_cmpstr(mhp_state_name(mhp, 10, 1), ==, "UNPLUGGED");
    /* From here on the next change is the end of the migration */
    virtio_pci_isr(mhp->pci);
}

/* DEV-CFG-7: the source goes on as if nothing had been */
static void test_cancelled(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        g_autoptr(Mhp) target = migrate_new_target(source, uri);

        migrate_prepare(source);
        start_slowly(source, uri);
        check_busy(source);
        migration_cancel(source->vm);
        migration_wait(source->vm, "cancelled");
        wait_config_change(source);
        /* The stray contents of unplugged blocks are gone with this */
        mhp_expect(mhp_plug(source, 10, 1), ACK);
        mhp_expect(mhp_unplug(source, 10, 1), ACK);
        for (unsigned i = 0; i < MIGRATE_NB_STRAY; i++) {
            mhp_set_requested_size(source, MHP_REGION_SIZE);
            mhp_expect(mhp_plug(source, 40 + i, 1), ACK);
            mhp_expect(mhp_unplug(source, 40 + i, 1), ACK);
        }
        mhp_set_requested_size(source, 16 * MHP_BLOCK_SIZE);
        migrate_check(source);
        /* The cancelled destination ends with an error of its own */
        mhp_abandon(g_steal_pointer(&target));
    }
    migrate_free_uri(uri);
}

/* The destination dies: the source is told, and can be migrated once more */
static void test_failed_then_repeated(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        g_autoptr(Mhp) lost = migrate_new_target(source, uri);
        g_autoptr(Mhp) target = NULL;

        migrate_prepare(source);
        start_slowly(source, uri);
        check_busy(source);
        mhp_abandon(g_steal_pointer(&lost));
        migration_wait(source->vm, "failed");
        wait_config_change(source);
        go_on(source);
        target = migrate_new_target(source, uri);
        migrate(source, target, uri);
        migrate_check(target);
    }
    migrate_free_uri(uri);
}

/* DEV-CFG-7, DEV-CFG-3: the source heard BUSY, the destination may go on */
static void test_resize_is_carried_out_at_the_destination(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        g_autoptr(Mhp) target = migrate_new_target(source, uri);

        migrate_prepare(source);
        start_slowly(source, uri);
        mhp_set_requested_size(source, MHP_REGION_SIZE);
        mhp_expect(mhp_plug(source, 10, 1), BUSY);
        go_on(source);
        migration_wait(source->vm, "completed");
        mhp_arrived(target, source);
        wait_config_change(target);
        g_assert_cmpuint(mhp_config(target).requested_size, ==,
                         MHP_REGION_SIZE);
        mhp_expect(mhp_plug(target, 28, MHP_NB_BLOCKS - 28), ACK);
        g_assert_true(mhp_block_holds(target, 40, 0));
    }
    migrate_free_uri(uri);
}

static void assert_resize_is_refused(Mhp *mhp, const char *why)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(qmp_set_uint(vm_qmp(mhp->vm), MHP_QOM_PATH, "requested-size",
                                0, &error));
    g_assert_cmpstr(error->message, ==, why);
}

/* Refused where it would be lost: the guest is not there any more */
static void test_resize_on_the_wrong_side(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        g_autoptr(Mhp) target = mhp_new_incoming(source, no_args);
        uint64_t requested_size;

        migration_enable(source->vm, "pause-before-switchover");
        migrate_prepare(source);
        requested_size = mhp_config(source).requested_size;
        /* What comes with the guest replaces it. */
        mhp_set_requested_size(target, MHP_BLOCK_SIZE);
        migration_listen(target->vm, uri);
        migration_start(source->vm, uri);
        migration_wait(source->vm, "pre-switchover");
        assert_resize_is_refused(
            source,
            "property 'requested-size' cannot be changed after the guest has left for the migration's destination");
        mhp_expect(mhp_plug(source, 10, 1), BUSY);
        migration_go_on(source->vm);
        migration_wait(source->vm, "completed");
        mhp_arrived(target, source);
        g_assert_cmpuint(mhp_config(target).requested_size, ==, requested_size);
        migrate_check(target);
        mhp_set_requested_size(target, 0);
    }
    migrate_free_uri(uri);
}

/* DEV-PLUG-3: until the last memory has come */
static void test_postcopy(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        g_autoptr(Mhp) target = mhp_new_incoming(source, no_args);

        migration_enable(source->vm, "postcopy-ram");
        migration_enable(target->vm, "postcopy-ram");
        migration_listen(target->vm, uri);
        migrate_prepare(source);
        migration_set(source->vm, "max-postcopy-bandwidth", SLOW_BANDWIDTH);
        start_slowly(source, uri);
        migration_start_postcopy(source->vm);
        migration_wait(source->vm, "postcopy-active");
        migration_wait(target->vm, "postcopy-active");
        mhp_moved(target, source);
        /* Of what it reads here, the memory comes at once */
        check_busy(target);
        g_assert_true(mhp_block_holds(target, 5, 0x45));
        migration_set(source->vm, "max-postcopy-bandwidth", 0);
        migration_wait(source->vm, "completed");
        mhp_arrived(target, source);
        wait_config_change(target);
        migrate_check(target);
    }
    migrate_free_uri(uri);
}

/* DEV-RESET-2: it cannot unplug; the driver that comes up does it later */
static void test_system_reset(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        g_autoptr(Mhp) target = migrate_new_target(source, uri);

        migrate_prepare(source);
        start_slowly(source, uri);
        mhp_system_reset(source);
        g_assert_cmpuint(mhp_size(source), ==,
                         MIGRATE_NB_PLUGGED * MHP_BLOCK_SIZE);
        mhp_expect(mhp_unplug_all(source), BUSY);
        go_on(source);
        migration_wait(source->vm, "completed");
        mhp_arrived(target, source);
        wait_config_change(target);
        mhp_expect(mhp_unplug_all(target), ACK);
        g_assert_cmpuint(mhp_backed_size(target), ==, 0);
        mhp_expect(mhp_plug(target, 5, 1), ACK);
        g_assert_true(mhp_block_holds(target, 5, 0));
    }
    migrate_free_uri(uri);
}

#define ADD(test) \
    g_test_add_func("/virtio-mhp/migration-busy/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(cancelled);
    ADD(failed_then_repeated);
    ADD(resize_is_carried_out_at_the_destination);
    ADD(resize_on_the_wrong_side);
    ADD(postcopy);
    ADD(system_reset);
    return g_test_run();
}
