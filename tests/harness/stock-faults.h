/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of QEMU's emulation of a CPU that no device of ours has part in: once
 * in some thousand boots. What meets one is done again; any other fault's cause
 * is to be looked for.
 */
#ifndef MHP_STOCK_FAULTS_H
#define MHP_STOCK_FAULTS_H

#include <glib.h>
#include <stdbool.h>
#include <string.h>

/* Logs of a Vm by name: what QEMU says, and what the guest's kernel does */
#define VM_STDERR "stderr"
#define VM_CONSOLE "console"

/*
 * QEMU 10.0 under TCG, when the guest's kernel gives out addresses to PCI
 * devices, or one of them goes: a vCPU looks into a memory map that has been
 * replaced. Or a vCPU that has just come up gets no timer interrupts, and the
 * guest waits for it.
 */
static const struct {
    const char *log;
    const char *text;
} stock_faults[] = {
    {VM_STDERR, "iotlb_to_section: Assertion"},
    {VM_STDERR, "msix_table_mmio_write: Assertion"},
    {VM_CONSOLE, "rcu_preempt kthread timer wakeup didn't happen"},
};

/*
 * Does this text, the log named @log or its end, tell of one? A signal handler
 * may call it, which is why it is here.
 */
static inline bool is_stock_fault(const char *log, const char *text)
{
    for (size_t i = 0; i < G_N_ELEMENTS(stock_faults); i++) {
        if (strcmp(log, stock_faults[i].log) == 0 &&
            strstr(text, stock_faults[i].text)) {
            return true;
        }
    }
    return false;
}

#endif /* MHP_STOCK_FAULTS_H */
