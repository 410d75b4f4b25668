/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parser of /proc/zoneinfo: see zoneinfo.h. Lines it does not know are none of
 * its business, for the kernel adds some with each release.
 */
#include "zoneinfo.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ZONEINFO_PAGE_SIZE 4096

static void zoneinfo_parse_line(Zone *zone, const char *line)
{
    char key[32];
    uint64_t value;

    if (sscanf(line, " pages free %" SCNu64, &value) == 1) {
        zone->free = value;
    } else if (sscanf(line, " %31s %" SCNu64, key, &value) != 2) {
        return;
    } else if (g_str_equal(key, "present")) {
        zone->present = value;
    } else if (g_str_equal(key, "managed")) {
        zone->managed = value;
    } else if (g_str_equal(key, "count:")) {
        zone->pcp += value;
    }
}

GArray *zoneinfo_parse(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GArray *zones = g_array_new(FALSE, TRUE, sizeof(Zone));

    for (char **line = lines; *line; line++) {
        Zone zone = {};

        if (sscanf(*line, "Node %u, zone %15s", &zone.node, zone.name) == 2) {
            g_array_append_val(zones, zone);
        } else if (zones->len) {
            zoneinfo_parse_line(&g_array_index(zones, Zone, zones->len - 1),
                                *line);
        }
    }
    return zones;
}

uint64_t zoneinfo_present(GArray *zones, const char *name)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < zones->len; i++) {
        Zone *zone = &g_array_index(zones, Zone, i);

        pages += g_str_equal(zone->name, name) ? zone->present : 0;
    }
    return pages * ZONEINFO_PAGE_SIZE;
}

uint64_t zoneinfo_managed(GArray *zones, const char *name)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < zones->len; i++) {
        Zone *zone = &g_array_index(zones, Zone, i);

        pages += g_str_equal(zone->name, name) ? zone->managed : 0;
    }
    return pages * ZONEINFO_PAGE_SIZE;
}

static bool zoneinfo_is_boot(const Zone *zone)
{
    return g_str_equal(zone->name, "DMA") || g_str_equal(zone->name, "DMA32") ||
           g_str_equal(zone->name, "Normal");
}

uint64_t zoneinfo_boot_free(GArray *zones)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < zones->len; i++) {
        Zone *zone = &g_array_index(zones, Zone, i);

        pages += zoneinfo_is_boot(zone) ? zone->free + zone->pcp : 0;
    }
    return pages * ZONEINFO_PAGE_SIZE;
}
