/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Step: the machine moves to another QEMU, at once or by way of a file. */
#include "fuzz.h"
#include "migrate.h"

static Mhp *fuzz_new_target(Fuzz *fuzz)
{
    return mhp_new_incoming(fuzz->mhp, fuzz->args);
}

/* Only plugged blocks arrive; what was written to others stays behind */
static void fuzz_arrived(Fuzz *fuzz, Mhp *target)
{
    mhp_arrived(target, fuzz->mhp);
    mhp_free(fuzz->mhp);
    fuzz->mhp = target;
    for (unsigned i = 0; i < MHP_NB_BLOCKS; i++) {
        fuzz->model.blocks[i].touched = false;
        fuzz->heard[i] = false;
    }
    fuzz_listen(fuzz, true);
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
