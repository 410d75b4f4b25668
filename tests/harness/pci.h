/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration space of a q35 machine's root bus, by its two ports. It stands
 * in for the firmware: it hands out addresses for BARs. Bridges are not
 * followed.
 */
#ifndef MHP_PCI_H
#define MHP_PCI_H

#include "qtest.h"

/* The slot of the first such device; false if there is none */
bool pci_find(Qtest *qtest, uint16_t vendor, uint16_t device, unsigned *slot);

uint8_t pci_read8(Qtest *qtest, unsigned slot, unsigned offset);
uint32_t pci_read32(Qtest *qtest, unsigned slot, unsigned offset);
void pci_write32(Qtest *qtest, unsigned slot, unsigned offset, uint32_t value);

/* Give a memory BAR of 64 bits its address, the same at each call */
uint64_t pci_map_bar(Qtest *qtest, unsigned slot, unsigned bar);

/* Let the device decode its BARs and access memory */
void pci_enable(Qtest *qtest, unsigned slot);

#endif /* MHP_PCI_H */
