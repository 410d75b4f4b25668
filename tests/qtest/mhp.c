/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mhp: see mhp.h. The machine is a q35 without firmware, guest and disks.
 */
#include "mhp.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MHP_PCI_DEVICE_ID (0x1040 + VIRTIO_ID_MHP)

/* What a response buffer holds before the device writes it */
#define MHP_POISON 0xa5

static Mhp *mhp_alloc(void)
{
    Mhp *mhp = g_new0(Mhp, 1);

    mhp->memory = -1;
    mhp->vm = vm_new();
    mhp->qtest = qtest_new(mhp->vm);
    vm_add_plugin(mhp->vm);
    vm_add_args(mhp->vm, "-M", "q35", "-m", "64M,maxmem=1G", NULL);
    return mhp;
}

static void mhp_add_device(Mhp *mhp)
{
    vm_add_opt(mhp->vm, "device",
               "mhp-vmemmap-mem,id=mhp0,memdev=mem0,block-size=%" PRIu64
               ",requested-size=%" PRIu64,
               MHP_BLOCK_SIZE, MHP_REQUESTED_SIZE);
}

static void mhp_start(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;

    vm_start(mhp->vm, &error);
    g_assert_no_error(error);
    mhp->pci = virtio_pci_new(mhp->qtest, MHP_PCI_DEVICE_ID);
    g_assert_nonnull(mhp->pci);
    mhp_restart_driver(mhp, MHP_FEATURES);
    mhp->addr = mhp_config(mhp).addr;
}

