/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps: what a driver tells in the statsq, right or wrong, and the buffer on
 * its way back, which takes a machine whose clock runs.
 */
#include "fuzz.h"
#include "wait.h"

#define STATSQ 1
/* Away from what requests use */
#define BUFFER (MHP_REQ_ADDR + 0x10000)
#define NB_DESCS_MAX 4
/* More than there may be */
#define NB_STATS_MAX (VIRTIO_MHP_STATS_MAX + 4)

static JsonNode *fuzz_execute(Fuzz *fuzz, const char *command,
                              const char *arguments)
{
    g_autoptr(GError) error = NULL;
    JsonNode *result = qmp_executef(vm_qmp(fuzz->mhp->vm), &error, command,
                                    arguments ? "%s" : NULL, arguments);

    g_assert_no_error(error);
    return result;
}

static uint16_t fuzz_pick_tag(Fuzz *fuzz)
{
    switch (fuzz_pick(fuzz, 8)) {
    case 0:
        return (uint16_t)fuzz_number(fuzz);
    case 1:
        return (uint16_t)(MODEL_NB_BALLOON_STATS - 1 + fuzz_pick(fuzz, 3));
    case 2:
    case 3:
    case 4:
        return (uint16_t)(MODEL_OWN_STATS - 1 + fuzz_pick(fuzz, 17));
    default:
        return (uint16_t)fuzz_pick(fuzz, MODEL_NB_BALLOON_STATS);
    }
}

static void fuzz_pick_stats(Fuzz *fuzz, struct virtio_mhp_stat *stats)
{
    for (unsigned i = 0; i < NB_STATS_MAX; i++) {
        uint64_t noise = fuzz_number(fuzz);

        stats[i] = (struct virtio_mhp_stat){
            .tag = GUINT16_TO_LE(fuzz_pick_tag(fuzz)),
            .padding = {(uint16_t)noise, (uint16_t)(noise >> 16)},
            /* No more than json-glib can tell */
            .value = GUINT64_TO_LE(fuzz_number(fuzz) >>
                                   (1 + fuzz_pick(fuzz, 63))),
        };
    }
}

static uint32_t fuzz_pick_size(Fuzz *fuzz)
{
    if (fuzz_one_in(fuzz, 12)) {
        return 1 +
               fuzz_pick(fuzz, NB_STATS_MAX * sizeof(struct virtio_mhp_stat));
    }
    if (fuzz_one_in(fuzz, 12)) {
        return (VIRTIO_MHP_STATS_MAX - 1 + fuzz_pick(fuzz, 4)) *
               (uint32_t)sizeof(struct virtio_mhp_stat);
    }
    return (1 + fuzz_pick(fuzz, 20)) * (uint32_t)sizeof(struct virtio_mhp_stat);
}

/* One chain to read, cut anywhere, and seldom something to write behind it */
static unsigned fuzz_pick_descs(Fuzz *fuzz, struct vring_desc *descs,
                                uint32_t size, bool has_writable)
{
    uint64_t addr = BUFFER;
    unsigned nb = 0;

    while (size) {
        uint32_t len = size;

        if (nb < NB_DESCS_MAX - 2 && fuzz_one_in(fuzz, 3)) {
            len = 1 + fuzz_pick(fuzz, size);
        }
        descs[nb] = (struct vring_desc){addr, len, VRING_DESC_F_NEXT,
                                        (uint16_t)(nb + 1)};
        nb++;
        addr += len;
        size -= len;
    }
    if (has_writable) {
        descs[nb++] = (struct vring_desc){addr, 16, VRING_DESC_F_WRITE, 0};
    } else {
        descs[nb - 1].flags = 0;
    }
    return nb;
}

static int64_t fuzz_get_counter(Fuzz *fuzz, const char *name)
{
    g_autoptr(JsonNode) counters = fuzz_execute(fuzz, "qom-get",
                                                "{'path': '" MHP_QOM_PATH
                                                "', 'property': 'counters'}");

    return json_object_get_int_member(json_node_get_object(counters), name);
}

static bool fuzz_has_read(void *opaque, G_GNUC_UNUSED GError **error)
{
    Fuzz *fuzz = opaque;

    return fuzz_get_counter(fuzz, "stats-read") != fuzz->nb_stats_read;
}

/* The driver kicks, and the device is expected to read what is there */
static void fuzz_wait_read(Fuzz *fuzz, const struct vring_desc *descs,
                           unsigned nb)
{
    g_autoptr(GError) error = NULL;

    fuzz->nb_stats_read = fuzz_get_counter(fuzz, "stats-read");
    virtio_pci_select(fuzz->mhp->pci, STATSQ);
    if (nb) {
        virtio_pci_submit(fuzz->mhp->pci, descs, nb);
    } else {
        virtio_pci_claim_heads(fuzz->mhp->pci, 0);
    }
    virtio_pci_select(fuzz->mhp->pci, 0);
    wait_until(fuzz_has_read, fuzz, 30000, "figures to be read", &error);
    g_assert_no_error(error);
}

