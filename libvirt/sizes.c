/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sizes of memory, see sizes.h. Whatever is no size up to SIZE_LIMIT is
 * refused, so that callers can add what they get.
 */
#include "sizes.h"

#include <glib.h>
#include <inttypes.h>
#include <string.h>

typedef struct {
    const char *name;
    uint64_t factor;
} SizeUnit;

static bool size_parse_number(const char *text, char **end, uint64_t *number)
{
    /* It would take a sign and white space, too. */
    if (!g_ascii_isdigit(*text)) {
        return false;
    }
    *number = g_ascii_strtoull(text, end, 10);
    return *number <= SIZE_LIMIT;
}

static bool size_scale(uint64_t number, uint64_t factor, uint64_t *size)
{
    if (number > SIZE_LIMIT / factor) {
        return false;
    }
    *size = number * factor;
    return true;
}

bool size_parse(const char *text, uint64_t *size)
{
    static const char units[] = "KMGT";
    const char *unit;
    uint64_t number;
    char *end;

    if (!size_parse_number(text, &end, &number)) {
        return false;
    }
    unit = *end ? strchr(units, g_ascii_toupper(*end)) : NULL;
    if (!unit || (end[1] && g_ascii_strcasecmp(end + 1, "iB") != 0)) {
        return false;
    }
    return size_scale(number, KiB << (10 * (unsigned)(unit - units)), size);
}

bool size_parse_xml(const char *text, const char *unit, uint64_t *size)
{
    static const SizeUnit units[] = {
        {"b", 1},          {"bytes", 1},        {"KB", 1000},
        {"k", KiB},        {"KiB", KiB},        {"MB", 1000000},
        {"M", MiB},        {"MiB", MiB},        {"GB", 1000000000},
        {"G", GiB},        {"GiB", GiB},        {"TB", 1000000000000},
        {"T", 1024 * GiB}, {"TiB", 1024 * GiB},
    };
    g_autofree char *copy = g_strstrip(g_strdup(text));
    uint64_t number;
    char *end;

    if (!size_parse_number(copy, &end, &number) || *end) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(units); i++) {
        if (!g_ascii_strcasecmp(unit ? unit : "KiB", units[i].name)) {
            return size_scale(number, units[i].factor, size);
        }
    }
    return false;
}

char *size_text(uint64_t size)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    unsigned i = 0;

    while (size && size % 1024 == 0 && i < G_N_ELEMENTS(units) - 1) {
        size /= 1024;
        i++;
    }
    return g_strdup_printf("%" PRIu64 " %s", size, units[i]);
}
