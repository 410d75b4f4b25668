/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a request costs: round trips of an empty PLUG and its UNPLUG, of this
 * device and of stock virtio-mem in the same run, in turns. The test plays the
 * driver by the qtest protocol, so times contain that, the same for both.
 *
 * "one by one" notifies for each request, as drivers do. "at once" notifies for
 * many, which leaves little but the work of the device.
 */
#include <inttypes.h>
#include <stdio.h>

#include <uapi/linux/virtio_mhp.h>

#include "virtio-pci.h"

#define BLOCK_SIZE UINT64_C(0x200000)
#define REGION_SIZE (64 * BLOCK_SIZE)

#define REQ_ADDR VIRTIO_PCI_RAM_END
#define RESP_ADDR (VIRTIO_PCI_RAM_END + 0x1000)

/* Requests in a measurement of either kind; a power of two, half are PLUGs */
#define NB_REQUESTS 64

static gint option_rounds = 200;
static char *option_backend;
static char *option_json;

static const GOptionEntry options[] = {
    {"rounds", 0, 0, G_OPTION_ARG_INT, &option_rounds,
     "measurements of each kind and device (default: 200)", "N"},
    {"backend", 0, 0, G_OPTION_ARG_STRING, &option_backend,
     "memory-backend-ram (default) or memory-backend-memfd", "TYPE"},
    {"json", 0, 0, G_OPTION_ARG_FILENAME, &option_json,
     "write all results to this file, too", "FILE"},
    {0},
};

enum kind { ONE_BY_ONE, AT_ONCE, NB_KINDS };

static const char *const kind_names[] = {"one by one", "at once"};

typedef struct Side {
    const char *type; /* of the device */
    Vm *vm;
    Qtest *qtest;
    VirtioPci *pci;
    GArray *times[NB_KINDS]; /* double: µs a request */
} Side;

/* PLUG of block 0 from descriptor 0 on, UNPLUG from 2 on, in turns */
static void side_fill_ring(Side *side, uint64_t addr)
{
    struct virtio_mhp_req reqs[2] = {
        {.type = GUINT16_TO_LE(VIRTIO_MHP_REQ_PLUG)},
        {.type = GUINT16_TO_LE(VIRTIO_MHP_REQ_UNPLUG)},
    };
    struct vring_used_elem elems[VIRTIO_PCI_QUEUE_SIZE];
    uint16_t heads[VIRTIO_PCI_QUEUE_SIZE];
    struct vring_desc descs[4];

    for (unsigned i = 0; i < G_N_ELEMENTS(reqs); i++) {
        reqs[i].u.plug.addr = GUINT64_TO_LE(addr);
        reqs[i].u.plug.nb_blocks = GUINT16_TO_LE(1);
        descs[2 * i] = (struct vring_desc){
            REQ_ADDR + i * sizeof(reqs[i]),
            sizeof(reqs[i]),
            VRING_DESC_F_NEXT,
            (uint16_t)(2 * i + 1),
        };
        descs[2 * i + 1] = (struct vring_desc){
            RESP_ADDR + i * sizeof(struct virtio_mhp_resp),
            sizeof(struct virtio_mhp_resp),
            VRING_DESC_F_WRITE,
            0,
        };
    }
    for (unsigned i = 0; i < VIRTIO_PCI_QUEUE_SIZE; i++) {
        heads[i] = 2 * (i % 2);
    }
    qtest_write(side->qtest, REQ_ADDR, reqs, sizeof(reqs));
    virtio_pci_submit_heads(side->pci, descs, G_N_ELEMENTS(descs), heads,
                            G_N_ELEMENTS(heads));
    g_assert_cmpuint(
        virtio_pci_wait_heads(side->pci, elems, G_N_ELEMENTS(heads)), ==,
        G_N_ELEMENTS(heads));
}

static void side_assert_acked(Side *side)
{
    struct virtio_mhp_resp resps[2];

    qtest_read(side->qtest, RESP_ADDR, resps, sizeof(resps));
    g_assert_cmpuint(resps[0].type, ==, GUINT16_TO_LE(VIRTIO_MHP_RESP_ACK));
    g_assert_cmpuint(resps[1].type, ==, GUINT16_TO_LE(VIRTIO_MHP_RESP_ACK));
    qtest_memset(side->qtest, RESP_ADDR, 0xff, sizeof(resps));
}

static void side_start(Side *side, const char *type, uint16_t device_id)
{
    const uint64_t features = UINT64_C(1) << VIRTIO_F_VERSION_1 |
                              UINT64_C(1)
                                  << VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE;
    struct virtio_mhp_config config;
    g_autoptr(GError) error = NULL;

    side->type = type;
    side->vm = vm_new();
    side->qtest = qtest_new(side->vm);
    vm_add_plugin(side->vm);
    vm_add_args(side->vm, "-M", "q35", "-m", "64M,maxmem=1G", NULL);
    vm_add_opt(side->vm, "object", "%s,id=mem0,size=%" PRIu64,
               option_backend ? option_backend : "memory-backend-ram",
               REGION_SIZE);
    vm_add_opt(side->vm, "device",
               "%s,memdev=mem0,block-size=%" PRIu64 ",requested-size=%" PRIu64,
               type, BLOCK_SIZE, REGION_SIZE);
    vm_start(side->vm, &error);
    g_assert_no_error(error);
    side->pci = virtio_pci_new(side->qtest, device_id);
    g_assert_nonnull(side->pci);
    g_assert_true(virtio_pci_negotiate(side->pci, features));
    virtio_pci_run(side->pci);
    virtio_pci_read_config(side->pci, &config, sizeof(config));
    side_fill_ring(side, GUINT64_FROM_LE(config.addr));
    for (unsigned i = 0; i < NB_KINDS; i++) {
        side->times[i] = g_array_new(false, false, sizeof(double));
    }
}

