/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-vmemmap-mem as its driver sees it: the configuration, what each request
 * does, and what becomes of one that is wrong.
 */
#include "qemu/osdep.h"
#include "libqtest-single.h"
#include "qemu/bswap.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "libqos/qgraph.h"
#include "libqos/virtio-mhp.h"
#include "hw/virtio-mhp/include/uapi/linux/virtio_mhp.h"
#include "standard-headers/linux/virtio_config.h"

#define TIMEOUT_US (30 * 1000 * 1000)

#define CONFIG_FIELD(mhp, field) \
    qvirtio_config_readq((mhp)->vdev, offsetof(struct virtio_mhp_config, field))

static uint64_t block_addr(QVirtioMHP *mhp, unsigned int block)
{
    return CONFIG_FIELD(mhp, addr) + block * CONFIG_FIELD(mhp, block_size);
}

/* Blocks that the guest is asked to plug */
static uint16_t nb_requested_blocks(QVirtioMHP *mhp)
{
    return QVIRTIO_MHP_REQUESTED_SIZE / CONFIG_FIELD(mhp, block_size);
}

static uint16_t nb_blocks_of_region(QVirtioMHP *mhp)
{
    return QVIRTIO_MHP_REGION_SIZE / CONFIG_FIELD(mhp, block_size);
}

/* Give the device a buffer; where the response goes */
static uint64_t submit(QVirtioMHP *mhp, const struct virtio_mhp_req *req,
                       uint32_t req_size, uint32_t resp_size, uint32_t *head)
{
    QTestState *qts = global_qtest;
    const uint64_t req_addr = guest_alloc(mhp->alloc, sizeof(*req));
    const uint64_t resp_addr = guest_alloc(mhp->alloc,
                                           sizeof(struct virtio_mhp_resp));

    qtest_memwrite(qts, req_addr, req, sizeof(*req));
    qtest_memset(qts, resp_addr, 0xa5, sizeof(struct virtio_mhp_resp));
    *head = qvirtqueue_add(qts, mhp->vq, req_addr, req_size, false, true);
    qvirtqueue_add(qts, mhp->vq, resp_addr, resp_size, true, false);
    qvirtqueue_kick(qts, mhp->vdev, mhp->vq, *head);
    return resp_addr;
}

/* The type of the response; it is nothing but zeros apart from the payload */
static uint16_t send_request(QVirtioMHP *mhp, const struct virtio_mhp_req *req,
                             uint16_t *state)
{
    QTestState *qts = global_qtest;
    struct virtio_mhp_resp resp;
    uint64_t resp_addr;
    uint32_t head, len;
    unsigned int i;

    resp_addr = submit(mhp, req, sizeof(*req), sizeof(resp), &head);
    qvirtio_wait_used_elem(qts, mhp->vdev, mhp->vq, head, &len, TIMEOUT_US);
    g_assert_cmpuint(len, ==, sizeof(resp));
    qtest_memread(qts, resp_addr, &resp, sizeof(resp));
    for (i = 0; i < ARRAY_SIZE(resp.padding); i++) {
        g_assert_cmphex(resp.padding[i], ==, 0);
    }
    if (state) {
        *state = le16_to_cpu(resp.u.state.state);
    } else {
        g_assert_cmphex(resp.u.state.state, ==, 0);
    }
    return le16_to_cpu(resp.type);
}

static struct virtio_mhp_req range_request(QVirtioMHP *mhp, uint16_t type,
                                           unsigned int block,
                                           uint16_t nb_blocks)
{
    return (struct virtio_mhp_req){
        .type = cpu_to_le16(type),
        .u.plug.addr = cpu_to_le64(block_addr(mhp, block)),
        .u.plug.nb_blocks = cpu_to_le16(nb_blocks),
    };
}

static uint16_t plug(QVirtioMHP *mhp, unsigned int block, uint16_t nb_blocks)
{
    const struct virtio_mhp_req req = range_request(mhp, VIRTIO_MHP_REQ_PLUG,
                                                    block, nb_blocks);

    return send_request(mhp, &req, NULL);
}

static uint16_t unplug(QVirtioMHP *mhp, unsigned int block, uint16_t nb_blocks)
{
    const struct virtio_mhp_req req = range_request(mhp, VIRTIO_MHP_REQ_UNPLUG,
                                                    block, nb_blocks);

    return send_request(mhp, &req, NULL);
}

