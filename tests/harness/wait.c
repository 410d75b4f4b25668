/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wait_until(): see wait.h.
 */
#include "wait.h"

#define WAIT_INTERVAL_US 5000

bool wait_until(WaitReady ready, void *opaque, unsigned timeout_ms,
                const char *what, GError **error)
{
    int64_t deadline = g_get_monotonic_time() + timeout_ms * 1000LL;
    g_autoptr(GError) local = NULL;

    while (!ready(opaque, &local)) {
        if (local) {
            g_propagate_error(error, g_steal_pointer(&local));
            return false;
        }
        if (g_get_monotonic_time() > deadline) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                        "%s did not happen within %u ms", what, timeout_ms);
            return false;
        }
        g_usleep(WAIT_INTERVAL_US);
    }
    return true;
}
