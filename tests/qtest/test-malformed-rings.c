/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings, indirect tables and bits that a driver got right or wrong around one
 * good PLUG: each row's outcome is laid down. "Answered" is an ACK and a
 * plugged block; "broken" needs a reset and has plugged nothing. Chains of
 * plain descriptors are in test-malformed-shapes.c.
 */
#include "mhp.h"

#define REQ MHP_REQ_ADDR
#define RESP MHP_RESP_ADDR
#define REQ_SIZE sizeof(struct virtio_mhp_req)
#define RESP_SIZE sizeof(struct virtio_mhp_resp)
/* Where an indirect table lies */
#define TABLE (MHP_REQ_ADDR + 0x2000)
#define DESC_SIZE sizeof(struct vring_desc)

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT
/* Bits of a descriptor that have no meaning in a split virtqueue */
#define RESERVED 0xfff8

/* The block that the request plugs */
#define BLOCK 5

static void write_request(Mhp *mhp)
{
    struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(VIRTIO_MHP_REQ_PLUG),
        .u.plug.addr = GUINT64_TO_LE(mhp_block_addr(mhp, BLOCK)),
        .u.plug.nb_blocks = GUINT16_TO_LE(1),
    };

    qtest_write(mhp->qtest, REQ, &req, sizeof(req));
}

static void assert_answered(Mhp *mhp)
{
    uint32_t len;

    g_assert_cmpint(virtio_pci_wait(mhp->pci, &len), ==, VIRTIO_PCI_USED);
    g_assert_cmpuint(len, ==, RESP_SIZE);
    g_assert_cmpstr(mhp_state_name(mhp, BLOCK, 1), ==, "PLUGGED");
    mhp_expect(mhp_unplug(mhp, BLOCK, 1), ACK);
}

/* DEV-REQ-5, DEV-RESET-3 */
static void assert_broken(Mhp *mhp)
{
    g_assert_cmpint(virtio_pci_wait(mhp->pci, NULL), ==, VIRTIO_PCI_BROKEN);
    mhp_restart_driver(mhp, MHP_FEATURES);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    mhp_expect(mhp_plug(mhp, BLOCK, 1), ACK);
    mhp_expect(mhp_unplug(mhp, BLOCK, 1), ACK);
}

struct table_row {
    const char *what;
    uint64_t addr; /* of the table, as the driver says it */
    uint32_t len;
    uint16_t flags; /* besides INDIRECT */
    struct vring_desc descs[3];
};

static void submit_table(Mhp *mhp, const struct table_row *row)
{
    const struct vring_desc desc = {
        row->addr,
        row->len,
        INDIRECT | row->flags,
        0,
    };
    struct vring_desc table[G_N_ELEMENTS(row->descs)];

    g_test_message("%s", row->what);
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        table[i].addr = GUINT64_TO_LE(row->descs[i].addr);
        table[i].len = GUINT32_TO_LE(row->descs[i].len);
        table[i].flags = GUINT16_TO_LE(row->descs[i].flags);
        table[i].next = GUINT16_TO_LE(row->descs[i].next);
    }
    qtest_write(mhp->qtest, TABLE, table, sizeof(table));
    write_request(mhp);
    virtio_pci_submit(mhp->pci, &desc, 1);
}

/* DEV-REQ-1 */
static void test_right_indirect_tables(void)
{
    static const struct table_row rows[] = {
        {"one part each",
         TABLE,
         2 * DESC_SIZE,
         0,
         {{REQ, REQ_SIZE, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0}}},
        {"a request in two parts",
         TABLE,
         3 * DESC_SIZE,
         0,
         {{REQ, 5, NEXT, 2},
          {RESP, RESP_SIZE, WRITE, 0},
          {REQ + 5, REQ_SIZE - 5, NEXT, 1}}},
        {"reserved bits",
         TABLE,
         2 * DESC_SIZE,
         RESERVED,
         {{REQ, REQ_SIZE, NEXT | RESERVED, 1},
          {RESP, RESP_SIZE, WRITE | RESERVED, 0}}},
    };
    g_autoptr(Mhp) mhp = mhp_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        submit_table(mhp, &rows[i]);
        assert_answered(mhp);
    }
}

