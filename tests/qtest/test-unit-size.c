/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the operator is shown of the units in which the guest plugs: a request
 * below or between them cannot be fulfilled, and nothing else tells why.
 */
#include <string.h>

#include "migrate.h"

#define UNIT_SIZE (4 * MHP_BLOCK_SIZE)

static void assert_unit_size(Mhp *mhp, uint64_t wanted)
{
    g_autoptr(GError) error = NULL;
    uint64_t size = 1;

    qmp_get_uint(vm_qmp(mhp->vm), MHP_QOM_PATH, "unit-size", &size, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(size, ==, wanted);
}

/* DEV-MEMMAP-4 */
static void test_told_by_memmap(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    assert_unit_size(mhp, 0);
    mhp_expect(mhp_memmap(mhp, UNIT_SIZE, 0x4000), ACK);
    assert_unit_size(mhp, UNIT_SIZE);
    mhp_expect(mhp_memmap(mhp, 2 * UNIT_SIZE, 0), ACK);
    assert_unit_size(mhp, 2 * UNIT_SIZE);
    mhp_expect(mhp_memmap(mhp, UNIT_SIZE + 1, 0), ERROR);
    assert_unit_size(mhp, 2 * UNIT_SIZE);
    /* What is added in parts is plugged as a whole block. */
    mhp_expect(mhp_memmap(mhp, MHP_BLOCK_SIZE / 2, 0), ACK);
    assert_unit_size(mhp, MHP_BLOCK_SIZE);
}

/* DEV-MEMMAP-4, DEV-MEMMAP-2 */
static void test_forgotten_with_the_driver(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_memmap(mhp, UNIT_SIZE, 0), ACK);
    mhp_restart_driver(mhp, MHP_FEATURES);
    assert_unit_size(mhp, 0);
}

/* DEV-MEMMAP-4 */
static void test_goes_with_the_guest(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        g_autoptr(Mhp) target = migrate_new_target(source, uri);

        mhp_expect(mhp_memmap(source, UNIT_SIZE, 0x4000), ACK);
        migrate(source, target, uri);
        assert_unit_size(target, UNIT_SIZE);
    }
    migrate_free_uri(uri);
}

static void assert_summary(Mhp *mhp, const char *wanted)
{
    g_autofree char *text = mhp_hmp(mhp, "qom-get mhp0 summary");

    g_test_message("%s", text);
    g_assert_nonnull(strstr(text, wanted));
}

static void test_summary_says_what_cannot_be(void)
{
    static const struct {
        uint64_t unit_size, requested_size;
        const char *text;
    } rows[] = {
        {16 * MHP_MIB, 64 * MHP_MIB, "guest: plugs units of 16 MiB\""},
        {16 * MHP_MIB, 0, "guest: plugs units of 16 MiB\""},
        {16 * MHP_MIB, 8 * MHP_MIB,
         "16 MiB, at most 0 bytes of the requested 8 MiB\""},
        {16 * MHP_MIB, 40 * MHP_MIB,
         "16 MiB, at most 32 MiB of the requested 40 MiB\""},
        {MHP_REGION_SIZE, MHP_REGION_SIZE, "guest: plugs units of 128 MiB\""},
        {2 * MHP_REGION_SIZE, MHP_REGION_SIZE,
         "256 MiB, at most 0 bytes of the requested 128 MiB\""},
        {UINT64_C(1) << 63, MHP_BLOCK_SIZE,
         "at most 0 bytes of the requested 2 MiB\""},
    };
    g_autoptr(Mhp) mhp = mhp_new();
    g_autofree char *before = mhp_hmp(mhp, "qom-get mhp0 summary");

    g_assert_null(strstr(before, "guest: "));
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        mhp_expect(mhp_memmap(mhp, rows[i].unit_size, 0), ACK);
        mhp_set_requested_size(mhp, rows[i].requested_size);
        assert_summary(mhp, rows[i].text);
    }
}

/* A region that starts and ends inside units has less of them. */
static void test_region_that_is_not_aligned(void)
{
    g_autoptr(Mhp) mhp = mhp_new_with_backend("memory-backend-ram",
                                              ",memaddr=0x100200000", NULL);

    mhp_expect(mhp_memmap(mhp, UNIT_SIZE, 0), ACK);
    mhp_set_requested_size(mhp, MHP_REGION_SIZE);
    assert_summary(mhp, "8 MiB, at most 120 MiB of the requested 128 MiB\"");
}

#define ADD(test) g_test_add_func("/virtio-mhp/unit-size/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(told_by_memmap);
    ADD(forgotten_with_the_driver);
    ADD(goes_with_the_guest);
    ADD(summary_says_what_cannot_be);
    ADD(region_that_is_not_aligned);
    return g_test_run();
}
