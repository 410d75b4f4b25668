/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Results as pictures, made by gnuplot: of resize the time for each GiB as a
 * function of the size, growing beside shrinking; of worker and service bars,
 * what is done beside how late it is.
 */
#ifndef MHP_BENCH_PLOT_H
#define MHP_BENCH_PLOT_H

#include "bench.h"

/*
 * Write resize.svg and felt.svg, and each as .png, to @folder; none of those
 * without such results
 */
bool plot_write(const Bench *bench, const char *folder, GError **error);

#endif /* MHP_BENCH_PLOT_H */
