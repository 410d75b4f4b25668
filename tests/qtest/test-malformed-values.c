/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of the right shape that are wrong in what they say, each with its
 * exact response. Blocks 0 to 3 are plugged and hold data; after every row it
 * is as if nothing had been sent. Wrong shapes are in test-malformed-shapes.c.
 */
#include <string.h>

#include "mhp.h"

#define BLOCK MHP_BLOCK_SIZE
#define REGION UINT64_C(0x100000000)
#define REGION_END (REGION + MHP_REGION_SIZE)
/* A range that a PLUG could have */
#define FREE (REGION + 4 * BLOCK)
/* What is plugged holds this at its end */
#define DATA 0x11
#define DATA_SIZE 4096
#define DATA_ADDR (FREE - DATA_SIZE)

/* The payload is that of "u" as two little-endian numbers */
static uint16_t send_raw(Mhp *mhp, uint16_t type, uint16_t padding,
                         uint64_t payload_low, uint64_t payload_high)
{
    struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(type),
        .padding = {padding, padding, padding},
        .u.memmap.unit_size = GUINT64_TO_LE(payload_low),
        .u.memmap.memmap_size = GUINT64_TO_LE(payload_high),
    };
    struct virtio_mhp_resp resp;

    return mhp_send(mhp, &req, &resp);
}

static Mhp *new_with_data(void)
{
    Mhp *mhp = mhp_new();

    g_assert_cmphex(mhp->addr, ==, REGION);
    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    qtest_memset(mhp->qtest, DATA_ADDR, DATA, DATA_SIZE);
    return mhp;
}

/* DEV-REQ-5 */
static void assert_unchanged(Mhp *mhp)
{
    uint8_t data[DATA_SIZE], wanted[DATA_SIZE];

    g_assert_cmpuint(mhp_config(mhp).plugged_size, ==, 4 * BLOCK);
    g_assert_cmpstr(mhp_state_name(mhp, 0, 4), ==, "PLUGGED");
    g_assert_cmpstr(mhp_state_name(mhp, 4, MHP_NB_BLOCKS - 4), ==, "UNPLUGGED");
    memset(wanted, DATA, sizeof(wanted));
    qtest_read(mhp->qtest, DATA_ADDR, data, sizeof(data));
    g_assert_cmpmem(data, sizeof(data), wanted, sizeof(wanted));
    mhp_assert_reports(mhp, 0, "");
}

/* DEV-REQ-3; the whole region is requested, so that no NACK comes first */
static void test_ranges(void)
{
    static const struct {
        const char *what;
        uint64_t addr;
        uint16_t nb_blocks;
    } rows[] = {
        {"no blocks", REGION, 0},
        {"no blocks, further on", FREE, 0},
        {"no blocks, at the end", REGION_END, 0},
        {"a byte off", REGION + 1, 1},
        {"a page off", REGION + 4096, 1},
        {"half a block off", REGION + BLOCK / 2, 1},
        {"a byte short", REGION + 4 * BLOCK - 1, 1},
        {"address 0", 0, 1},
        {"in the guest's other memory", BLOCK, 1},
        {"the block before the region", REGION - BLOCK, 1},
        {"starts before the region", REGION - BLOCK, 2},
        {"around the region", REGION - BLOCK, MHP_NB_BLOCKS + 2},
        {"the block after the region", REGION_END, 1},
        {"ends after the region", REGION_END - BLOCK, 2},
        {"one block too many", REGION, MHP_NB_BLOCKS + 1},
        {"as many blocks as can be said", REGION, UINT16_MAX},
        {"ends at 2^64", -BLOCK, 1},
        {"ends beyond 2^64", -BLOCK, 2},
        {"wraps into the region", -8 * BLOCK, 8 + REGION / BLOCK + 4},
        {"the highest address", UINT64_MAX, UINT16_MAX},
    };
    static const uint16_t types[] = {
        VIRTIO_MHP_REQ_PLUG,
        VIRTIO_MHP_REQ_UNPLUG,
        VIRTIO_MHP_REQ_STATE,
        VIRTIO_MHP_REQ_STATUS,
    };
    g_autoptr(Mhp) mhp = new_with_data();

    mhp_set_requested_size(mhp, MHP_REGION_SIZE);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows) * G_N_ELEMENTS(types); i++) {
        unsigned row = i / G_N_ELEMENTS(types), type = types[i % 4];

        g_test_message("type 0x%x: %s", type, rows[row].what);
        mhp_expect(send_raw(mhp, type, 0, rows[row].addr, rows[row].nb_blocks),
                   ERROR);
        assert_unchanged(mhp);
    }
}

