/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that is taken at once: see burst.h. */
#include "burst.h"

#include <inttypes.h>
#include <stdlib.h>

/* In a guest that is short of memory, and a whole Debian */
#define BURST_MS (10 * 60 * 1000)

void burst_allow(Guest *guest, uint64_t size)
{
    g_autoptr(GError) error = NULL;

    qmp_set_uint(guest_qmp(guest), MEMDEV_PATH, "pressure-size", size, &error);
    g_assert_no_error(error);
}

void burst_set_hold(Guest *guest, unsigned seconds)
{
    g_free(system_run(guest,
                      "echo %u >/sys/module/mhp_vmemmap_mem/parameters/"
                      "pressure_hold",
                      seconds));
}

uint64_t burst_counter(Guest *guest)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) counters = qmp_executef(
        guest_qmp(guest), &error, "qom-get",
        "{'path': '" MEMDEV_PATH "', 'property': 'counters'}");

    g_assert_no_error(error);
    return (uint64_t)json_object_get_int_member(json_node_get_object(counters),
                                                "pressure-plugged-bytes");
}

unsigned burst_nb_kills(Guest *guest)
{
    g_autofree char *text = system_run(guest,
                                       "sed -n 's/^oom_kill //p' /proc/vmstat");

    return (unsigned)strtoul(text, NULL, 10);
}

int burst_take(Guest *guest, unsigned mib)
{
    g_autofree char *script = g_strdup_printf("mhp-burst %u 0", mib);
    g_autoptr(GError) error = NULL;
    int status = -1;

    g_free(agent_run(guest_agent(guest), script, BURST_MS, &status, &error));
    g_assert_no_error(error);
    return status;
}

void burst_check_lives(Guest *guest, unsigned mib)
{
    unsigned kills = burst_nb_kills(guest);
    gint64 start = g_get_monotonic_time();
    int status = burst_take(guest, mib);

    g_test_message("%u MiB in %.1f s, %" PRIu64 " MiB plugged", mib,
                   (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC,
                   system_size(guest) / MiB);
    g_assert_cmpuint(burst_nb_kills(guest), ==, kills);
    g_assert_cmpint(status, ==, 0);
}

void burst_rounds(Guest *guest, unsigned mib, uint64_t least, unsigned nb)
{
    const char *rounds = g_getenv("MHP_ROUNDS");

    for (unsigned i = rounds ? (unsigned)atoi(rounds) : nb; i; i--) {
        uint64_t before = burst_counter(guest);

        burst_check_lives(guest, mib);
        g_assert_cmpuint(burst_counter(guest) - before, >=, least);
        system_wait_size(guest, 0);
        system_check_klog(guest);
    }
}
