/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Buffers of right and wrong shape: each row is a chain of descriptors around
 * one and the same good PLUG, and what comes of it. A device that is broken by
 * it has not carried out the request, and works again after a reset.
 */
#include "mhp.h"

#define REQ MHP_REQ_ADDR
#define RESP MHP_RESP_ADDR
#define REQ_SIZE sizeof(struct virtio_mhp_req)
#define RESP_SIZE sizeof(struct virtio_mhp_resp)

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

#define CHAIN(...)  \
    {               \
        __VA_ARGS__ \
    }

/* The block that the request plugs */
#define BLOCK 5

struct row {
    const char *what;
    unsigned nb_descs;
    struct vring_desc descs[4];
};

static void write_request(Mhp *mhp)
{
    struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(VIRTIO_MHP_REQ_PLUG),
        .u.plug.addr = GUINT64_TO_LE(mhp_block_addr(mhp, BLOCK)),
        .u.plug.nb_blocks = GUINT16_TO_LE(1),
    };

    qtest_write(mhp->qtest, REQ, &req, sizeof(req));
}

static VirtioPciOutcome submit(Mhp *mhp, const struct row *row, uint32_t *len)
{
    g_test_message("%s", row->what);
    write_request(mhp);
    virtio_pci_submit(mhp->pci, row->descs, row->nb_descs);
    return virtio_pci_wait(mhp->pci, len);
}

/* DEV-REQ-1, DEV-REQ-7 */
static void test_right_shapes(void)
{
    static const struct row rows[] = {
        {"one part each", 2,
         CHAIN({REQ, REQ_SIZE, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0})},
        {"a request in three parts", 4,
         CHAIN({REQ, 1, NEXT, 1}, {REQ + 1, 9, NEXT, 2},
               {REQ + 10, REQ_SIZE - 10, NEXT, 3},
               {RESP, RESP_SIZE, WRITE, 0})},
        {"a response in three parts", 4,
         CHAIN({REQ, REQ_SIZE, NEXT, 1}, {RESP, 1, NEXT | WRITE, 2},
               {RESP + 1, 8, NEXT | WRITE, 3},
               {RESP + 9, RESP_SIZE - 9, WRITE, 0})},
        {"a longer response buffer", 2,
         CHAIN({REQ, REQ_SIZE, NEXT, 1}, {RESP, 4096, WRITE, 0})},
        {"descriptors in another order", 3,
         CHAIN({REQ, 8, NEXT, 2}, {RESP, RESP_SIZE, WRITE, 0},
               {REQ + 8, REQ_SIZE - 8, NEXT, 1})},
    };
    g_autoptr(Mhp) mhp = mhp_new();
    uint32_t len;

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_cmpint(submit(mhp, &rows[i], &len), ==, VIRTIO_PCI_USED);
        g_assert_cmpuint(len, ==, RESP_SIZE);
        g_assert_cmpstr(mhp_state_name(mhp, BLOCK, 1), ==, "PLUGGED");
        mhp_expect(mhp_unplug(mhp, BLOCK, 1), ACK);
    }
}

/* DEV-REQ-1, DEV-REQ-5, DEV-RESET-3: each row breaks the device, once */
static void run_wrong_shapes(const struct row *rows, unsigned nb_rows)
{
    static const struct row good = {
        "a good request to a broken device",
        2,
        CHAIN({REQ, REQ_SIZE, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0}),
    };
    g_autoptr(Mhp) mhp = mhp_new();

    for (unsigned i = 0; i < nb_rows; i++) {
        g_assert_cmpint(submit(mhp, &rows[i], NULL), ==, VIRTIO_PCI_BROKEN);
        g_assert_cmpint(submit(mhp, &good, NULL), ==, VIRTIO_PCI_BROKEN);
        mhp_restart_driver(mhp, MHP_FEATURES);
        g_assert_cmpuint(mhp_size(mhp), ==, 0);
        mhp_expect(mhp_plug(mhp, BLOCK, 1), ACK);
        mhp_expect(mhp_unplug(mhp, BLOCK, 1), ACK);
    }
}

static void test_wrong_lengths(void)
{
    static const struct row rows[] = {
        {"a request a byte short", 2,
         CHAIN({REQ, REQ_SIZE - 1, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0})},
        {"a request a byte long", 2,
         CHAIN({REQ, REQ_SIZE + 1, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0})},
        {"a request of one byte", 2,
         CHAIN({REQ, 1, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0})},
        {"a request of 1 MiB", 2,
         CHAIN({REQ, 1 << 20, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0})},
        {"a request in parts, a byte short", 3,
         CHAIN({REQ, 8, NEXT, 1}, {REQ + 8, REQ_SIZE - 9, NEXT, 2},
               {RESP, RESP_SIZE, WRITE, 0})},
        {"a request of virtio-mem's length without the payload", 2,
         CHAIN({REQ, 8, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0})},
        {"a response buffer a byte short", 2,
         CHAIN({REQ, REQ_SIZE, NEXT, 1}, {RESP, RESP_SIZE - 1, WRITE, 0})},
        {"a response buffer of one byte", 2,
         CHAIN({REQ, REQ_SIZE, NEXT, 1}, {RESP, 1, WRITE, 0})},
        {"a response buffer in parts, a byte short", 3,
         CHAIN({REQ, REQ_SIZE, NEXT, 1}, {RESP, 8, NEXT | WRITE, 2},
               {RESP + 8, RESP_SIZE - 9, WRITE, 0})},
    };

    run_wrong_shapes(rows, G_N_ELEMENTS(rows));
}

