/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of migration share: a state of the device that is worth to
 * be migrated, the check that it has arrived, and a folder for what lies
 * between the two sides.
 */
#ifndef MHP_MIGRATE_H
#define MHP_MIGRATE_H

#include "mhp.h"
#include "migration.h"

/* Blocks that migrate_prepare() plugs, and others that it only writes to */
#define MIGRATE_NB_PLUGGED 11
#define MIGRATE_NB_STRAY 24

/* "SCHEME:/a/file/in/a/folder/of/our/own"; migrate_free_uri() removes both */
char *migrate_new_uri(const char *scheme);
void migrate_free_uri(char *uri);

/* Plug blocks, write to them and to others, report, tell of memmaps */
void migrate_prepare(Mhp *mhp);

/* Asserts that all of that is so, and that requests are served */
void migrate_check(Mhp *mhp);

/* A machine to which @source can be migrated by @uri, and which listens */
Mhp *migrate_new_target(Mhp *source, const char *uri);

/* Move @source to @target by a plain migration, from start to end */
void migrate(Mhp *source, Mhp *target, const char *uri);

#endif /* MHP_MIGRATE_H */
