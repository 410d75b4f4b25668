/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A crashed kernel's memory: see vmcore.h.
 */
#include "vmcore.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

uint64_t vmcore_mark_page(Guest *guest, GArray *plugged)
{
    uint64_t first = g_array_index(plugged, MemdevBlock, 0).addr;
    uint64_t last = g_array_index(plugged, MemdevBlock, plugged->len - 1).addr;

    /*
     * Whichever comes first: all that is written to on the way to a certain one
     * is in the dump afterwards, unless it is known to be free.
     */
    return system_pin(guest, first, last - first + MEMORY_BLOCK_SIZE);
}

void vmcore_check_mark(const char *output, uint64_t marked)
{
    g_autofree char *word = g_strdup_printf("word %" PRIx64 " 1\n", marked);

    g_assert_nonnull(strstr(output, word));
}

uint64_t vmcore_of_region(const char *output, uint64_t region,
                          uint64_t region_size)
{
    g_auto(GStrv) lines = g_strsplit(output, "\n", -1);
    uint64_t addr, size, sum = 0;

    for (char **line = lines; *line; line++) {
        if (sscanf(*line, "load %" SCNx64 " %" SCNx64, &addr, &size) == 2 &&
            addr >= region && addr < region + region_size) {
            sum += size;
        }
    }
    return sum;
}