static void test_wrong_directions(void)
{
    static const struct row rows[] = {
        {"no response buffer", 1, CHAIN({REQ, REQ_SIZE, 0, 0})},
        {"no request", 1, CHAIN({RESP, RESP_SIZE, WRITE, 0})},
        {"a response buffer for reading", 2,
         CHAIN({REQ, REQ_SIZE, NEXT, 1}, {RESP, RESP_SIZE, 0, 0})},
        {"a request for writing", 2,
         CHAIN({REQ, REQ_SIZE, NEXT | WRITE, 1}, {RESP, RESP_SIZE, WRITE, 0})},
        {"the response before the request", 2,
         CHAIN({RESP, RESP_SIZE, NEXT | WRITE, 1}, {REQ, REQ_SIZE, 0, 0})},
    };

    run_wrong_shapes(rows, G_N_ELEMENTS(rows));
}

/* What virtio asks of every chain: it must not get past the device, either */
static void test_wrong_chains(void)
{
    static const struct row rows[] = {
        {"a descriptor of no bytes", 2,
         CHAIN({REQ, 0, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0})},
        {"a descriptor that follows itself", 1,
         CHAIN({REQ, REQ_SIZE, NEXT, 0})},
        {"two descriptors in a loop", 2,
         CHAIN({REQ, REQ_SIZE, NEXT, 1}, {RESP, RESP_SIZE, NEXT | WRITE, 0})},
        {"a descriptor outside the table", 1,
         CHAIN({REQ, REQ_SIZE, NEXT, VIRTIO_PCI_QUEUE_SIZE})},
        {"an indirect table of no whole descriptors", 1,
         CHAIN({REQ, REQ_SIZE, INDIRECT, 0})},
        {"an indirect table that is empty", 1, CHAIN({REQ, 0, INDIRECT, 0})},
    };

    run_wrong_shapes(rows, G_N_ELEMENTS(rows));
}

/*
 * DEV-RESET-3: what reading or writing no memory does is up to the machine, so
 * only what comes after it is laid down.
 */
static void test_buffers_where_no_memory_is(void)
{
    static const struct row rows[] = {
        {"a request where no memory is", 2,
         CHAIN({UINT64_C(1) << 45, REQ_SIZE, NEXT, 1},
               {RESP, RESP_SIZE, WRITE, 0})},
        {"a response buffer where no memory is", 2,
         CHAIN({REQ, REQ_SIZE, NEXT, 1},
               {UINT64_C(1) << 45, RESP_SIZE, WRITE, 0})},
        {"a request that wraps around", 2,
         CHAIN({-UINT64_C(8), REQ_SIZE, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0})},
        {"a request of almost 4 GiB", 2,
         CHAIN({REQ, UINT32_MAX, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0})},
    };
    g_autoptr(Mhp) mhp = mhp_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        submit(mhp, &rows[i], NULL);
        mhp_restart_driver(mhp, MHP_FEATURES);
        mhp_expect(mhp_unplug_all(mhp), ACK);
        mhp_expect(mhp_plug(mhp, BLOCK, 1), ACK);
        mhp_expect(mhp_unplug(mhp, BLOCK, 1), ACK);
    }
}

/* DEV-RESET-3 */
static void test_response_into_the_own_registers(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    const struct row row = {
        "a response buffer in the device's registers",
        2,
        CHAIN({REQ, REQ_SIZE, NEXT, 1},
              {virtio_pci_registers(mhp->pci), 64, WRITE, 0}),
    };

    submit(mhp, &row, NULL);
    mhp_restart_driver(mhp, MHP_FEATURES);
    mhp_expect(mhp_unplug_all(mhp), ACK);
    mhp_expect(mhp_plug(mhp, BLOCK, 1), ACK);
}

/* DEV-FEAT-2: nobody gets an answer without FEATURES_OK */
static void test_request_without_features_ok(void)
{
    static const struct row row = {
        "a good request",
        2,
        CHAIN({REQ, REQ_SIZE, NEXT, 1}, {RESP, RESP_SIZE, WRITE, 0}),
    };
    g_autoptr(Mhp) mhp = mhp_new();

    g_assert_false(virtio_pci_negotiate(
        mhp->pci,
        MHP_FEATURES & ~(UINT64_C(1) << VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE)));
    virtio_pci_run(mhp->pci);
    g_assert_cmpint(submit(mhp, &row, NULL), ==, VIRTIO_PCI_BROKEN);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    mhp_restart_driver(mhp, MHP_FEATURES);
    mhp_expect(mhp_plug(mhp, BLOCK, 1), ACK);
}

#define ADD(test) \
    g_test_add_func("/virtio-mhp/malformed-shapes/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(right_shapes);
    ADD(wrong_lengths);
    ADD(wrong_directions);
    ADD(wrong_chains);
    ADD(buffers_where_no_memory_is);
    ADD(response_into_the_own_registers);
    ADD(request_without_features_ok);
    return g_test_run();
}
