/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A running guest goes through all kinds of migration and snapshot, while its
 * size stays, while it grows and while it shrinks, and each time comes to the
 * size that it was asked for, with its data whole.
 *
 * $MHP_ROUNDS is the number of migrations. Without it, each kind has its turn
 * once; 24 rounds bring each kind in each of the states.
 */
#include <stdlib.h>

#include "moving.h"

static const struct {
    const char *name;
    MovingWay way;
} ways[] = {
    {"precopy", moving_precopy},     {"multifd", moving_multifd},
    {"postcopy", moving_postcopy},   {"file", moving_file},
    {"snapshot", moving_snapshot},   {"background", moving_background},
    {"cancelled", moving_cancelled}, {"failed", moving_failed},
};

typedef enum State {
    STATE_IDLE,
    STATE_GROWING,
    STATE_SHRINKING,
    NB_STATES,
} State;

static const char *const state_names[] = {"idle", "growing", "shrinking"};

/* The size to ask for when the guest is on its way */
static uint64_t size_meanwhile(State state, uint64_t size)
{
    switch (state) {
    case STATE_GROWING:
        return MOVING_LARGE;
    case STATE_SHRINKING:
        return MOVING_SMALL;
    default:
        return size;
    }
}

static void round_of(Moving *moving, unsigned way, State state)
{
    g_test_message("%s while %s", ways[way].name, state_names[state]);
    ways[way].way(moving, size_meanwhile(state, moving->size));
    moving_settle(moving);
    moving_check(moving);
}

static void test_rounds(void)
{
    const char *text = g_getenv("MHP_ROUNDS");
    unsigned nb_rounds = G_N_ELEMENTS(ways);
    Moving *moving = moving_new();

    if (text) {
        nb_rounds = (unsigned)atoi(text);
    }
    for (unsigned i = 0; i < nb_rounds; i++) {
        round_of(moving, i % G_N_ELEMENTS(ways), i % NB_STATES);
    }
    moving_free(moving);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/system/moving/rounds", test_rounds);
    return g_test_run();
}
