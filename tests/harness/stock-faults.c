/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of the emulator's own: see stock-faults.h.
 */
#include "stock-faults.h"

#include <glib.h>
#include <string.h>

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

bool is_stock_fault(const char *log, const char *text)
{
    for (size_t i = 0; i < G_N_ELEMENTS(stock_faults); i++) {
        if (strcmp(log, stock_faults[i].log) == 0 &&
            strstr(text, stock_faults[i].text)) {
            return true;
        }
    }
    return false;
}
