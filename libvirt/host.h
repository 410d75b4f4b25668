/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the domain's defaults follow on the host. That is the one that the tool
 * runs on, whose libvirt is asked if nothing else is said.
 */
#ifndef MHP_VIRT_XML_HOST_H
#define MHP_VIRT_XML_HOST_H

#include <stdint.h>

/* Of a transparent huge page, in bytes, 0 if there are none */
uint64_t host_huge_page_size(void);
/* Of a physical address, 0 if the host does not say */
unsigned host_address_bits(void);

#endif
