/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sizes of memory: as a user types them, as libvirt's XML has them, and as
 * messages show them. All numbers are bytes.
 */
#ifndef MHP_VIRT_XML_SIZES_H
#define MHP_VIRT_XML_SIZES_H

#include <stdbool.h>
#include <stdint.h>

#define KiB UINT64_C(1024)
#define MiB (1024 * KiB)
#define GiB (1024 * MiB)

/* More than any guest can address; sums of these do not overflow. */
#define SIZE_LIMIT (UINT64_C(1) << 52)

/* What --max and others take, and how messages ask for it */
#define SIZE_WANTED "a number with K, M, G or T after it, at most 4096T"

/* A number and its unit, such as 64G, 64GiB or 65536M */
bool size_parse(const char *text, uint64_t *size);
/* A number and the attribute unit (KiB if it is NULL), as libvirt reads them */
bool size_parse_xml(const char *text, const char *unit, uint64_t *size);
/* With the largest unit in which it is a whole number, to be freed */
char *size_text(uint64_t size);

static inline bool size_is_power_of_two(uint64_t size)
{
    return size && !(size & (size - 1));
}

#endif
