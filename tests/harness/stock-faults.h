/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of QEMU's emulation of a CPU that no device of ours has part in: once
 * in some thousand boots. What meets one is done again; any other fault's cause
 * is to be looked for.
 */
#ifndef MHP_STOCK_FAULTS_H
#define MHP_STOCK_FAULTS_H

#include <stdbool.h>

/* Logs of a Vm by name: what QEMU says, and what the guest's kernel does */
#define VM_STDERR "stderr"
#define VM_CONSOLE "console"

/*
 * Does this text, the log named @log or its end, tell of one? Safe in a signal
 * handler.
 */
bool is_stock_fault(const char *log, const char *text);

#endif /* MHP_STOCK_FAULTS_H */
