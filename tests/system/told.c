/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting for what is told, see told.h.
 */
#include <string.h>

#include "told.h"

typedef struct Told {
    Guest *guest;
    const char *text;
    uint64_t size;
    bool is_there;
} Told;

static void told_wait(WaitReady ready, Told *wanted, const char *what)
{
    g_autoptr(GError) error = NULL;

    wait_until(ready, wanted, SYSTEM_STALL_MS, what, &error);
    g_assert_no_error(error);
}

static bool told_last_error(void *opaque, GError **error)
{
    const Told *wanted = opaque;
    g_autofree char *text = memdev_attr(wanted->guest, "last_error", error);

    return text && g_str_has_suffix(text, wanted->text);
}

void told_wait_last_error(Guest *guest, const char *end)
{
    Told wanted = {.guest = guest, .text = end};

    told_wait(told_last_error, &wanted, end);
}

static bool told_unit_size(void *opaque, GError **error)
{
    const Told *wanted = opaque;
    uint64_t size = 0;

    return qmp_get_uint(guest_qmp(wanted->guest), MEMDEV_PATH, "unit-size",
                        &size, error) &&
           size == wanted->size;
}

void told_wait_unit_size(Guest *guest, uint64_t size)
{
    Told wanted = {.guest = guest, .size = size};

    told_wait(told_unit_size, &wanted, "the unit's size");
}

static bool told_stuck(void *opaque, GError **error)
{
    const Told *wanted = opaque;
    g_autoptr(JsonNode) list = NULL;
    g_autofree char *text = NULL;

    list = qmp_executef(guest_qmp(wanted->guest), error, "qom-get",
                        "{'path': '" MEMDEV_PATH "',"
                        " 'property': 'stuck-blocks'}");
    text = list ? json_to_string(list, FALSE) : NULL;
    return text && !strstr(text, wanted->text) == !wanted->is_there;
}

void told_wait_stuck(Guest *guest, const char *text, bool is_there)
{
    Told wanted = {.guest = guest, .text = text, .is_there = is_there};

    told_wait(told_stuck, &wanted, text);
}
