/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memset() and the like are the same on both sides. */
#include <string.h>
