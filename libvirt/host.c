/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking at the host, see host.h.
 */
#include "host.h"

#include <glib.h>
#include <string.h>

#define HUGE_PAGE_SIZE "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"
#define CPUINFO "/proc/cpuinfo"
/* As Linux shows it for x86: "46 bits physical" follows */
#define ADDRESS_SIZES "\naddress sizes\t: "

uint64_t host_huge_page_size(void)
{
    g_autofree char *text = NULL;

    return g_file_get_contents(HUGE_PAGE_SIZE, &text, NULL, NULL)
               ? g_ascii_strtoull(text, NULL, 10)
               : 0;
}

unsigned host_address_bits(void)
{
    g_autofree char *text = NULL;
    const char *line = NULL;

    if (g_file_get_contents(CPUINFO, &text, NULL, NULL)) {
        line = strstr(text, ADDRESS_SIZES);
    }
    return line ? (unsigned)g_ascii_strtoull(line + strlen(ADDRESS_SIZES), NULL,
                                             10)
                : 0;
}
