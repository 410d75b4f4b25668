/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A running guest goes through all kinds of migration and snapshot, while its
 * size stays, while it grows and while it shrinks, and each time comes to the
 * size that it was asked for, with its data whole.
 *
 * $MHP_ROUNDS is the number of migrations. Without it, each kind has its turn
 * once; 30 rounds bring each kind in each of the states. $MHP_EACH is how often
 * each kind has its turn, with prealloc=off and on, instead of that; $MHP_WAY
 * names the only kind.
 */
#include <stdlib.h>
#include <string.h>

#include "moving.h"

static const struct {
    const char *name;
    MovingWay way;
} ways[] = {
    {"precopy", moving_precopy},
    {"multifd", moving_multifd},
    {"postcopy", moving_postcopy},
    {"x-ignore-shared", moving_ignore_shared},
    {"cpr-transfer", moving_transfer},
    {"file", moving_file},
    {"snapshot", moving_snapshot},
    {"background", moving_background},
    {"cancelled", moving_cancelled},
    {"failed", moving_failed},
};
/* Those that a guest leaves by, and snapshots */
#define NB_REAL_WAYS 7u

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
    Moving *moving = moving_new(false);

    if (text) {
        nb_rounds = (unsigned)atoi(text);
    }
    for (unsigned i = 0; i < nb_rounds; i++) {
        round_of(moving, i % G_N_ELEMENTS(ways), i % NB_STATES);
    }
    moving_free(moving);
}

static void test_each_kind(const void *data)
{
    const bool prealloc = GPOINTER_TO_INT(data);
    const unsigned nb_rounds = (unsigned)atoi(g_getenv("MHP_EACH"));
    const char *only = g_getenv("MHP_WAY");
    Moving *moving = moving_new(prealloc);

    for (unsigned way = 0; way < NB_REAL_WAYS; way++) {
        const int64_t start = g_get_monotonic_time();

        if (only && strcmp(only, ways[way].name) != 0) {
            continue;
        }
        moving->nb_watched = 0;
        for (unsigned i = 0; i < nb_rounds; i++) {
            round_of(moving, way, i % NB_STATES);
        }
        g_print("%s, prealloc=%s: %u times, %u sources left memory alone, "
                "%d s\n",
                ways[way].name, prealloc ? "on" : "off", nb_rounds,
                moving->nb_watched,
                (int)((g_get_monotonic_time() - start) / G_USEC_PER_SEC));
    }
    moving_free(moving);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (g_getenv("MHP_EACH")) {
        g_test_add_data_func("/system/moving/each kind", GINT_TO_POINTER(0),
                             test_each_kind);
        g_test_add_data_func("/system/moving/each kind, prealloc",
                             GINT_TO_POINTER(1), test_each_kind);
    } else {
        g_test_add_func("/system/moving/rounds", test_rounds);
    }
    return g_test_run();
}