/* DEV-REQ-2, DEV-PLUG-1, DEV-PLUG-2, DEV-UNPLUG-1, DEV-STATUS-1 */
static void test_values(void)
{
    static const struct {
        const char *what;
        uint16_t type;
        uint64_t payload_low;
        uint64_t payload_high;
        const char *response;
    } rows[] = {
        {"plug what is plugged", VIRTIO_MHP_REQ_PLUG, REGION, 1, "ERROR"},
        {"plug too much", VIRTIO_MHP_REQ_PLUG, FREE, 29, "NACK"},
        {"unplug what is not plugged", VIRTIO_MHP_REQ_UNPLUG, FREE, 1, "ERROR"},
        {"the type after STATE", 4, FREE, 1, "ERROR"},
        {"a type without a use", 0xff, FREE, 1, "ERROR"},
        {"the type after STATUS", 0x102, FREE, 1, "ERROR"},
        {"PLUG with another high byte", 0x200, FREE, 1, "ERROR"},
        {"the highest type", 0xffff, FREE, 1, "ERROR"},
        {"the reason after the last", VIRTIO_MHP_REQ_STATUS, REGION,
         1 | (VIRTIO_MHP_REASON_WRITEBACK + 1) << 16, "ERROR"},
        {"a reason with another high byte", VIRTIO_MHP_REQ_STATUS, REGION,
         1 | 0x101 << 16, "ERROR"},
        {"the highest reason", VIRTIO_MHP_REQ_STATUS, REGION,
         1 | UINT64_C(0xffff) << 16, "ERROR"},
    };
    g_autoptr(Mhp) mhp = new_with_data();

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].what);
        g_assert_cmpstr(mhp_response_name(send_raw(mhp, rows[i].type, 0,
                                                   rows[i].payload_low,
                                                   rows[i].payload_high)),
                        ==, rows[i].response);
        assert_unchanged(mhp);
    }
}

/* DEV-REQ-4: with all bits of all padding set, the same as without */
static void test_padding_is_ignored(void)
{
    const uint64_t range_padding = ~UINT64_C(0xffff);
    const uint64_t status_padding = ~UINT64_C(0xffffffff);
    const struct {
        const char *what;
        uint16_t type;
        uint64_t payload_low;
        uint64_t payload_high;
    } rows[] = {
        {"plug", VIRTIO_MHP_REQ_PLUG, FREE, 1 | range_padding},
        {"state", VIRTIO_MHP_REQ_STATE, FREE, 1 | range_padding},
        {"unplug", VIRTIO_MHP_REQ_UNPLUG, REGION + 4 * BLOCK,
         1 | range_padding},
        {"memmap", VIRTIO_MHP_REQ_MEMMAP, BLOCK, 4096},
        {"status", VIRTIO_MHP_REQ_STATUS, REGION, 1 | status_padding},
    };
    g_autoptr(Mhp) mhp = new_with_data();

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].what);
        mhp_expect(send_raw(mhp, rows[i].type, 0xffff, rows[i].payload_low,
                            rows[i].payload_high),
                   ACK);
    }
    assert_unchanged(mhp);
}

/* DEV-REQ-4, DEV-UNPLUGALL-1 */
static void test_unplug_all_has_no_payload(void)
{
    g_autoptr(Mhp) mhp = new_with_data();

    mhp_expect(send_raw(mhp, VIRTIO_MHP_REQ_UNPLUG_ALL, 0xffff, UINT64_MAX,
                        UINT64_MAX),
               ACK);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
}

/* DEV-REQ-2 */
static void test_features_that_were_not_accepted(void)
{
    const uint64_t memmap = UINT64_C(1) << VIRTIO_MHP_F_MEMMAP_ON_BLOCK;
    const uint64_t status = UINT64_C(1) << VIRTIO_MHP_F_STATUS;
    g_autoptr(Mhp) mhp = new_with_data();

    mhp_restart_driver(mhp, MHP_FEATURES & ~memmap);
    mhp_expect(mhp_memmap(mhp, BLOCK, 4096), ERROR);
    mhp_expect(mhp_status(mhp, 0, 1, VIRTIO_MHP_REASON_NONE), ACK);
    mhp_restart_driver(mhp, MHP_FEATURES & ~status);
    mhp_expect(mhp_memmap(mhp, BLOCK, 4096), ACK);
    mhp_expect(mhp_status(mhp, 0, 1, VIRTIO_MHP_REASON_PINNED), ERROR);
    assert_unchanged(mhp);
}

/* DEV-CFG-4: at each byte and after the last, in accesses of each size */
static void test_configuration_writes_are_ignored(void)
{
    g_autoptr(Mhp) mhp = new_with_data();
    struct virtio_mhp_config old = mhp_config(mhp), new;
    uint8_t generation = virtio_pci_generation(mhp->pci);

    virtio_pci_isr(mhp->pci);
    for (unsigned size = 1; size <= 8; size *= 2) {
        for (unsigned offset = 0; offset < 2 * sizeof(old); offset++) {
            virtio_pci_write_config(mhp->pci, offset, size,
                                    UINT64_C(0x5a5a5a5a5a5a5a5a) >>
                                        (64 - 8 * size));
        }
        g_test_message("writes of %u bytes", size);
        new = mhp_config(mhp);
        g_assert_cmpmem(&new, sizeof(new), &old, sizeof(old));
    }
    g_assert_cmphex(virtio_pci_isr(mhp->pci) & VIRTIO_PCI_ISR_CONFIG, ==, 0);
    g_assert_cmpuint(virtio_pci_generation(mhp->pci), ==, generation);
    assert_unchanged(mhp);
}

#define ADD(test) \
    g_test_add_func("/virtio-mhp/malformed-values/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(ranges);
    ADD(values);
    ADD(padding_is_ignored);
    ADD(unplug_all_has_no_payload);
    ADD(features_that_were_not_accepted);
    ADD(configuration_writes_are_ignored);
    return g_test_run();
}
