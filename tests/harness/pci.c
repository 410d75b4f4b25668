/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI configuration space: see pci.h. */
#include "pci.h"

#include <linux/pci_regs.h>

#define PCI_PORT_ADDRESS 0xcf8
#define PCI_PORT_DATA 0xcfc
#define PCI_NB_SLOTS 32

/* Free address space below 4 GiB of a q35 that no firmware has configured */
#define PCI_WINDOW 0xd0000000u
#define PCI_WINDOW_SLOT 0x1000000u
#define PCI_WINDOW_BAR 0x100000u

static void pci_select(Qtest *qtest, unsigned slot, unsigned offset)
{
    qtest_outl(qtest, PCI_PORT_ADDRESS,
               0x80000000u | slot << 11 | (offset & ~3u));
}

uint32_t pci_read32(Qtest *qtest, unsigned slot, unsigned offset)
{
    pci_select(qtest, slot, offset);
    return qtest_inl(qtest, PCI_PORT_DATA);
}

uint8_t pci_read8(Qtest *qtest, unsigned slot, unsigned offset)
{
    return (uint8_t)(pci_read32(qtest, slot, offset) >> 8 * (offset & 3));
}

void pci_write32(Qtest *qtest, unsigned slot, unsigned offset, uint32_t value)
{
    pci_select(qtest, slot, offset);
    qtest_outl(qtest, PCI_PORT_DATA, value);
}

bool pci_find(Qtest *qtest, uint16_t vendor, uint16_t device, unsigned *slot)
{
    uint32_t wanted = (uint32_t)device << 16 | vendor;

    for (*slot = 0; *slot < PCI_NB_SLOTS; (*slot)++) {
        if (pci_read32(qtest, *slot, PCI_VENDOR_ID) == wanted) {
            return true;
        }
    }
    return false;
}

uint64_t pci_map_bar(Qtest *qtest, unsigned slot, unsigned bar)
{
    unsigned offset = PCI_BASE_ADDRESS_0 + 4 * bar;
    uint32_t addr = PCI_WINDOW + slot * PCI_WINDOW_SLOT + bar * PCI_WINDOW_BAR;

    pci_write32(qtest, slot, offset, addr);
    pci_write32(qtest, slot, offset + 4, 0);
    return addr;
}

void pci_enable(Qtest *qtest, unsigned slot)
{
    pci_write32(qtest, slot, PCI_COMMAND,
                PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}