/* DEV-REQ-1 */
static void test_wrong_indirect_tables(void)
{
    static const struct table_row rows[] = {
        {"an empty table", TABLE, 0, 0, {{0}}},
        {"a byte short",
         TABLE,
         2 * DESC_SIZE - 1,
         0,
         {{REQ, REQ_SIZE, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0}}},
        {"a byte long",
         TABLE,
         2 * DESC_SIZE + 1,
         0,
         {{REQ, REQ_SIZE, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0}}},
        {"a table where no memory is",
         UINT64_C(1) << 45,
         2 * DESC_SIZE,
         0,
         {{0}}},
        {"a table of almost 4 GiB",
         TABLE,
         UINT32_MAX - DESC_SIZE + 1,
         0,
         {{0}}},
        {"the second descriptor is outside",
         TABLE,
         DESC_SIZE,
         0,
         {{REQ, REQ_SIZE, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0}}},
        {"a descriptor that follows itself",
         TABLE,
         2 * DESC_SIZE,
         0,
         {{REQ, REQ_SIZE, NEXT, 0}}},
        {"a loop of two",
         TABLE,
         2 * DESC_SIZE,
         0,
         {{REQ, REQ_SIZE, NEXT, 1}, {RESP, RESP_SIZE, WRITE | NEXT, 1}}},
        {"a loop of three",
         TABLE,
         3 * DESC_SIZE,
         0,
         {{REQ, 8, NEXT, 1}, {REQ + 8, 8, NEXT, 2}, {REQ + 16, 8, NEXT, 0}}},
        {"no response buffer", TABLE, DESC_SIZE, 0, {{REQ, REQ_SIZE, 0, 0}}},
        {"the response first",
         TABLE,
         2 * DESC_SIZE,
         0,
         {{RESP, RESP_SIZE, WRITE | NEXT, 1}, {REQ, REQ_SIZE, 0, 0}}},
        {"a request a byte short",
         TABLE,
         2 * DESC_SIZE,
         0,
         {{REQ, REQ_SIZE - 1, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0}}},
        /* A table in a table is taken for a part of the request */
        {"a table in a table",
         TABLE,
         2 * DESC_SIZE,
         0,
         {{TABLE, DESC_SIZE, INDIRECT | NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0}}},
    };
    g_autoptr(Mhp) mhp = mhp_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        submit_table(mhp, &rows[i]);
        assert_broken(mhp);
    }
}

static const struct vring_desc good[] = {
    {REQ, REQ_SIZE, NEXT, 1},
    {RESP, RESP_SIZE, WRITE, 0},
};

/* DEV-REQ-1, DEV-RESET-3 */
static void test_wrong_heads(void)
{
    static const uint16_t heads[] = {
        VIRTIO_PCI_QUEUE_SIZE,
        VIRTIO_PCI_QUEUE_SIZE + 1,
        0x8000,
        UINT16_MAX,
        1, /* of the chain only the response */
    };
    g_autoptr(Mhp) mhp = mhp_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(heads); i++) {
        g_test_message("head %u", heads[i]);
        write_request(mhp);
        virtio_pci_submit_heads(mhp->pci, good, G_N_ELEMENTS(good), &heads[i],
                                1);
        assert_broken(mhp);
    }
}

/*
 * An index far ahead of the ring: QEMU takes the ring around and around, so
 * the one chain in it is answered as often as it was claimed.
 */
static void test_index_far_ahead(void)
{
    struct virtio_mhp_resp resp;
    g_autoptr(Mhp) mhp = mhp_new();

    write_request(mhp);
    virtio_pci_submit(mhp->pci, good, G_N_ELEMENTS(good));
    g_assert_cmpint(virtio_pci_wait(mhp->pci, NULL), ==, VIRTIO_PCI_USED);
    virtio_pci_claim_heads(mhp->pci, 0x7fff);
    g_assert_cmpint(virtio_pci_wait(mhp->pci, NULL), ==, VIRTIO_PCI_USED);
    qtest_read(mhp->qtest, RESP, &resp, sizeof(resp));
    mhp_expect(GUINT16_FROM_LE(resp.type), ERROR);
    g_assert_cmpuint(mhp_size(mhp), ==, MHP_BLOCK_SIZE);
    mhp_expect(mhp_unplug(mhp, BLOCK, 1), ACK);
}

