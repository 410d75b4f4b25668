/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a test aborts (a failed g_assert), print the end of what QEMU and the
 * guest's console said, and whether that is a fault of the emulator's own. In
 * a run that passes this file does nothing.
 */
#ifndef MHP_ABORT_LOG_H
#define MHP_ABORT_LOG_H

/* Print the end of the file @fd under the heading @name if we abort */
void abort_log_add(int fd, const char *name);
void abort_log_remove(int fd);

#endif /* MHP_ABORT_LOG_H */
