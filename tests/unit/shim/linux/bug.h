/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Warnings are counted; the test defines the counter and looks at it. */
#ifndef SHIM_LINUX_BUG_H
#define SHIM_LINUX_BUG_H

#include <stdbool.h>

extern unsigned int shim_warnings;

static inline bool shim_warn_on(bool condition)
{
	shim_warnings += condition;
	return condition;
}

#define WARN_ON_ONCE(condition) shim_warn_on(condition)

#endif