/* And to break, which it does at once or not at all */
static void fuzz_wait_broken(Fuzz *fuzz, const struct vring_desc *descs,
                             unsigned nb)
{
    virtio_pci_select(fuzz->mhp->pci, STATSQ);
    virtio_pci_submit(fuzz->mhp->pci, descs, nb);
    g_assert_cmpint(virtio_pci_wait(fuzz->mhp->pci, NULL), ==,
                    VIRTIO_PCI_BROKEN);
    mhp_restart_driver(fuzz->mhp, fuzz->model.features);
    model_restart_driver(&fuzz->model, fuzz->model.features);
}

/* One buffer, or one too many */
void fuzz_step_stats(Fuzz *fuzz)
{
    struct virtio_mhp_stat stats[NB_STATS_MAX];
    struct vring_desc descs[NB_DESCS_MAX];
    uint32_t size = fuzz_pick_size(fuzz);
    bool has_writable = fuzz_one_in(fuzz, 20);
    unsigned nb = fuzz_pick_descs(fuzz, descs, size, has_writable);
    bool is_right;

    fuzz_pick_stats(fuzz, stats);
    is_right = model_tell(&fuzz->model, stats, size, has_writable);
    fuzz_tell(fuzz, "tell %u bytes of figures: %s", size,
              is_right ? "right" : "wrong");
    qtest_write(fuzz->mhp->qtest, BUFFER, stats, sizeof(stats));
    if (is_right) {
        fuzz_wait_read(fuzz, descs, nb);
    } else {
        fuzz_wait_broken(fuzz, descs, nb);
    }
}

/* A buffer goes along, figures do not: the driver's next kick tells them. */
void fuzz_stats_arrived(Fuzz *fuzz)
{
    if (fuzz->model.stats.has_buffer) {
        fuzz_wait_read(fuzz, NULL, 0);
    } else {
        model_forget_stats(&fuzz->model);
    }
}

static void fuzz_set_interval(Fuzz *fuzz, unsigned seconds)
{
    g_autofree char *arguments = g_strdup_printf(
        "{'path': '%s', 'property': 'guest-stats-polling-interval',"
        " 'value': %u}",
        MHP_QOM_PATH, seconds);
    g_autoptr(JsonNode) result = fuzz_execute(fuzz, "qom-set", arguments);

    g_assert_nonnull(result);
}

/* DEV-STATS-4 */
void fuzz_step_ask(Fuzz *fuzz)
{
    g_autoptr(JsonNode) result = fuzz_execute(fuzz, "cont", NULL);

    fuzz_tell(fuzz, "ask for fresh figures: %s",
              fuzz->model.stats.has_buffer ? "wants an answer" : "nobody");
    g_assert_nonnull(result);
    fuzz_set_interval(fuzz, 1);
    if (fuzz->model.stats.has_buffer) {
        uint32_t len = 1;

        virtio_pci_select(fuzz->mhp->pci, STATSQ);
        g_assert_cmpint(virtio_pci_wait(fuzz->mhp->pci, &len), ==,
                        VIRTIO_PCI_USED);
        g_assert_cmpuint(len, ==, 0);
        virtio_pci_select(fuzz->mhp->pci, 0);
        fuzz->model.stats.has_buffer = false;
    }
    fuzz_set_interval(fuzz, 0);
}

static uint64_t fuzz_get_stat(JsonObject *stats, unsigned i)
{
    static const char *const names[MODEL_NB_STATS] = {
        "swap-in",          "swap-out",       "major-faults",
        "minor-faults",     "free-memory",    "total-memory",
        "available-memory", "disk-caches",    "htlb-pgalloc",
        "htlb-pgfail",      "oom-kills",      "alloc-stalls",
        "async-scans",      "direct-scans",   "async-reclaims",
        "direct-reclaims",  "refault-anon",   "refault-file",
        "movable-free",     "movable-total",  "kernel-free",
        "kernel-total",     "memmap",         "plugged",
        "online",           "stuck",          "psi-some-avg10",
        "psi-some-total",   "psi-full-avg10", "psi-full-total",
        "pressure",
    };
    g_autofree char *name = g_strdup_printf("stat-%s", names[i]);

    g_assert_true(json_object_has_member(stats, name));
    return (uint64_t)json_object_get_int_member(stats, name);
}

/* DEV-STATS-3 */
void fuzz_check_stats(Fuzz *fuzz)
{
    g_autoptr(JsonNode) result = fuzz_execute(fuzz, "qom-get",
                                              "{'path': '" MHP_QOM_PATH
                                              "', 'property': 'guest-stats'}");
    JsonObject *stats = json_object_get_object_member(
        json_node_get_object(result), "stats");

    for (unsigned i = 0; i < MODEL_NB_STATS; i++) {
        uint64_t got = fuzz_get_stat(stats, i);

        if (got != fuzz->model.stats.values[i]) {
            g_error("step %u: wanted figure %u to be 0x%" G_GINT64_MODIFIER
                    "x, got 0x%" G_GINT64_MODIFIER "x",
                    fuzz->step, i, fuzz->model.stats.values[i], got);
        }
    }
}
