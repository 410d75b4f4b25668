/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps: requests that make sense and requests that do not, several at once,
 * in chains that are right or wrong.
 */
#include <string.h>

#include "chains.h"
#include "fuzz.h"

static uint16_t fuzz_pick_type(Fuzz *fuzz)
{
    static const uint16_t types[] = {
        VIRTIO_MHP_REQ_PLUG,   VIRTIO_MHP_REQ_PLUG,   VIRTIO_MHP_REQ_PLUG,
        VIRTIO_MHP_REQ_PLUG,   VIRTIO_MHP_REQ_PLUG,   VIRTIO_MHP_REQ_PLUG,
        VIRTIO_MHP_REQ_UNPLUG, VIRTIO_MHP_REQ_UNPLUG, VIRTIO_MHP_REQ_UNPLUG,
        VIRTIO_MHP_REQ_STATE,  VIRTIO_MHP_REQ_STATUS, VIRTIO_MHP_REQ_STATUS,
    };

    if (fuzz_one_in(fuzz, 30)) {
        return VIRTIO_MHP_REQ_UNPLUG_ALL;
    }
    if (fuzz_one_in(fuzz, 40)) {
        return (uint16_t)fuzz_number(fuzz);
    }
    return types[fuzz_pick(fuzz, G_N_ELEMENTS(types))];
}

/* Mostly a block of the region, else close to one, or anything */
static uint64_t fuzz_pick_addr(Fuzz *fuzz)
{
    uint64_t addr = mhp_block_addr(fuzz->mhp, fuzz_pick(fuzz, MHP_NB_BLOCKS));

    if (!fuzz_one_in(fuzz, 16)) {
        return addr;
    }
    switch (fuzz_pick(fuzz, 5)) {
    case 0:
        return addr + fuzz_pick(fuzz, 5) - 2;
    case 1:
        return mhp_block_addr(fuzz->mhp, MHP_NB_BLOCKS) -
               fuzz_pick(fuzz, 3) * MHP_BLOCK_SIZE;
    case 2:
        return mhp_block_addr(fuzz->mhp, 0) - MHP_BLOCK_SIZE;
    case 3:
        return -(uint64_t)fuzz_pick(fuzz, 3) * MHP_BLOCK_SIZE;
    default:
        return fuzz_number(fuzz);
    }
}

static uint16_t fuzz_pick_nb_blocks(Fuzz *fuzz)
{
    static const uint16_t odd[] = {0, 1, 63, 64, 65, 128, 0x7fff, 0xffff};

    if (fuzz_one_in(fuzz, 16)) {
        return odd[fuzz_pick(fuzz, G_N_ELEMENTS(odd))];
    }
    return 1 + fuzz_pick(fuzz, 1 + fuzz_pick(fuzz, 8));
}

static void fuzz_pick_memmap(Fuzz *fuzz, struct virtio_mhp_req *req)
{
    uint64_t unit_size = UINT64_C(1) << (19 + fuzz_pick(fuzz, 10));
    uint64_t memmap_size = fuzz_pick(fuzz, 64) * UINT64_C(4096);

    if (fuzz_one_in(fuzz, 8)) {
        unit_size = fuzz_number(fuzz);
    }
    if (fuzz_one_in(fuzz, 8)) {
        memmap_size = fuzz_number(fuzz);
    }
    req->type = GUINT16_TO_LE(VIRTIO_MHP_REQ_MEMMAP);
    req->u.memmap.unit_size = GUINT64_TO_LE(unit_size);
    req->u.memmap.memmap_size = GUINT64_TO_LE(memmap_size);
}

/* Bits that change on the way */
static void fuzz_mutate(Fuzz *fuzz, struct virtio_mhp_req *req)
{
    uint8_t *bytes = (uint8_t *)req;

    for (unsigned n = 1 + fuzz_pick(fuzz, 4); n; n--) {
        bytes[fuzz_pick(fuzz, sizeof(*req))] ^= 1 << fuzz_pick(fuzz, 8);
    }
}

static struct virtio_mhp_req fuzz_pick_request(Fuzz *fuzz)
{
    struct virtio_mhp_req req = {.type = GUINT16_TO_LE(fuzz_pick_type(fuzz))};

    req.u.status.addr = GUINT64_TO_LE(fuzz_pick_addr(fuzz));
    req.u.status.nb_blocks = GUINT16_TO_LE(fuzz_pick_nb_blocks(fuzz));
    req.u.status.reason = GUINT16_TO_LE(fuzz_pick(fuzz, 11));
    if (fuzz_one_in(fuzz, 20)) {
        fuzz_pick_memmap(fuzz, &req);
    }
    if (fuzz_one_in(fuzz, 8)) {
        fuzz_mutate(fuzz, &req);
    }
    return req;
}

static void fuzz_tell_request(Fuzz *fuzz, const struct virtio_mhp_req *req,
                              const struct virtio_mhp_resp *resp)
{
    uint64_t addr = GUINT64_FROM_LE(req->u.plug.addr);

    fuzz_tell(
        fuzz,
        "request 0x%x at 0x%" G_GINT64_MODIFIER "x (block %d) of %u: wants %s",
        GUINT16_FROM_LE(req->type), addr,
        (int)((int64_t)(addr - fuzz->model.addr) / (int64_t)MHP_BLOCK_SIZE),
        GUINT16_FROM_LE(req->u.plug.nb_blocks),
        mhp_response_name(GUINT16_FROM_LE(resp->type)));
}