static uint16_t unplug_all(QVirtioMHP *mhp)
{
    const struct virtio_mhp_req req = {
        .type = cpu_to_le16(VIRTIO_MHP_REQ_UNPLUG_ALL),
    };

    return send_request(mhp, &req, NULL);
}

static uint16_t memmap(QVirtioMHP *mhp, uint64_t unit_size,
                       uint64_t memmap_size)
{
    const struct virtio_mhp_req req = {
        .type = cpu_to_le16(VIRTIO_MHP_REQ_MEMMAP),
        .u.memmap.unit_size = cpu_to_le64(unit_size),
        .u.memmap.memmap_size = cpu_to_le64(memmap_size),
    };

    return send_request(mhp, &req, NULL);
}

static uint16_t status(QVirtioMHP *mhp, unsigned int block, uint16_t nb_blocks,
                       uint16_t reason)
{
    struct virtio_mhp_req req = range_request(mhp, VIRTIO_MHP_REQ_STATUS, block,
                                              nb_blocks);

    req.u.status.reason = cpu_to_le16(reason);
    return send_request(mhp, &req, NULL);
}

static void assert_state(QVirtioMHP *mhp, unsigned int block,
                         uint16_t nb_blocks, uint16_t wanted)
{
    const struct virtio_mhp_req req = range_request(mhp, VIRTIO_MHP_REQ_STATE,
                                                    block, nb_blocks);
    uint16_t state;

    g_assert_cmpuint(send_request(mhp, &req, &state), ==, VIRTIO_MHP_RESP_ACK);
    g_assert_cmpuint(state, ==, wanted);
}

static void assert_nb_plugged(QVirtioMHP *mhp, uint64_t nb_blocks)
{
    g_assert_cmpuint(CONFIG_FIELD(mhp, plugged_size), ==,
                     nb_blocks * CONFIG_FIELD(mhp, block_size));
}

static void test_config(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMHP *mhp = obj;
    const uint64_t block_size = CONFIG_FIELD(mhp, block_size);

    g_assert_cmphex(block_size & (block_size - 1), ==, 0);
    g_assert_cmpuint(block_size, >=, MiB);
    g_assert_cmphex(CONFIG_FIELD(mhp, addr), !=, 0);
    g_assert_cmphex(CONFIG_FIELD(mhp, addr) % block_size, ==, 0);
    g_assert_cmpuint(CONFIG_FIELD(mhp, region_size), ==,
                     QVIRTIO_MHP_REGION_SIZE);
    g_assert_cmpuint(CONFIG_FIELD(mhp, usable_region_size), ==,
                     QVIRTIO_MHP_REGION_SIZE);
    g_assert_cmpuint(CONFIG_FIELD(mhp, requested_size), ==,
                     QVIRTIO_MHP_REQUESTED_SIZE);
    g_assert_cmpuint(CONFIG_FIELD(mhp, plugged_size), ==, 0);
}

static void set_requested_size(uint64_t size)
{
    qtest_qmp_assert_success(global_qtest,
                             "{'execute': 'qom-set', 'arguments': {"
                             " 'path': %s, 'property': 'requested-size',"
                             " 'value': %" PRIu64 "}}",
                             QVIRTIO_MHP_QOM_PATH, size);
}

/* The driver is told, also when nothing has changed */
static void test_requested_size(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMHP *mhp = obj;
    const uint64_t block_size = CONFIG_FIELD(mhp, block_size);

    set_requested_size(block_size);
    qvirtio_wait_config_isr(mhp->vdev, TIMEOUT_US);
    g_assert_cmpuint(CONFIG_FIELD(mhp, requested_size), ==, block_size);
    g_assert_cmpuint(plug(mhp, 0, 2), ==, VIRTIO_MHP_RESP_NACK);
    set_requested_size(block_size);
    qvirtio_wait_config_isr(mhp->vdev, TIMEOUT_US);
    /* It is as it was for the next test, which may have the same QEMU. */
    set_requested_size(QVIRTIO_MHP_REQUESTED_SIZE);
    qvirtio_wait_config_isr(mhp->vdev, TIMEOUT_US);
    g_assert_cmpuint(plug(mhp, 0, 2), ==, VIRTIO_MHP_RESP_ACK);
}

