/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of migration share: see migrate.h.
 */
#include "migrate.h"

#include <glib/gstdio.h>
#include <string.h>

#define MIGRATE_REQUESTED_SIZE (16 * MHP_BLOCK_SIZE)
#define MIGRATE_UNIT_SIZE (4 * MHP_BLOCK_SIZE)
#define MIGRATE_MEMMAP_SIZE 0x4000
#define MIGRATE_REPORTS \
    "0x%" G_GINT64_MODIFIER "x-0x%" G_GINT64_MODIFIER "x: pinned"

static const struct {
    unsigned first;
    uint16_t nb_blocks;
} migrate_plugged[] = {{0, 2}, {5, 1}, {20, 8}};

#define MIGRATE_STRAY_FIRST 40

char *migrate_new_uri(const char *scheme)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("mhp-XXXXXX", &error);

    g_assert_no_error(error);
    return g_strdup_printf("%s:%s/migration", scheme, folder);
}

void migrate_free_uri(char *uri)
{
    const char *path = strchr(uri, ':') + 1;
    g_autofree char *folder = g_path_get_dirname(path);

    g_unlink(path);
    g_assert_no_errno(g_rmdir(folder));
    g_free(uri);
}

/* Never 0, and no two blocks have the same */
static uint8_t migrate_contents(unsigned block)
{
    return (uint8_t)(0x40 + block);
}

void migrate_prepare(Mhp *mhp)
{
    mhp_set_requested_size(mhp, MIGRATE_REQUESTED_SIZE);
    for (unsigned i = 0; i < G_N_ELEMENTS(migrate_plugged); i++) {
        const unsigned first = migrate_plugged[i].first;
        const uint16_t nb_blocks = migrate_plugged[i].nb_blocks;

        mhp_expect(mhp_plug(mhp, first, nb_blocks), ACK);
        for (unsigned block = first; block < first + nb_blocks; block++) {
            mhp_fill(mhp, block, migrate_contents(block));
        }
    }
    for (unsigned i = 0; i < MIGRATE_NB_STRAY; i++) {
        mhp_fill(mhp, MIGRATE_STRAY_FIRST + i, 0x11);
    }
    mhp_expect(mhp_status(mhp, 5, 1, VIRTIO_MHP_REASON_PINNED), ACK);
    mhp_expect(mhp_memmap(mhp, MIGRATE_UNIT_SIZE, MIGRATE_MEMMAP_SIZE), ACK);
}

static void migrate_check_blocks(Mhp *mhp)
{
    unsigned next = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(migrate_plugged); i++) {
        const unsigned first = migrate_plugged[i].first;
        const uint16_t nb_blocks = migrate_plugged[i].nb_blocks;

        if (first > next) {
            g_assert_cmpstr(mhp_state_name(mhp, next, first - next), ==,
                            "UNPLUGGED");
        }
        next = first + nb_blocks;
        g_assert_cmpstr(mhp_state_name(mhp, first, nb_blocks), ==, "PLUGGED");
        for (unsigned block = first; block < next; block++) {
            g_assert_true(mhp_block_holds(mhp, block, migrate_contents(block)));
        }
    }
    g_assert_cmpstr(mhp_state_name(mhp, next, MHP_NB_BLOCKS - next), ==,
                    "UNPLUGGED");
}

void migrate_check(Mhp *mhp)
{
    const uint64_t size = MIGRATE_NB_PLUGGED * MHP_BLOCK_SIZE;
    g_autofree char *reports = g_strdup_printf(
        MIGRATE_REPORTS, mhp_block_addr(mhp, 5), mhp_block_addr(mhp, 6) - 1);

    g_assert_cmpuint(mhp_size(mhp), ==, size);
    g_assert_cmpuint(mhp_config(mhp).plugged_size, ==, size);
    g_assert_cmpuint(mhp_config(mhp).requested_size, ==,
                     MIGRATE_REQUESTED_SIZE);
    migrate_check_blocks(mhp);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, size);
    mhp_assert_reports(mhp, 1, reports);

    /* The layout of memmaps came, too: the one of the second unit is backed */
    mhp_expect(mhp_plug(mhp, 8, 2), ACK);
    g_assert_true(mhp_is_backed(mhp, 8 * MHP_BLOCK_SIZE, MIGRATE_MEMMAP_SIZE));
    g_assert_true(mhp_block_holds(mhp, 9, 0));
    mhp_expect(mhp_unplug(mhp, 8, 2), ACK);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, size);
}

Mhp *migrate_new_target(Mhp *source, const char *uri)
{
    const char *const no_args[] = {NULL};
    Mhp *target = mhp_new_incoming(source, no_args);

    migration_listen(target->vm, uri);
    return target;
}

void migrate(Mhp *source, Mhp *target, const char *uri)
{
    migration_start(source->vm, uri);
    migration_wait(source->vm, "completed");
    mhp_arrived(target, source);
}