/* What the device must do with all chains; how many of them it answers */
static unsigned fuzz_expect(Fuzz *fuzz, Chains *chains)
{
    for (unsigned i = 0; i < chains->nb; i++) {
        struct virtio_mhp_req req;
        struct virtio_mhp_resp resp;

        if (chains_read(chains, i, &req) != CHAINS_GOOD) {
            fuzz_tell(fuzz, "chain of a wrong shape");
            return i;
        }
        resp = model_request(&fuzz->model, &req);
        fuzz_tell_request(fuzz, &req, &resp);
        chains_write(chains, i, &resp);
    }
    return chains->nb;
}

/* A good driver resets a device that is broken */
static void fuzz_restart_driver(Fuzz *fuzz)
{
    fuzz_tell(fuzz, "restart the driver");
    mhp_restart_driver(fuzz->mhp, fuzz->model.features);
    model_restart_driver(&fuzz->model, fuzz->model.features);
}

static void fuzz_check_used(Fuzz *fuzz, const Chains *chains,
                            const struct vring_used_elem *elems, unsigned nb,
                            unsigned wanted)
{
    if (nb != wanted) {
        g_error("step %u: wanted %u responses, got %u", fuzz->step, wanted, nb);
    }
    for (unsigned i = 0; i < nb; i++) {
        g_assert_cmpuint(elems[i].id, ==, chains->heads[i]);
        g_assert_cmpuint(elems[i].len, ==, sizeof(struct virtio_mhp_resp));
    }
}

static void fuzz_send(Fuzz *fuzz, Chains *chains)
{
    struct vring_used_elem elems[CHAINS_MAX];
    unsigned nb, wanted;

    qtest_write(fuzz->mhp->qtest, chains->addr, chains->window,
                sizeof(chains->window));
    wanted = fuzz_expect(fuzz, chains);
    /* All of the table: a wrong chain may lead anywhere in it */
    virtio_pci_submit_heads(fuzz->mhp->pci, chains->table,
                            VIRTIO_PCI_QUEUE_SIZE, chains->heads, chains->nb);
    nb = virtio_pci_wait_heads(fuzz->mhp->pci, elems, chains->nb);
    fuzz_check_used(fuzz, chains, elems, nb, wanted);
}

static void fuzz_check_window(Fuzz *fuzz, const Chains *chains)
{
    uint8_t got[CHAINS_WINDOW];

    qtest_read(fuzz->mhp->qtest, chains->addr, got, sizeof(got));
    for (unsigned i = 0; i < sizeof(got); i++) {
        if (got[i] != chains->window[i]) {
            g_error(
                "step %u: wanted 0x%02x at byte %u of the buffers, got 0x%02x",
                fuzz->step, chains->window[i], i, got[i]);
        }
    }
}

void fuzz_step_requests(Fuzz *fuzz)
{
    Chains chains, undamaged;
    struct virtio_mhp_req req;

    chains_init(&chains, fuzz->rand, MHP_REQ_ADDR);
    for (unsigned n = 1 + fuzz_pick(fuzz, CHAINS_MAX); n; n--) {
        req = fuzz_pick_request(fuzz);
        chains_add(&chains, fuzz->rand, &req);
        undamaged = chains;
        if (fuzz_one_in(fuzz, 12)) {
            chains_damage(&chains, fuzz->rand);
            if (chains_read(&chains, chains.nb - 1, &req) == CHAINS_UNKNOWN) {
                chains = undamaged;
            }
        }
    }
    fuzz_send(fuzz, &chains);
    fuzz_check_window(fuzz, &chains);
    if (virtio_pci_status(fuzz->mhp->pci) & VIRTIO_CONFIG_S_NEEDS_RESET) {
        fuzz_restart_driver(fuzz);
    }
}

/*
 * A driver may keep its buffers in plugged memory. This one keeps one in any
 * block, also in one that the request itself plugs or unplugs.
 */
void fuzz_step_requests_in_block(Fuzz *fuzz)
{
    unsigned block = fuzz_pick(fuzz, MHP_NB_BLOCKS);
    uint64_t addr = mhp_block_addr(fuzz->mhp, block) + 8 * 4096;
    struct virtio_mhp_req req = fuzz_pick_request(fuzz);
    ModelBlock *model = &fuzz->model.blocks[block];
    Chains chains;

    if (model->plugged && model->mark) {
        return; /* the mark could be in the way */
    }
    fuzz_tell(fuzz, "buffers in block %u", block);
    chains_init(&chains, fuzz->rand, addr);
    chains_add(&chains, fuzz->rand, &req);
    fuzz_send(fuzz, &chains);
    if (model->plugged) {
        qtest_memset(fuzz->mhp->qtest, addr, 0, sizeof(chains.window));
    } else {
        model->touched = true;
    }
}

/* Buffers where no memory is: the device answers or breaks, no more */
void fuzz_step_requests_nowhere(Fuzz *fuzz)
{
    const struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(VIRTIO_MHP_REQ_STATE),
    };
    uint64_t nowhere = (UINT64_C(1) << (40 + fuzz_pick(fuzz, 24))) -
                       fuzz_pick(fuzz, 64);
    bool in_request = fuzz_one_in(fuzz, 2);
    const struct vring_desc descs[] = {
        {in_request ? nowhere : MHP_REQ_ADDR, sizeof(req), VRING_DESC_F_NEXT,
         1},
        {in_request ? MHP_RESP_ADDR : nowhere, sizeof(struct virtio_mhp_resp),
         VRING_DESC_F_WRITE, 0},
    };

    fuzz_tell(fuzz, "buffer where no memory is");
    qtest_write(fuzz->mhp->qtest, MHP_REQ_ADDR, &req, sizeof(req));
    virtio_pci_submit(fuzz->mhp->pci, descs, G_N_ELEMENTS(descs));
    virtio_pci_wait(fuzz->mhp->pci, NULL);
    fuzz_restart_driver(fuzz);
}
