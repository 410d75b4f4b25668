/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt does not know that a DIMM is a PCI device here, so that the tool
 * picks a slot.
 */
#ifndef MHP_VIRT_XML_PCI_H
#define MHP_VIRT_XML_PCI_H

#include "domain.h"

/* Highest slot of bus 0 that nothing uses, negative if there is none */
int pci_free_slot(const Domain *domain);

#endif
