/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wait for a condition with a time limit. For what can be waited for as an
 * event (QMP, a script's end) there are better ways; this one polls.
 */
#ifndef MHP_WAIT_H
#define MHP_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include <gio/gio.h>

/*
 * @ready says by its return value whether waiting ends, and sets *error to end
 * it with a failure.
 */
typedef bool (*WaitReady)(void *opaque, GError **error);

/* @what completes the sentence "… did not happen within N ms" */
bool wait_until(WaitReady ready, void *opaque, unsigned timeout_ms,
                const char *what, GError **error);

#endif /* MHP_WAIT_H */
