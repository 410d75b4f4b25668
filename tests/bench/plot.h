/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Results as pictures, made by gnuplot: time for each GiB as a function of the
 * size, on logarithmic scales, growing beside shrinking.
 */
#ifndef MHP_BENCH_PLOT_H
#define MHP_BENCH_PLOT_H

#include "bench.h"

/* Write resize.svg and resize.png to @folder; nothing without such results */
bool plot_write(const Bench *bench, const char *folder, GError **error);

#endif /* MHP_BENCH_PLOT_H */
