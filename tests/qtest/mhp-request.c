/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The requests that a driver can send, one function each: see mhp.h. What every
 * response must fulfil is asserted here, so that no test can forget it.
 */
#include "mhp.h"

/* What a response buffer holds before the device writes it */
#define MHP_POISON 0xa5

/* DEV-REQ-6: zeros, but for the payload of an ACK to STATE */
static void mhp_check_response(const struct virtio_mhp_req *req,
                               const struct virtio_mhp_resp *resp)
{
    bool has_state = GUINT16_FROM_LE(req->type) == VIRTIO_MHP_REQ_STATE &&
                     GUINT16_FROM_LE(resp->type) == VIRTIO_MHP_RESP_ACK;

    for (unsigned i = 0; i < G_N_ELEMENTS(resp->padding); i++) {
        g_assert_cmphex(resp->padding[i], ==, 0);
    }
    if (!has_state) {
        g_assert_cmphex(resp->u.state.state, ==, 0);
    }
}

uint16_t mhp_send(Mhp *mhp, const struct virtio_mhp_req *req,
                  struct virtio_mhp_resp *resp)
{
    const struct vring_desc descs[] = {
        {MHP_REQ_ADDR, sizeof(*req), VRING_DESC_F_NEXT, 1},
        {MHP_RESP_ADDR, sizeof(*resp), VRING_DESC_F_WRITE, 0},
    };
    uint32_t len;

    qtest_write(mhp->qtest, MHP_REQ_ADDR, req, sizeof(*req));
    qtest_memset(mhp->qtest, MHP_RESP_ADDR, MHP_POISON, sizeof(*resp));
    virtio_pci_submit(mhp->pci, descs, G_N_ELEMENTS(descs));
    g_assert_cmpint(virtio_pci_wait(mhp->pci, &len), ==, VIRTIO_PCI_USED);
    /* DEV-REQ-7 */
    g_assert_cmpuint(len, ==, sizeof(*resp));
    qtest_read(mhp->qtest, MHP_RESP_ADDR, resp, sizeof(*resp));
    mhp_check_response(req, resp);
    return GUINT16_FROM_LE(resp->type);
}

void mhp_submit(Mhp *mhp, uint16_t type, uint16_t nb_blocks)
{
    const struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(type),
        .u.plug.addr = GUINT64_TO_LE(mhp->addr),
        .u.plug.nb_blocks = GUINT16_TO_LE(nb_blocks),
    };
    const struct vring_desc descs[] = {
        {MHP_REQ_ADDR, sizeof(req), VRING_DESC_F_NEXT, 1},
        {MHP_RESP_ADDR, sizeof(struct virtio_mhp_resp), VRING_DESC_F_WRITE, 0},
    };

    qtest_write(mhp->qtest, MHP_REQ_ADDR, &req, sizeof(req));
    qtest_memset(mhp->qtest, MHP_RESP_ADDR, MHP_POISON,
                 sizeof(struct virtio_mhp_resp));
    virtio_pci_submit(mhp->pci, descs, G_N_ELEMENTS(descs));
}

uint16_t mhp_finish(Mhp *mhp)
{
    struct virtio_mhp_resp resp;

    g_assert_cmpint(virtio_pci_wait(mhp->pci, NULL), ==, VIRTIO_PCI_USED);
    qtest_read(mhp->qtest, MHP_RESP_ADDR, &resp, sizeof(resp));
    return GUINT16_FROM_LE(resp.type);
}

bool mhp_is_pending(Mhp *mhp)
{
    uint8_t type;

    qtest_read(mhp->qtest, MHP_RESP_ADDR, &type, sizeof(type));
    return type == MHP_POISON;
}

static struct virtio_mhp_range mhp_range(Mhp *mhp, unsigned block,
                                         uint16_t nb_blocks)
{
    return (struct virtio_mhp_range){
        .addr = GUINT64_TO_LE(mhp_block_addr(mhp, block)),
        .nb_blocks = GUINT16_TO_LE(nb_blocks),
    };
}

uint16_t mhp_plug(Mhp *mhp, unsigned block, uint16_t nb_blocks)
{
    struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(VIRTIO_MHP_REQ_PLUG),
        .u.plug = mhp_range(mhp, block, nb_blocks),
    };
    struct virtio_mhp_resp resp;

    return mhp_send(mhp, &req, &resp);
}

uint16_t mhp_unplug(Mhp *mhp, unsigned block, uint16_t nb_blocks)
{
    struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(VIRTIO_MHP_REQ_UNPLUG),
        .u.unplug = mhp_range(mhp, block, nb_blocks),
    };
    struct virtio_mhp_resp resp;

    return mhp_send(mhp, &req, &resp);
}

uint16_t mhp_unplug_all(Mhp *mhp)
{
    struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(VIRTIO_MHP_REQ_UNPLUG_ALL),
    };
    struct virtio_mhp_resp resp;

    return mhp_send(mhp, &req, &resp);
}

uint16_t mhp_state(Mhp *mhp, unsigned block, uint16_t nb_blocks,
                   uint16_t *state)
{
    struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(VIRTIO_MHP_REQ_STATE),
        .u.state = mhp_range(mhp, block, nb_blocks),
    };
    struct virtio_mhp_resp resp;
    uint16_t type = mhp_send(mhp, &req, &resp);

    *state = GUINT16_FROM_LE(resp.u.state.state);
    return type;
}

uint16_t mhp_memmap(Mhp *mhp, uint64_t unit_size, uint64_t memmap_size)
{
    struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(VIRTIO_MHP_REQ_MEMMAP),
        .u.memmap.unit_size = GUINT64_TO_LE(unit_size),
        .u.memmap.memmap_size = GUINT64_TO_LE(memmap_size),
    };
    struct virtio_mhp_resp resp;

    return mhp_send(mhp, &req, &resp);
}

uint16_t mhp_status(Mhp *mhp, unsigned block, uint16_t nb_blocks,
                    uint16_t reason)
{
    struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(VIRTIO_MHP_REQ_STATUS),
        .u.status.addr = GUINT64_TO_LE(mhp_block_addr(mhp, block)),
        .u.status.nb_blocks = GUINT16_TO_LE(nb_blocks),
        .u.status.reason = GUINT16_TO_LE(reason),
    };
    struct virtio_mhp_resp resp;

    return mhp_send(mhp, &req, &resp);
}

const char *mhp_response_name(uint16_t type)
{
    static const char *const names[] = {
        [VIRTIO_MHP_RESP_ACK] = "ACK",
        [VIRTIO_MHP_RESP_NACK] = "NACK",
        [VIRTIO_MHP_RESP_BUSY] = "BUSY",
        [VIRTIO_MHP_RESP_ERROR] = "ERROR",
    };

    return type < G_N_ELEMENTS(names) ? names[type] : "unknown";
}

const char *mhp_state_name(Mhp *mhp, unsigned block, uint16_t nb_blocks)
{
    static const char *const names[] = {
        [VIRTIO_MHP_STATE_PLUGGED] = "PLUGGED",
        [VIRTIO_MHP_STATE_UNPLUGGED] = "UNPLUGGED",
        [VIRTIO_MHP_STATE_MIXED] = "MIXED",
    };
    uint16_t state;
    uint16_t type = mhp_state(mhp, block, nb_blocks, &state);

    mhp_expect(type, ACK);
    return state < G_N_ELEMENTS(names) ? names[state] : "unknown";
}
