/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A control group of the test's own, of either version, and processes in it
 * that something can be had from. Needs root.
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

typedef enum NeighbourKind {
    /* Has a control group namespace, whose root is the group */
    NEIGHBOUR_HAS_NAMESPACE,
} NeighbourKind;

/* A process in the group that has what @kind says */
typedef struct Neighbour Neighbour;

Neighbour *neighbour_new(Group *group, NeighbourKind kind);
pid_t neighbour_pid(Neighbour *neighbour);

/* It ends. */
void neighbour_free(Neighbour *neighbour);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Group, group_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Neighbour, neighbour_free)

#endif /* MHP_GROUP_H */