/* Let the region's memory be a file of ours */
static void mhp_add_memory_file(Mhp *mhp)
{
    mhp->memory = memfd_create("region", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g_assert_cmpint(mhp->memory, >=, 0);
    g_assert_no_errno(ftruncate(mhp->memory, MHP_REGION_SIZE));
    vm_add_opt(mhp->vm, "object",
               "memory-backend-file,id=mem0,share=on,mem-path=/proc/%d/fd/%d"
               ",size=%" PRIu64,
               getpid(), mhp->memory, MHP_REGION_SIZE);
}

Mhp *mhp_new(void)
{
    Mhp *mhp = mhp_alloc();

    mhp_add_memory_file(mhp);
    mhp_add_device(mhp);
    mhp_start(mhp);
    return mhp;
}

Mhp *mhp_new_with_args(const char *arg, ...)
{
    Mhp *mhp = mhp_alloc();
    va_list ap;

    mhp_add_memory_file(mhp);
    mhp_add_device(mhp);
    va_start(ap, arg);
    for (; arg; arg = va_arg(ap, const char *)) {
        vm_add_args(mhp->vm, arg, NULL);
    }
    va_end(ap);
    mhp_start(mhp);
    return mhp;
}

Mhp *mhp_new_anonymous(void)
{
    Mhp *mhp = mhp_alloc();

    vm_add_opt(mhp->vm, "object", "memory-backend-ram,id=mem0,size=%" PRIu64,
               MHP_REGION_SIZE);
    mhp_add_device(mhp);
    mhp_start(mhp);
    return mhp;
}

void mhp_free(Mhp *mhp)
{
    if (!mhp) {
        return;
    }
    g_assert_true(vm_is_running(mhp->vm));
    virtio_pci_free(mhp->pci);
    qtest_free(mhp->qtest);
    vm_free(mhp->vm);
    if (mhp->memory >= 0) {
        close(mhp->memory);
    }
    g_free(mhp);
}

void mhp_restart_driver(Mhp *mhp, uint64_t features)
{
    g_assert_true(virtio_pci_negotiate(mhp->pci, features));
    virtio_pci_run(mhp->pci);
}

void mhp_system_reset(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;
    g_autoptr(JsonNode) event = NULL;

    result = qmp_executef(vm_qmp(mhp->vm), &error, "system_reset", NULL);
    g_assert_no_error(error);
    event = qmp_wait_event(vm_qmp(mhp->vm), "RESET", 10000, &error);
    g_assert_no_error(error);
    virtio_pci_map(mhp->pci);
    mhp_restart_driver(mhp, MHP_FEATURES);
}

struct virtio_mhp_config mhp_config(Mhp *mhp)
{
    struct virtio_mhp_config config;

    virtio_pci_read_config(mhp->pci, &config, sizeof(config));
    config.block_size = GUINT64_FROM_LE(config.block_size);
    config.node_id = GUINT16_FROM_LE(config.node_id);
    config.addr = GUINT64_FROM_LE(config.addr);
    config.region_size = GUINT64_FROM_LE(config.region_size);
    config.usable_region_size = GUINT64_FROM_LE(config.usable_region_size);
    config.plugged_size = GUINT64_FROM_LE(config.plugged_size);
    config.requested_size = GUINT64_FROM_LE(config.requested_size);
    return config;
}

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

uint64_t mhp_block_addr(Mhp *mhp, unsigned block)
{
    return mhp->addr + block * MHP_BLOCK_SIZE;
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

    mhp_expect(mhp_state(mhp, block, nb_blocks, &state), ACK);
    return state < G_N_ELEMENTS(names) ? names[state] : "unknown";
}

void mhp_set_requested_size(Mhp *mhp, uint64_t size)
{
    g_autoptr(GError) error = NULL;

    qmp_set_uint(vm_qmp(mhp->vm), MHP_QOM_PATH, "requested-size", size, &error);
    g_assert_no_error(error);
}

uint64_t mhp_size(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;
    uint64_t size = 0;

    qmp_get_uint(vm_qmp(mhp->vm), MHP_QOM_PATH, "size", &size, &error);
    g_assert_no_error(error);
    return size;
}

void mhp_assert_reports(Mhp *mhp, unsigned nb_blocks, const char *lines)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;
    g_autoptr(GString) got = g_string_new(NULL);
    JsonArray *array;
    uint64_t size = 0;

    qmp_get_uint(vm_qmp(mhp->vm), MHP_QOM_PATH, "stuck-size", &size, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(size, ==, nb_blocks * MHP_BLOCK_SIZE);

    result = qmp_executef(vm_qmp(mhp->vm), &error, "qom-get",
                          "{'path': '%s', 'property': 'stuck-blocks'}",
                          MHP_QOM_PATH);
    g_assert_no_error(error);
    array = json_node_get_array(result);
    for (unsigned i = 0; i < json_array_get_length(array); i++) {
        g_string_append_printf(got, "%s%s", i ? "\n" : "",
                               json_array_get_string_element(array, i));
    }
    g_assert_cmpstr(got->str, ==, lines);
}

uint64_t mhp_backed_size(Mhp *mhp)
{
    struct stat st;

    g_assert_no_errno(fstat(mhp->memory, &st));
    return (uint64_t)st.st_blocks * 512;
}

bool mhp_is_backed(Mhp *mhp, uint64_t offset, uint64_t size)
{
    return lseek(mhp->memory, (off_t)offset, SEEK_DATA) == (off_t)offset &&
           lseek(mhp->memory, (off_t)offset, SEEK_HOLE) >=
               (off_t)(offset + size);
}

void mhp_fill(Mhp *mhp, unsigned block, uint8_t value)
{
    qtest_memset(mhp->qtest, mhp_block_addr(mhp, block), value, MHP_BLOCK_SIZE);
}

bool mhp_block_holds(Mhp *mhp, unsigned block, uint8_t value)
{
    g_autofree uint8_t *data = g_malloc(MHP_BLOCK_SIZE);

    qtest_read(mhp->qtest, mhp_block_addr(mhp, block), data, MHP_BLOCK_SIZE);
    return data[0] == value && !memcmp(data, data + 1, MHP_BLOCK_SIZE - 1);
}
