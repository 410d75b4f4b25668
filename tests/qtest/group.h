/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A control group of the test's own, of either version. Needs root.
 */
#ifndef MHP_GROUP_H
#define MHP_GROUP_H

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Group Group;

/* Empty, without a limit; NULL, and the test is skipped, if there is none */
Group *group_new(void);

/* What is still in it must be about to end. */
void group_free(Group *group);

void group_add(Group *group, pid_t pid);

/* In bytes */
void group_set_limit(Group *group, uint64_t limit);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Group, group_free)

#endif /* MHP_GROUP_H */
