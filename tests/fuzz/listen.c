/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The view of those who share the guest's memory, as VFIO does: a listener
 * that hears of each block that is plugged and unplugged, and must never hear
 * of one twice.
 */
#include "fuzz.h"

#define LISTENER_PATH "/machine/peripheral/l0"

void fuzz_listen(Fuzz *fuzz, bool listening)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(
        vm_qmp(fuzz->mhp->vm), &error, "qom-set",
        "{'path': '%s', 'property': 'listening', 'value': %s}", LISTENER_PATH,
        listening ? "true" : "false");
    g_assert_no_error(error);
    g_assert_nonnull(result);
    fuzz->is_listening = listening;
}

void fuzz_step_listen(Fuzz *fuzz)
{
    fuzz_tell(fuzz, "%s listening", fuzz->is_listening ? "stop" : "start");
    fuzz_listen(fuzz, !fuzz->is_listening);
}

/* One piece of news, "+0x200000-0x600000", minus for unplugged blocks */
static void fuzz_hear(Fuzz *fuzz, const char *news)
{
    char *minus;
    uint64_t start = g_ascii_strtoull(news + 1, &minus, 16);
    uint64_t end = g_ascii_strtoull(minus + 1, NULL, 16);
    bool plugged = *news == '+';

    g_assert_cmpuint(end, <=, MHP_REGION_SIZE);
    for (; start < end; start += MHP_BLOCK_SIZE) {
        bool *heard = &fuzz->heard[start / MHP_BLOCK_SIZE];

        if (*heard == plugged) {
            g_error("step %u: the listener heard '%s' twice", fuzz->step, news);
        }
        *heard = plugged;
    }
}

void fuzz_check_listener(Fuzz *fuzz)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;
    g_auto(GStrv) news = NULL;

    result = qmp_executef(vm_qmp(fuzz->mhp->vm), &error, "qom-get",
                          "{'path': '%s', 'property': 'heard'}", LISTENER_PATH);
    g_assert_no_error(error);
    news = g_strsplit(json_node_get_string(result), " ", -1);
    for (unsigned i = 0; news[i]; i++) {
        fuzz_hear(fuzz, news[i]);
    }
    for (unsigned i = 0; i < MHP_NB_BLOCKS; i++) {
        bool wanted = fuzz->is_listening && fuzz->model.blocks[i].plugged;

        if (fuzz->heard[i] != wanted) {
            g_error("step %u: wanted the listener to know block %u as %s",
                    fuzz->step, i, wanted ? "plugged" : "unplugged");
        }
    }
}
