/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be told of a crashed kernel's memory by the output of mhp-vmcore,
 * which reads it or a dump of it.
 */
#ifndef MHP_SYSTEM_VMCORE_H
#define MHP_SYSTEM_VMCORE_H

#include "guest.h"

/*
 * Put a word into a page of the memory blocks @plugged that stays where it is;
 * its address
 */
uint64_t vmcore_mark_page(Guest *guest, GArray *plugged);

/* That word is there */
void vmcore_check_mark(const char *output, uint64_t marked);

/* Bytes of the region that the headers say the kernel had */
uint64_t vmcore_of_region(const char *output, uint64_t region,
                          uint64_t region_size);

#endif /* MHP_SYSTEM_VMCORE_H */