/* The ring's entries that no driver has filled lead to an empty descriptor */
static void test_index_ahead_of_an_empty_ring(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    virtio_pci_claim_heads(mhp->pci, VIRTIO_PCI_QUEUE_SIZE + 1);
    assert_broken(mhp);
}

/* The index without a new chain */
static void test_notification_without_a_chain(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    virtio_pci_claim_heads(mhp->pci, 0);
    mhp_expect(mhp_plug(mhp, BLOCK, 1), ACK);
}

/* DEV-REQ-7, DEV-REQ-5: what was right before a wrong one counts, no more */
static void test_wrong_chain_among_right_ones(void)
{
    static const struct vring_desc descs[] = {
        {REQ, REQ_SIZE, NEXT, 1},
        {RESP, RESP_SIZE, WRITE, 0},
        {REQ, REQ_SIZE - 1, NEXT, 1},
    };
    static const uint16_t heads[] = {0, 2, 0};
    struct vring_used_elem elems[G_N_ELEMENTS(heads)];
    g_autoptr(Mhp) mhp = mhp_new();

    write_request(mhp);
    virtio_pci_submit_heads(mhp->pci, descs, G_N_ELEMENTS(descs), heads,
                            G_N_ELEMENTS(heads));
    g_assert_cmpuint(
        virtio_pci_wait_heads(mhp->pci, elems, G_N_ELEMENTS(heads)), ==, 1);
    g_assert_cmpuint(elems[0].id, ==, 0);
    g_assert_cmpuint(elems[0].len, ==, RESP_SIZE);
    mhp_restart_driver(mhp, MHP_FEATURES);
    g_assert_cmpstr(mhp_state_name(mhp, BLOCK, 1), ==, "PLUGGED");
    g_assert_cmpuint(mhp_size(mhp), ==, MHP_BLOCK_SIZE);
}

/* DEV-REQ-1: bits without a meaning change nothing */
static void test_reserved_bits(void)
{
    static const struct vring_desc descs[] = {
        {REQ, REQ_SIZE, NEXT | RESERVED, 1},
        {RESP, RESP_SIZE, WRITE | RESERVED, 0},
    };
    g_autoptr(Mhp) mhp = mhp_new();

    write_request(mhp);
    virtio_pci_submit(mhp->pci, descs, G_N_ELEMENTS(descs));
    assert_answered(mhp);
    virtio_pci_set_avail_flags(mhp->pci, 0xfffe);
    write_request(mhp);
    virtio_pci_submit(mhp->pci, good, G_N_ELEMENTS(good));
    assert_answered(mhp);
}

/*
 * DEV-FEAT-1 to DEV-FEAT-4: a driver cannot get what was not offered; QEMU
 * drops such bits.
 */
static void test_features_that_are_not_offered(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    uint64_t offered = virtio_pci_features(mhp->pci);

    for (unsigned bit = 0; bit < 64; bit++) {
        if (offered >> bit & 1) {
            continue;
        }
        g_test_message("feature bit %u", bit);
        mhp_restart_driver(mhp, MHP_FEATURES | UINT64_C(1) << bit);
        mhp_expect(mhp_plug(mhp, BLOCK, 1), ACK);
        mhp_expect(mhp_unplug(mhp, BLOCK, 1), ACK);
    }
}

/* Nobody reads a queue that no driver has set up */
static void test_request_before_the_queue_is_there(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    g_assert_true(virtio_pci_negotiate(mhp->pci, MHP_FEATURES));
    write_request(mhp);
    virtio_pci_submit(mhp->pci, good, G_N_ELEMENTS(good));
    g_assert_cmphex(virtio_pci_status(mhp->pci) & VIRTIO_CONFIG_S_NEEDS_RESET,
                    ==, 0);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    mhp_restart_driver(mhp, MHP_FEATURES);
    mhp_expect(mhp_plug(mhp, BLOCK, 1), ACK);
}

#define ADD(test) \
    g_test_add_func("/virtio-mhp/malformed-rings/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(right_indirect_tables);
    ADD(wrong_indirect_tables);
    ADD(wrong_heads);
    ADD(index_far_ahead);
    ADD(index_ahead_of_an_empty_ring);
    ADD(notification_without_a_chain);
    ADD(wrong_chain_among_right_ones);
    ADD(reserved_bits);
    ADD(features_that_are_not_offered);
    ADD(request_before_the_queue_is_there);
    return g_test_run();
}
