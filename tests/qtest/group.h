/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A control group of the test's own, of either version, and processes in it
 * that take its memory. Needs root.
 */
#ifndef MHP_GROUP_H
#define MHP_GROUP_H

#include <glib.h>
#include <stdbool.h>
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

/* Where Linux slows processes down, false if version 1 is used, without it */
bool group_set_high(Group *group, uint64_t high);

/* Page cache that could be dropped, used lately or not */
uint64_t group_cache(Group *group);

typedef enum NeighbourKind {
    /* Has read files again and again */
    NEIGHBOUR_HAS_READ,
    /* Goes on with that */
    NEIGHBOUR_READS,
    /* Has locked a file's pages */
    NEIGHBOUR_HAS_LOCKED,
    /* Has memory of its own */
    NEIGHBOUR_HAS_MEMORY,
    /* Has a control group namespace, whose root is the group */
    NEIGHBOUR_HAS_NAMESPACE,
} NeighbourKind;

/* A process in the group that has @size bytes of what @kind says */
typedef struct Neighbour Neighbour;

Neighbour *neighbour_new(Group *group, NeighbourKind kind, size_t size);
pid_t neighbour_pid(Neighbour *neighbour);

/* It ends, and its file with it. */
void neighbour_free(Neighbour *neighbour);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Group, group_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Neighbour, neighbour_free)

#endif /* MHP_GROUP_H */
