/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a test tells hold.c, which stands in QEMU between the device and the
 * kernel, by memory that they share: whether calls that discard or back memory
 * pass, fail, take a time, or wait as on storage that does not answer.
 */
#ifndef MHP_HOLD_H
#define MHP_HOLD_H

#include <stdint.h>

/* Names the file, which is a struct Hold */
#define HOLD_ENV "MHP_HOLD"

enum { HOLD_PASS, HOLD_FAIL, HOLD_WAIT, HOLD_SLOW };
/* What a call takes in the last of these modes */
#define HOLD_SLOW_US 150000
enum { HOLD_DISCARDS, HOLD_POPULATES, HOLD_NB_KINDS };

/*
 * @mode: HOLD_PASS and so on
 * @nb_pass: how many calls still pass before @mode counts
 * @nb_waiting: how many calls wait, or take their time
 * @nb_calls: how many calls there were, with those that wait
 */
typedef struct Hold {
    struct {
        uint32_t mode;
        uint32_t nb_pass;
        uint32_t nb_waiting;
        uint32_t nb_calls;
    } kinds[HOLD_NB_KINDS];
} Hold;

#endif
