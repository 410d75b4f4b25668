/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps: the machine moves to another QEMU, at once or by way of a file, or
 * goes back to a snapshot of itself.
 */
#include <string.h>

#include "fuzz.h"
#include "migrate.h"

static Mhp *fuzz_new_target(Fuzz *fuzz)
{
    return mhp_new_incoming(fuzz->mhp, fuzz->args);
}

/* The disk with the snapshot stays behind, too */
void fuzz_forget_snapshot(Fuzz *fuzz)
{
    if (fuzz->disk) {
        migrate_free_uri(fuzz->disk);
    }
    fuzz->disk = NULL;
}

static void fuzz_save(Fuzz *fuzz)
{
    fuzz_tell(fuzz, "save a snapshot");
    fuzz->disk = migrate_new_uri("file");
    migration_add_disk(fuzz->mhp->vm, strchr(fuzz->disk, ':') + 1);
    migration_save(fuzz->mhp->vm, "one");
    fuzz->saved = fuzz->model;
}

static void fuzz_load(Fuzz *fuzz)
{
    fuzz_tell(fuzz, "load the snapshot");
    mhp_load_snapshot(fuzz->mhp, "one");
    fuzz->model = fuzz->saved;
    for (unsigned i = 0; i < MHP_NB_BLOCKS; i++) {
        fuzz->model.blocks[i].touched = false;
    }
    fuzz_stats_arrived(fuzz);
}

/* One snapshot of each machine */
void fuzz_step_snapshot(Fuzz *fuzz)
{
    if (fuzz->disk) {
        fuzz_load(fuzz);
    } else {
        fuzz_save(fuzz);
    }
}

/* Only plugged blocks arrive; what was written to others stays behind */
static void fuzz_arrived(Fuzz *fuzz, Mhp *target)
{
    mhp_arrived(target, fuzz->mhp);
    mhp_free(fuzz->mhp);
    fuzz->mhp = target;
    fuzz_forget_snapshot(fuzz);
    for (unsigned i = 0; i < MHP_NB_BLOCKS; i++) {
        fuzz->model.blocks[i].touched = false;
        fuzz->heard[i] = false;
    }
    fuzz_listen(fuzz, true);
    fuzz_stats_arrived(fuzz);
}

void fuzz_step_migrate(Fuzz *fuzz)
{
    bool by_file = fuzz_one_in(fuzz, 2);
    char *uri = migrate_new_uri(by_file ? "file" : "unix");
    Mhp *target = fuzz_new_target(fuzz);

    fuzz_tell(fuzz, "migrate by %s", uri);
    if (!by_file) {
        migration_listen(target->vm, uri);
    }
    migration_start(fuzz->mhp->vm, uri);
    migration_wait(fuzz->mhp->vm, "completed");
    if (by_file) {
        migration_listen(target->vm, uri);
    }
    fuzz_arrived(fuzz, target);
    migrate_free_uri(uri);
}
