/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Results as text: for each scenario a table with a row for each variant and
 * metric and a column for each peer.
 */
#ifndef MHP_BENCH_TABLE_H
#define MHP_BENCH_TABLE_H

#include <stdio.h>

#include "bench.h"

void table_print(const Bench *bench, FILE *out);

/*
 * What got worse since an earlier run: medians that differ by more than a
 * tenth, where not even the best and the worst value of both runs overlap.
 * Returns how many did.
 */
unsigned table_print_worse(const Results *now, const Results *before,
                           FILE *out);

#endif /* MHP_BENCH_TABLE_H */
