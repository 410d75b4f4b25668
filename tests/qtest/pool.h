/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's pool of huge pages of 2 MiB, which a test sets and gives back.
 * That needs root; where it is not to be had the test is skipped.
 */
#ifndef MHP_POOL_H
#define MHP_POOL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Whether there are so many free pages now; *@old is for pool_return() */
bool pool_take(unsigned nb_free, uint64_t *old);
void pool_return(uint64_t old);

/* Change how many are free */
void pool_set_free(unsigned nb_free);
unsigned pool_free(void);

#endif /* MHP_POOL_H */
