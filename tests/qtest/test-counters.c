/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an operator is shown of the past: requests by type and response, how
 * long they took, what became of memory, and why blocks were refused.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mhp.h"

static JsonNode *get(Mhp *mhp, const char *property)
{
    g_autoptr(GError) error = NULL;
    JsonNode *result = qmp_executef(vm_qmp(mhp->vm), &error, "qom-get",
                                    "{'path': '%s', 'property': '%s'}",
                                    MHP_QOM_PATH, property);

    g_assert_no_error(error);
    return result;
}

/* @group is NULL for what is at the top */
static int64_t counter(Mhp *mhp, const char *group, const char *name)
{
    g_autoptr(JsonNode) counters = get(mhp, "counters");
    JsonObject *object = json_node_get_object(counters);

    if (group) {
        object = json_object_get_object_member(object, group);
        g_assert_nonnull(object);
    }
    g_assert_true(json_object_has_member(object, name));
    return json_object_get_int_member(object, name);
}

static char *summary(Mhp *mhp)
{
    g_autoptr(JsonNode) list = get(mhp, "summary");
    JsonArray *array = json_node_get_array(list);
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < json_array_get_length(array); i++) {
        g_string_append_printf(text, "%s\n",
                               json_array_get_string_element(array, i));
    }
    return g_string_free(text, FALSE);
}

static void test_requests_by_type_and_response(void)
{
    static const char *const types[] = {
        "plug", "unplug", "unplug-all", "state", "memmap", "status", "unknown"};
    static const struct {
        const char *type;
        const char *response;
        int64_t count;
    } rows[] = {
        {"plug", "ack", 2},       {"plug", "nack", 1},
        {"plug", "error", 2},     {"unplug", "ack", 1},
        {"unplug", "error", 1},   {"state", "ack", 1},
        {"unplug-all", "ack", 1}, {"memmap", "ack", 1},
        {"memmap", "error", 1},   {"status", "ack", 1},
        {"unknown", "error", 1},
    };
    const struct virtio_mhp_req unknown = {.type = GUINT16_TO_LE(77)};
    struct virtio_mhp_resp resp;
    g_autoptr(Mhp) mhp = mhp_new();
    int64_t sum = 0, listed = 0;

    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    mhp_expect(mhp_plug(mhp, 8, 4), ACK);
    mhp_expect(mhp_plug(mhp, 20, 40), NACK);
    mhp_expect(mhp_plug(mhp, 0, 4), ERROR);
    mhp_expect(mhp_plug(mhp, 64, 1), ERROR);
    mhp_expect(mhp_unplug(mhp, 0, 2), ACK);
    mhp_expect(mhp_unplug(mhp, 0, 2), ERROR);
    mhp_state_name(mhp, 0, 1);
    mhp_expect(mhp_unplug_all(mhp), ACK);
    mhp_expect(mhp_memmap(mhp, MHP_BLOCK_SIZE, 0x4000), ACK);
    mhp_expect(mhp_memmap(mhp, MHP_BLOCK_SIZE, 1), ERROR);
    mhp_expect(mhp_status(mhp, 0, 1, VIRTIO_MHP_REASON_BUSY), ACK);
    mhp_expect(mhp_send(mhp, &unknown, &resp), ERROR);

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s %s", rows[i].type, rows[i].response);
        g_assert_cmpint(counter(mhp, rows[i].type, rows[i].response), ==,
                        rows[i].count);
        listed += rows[i].count;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        sum += counter(mhp, types[i], "ack") + counter(mhp, types[i], "nack") +
               counter(mhp, types[i], "busy") + counter(mhp, types[i], "error");
    }
    g_assert_cmpint(sum, ==, listed);
}

static void test_times(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    g_assert_cmpint(counter(mhp, "plug", "time-ns"), ==, 0);
    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    mhp_expect(mhp_plug(mhp, 4, 4), ACK);
    g_assert_cmpint(counter(mhp, "plug", "max-time-ns"), >, 0);
    g_assert_cmpint(counter(mhp, "plug", "time-ns"), >,
                    counter(mhp, "plug", "max-time-ns"));
    g_assert_cmpint(counter(mhp, "unplug", "time-ns"), ==, 0);
}

