/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts the instructions of a guest, whatever the machine has to do beside it:
 * the guest has one CPU, and its clock goes by instructions while it is busy.
 */
#ifndef MHP_BENCH_COUNTER_H
#define MHP_BENCH_COUNTER_H

#include "vm.h"

typedef struct Counter Counter;

/* Of a QEMU that is not started; $MHP_BUILD has the plugin that counts */
Counter *counter_new(Vm *vm);
/* Before or after the QEMU's end */
void counter_free(Counter *counter);

/* All since the start */
uint64_t counter_read(const Counter *counter);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Counter, counter_free)

#endif /* MHP_BENCH_COUNTER_H */
