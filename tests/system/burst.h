/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that may grow by itself, and a process that takes memory as fast as
 * it can. As in support.h, success is taken for granted.
 */
#ifndef MHP_SYSTEM_BURST_H
#define MHP_SYSTEM_BURST_H

#include "support.h"

/* What the guest may plug beyond what is requested, in bytes */
void burst_allow(Guest *guest, uint64_t size);

/* After how many seconds of enough memory the guest gives it back */
void burst_set_hold(Guest *guest, unsigned seconds);

/* All that the guest ever plugged by its own decision, in bytes */
uint64_t burst_counter(Guest *guest);

/* The processes that were killed for want of memory since boot */
unsigned burst_nb_kills(Guest *guest);

/* The status of a process that takes so much, reads it, and ends */
int burst_take(Guest *guest, unsigned mib);

/* Such a process ends right, and nobody is killed */
void burst_check_lives(Guest *guest, unsigned mib);

/*
 * The same again and again, with @least bytes plugged for it and given back
 * each time: $MHP_ROUNDS times, or @nb if that is not set
 */
void burst_rounds(Guest *guest, unsigned mib, uint64_t least, unsigned nb);

#endif /* MHP_SYSTEM_BURST_H */