static void test_memory(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    /* The machine's first reset discarded all */
    int64_t at_first = counter(mhp, NULL, "discarded-bytes"), discarded;

    mhp_expect(mhp_memmap(mhp, 4 * MHP_BLOCK_SIZE, 0x4000), ACK);
    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    g_assert_cmpint(counter(mhp, NULL, "plugged-bytes"), ==,
                    8 * MHP_BLOCK_SIZE);
    g_assert_cmpint(counter(mhp, NULL, "backed-bytes"), ==, 2 * 0x4000);
    discarded = counter(mhp, NULL, "discarded-bytes");
    g_assert_cmpint(discarded, ==, at_first + 8 * MHP_BLOCK_SIZE);
    g_assert_cmpint(counter(mhp, NULL, "discards"), >=, 1);
    mhp_expect(mhp_unplug(mhp, 2, 3), ACK);
    g_assert_cmpint(counter(mhp, NULL, "unplugged-bytes"), ==,
                    3 * MHP_BLOCK_SIZE);
    g_assert_cmpint(counter(mhp, NULL, "discarded-bytes"), ==,
                    discarded + 3 * MHP_BLOCK_SIZE);
    mhp_system_reset(mhp);
    g_assert_cmpint(counter(mhp, NULL, "unplugged-bytes"), ==,
                    8 * MHP_BLOCK_SIZE);
    g_assert_cmpint(counter(mhp, NULL, "plugged-bytes"), ==,
                    8 * MHP_BLOCK_SIZE);
}

static void test_malformed_buffers(void)
{
    const struct vring_desc desc = {MHP_RESP_ADDR, 64, VRING_DESC_F_WRITE, 0};
    g_autoptr(Mhp) mhp = mhp_new();

    virtio_pci_submit(mhp->pci, &desc, 1);
    g_assert_cmpint(virtio_pci_wait(mhp->pci, NULL), ==, VIRTIO_PCI_BROKEN);
    g_assert_cmpint(counter(mhp, NULL, "malformed"), ==, 1);
}

/* In blocks: what the guest wanted and did not get */
static void test_refused_blocks(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 60, 5), ERROR);
    mhp_expect(mhp_unplug(mhp, 64, 2), ERROR);
    g_assert_cmpint(counter(mhp, "refused-blocks", "range"), ==, 7);
    mhp_expect(mhp_unplug(mhp, 0, 3), ERROR);
    g_assert_cmpint(counter(mhp, "refused-blocks", "state"), ==, 3);
    mhp_expect(mhp_plug(mhp, 0, 40), NACK);
    g_assert_cmpint(counter(mhp, "refused-blocks", "requested-size"), ==, 40);

    mhp_expect(mhp_memmap(mhp, 4 * MHP_BLOCK_SIZE, 0x4000), ACK);
    g_assert_no_errno(ftruncate(mhp->memory, 4 * MHP_BLOCK_SIZE));
    mhp_expect(mhp_plug(mhp, 0, 8), NACK);
    g_assert_cmpint(counter(mhp, "refused-blocks", "host-memory"), ==, 8);
    g_assert_no_errno(ftruncate(mhp->memory, MHP_REGION_SIZE));

    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    g_assert_no_errno(fcntl(mhp->memory, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
    mhp_expect(mhp_plug(mhp, 4, 2), BUSY);
    mhp_expect(mhp_unplug(mhp, 0, 4), BUSY);
    g_assert_cmpint(counter(mhp, "refused-blocks", "discard"), ==, 6);
    g_assert_cmpint(counter(mhp, NULL, "failed-discards"), ==, 2);
}

static void test_summary_for_people(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    g_autofree char *at_first = summary(mhp), *later = NULL;

    g_assert_true(g_str_has_prefix(at_first,
                                   "memory: 0 bytes plugged, 0 bytes "
                                   "unplugged, 128 MiB discarded in "));
    g_assert_true(
        g_str_has_suffix(at_first, " calls (0 failed), 0 bytes backed\n"));
    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    mhp_expect(mhp_plug(mhp, 0, 40), NACK);
    later = summary(mhp);
    g_assert_nonnull(strstr(later, "plug: 1 ack, 1 nack; "));
    g_assert_nonnull(strstr(later, " ms at most\n"));
    g_assert_nonnull(
        strstr(later, "refused: 40 blocks because of requested-size\n"));
    g_assert_nonnull(strstr(later, "memory: 8 MiB plugged, 0 bytes unplugged"));
    g_assert_null(strstr(later, "unplug: "));
}

/* HMP prints both, one line each number or sentence */
static void test_shown_by_the_human_monitor(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    g_autoptr(GError) error = NULL;

    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(JsonNode) text = NULL;

        text = qmp_executef(vm_qmp(mhp->vm), &error, "human-monitor-command",
                            "{'command-line': 'qom-get %s %s'}", MHP_QOM_PATH,
                            i ? "counters" : "summary");
        g_assert_no_error(error);
        g_assert_nonnull(strstr(json_node_get_string(text),
                                i ? "\"plugged-bytes\": 0" : "memory: 0"));
    }
}

#define ADD(test) g_test_add_func("/virtio-mhp/counters/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(requests_by_type_and_response);
    ADD(times);
    ADD(memory);
    ADD(malformed_buffers);
    ADD(refused_blocks);
    ADD(summary_for_people);
    ADD(shown_by_the_human_monitor);
    return g_test_run();
}