static void test_plug(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMHP *mhp = obj;

    assert_state(mhp, 0, nb_blocks_of_region(mhp), VIRTIO_MHP_STATE_UNPLUGGED);
    g_assert_cmpuint(plug(mhp, 1, 2), ==, VIRTIO_MHP_RESP_ACK);
    assert_nb_plugged(mhp, 2);
    assert_state(mhp, 1, 2, VIRTIO_MHP_STATE_PLUGGED);
    assert_state(mhp, 0, 2, VIRTIO_MHP_STATE_MIXED);
    assert_state(mhp, 0, 1, VIRTIO_MHP_STATE_UNPLUGGED);
}

/* What was unplugged reads zero when it is plugged once more */
static void test_unplug(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMHP *mhp = obj;
    const uint64_t addr = block_addr(mhp, 1);

    g_assert_cmpuint(plug(mhp, 0, 2), ==, VIRTIO_MHP_RESP_ACK);
    qtest_writeq(global_qtest, addr, UINT64_MAX);
    g_assert_cmphex(qtest_readq(global_qtest, addr), ==, UINT64_MAX);
    g_assert_cmpuint(unplug(mhp, 1, 1), ==, VIRTIO_MHP_RESP_ACK);
    assert_nb_plugged(mhp, 1);
    assert_state(mhp, 0, 1, VIRTIO_MHP_STATE_PLUGGED);
    assert_state(mhp, 1, 1, VIRTIO_MHP_STATE_UNPLUGGED);
    g_assert_cmpuint(plug(mhp, 1, 1), ==, VIRTIO_MHP_RESP_ACK);
    g_assert_cmphex(qtest_readq(global_qtest, addr), ==, 0);
}

static void test_unplug_all(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMHP *mhp = obj;

    g_assert_cmpuint(unplug_all(mhp), ==, VIRTIO_MHP_RESP_ACK);
    g_assert_cmpuint(plug(mhp, 0, 1), ==, VIRTIO_MHP_RESP_ACK);
    g_assert_cmpuint(plug(mhp, 3, 1), ==, VIRTIO_MHP_RESP_ACK);
    g_assert_cmpuint(unplug_all(mhp), ==, VIRTIO_MHP_RESP_ACK);
    assert_nb_plugged(mhp, 0);
    assert_state(mhp, 0, nb_blocks_of_region(mhp), VIRTIO_MHP_STATE_UNPLUGGED);
}

/* Legal, but more than the host wants */
static void test_not_granted(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMHP *mhp = obj;
    const uint16_t nb_requested = nb_requested_blocks(mhp);

    g_assert_cmpuint(plug(mhp, 0, nb_requested + 1), ==, VIRTIO_MHP_RESP_NACK);
    assert_nb_plugged(mhp, 0);
    g_assert_cmpuint(plug(mhp, 0, nb_requested), ==, VIRTIO_MHP_RESP_ACK);
    g_assert_cmpuint(plug(mhp, nb_requested, 1), ==, VIRTIO_MHP_RESP_NACK);
    assert_nb_plugged(mhp, nb_requested);
}

/* Well-formed, but wrong: answered, and nothing is changed */
static void test_wrong_values(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMHP *mhp = obj;
    const uint16_t nb_blocks = nb_blocks_of_region(mhp);
    struct virtio_mhp_req req;

    g_assert_cmpuint(plug(mhp, 0, 1), ==, VIRTIO_MHP_RESP_ACK);
    g_assert_cmpuint(plug(mhp, 0, 1), ==, VIRTIO_MHP_RESP_ERROR);
    g_assert_cmpuint(plug(mhp, 0, 2), ==, VIRTIO_MHP_RESP_ERROR);
    g_assert_cmpuint(plug(mhp, 1, 0), ==, VIRTIO_MHP_RESP_ERROR);
    g_assert_cmpuint(plug(mhp, nb_blocks, 1), ==, VIRTIO_MHP_RESP_ERROR);
    g_assert_cmpuint(plug(mhp, nb_blocks - 1, 2), ==, VIRTIO_MHP_RESP_ERROR);
    g_assert_cmpuint(unplug(mhp, 1, 1), ==, VIRTIO_MHP_RESP_ERROR);
    g_assert_cmpuint(unplug(mhp, 0, 2), ==, VIRTIO_MHP_RESP_ERROR);

    /* Not where a block starts, and below the region */
    req = range_request(mhp, VIRTIO_MHP_REQ_PLUG, 1, 1);
    req.u.plug.addr = cpu_to_le64(block_addr(mhp, 1) + 4 * KiB);
    g_assert_cmpuint(send_request(mhp, &req, NULL), ==, VIRTIO_MHP_RESP_ERROR);
    req.u.plug.addr = 0;
    g_assert_cmpuint(send_request(mhp, &req, NULL), ==, VIRTIO_MHP_RESP_ERROR);

    req = (struct virtio_mhp_req){.type = cpu_to_le16(77)};
    g_assert_cmpuint(send_request(mhp, &req, NULL), ==, VIRTIO_MHP_RESP_ERROR);

    assert_nb_plugged(mhp, 1);
    assert_state(mhp, 0, 1, VIRTIO_MHP_STATE_PLUGGED);
}