static void side_end(Side *side)
{
    for (unsigned i = 0; i < NB_KINDS; i++) {
        g_array_unref(side->times[i]);
    }
    virtio_pci_free(side->pci);
    qtest_free(side->qtest);
    vm_free(side->vm);
}

static void side_measure(Side *side, enum kind kind)
{
    unsigned nb_at_once = kind == AT_ONCE ? NB_REQUESTS : 1;
    struct vring_used_elem elems[NB_REQUESTS];
    gint64 start = g_get_monotonic_time();
    double time;

    for (unsigned i = 0; i < NB_REQUESTS; i += nb_at_once) {
        virtio_pci_claim_heads(side->pci, nb_at_once);
        g_assert_cmpuint(virtio_pci_wait_heads(side->pci, elems, nb_at_once),
                         ==, nb_at_once);
    }
    time = (double)(g_get_monotonic_time() - start) / NB_REQUESTS;
    side_assert_acked(side);
    g_array_append_val(side->times[kind], time);
}

static int compare_times(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* At 0 the smallest, at 1 the largest, at 0.5 the median */
static double side_time(Side *side, enum kind kind, double place)
{
    GArray *times = side->times[kind];

    g_array_sort(times, compare_times);
    return g_array_index(times, double, (unsigned)(place * (times->len - 1)));
}

static double ratio(Side *sides, enum kind kind)
{
    return side_time(&sides[0], kind, 0.5) / side_time(&sides[1], kind, 0.5);
}

static void print_results(Side *sides)
{
    printf(
        "a request of a round trip (PLUG, UNPLUG) of an empty block, in µs\n");
    for (unsigned kind = 0; kind < NB_KINDS; kind++) {
        for (unsigned i = 0; i < 2; i++) {
            printf("%-10s  %-15s  median %6.2f  min %6.2f  max %6.2f\n",
                   kind_names[kind], sides[i].type,
                   side_time(&sides[i], kind, 0.5),
                   side_time(&sides[i], kind, 0),
                   side_time(&sides[i], kind, 1));
        }
        printf("%-10s  ratio of medians %.2f\n", kind_names[kind],
               ratio(sides, kind));
    }
}

static void add_side(JsonBuilder *builder, Side *side, enum kind kind)
{
    json_builder_set_member_name(builder, side->type);
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "median_us");
    json_builder_add_double_value(builder, side_time(side, kind, 0.5));
    json_builder_set_member_name(builder, "min_us");
    json_builder_add_double_value(builder, side_time(side, kind, 0));
    json_builder_set_member_name(builder, "max_us");
    json_builder_add_double_value(builder, side_time(side, kind, 1));
    json_builder_end_object(builder);
}

static bool write_json(Side *sides, GError **error)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = NULL;

    json_builder_begin_object(builder);
    for (unsigned kind = 0; kind < NB_KINDS; kind++) {
        json_builder_set_member_name(builder, kind_names[kind]);
        json_builder_begin_object(builder);
        add_side(builder, &sides[0], kind);
        add_side(builder, &sides[1], kind);
        json_builder_set_member_name(builder, "ratio");
        json_builder_add_double_value(builder, ratio(sides, kind));
        json_builder_end_object(builder);
    }
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    json_generator_set_root(generator, root);
    json_generator_set_pretty(generator, true);
    return json_generator_to_file(generator, option_json, error);
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext)
        context = g_option_context_new("- time empty PLUGs against virtio-mem");
    g_autoptr(GError) error = NULL;
    Side sides[2];

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) ||
        option_rounds < 1) {
        fprintf(stderr, "bench-plug: %s\n",
                error ? error->message : "--rounds wants 1 or more");
        return 2;
    }
    side_start(&sides[0], "mhp-vmemmap-mem", 0x1040 + VIRTIO_ID_MHP);
    side_start(&sides[1], "virtio-mem-pci", 0x1040 + 24);
    for (int round = 0; round < option_rounds; round++) {
        for (unsigned kind = 0; kind < NB_KINDS; kind++) {
            side_measure(&sides[round % 2], kind);
            side_measure(&sides[1 - round % 2], kind);
        }
    }
    print_results(sides);
    if (option_json && !write_json(sides, &error)) {
        fprintf(stderr, "bench-plug: %s\n", error->message);
        return 1;
    }
    side_end(&sides[0]);
    side_end(&sides[1]);
    return 0;
}
