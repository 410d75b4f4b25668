/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The C library includes the file that this one stands before. */
#include_next <linux/limits.h>
#include <limits.h>