static void test_reports(void *obj, void *data, QGuestAllocator *alloc)
{
    QVirtioMHP *mhp = obj;
    const uint64_t block_size = CONFIG_FIELD(mhp, block_size);

    g_assert_cmpuint(memmap(mhp, block_size, block_size / 64), ==,
                     VIRTIO_MHP_RESP_ACK);
    g_assert_cmpuint(memmap(mhp, block_size, block_size + 1), ==,
                     VIRTIO_MHP_RESP_ERROR);
    g_assert_cmpuint(status(mhp, 0, 2, VIRTIO_MHP_REASON_PINNED), ==,
                     VIRTIO_MHP_RESP_ACK);
    g_assert_cmpuint(status(mhp, 0, 2, 999), ==, VIRTIO_MHP_RESP_ERROR);
    g_assert_cmpuint(status(mhp, 0, 2, VIRTIO_MHP_REASON_NONE), ==,
                     VIRTIO_MHP_RESP_ACK);
}

/* The device is broken, and has neither answered nor done it */
static void assert_breaks(QVirtioMHP *mhp, uint32_t req_size,
                          uint32_t resp_size)
{
    const struct virtio_mhp_req req = range_request(mhp, VIRTIO_MHP_REQ_PLUG, 0,
                                                    1);
    uint32_t head;

    submit(mhp, &req, req_size, resp_size, &head);
    qvirtio_wait_config_isr(mhp->vdev, TIMEOUT_US);
    g_assert_cmphex(mhp->vdev->bus->get_status(mhp->vdev) &
                        VIRTIO_CONFIG_S_NEEDS_RESET,
                    !=, 0);
    g_assert_false(qvirtqueue_get_buf(global_qtest, mhp->vq, NULL, NULL));
    assert_nb_plugged(mhp, 0);
}

static void test_short_request(void *obj, void *data, QGuestAllocator *alloc)
{
    assert_breaks(obj, sizeof(struct virtio_mhp_req) - 1,
                  sizeof(struct virtio_mhp_resp));
}

static void test_long_request(void *obj, void *data, QGuestAllocator *alloc)
{
    assert_breaks(obj, sizeof(struct virtio_mhp_req) + 1,
                  sizeof(struct virtio_mhp_resp));
}

static void test_short_response(void *obj, void *data, QGuestAllocator *alloc)
{
    assert_breaks(obj, sizeof(struct virtio_mhp_req),
                  sizeof(struct virtio_mhp_resp) - 1);
}

static void register_virtio_mhp_test(void)
{
    qos_add_test("config", "virtio-mhp", test_config, NULL);
    qos_add_test("requested-size", "virtio-mhp", test_requested_size, NULL);
    qos_add_test("plug", "virtio-mhp", test_plug, NULL);
    qos_add_test("unplug", "virtio-mhp", test_unplug, NULL);
    qos_add_test("unplug-all", "virtio-mhp", test_unplug_all, NULL);
    qos_add_test("not-granted", "virtio-mhp", test_not_granted, NULL);
    qos_add_test("wrong-values", "virtio-mhp", test_wrong_values, NULL);
    qos_add_test("reports", "virtio-mhp", test_reports, NULL);
    qos_add_test("short-request", "virtio-mhp", test_short_request, NULL);
    qos_add_test("long-request", "virtio-mhp", test_long_request, NULL);
    qos_add_test("short-response", "virtio-mhp", test_short_response, NULL);
}

libqos_init(register_virtio_mhp_test);
