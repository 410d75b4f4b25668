/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reportq: memory that the guest has no use for goes back to the host, and
 * nothing else does, whatever the guest says.
 */
#include <string.h>
#include <unistd.h>

#include "migrate.h"
#include "pool.h"

#define REPORTQ 2
/* Away from what requests use */
#define BUFFER (MHP_REQ_ADDR + 0x10000)
#define ANSWER (MHP_REQ_ADDR + 0x12000)
#define RANGE_SIZE ((uint32_t)sizeof(struct virtio_mhp_report))
#define RESP_SIZE ((uint32_t)sizeof(struct virtio_mhp_report_resp))
/* Some of the boot memory */
#define BOOT (16 * MHP_MIB)
#define BOOT_SIZE (32 * MHP_MIB)

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE

typedef struct Range {
    uint64_t addr;
    uint64_t size;
} Range;

static void qmp(Mhp *mhp, const char *command)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode)
        result = qmp_executef(vm_qmp(mhp->vm), &error, command, NULL);

    g_assert_no_error(error);
    g_assert_nonnull(result);
}

static int64_t counter(Mhp *mhp, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = qmp_executef(
        vm_qmp(mhp->vm), &error, "qom-get",
        "{'path': '%s', 'property': 'counters'}", MHP_QOM_PATH);

    g_assert_no_error(error);
    g_assert_true(json_object_has_member(json_node_get_object(node), name));
    return json_object_get_int_member(json_node_get_object(node), name);
}

static void write_ranges(Mhp *mhp, const Range *ranges, unsigned nb)
{
    struct virtio_mhp_report wire[VIRTIO_MHP_REPORT_MAX + 1];

    for (unsigned i = 0; i < nb; i++) {
        wire[i] = (struct virtio_mhp_report){
            .addr = GUINT64_TO_LE(ranges[i].addr),
            .size = GUINT64_TO_LE(ranges[i].size),
        };
    }
    qtest_write(mhp->qtest, BUFFER, wire, nb * sizeof(wire[0]));
    qtest_memset(mhp->qtest, ANSWER, 0xff, RESP_SIZE);
}

static void submit(Mhp *mhp, const Range *ranges, unsigned nb)
{
    const struct vring_desc descs[] = {
        {BUFFER, nb * RANGE_SIZE, NEXT, 1},
        {ANSWER, RESP_SIZE, WRITE, 0},
    };

    write_ranges(mhp, ranges, nb);
    virtio_pci_select(mhp->pci, REPORTQ);
    virtio_pci_submit(mhp->pci, descs, G_N_ELEMENTS(descs));
    virtio_pci_select(mhp->pci, 0);
}

/* What the answer says, when it comes (DEV-REPORT-2) */
static uint64_t finish(Mhp *mhp)
{
    uint32_t len = 0;
    uint64_t zero_size;

    virtio_pci_select(mhp->pci, REPORTQ);
    g_assert_cmpint(virtio_pci_wait(mhp->pci, &len), ==, VIRTIO_PCI_USED);
    virtio_pci_select(mhp->pci, 0);
    g_assert_cmpuint(len, ==, RESP_SIZE);
    qtest_read(mhp->qtest, ANSWER, &zero_size, sizeof(zero_size));
    return GUINT64_FROM_LE(zero_size);
}

static uint64_t report(Mhp *mhp, const Range *ranges, unsigned nb)
{
    submit(mhp, ranges, nb);
    return finish(mhp);
}

static uint64_t report_one(Mhp *mhp, uint64_t addr, uint64_t size)
{
    const Range range = {addr, size};

    return report(mhp, &range, 1);
}

static uint64_t report_block(Mhp *mhp, unsigned block)
{
    return report_one(mhp, mhp_block_addr(mhp, block), MHP_BLOCK_SIZE);
}

/* Requests are served, whatever is in the reportq (DEV-REPORT-8) */
static void check_requests(Mhp *mhp)
{
    mhp_expect(mhp_plug(mhp, 30, 1), ACK);
    mhp_expect(mhp_unplug(mhp, 30, 1), ACK);
}

static bool holds(Mhp *mhp, uint64_t addr, uint64_t size, uint8_t value)
{
    g_autofree uint8_t *data = g_malloc(size);

    qtest_read(mhp->qtest, addr, data, size);
    return data[0] == value && !memcmp(data, data + 1, size - 1);
}

static void fill_boot(Mhp *mhp)
{
    qtest_memset(mhp->qtest, BOOT, 0x77, BOOT_SIZE);
}

/* With blocks 0 to 7 plugged and full */
static void fill(Mhp *mhp)
{
    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    for (unsigned i = 0; i < 8; i++) {
        mhp_fill(mhp, i, 0x11);
    }
}

/* DEV-REPORT-2, DEV-REPORT-5 */
static void test_plugged_memory(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    uint64_t backed;

    fill(mhp);
    backed = mhp_backed_size(mhp);
    g_assert_cmpuint(report_block(mhp, 2), ==, MHP_BLOCK_SIZE);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, backed - MHP_BLOCK_SIZE);
    g_assert_true(mhp_block_holds(mhp, 1, 0x11));
    g_assert_true(mhp_block_holds(mhp, 2, 0));
    g_assert_true(mhp_block_holds(mhp, 3, 0x11));
    /* One page, and what reaches over blocks */
    g_assert_cmpuint(report_one(mhp, mhp_block_addr(mhp, 4) + 0x5000, 0x1000),
                     ==, 0x1000);
    g_assert_true(holds(mhp, mhp_block_addr(mhp, 4) + 0x4000, 0x1000, 0x11));
    g_assert_true(holds(mhp, mhp_block_addr(mhp, 4) + 0x5000, 0x1000, 0));
    g_assert_true(holds(mhp, mhp_block_addr(mhp, 4) + 0x6000, 0x1000, 0x11));
    g_assert_cmpuint(report_one(mhp, mhp_block_addr(mhp, 6) - 0x3000, 0x8000),
                     ==, 0x8000);
    g_assert_true(holds(mhp, mhp_block_addr(mhp, 6) - 0x3000, 0x8000, 0));
    g_assert_true(holds(mhp, mhp_block_addr(mhp, 6) + 0x5000, 0x1000, 0x11));
    /* It can be used again */
    mhp_fill(mhp, 2, 0x22);
    g_assert_true(mhp_block_holds(mhp, 2, 0x22));
    g_assert_cmpint(counter(mhp, "reports"), ==, 3);
    g_assert_cmpint(counter(mhp, "reported-bytes"), ==,
                    MHP_BLOCK_SIZE + 0x9000);
    g_assert_cmpint(counter(mhp, "reported-discarded-bytes"), ==,
                    MHP_BLOCK_SIZE + 0x9000);
    check_requests(mhp);
}

static uint64_t rss(Mhp *mhp)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", vm_pid(mhp->vm));
    g_autofree char *text = NULL;
    const char *line;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    line = strstr(text, "VmRSS:");
    g_assert_nonnull(line);
    return g_ascii_strtoull(line + strlen("VmRSS:"), NULL, 10) * 1024;
}

static void check_boot_memory(Mhp *mhp)
{
    uint64_t before;

    fill_boot(mhp);
    before = rss(mhp);
    g_assert_cmpuint(report_one(mhp, BOOT + MHP_MIB, BOOT_SIZE - 2 * MHP_MIB),
                     ==, BOOT_SIZE - 2 * MHP_MIB);
    g_assert_cmpuint(rss(mhp) + BOOT_SIZE - 8 * MHP_MIB, <=, before);
    g_assert_true(holds(mhp, BOOT, MHP_MIB, 0x77));
    g_assert_true(holds(mhp, BOOT + MHP_MIB, BOOT_SIZE - 2 * MHP_MIB, 0));
    g_assert_true(holds(mhp, BOOT + BOOT_SIZE - MHP_MIB, MHP_MIB, 0x77));
}

/* Of one backend, of several, and of one that others share */
static void test_boot_memory(void)
{
    static const char *const rows[][9] = {
        {NULL},
        {"-object", "memory-backend-ram,id=boot0,size=20M", "-object",
         "memory-backend-ram,id=boot1,size=44M", "-numa", "node,memdev=boot0",
         "-numa", "node,memdev=boot1"},
        {"-object", "memory-backend-memfd,id=boot0,size=64M", "-M",
         "memory-backend=boot0"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Mhp) mhp = mhp_new_with_args(rows[i]);

        g_test_message("row %u", i);
        check_boot_memory(mhp);
    }
}

/* DEV-REPORT-6: what is there, stays */
static void test_boot_memory_that_is_kept(void)
{
    g_autofree char *disk = g_strdup_printf("%s/test-reporting-%d",
                                            g_getenv("MHP_BUILD"), getpid());
    g_autofree char *on_disk = g_strdup_printf(
        "memory-backend-file,id=boot0,size=64M,share=on,mem-path=%s", disk);
    const char *const rows[] = {
        "memory-backend-ram,id=boot0,size=64M,prealloc=on",
        "memory-backend-memfd,id=boot0,size=64M,share=off",
        on_disk,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *const args[] = {"-object", rows[i], "-M",
                                    "memory-backend=boot0", NULL};
        g_autoptr(Mhp) mhp = mhp_new_with_args(args);

        g_test_message("%s", rows[i]);
        fill_boot(mhp);
        g_assert_cmpuint(report_one(mhp, BOOT, BOOT_SIZE), ==, 0);
        g_assert_true(holds(mhp, BOOT, BOOT_SIZE, 0x77));
        fill(mhp);
        g_assert_cmpuint(report_block(mhp, 2), ==, MHP_BLOCK_SIZE);
    }
    unlink(disk);
}

/* DEV-REPORT-6: the pool's huge pages are not to be had again for sure */
static void test_huge_pages(void)
{
    uint64_t old;

    if (!pool_take(72, &old)) {
        g_test_skip("wanted a pool of huge pages of 2 MiB, got none");
        return;
    }
    {
        const char *const args[] = {
            "-object",
            "memory-backend-memfd,id=boot0,size=64M,hugetlb=on,hugetlbsize=2M",
            "-M", "memory-backend=boot0", NULL};
        g_autoptr(Mhp) mhp = mhp_new_with_args(args);

        fill_boot(mhp);
        g_assert_cmpuint(report_one(mhp, BOOT, BOOT_SIZE), ==, 0);
        g_assert_true(holds(mhp, BOOT, BOOT_SIZE, 0x77));
    }
    {
        g_autoptr(Mhp) mhp = mhp_new_with_backend(
            "memory-backend-memfd,hugetlb=on,hugetlbsize=2M", "", NULL);

        fill(mhp);
        g_assert_cmpuint(report_block(mhp, 2), ==, 0);
        g_assert_true(mhp_block_holds(mhp, 2, 0x11));
        mhp_expect(mhp_unplug(mhp, 0, 8), ACK);
    }
    pool_return(old);
}

/* DEV-REPORT-6: of this device, and of another one, nobody may discard */
static void test_prealloc(void)
{
    const char *const other[] = {
        "-object", "memory-backend-ram,id=mem1,size=128M", "-device",
        "mhp-vmemmap-mem,id=mhp1,memdev=mem1,block-size=2M,prealloc=on", NULL};
    g_autoptr(Mhp)
        mhp = mhp_new_with_backend("memory-backend-ram", ",prealloc=on", NULL);
    g_autoptr(Mhp)
        beside = mhp_new_with_backend("memory-backend-ram", "", other);
    Mhp *const both[] = {mhp, beside};

    for (unsigned i = 0; i < G_N_ELEMENTS(both); i++) {
        fill(both[i]);
        fill_boot(both[i]);
        g_assert_cmpuint(report_block(both[i], 2), ==, 0);
        g_assert_cmpuint(report_one(both[i], BOOT, BOOT_SIZE), ==, 0);
        g_assert_true(mhp_block_holds(both[i], 2, 0x11));
        g_assert_true(holds(both[i], BOOT, BOOT_SIZE, 0x77));
        g_assert_cmpint(counter(both[i], "reported-discarded-bytes"), ==, 0);
    }
}

/* DEV-REPORT-4, DEV-REPORT-2: zeros are counted up to what is kept */
static void test_memmaps(void)
{
    const uint64_t memmap = 0x8000, rest = MHP_BLOCK_SIZE / 2 - memmap;
    g_autoptr(Mhp) mhp = mhp_new();
    uint64_t addr;

    mhp_expect(mhp_memmap(mhp, MHP_BLOCK_SIZE / 2, memmap), ACK);
    fill(mhp);
    g_assert_cmpuint(report_one(mhp, mhp->addr, 8 * MHP_BLOCK_SIZE), ==, 0);
    for (addr = mhp->addr; addr < mhp->addr + 8 * MHP_BLOCK_SIZE;
         addr += MHP_BLOCK_SIZE / 2) {
        g_assert_true(holds(mhp, addr, memmap, 0x11));
        g_assert_true(holds(mhp, addr + memmap, rest, 0));
    }
    g_assert_cmpint(counter(mhp, "reported-discarded-bytes"), ==,
                    (int64_t)(16 * rest));
    g_assert_cmpuint(report_one(mhp, mhp->addr + memmap, MHP_BLOCK_SIZE), ==,
                     rest);
    g_assert_cmpuint(report_one(mhp, mhp->addr + 0x1000, 0x1000), ==, 0);
    /* As long as the layout is in force */
    mhp_expect(mhp_memmap(mhp, MHP_BLOCK_SIZE, 0), ACK);
    g_assert_cmpuint(report_block(mhp, 0), ==, MHP_BLOCK_SIZE);
    g_assert_true(mhp_block_holds(mhp, 0, 0));
}

/* DEV-REPORT-4: touched by a driver that may not */
static void test_unplugged_blocks(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    fill(mhp);
    mhp_fill(mhp, 8, 0x33);
    g_assert_cmpuint(report_block(mhp, 8), ==, 0);
    g_assert_true(mhp_block_holds(mhp, 8, 0x33));
    g_assert_cmpuint(report_one(mhp, mhp_block_addr(mhp, 7), UINT64_C(1) << 40),
                     ==, MHP_BLOCK_SIZE);
    g_assert_true(mhp_block_holds(mhp, 6, 0x11));
    g_assert_true(mhp_block_holds(mhp, 7, 0));
    g_assert_true(mhp_block_holds(mhp, 8, 0x33));
    /* From boot memory over all that lies between, which can be any size */
    g_assert_cmpuint(report_one(mhp, 60 * MHP_MIB, UINT64_C(1) << 40), ==,
                     4 * MHP_MIB);
    g_assert_true(mhp_block_holds(mhp, 6, 0));
    g_assert_true(mhp_block_holds(mhp, 8, 0x33));
}

/* DEV-REPORT-4: what is somebody else's */
static void test_other_memory(void)
{
    const char *const args[] = {
        "-m",
        "slots=1",
        "-object",
        "memory-backend-ram,id=mem1,size=128M",
        "-device",
        "mhp-vmemmap-mem,id=mhp1,memdev=mem1,block-size=2M,memaddr=0x120000000",
        "-object",
        "memory-backend-ram,id=mem2,size=128M",
        "-device",
        "pc-dimm,memdev=mem2,addr=0x110000000",
        NULL};
    static const Range ranges[] = {
        {0x110000000, 128 * MHP_MIB}, /* the DIMM */
        {0x120000000, 128 * MHP_MIB}, /* the other device */
        {0xfffc0000, 0x40000},        /* the firmware */
        {0xfec00000, 0x1000},         /* registers */
        {64 * MHP_MIB, MHP_MIB},      /* nothing */
        {UINT64_C(1) << 52, MHP_MIB}, /* and far off */
    };
    g_autoptr(Mhp) mhp = mhp_new_with_args(args);

    fill(mhp);
    qtest_memset(mhp->qtest, 0x110000000, 0x44, MHP_MIB);
    qtest_memset(mhp->qtest, 0x120000000, 0x44, MHP_MIB);
    for (unsigned i = 0; i < G_N_ELEMENTS(ranges); i++) {
        g_assert_cmpuint(report(mhp, &ranges[i], 1), ==, 0);
    }
    g_assert_true(holds(mhp, 0x110000000, MHP_MIB, 0x44));
    g_assert_true(holds(mhp, 0x120000000, MHP_MIB, 0x44));
    g_assert_cmpint(counter(mhp, "reported-discarded-bytes"), ==, 0);
    g_assert_cmpint(counter(mhp, "malformed"), ==, 0);
}

/* DEV-REPORT-3, and that the right ones beside them are not kept */
static void test_wrong_ranges(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    const uint64_t addr = mhp_block_addr(mhp, 2), end = mhp->addr - 0x1000;
    const Range wrong[] = {
        {addr, 0},
        {addr + 1, 0x1000},
        {addr, 0x1001},
        {addr + 0x800, 0x1000},
        {addr, 0x800},
        {addr, UINT64_MAX},
        {addr, -addr},
        {addr, -addr + 0x2000},
        {UINT64_MAX - 0xfff, 0x1000},
        {UINT64_MAX - 0xfff, addr + 0x3000},
        {0, 0},
        {UINT64_MAX, UINT64_MAX},
        {end, UINT64_MAX - 0xfff},
    };

    fill(mhp);
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        const Range ranges[] = {
            {mhp_block_addr(mhp, 4), 0x1000},
            wrong[i],
            {mhp_block_addr(mhp, 5), 0x1000},
        };

        g_test_message("row %u", i);
        mhp_fill(mhp, 4, 0x11);
        mhp_fill(mhp, 5, 0x11);
        g_assert_cmpuint(report(mhp, &wrong[i], 1), ==, 0);
        g_assert_cmpuint(report(mhp, ranges, G_N_ELEMENTS(ranges)), ==, 0x1000);
        g_assert_true(mhp_block_holds(mhp, 2, 0x11));
        g_assert_true(mhp_block_holds(mhp, 0, 0x11));
        g_assert_true(holds(mhp, mhp_block_addr(mhp, 4), 0x1000, 0));
        g_assert_true(holds(mhp, mhp_block_addr(mhp, 5), 0x1000, 0));
    }
    g_assert_cmpint(counter(mhp, "malformed"), ==, 0);
}

typedef struct Shape {
    const char *what;
    unsigned nb_descs;
    struct vring_desc descs[4];
} Shape;

/* DEV-REPORT-1 */
static void test_right_shapes(void)
{
    static const Shape rows[] = {
        {"one range",
         2,
         {{BUFFER, RANGE_SIZE, NEXT, 1}, {ANSWER, RESP_SIZE, WRITE, 0}}},
        {"all that there can be, and more room",
         2,
         {{BUFFER, VIRTIO_MHP_REPORT_MAX * RANGE_SIZE, NEXT, 1},
          {ANSWER, 0x1000, WRITE, 0}}},
        {"in four parts",
         4,
         {{BUFFER, 1, NEXT, 1},
          {BUFFER + 1, 2 * RANGE_SIZE - 1, NEXT, 2},
          {ANSWER, 3, WRITE | NEXT, 3},
          {ANSWER + 3, RESP_SIZE - 3, WRITE, 0}}},
    };
    g_autoptr(Mhp) mhp = mhp_new();
    Range ranges[VIRTIO_MHP_REPORT_MAX] = {{mhp->addr, MHP_BLOCK_SIZE}};

    fill(mhp);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].what);
        write_ranges(mhp, ranges, G_N_ELEMENTS(ranges));
        virtio_pci_select(mhp->pci, REPORTQ);
        virtio_pci_submit(mhp->pci, rows[i].descs, rows[i].nb_descs);
        g_assert_cmpuint(finish(mhp), ==, MHP_BLOCK_SIZE);
        check_requests(mhp);
    }
    g_assert_cmpint(counter(mhp, "malformed"), ==, 0);
}

/* DEV-REPORT-1, DEV-RESET-3 */
static void test_wrong_shapes(void)
{
    static const Shape rows[] = {
        {"half a range",
         2,
         {{BUFFER, RANGE_SIZE / 2, NEXT, 1}, {ANSWER, RESP_SIZE, WRITE, 0}}},
        {"a byte more",
         2,
         {{BUFFER, RANGE_SIZE + 1, NEXT, 1}, {ANSWER, RESP_SIZE, WRITE, 0}}},
        {"one too many",
         2,
         {{BUFFER, (VIRTIO_MHP_REPORT_MAX + 1) * RANGE_SIZE, NEXT, 1},
          {ANSWER, RESP_SIZE, WRITE, 0}}},
        {"as long as can be",
         2,
         {{BUFFER, 0x1000000, NEXT, 1}, {ANSWER, RESP_SIZE, WRITE, 0}}},
        {"nothing to read", 1, {{ANSWER, RESP_SIZE, WRITE, 0}}},
        {"nothing to write", 1, {{BUFFER, RANGE_SIZE, 0, 0}}},
        {"too little to write",
         2,
         {{BUFFER, RANGE_SIZE, NEXT, 1}, {ANSWER, RESP_SIZE - 1, WRITE, 0}}},
    };
    g_autoptr(Mhp) mhp = mhp_new();
    const Range ranges[VIRTIO_MHP_REPORT_MAX + 1] = {
        {mhp->addr, MHP_BLOCK_SIZE}};

    fill(mhp);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].what);
        write_ranges(mhp, ranges, G_N_ELEMENTS(ranges));
        virtio_pci_select(mhp->pci, REPORTQ);
        virtio_pci_submit(mhp->pci, rows[i].descs, rows[i].nb_descs);
        g_assert_cmpint(virtio_pci_wait(mhp->pci, NULL), ==, VIRTIO_PCI_BROKEN);
        g_assert_cmpint(counter(mhp, "malformed"), ==, i + 1);
        mhp_restart_driver(mhp, MHP_FEATURES);
        check_requests(mhp);
    }
    g_assert_true(mhp_block_holds(mhp, 0, 0x11));
    g_assert_cmpint(counter(mhp, "reports"), ==, 0);
}

/* DEV-REPORT-1 */
static void test_several_buffers(void)
{
    static const struct vring_desc descs[] = {
        {BUFFER, RANGE_SIZE, NEXT, 1},
        {ANSWER, RESP_SIZE, WRITE, 0},
        {BUFFER, RANGE_SIZE, NEXT, 3},
        {ANSWER, RESP_SIZE, WRITE, 0},
    };
    static const uint16_t heads[] = {0, 2};
    g_autoptr(Mhp) mhp = mhp_new();
    const Range range = {mhp->addr, MHP_BLOCK_SIZE};

    fill(mhp);
    write_ranges(mhp, &range, 1);
    virtio_pci_select(mhp->pci, REPORTQ);
    virtio_pci_submit_heads(mhp->pci, descs, 4, heads, 2);
    g_assert_cmpint(virtio_pci_wait(mhp->pci, NULL), ==, VIRTIO_PCI_BROKEN);
    g_assert_true(mhp_block_holds(mhp, 0, 0x11));
    mhp_restart_driver(mhp, MHP_FEATURES);
    check_requests(mhp);
    g_assert_cmpuint(report(mhp, &range, 1), ==, MHP_BLOCK_SIZE);
}

/* DEV-REPORT-1 */
static void test_without_the_feature(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    const Range range = {mhp->addr, MHP_BLOCK_SIZE};

    mhp_restart_driver(mhp,
                       MHP_FEATURES & ~(UINT64_C(1) << VIRTIO_MHP_F_REPORTING));
    fill(mhp);
    submit(mhp, &range, 1);
    virtio_pci_select(mhp->pci, REPORTQ);
    g_assert_cmpint(virtio_pci_wait(mhp->pci, NULL), ==, VIRTIO_PCI_BROKEN);
    g_assert_true(mhp_block_holds(mhp, 0, 0x11));
}

/* The queue is there if its feature is, and one interrupt more with it */
static void test_turned_off(void)
{
    static const struct {
        const char *stats;
        const char *reporting;
        unsigned nb_queues;
    } rows[] = {
        {"device.mhp0.stats=on", "device.mhp0.free-page-reporting=on", 3},
        {"device.mhp0.stats=on", "device.mhp0.free-page-reporting=auto", 3},
        {"device.mhp0.stats=on", "device.mhp0.free-page-reporting=off", 2},
        {"device.mhp0.stats=off", "device.mhp0.free-page-reporting=on", 2},
        {"device.mhp0.stats=off", "device.mhp0.free-page-reporting=off", 1},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *const args[] = {"-set", rows[i].stats, "-set",
                                    rows[i].reporting, NULL};
        g_autoptr(Mhp) mhp = mhp_new_with_args(args);
        uint64_t vectors = 0;

        g_test_message("row %u", i);
        g_assert_cmpuint(virtio_pci_nb_queues(mhp->pci), ==, rows[i].nb_queues);
        g_assert_cmpint(
            virtio_pci_features(mhp->pci) >> VIRTIO_MHP_F_REPORTING & 1, ==,
            !g_str_has_suffix(rows[i].reporting, "off"));
        g_assert_true(qmp_get_uint(vm_qmp(mhp->vm), MHP_QOM_PATH, "vectors",
                                   &vectors, NULL));
        g_assert_cmpuint(vectors, ==, rows[i].nb_queues + 1);
        check_requests(mhp);
    }
}

/* The queue that has the place of one that is not there */
static void test_without_statistics(void)
{
    const char *const args[] = {"-set", "device.mhp0.stats=off", NULL};
    g_autoptr(Mhp) mhp = mhp_new_with_args(args);
    const struct vring_desc descs[] = {
        {BUFFER, RANGE_SIZE, NEXT, 1},
        {ANSWER, RESP_SIZE, WRITE, 0},
    };
    const Range range = {mhp->addr, MHP_BLOCK_SIZE};

    fill(mhp);
    write_ranges(mhp, &range, 1);
    virtio_pci_select(mhp->pci, REPORTQ - 1);
    virtio_pci_submit(mhp->pci, descs, G_N_ELEMENTS(descs));
    g_assert_cmpint(virtio_pci_wait(mhp->pci, NULL), ==, VIRTIO_PCI_USED);
    g_assert_true(mhp_block_holds(mhp, 0, 0));
}

/*
 * A report that takes long: of a region of many blocks, most of which are not
 * plugged, and of block 2 behind that
 */
#define LONG_BLOCKS 1500

static Mhp *new_long(void)
{
    int bios = mhp_bios_file();
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", getpid(), bios);
    const char *const args[] = {"-bios", path, NULL};
    Mhp *mhp = mhp_new_of_blocks_with_args(LONG_BLOCKS, args);

    close(bios);
    qmp(mhp, "cont");
    fill(mhp);
    return mhp;
}

static void submit_long(Mhp *mhp)
{
    Range ranges[VIRTIO_MHP_REPORT_MAX];

    for (unsigned i = 0; i < G_N_ELEMENTS(ranges) - 1; i++) {
        ranges[i] = (Range){mhp_block_addr(mhp, 8),
                            (LONG_BLOCKS - 8) * MHP_BLOCK_SIZE};
    }
    ranges[G_N_ELEMENTS(ranges) - 1] = (Range){mhp_block_addr(mhp, 2),
                                               MHP_BLOCK_SIZE};
    submit(mhp, ranges, G_N_ELEMENTS(ranges));
}

/* The buffer that was submitted is still with the device */
static bool is_pending(Mhp *mhp)
{
    uint64_t answer;

    qtest_read(mhp->qtest, ANSWER, &answer, sizeof(answer));
    return answer == UINT64_MAX;
}

/* Nothing goes on, although the main loop does for each of these */
static void check_rest(Mhp *mhp)
{
    int64_t reported = counter(mhp, "reported-bytes");

    g_assert_cmpint(
        reported, <,
        (int64_t)(VIRTIO_MHP_REPORT_MAX * LONG_BLOCKS * MHP_BLOCK_SIZE / 2));
    for (unsigned i = 0; i < 100; i++) {
        g_assert_cmpint(counter(mhp, "reported-bytes"), ==, reported);
    }
}

/* DEV-REPORT-7, DEV-REPORT-8: requests come first, and change what is right */
static void test_unplugged_and_plugged_meanwhile(void)
{
    g_autoptr(Mhp) mhp = new_long();

    submit_long(mhp);
    mhp_expect(mhp_unplug(mhp, 2, 1), ACK);
    mhp_expect(mhp_plug(mhp, 2, 1), ACK);
    g_assert_true(is_pending(mhp));
    mhp_fill(mhp, 2, 0x55);
    g_assert_cmpuint(finish(mhp), ==, 0);
    g_assert_true(mhp_block_holds(mhp, 2, 0x55));
    g_assert_cmpint(counter(mhp, "reported-discarded-bytes"), ==, 0);
}

/* What is plugged elsewhere changes nothing */
static void test_another_is_plugged_meanwhile(void)
{
    g_autoptr(Mhp) mhp = new_long();

    submit_long(mhp);
    mhp_expect(mhp_unplug(mhp, 1, 1), ACK);
    mhp_expect(mhp_unplug(mhp, 3, 1), ACK);
    finish(mhp);
    g_assert_true(mhp_block_holds(mhp, 2, 0));
}

/* DEV-REPORT-7 */
static void test_reset_meanwhile(void)
{
    g_autoptr(Mhp) mhp = new_long();

    submit_long(mhp);
    g_assert_true(is_pending(mhp));
    mhp_restart_driver(mhp, MHP_FEATURES);
    check_requests(mhp);
    g_assert_cmpuint(report_block(mhp, 4), ==, MHP_BLOCK_SIZE);
    g_assert_true(mhp_block_holds(mhp, 2, 0x11));
    g_assert_cmpint(counter(mhp, "reported-discarded-bytes"), ==,
                    MHP_BLOCK_SIZE);
}

/* DEV-REPORT-7: by a request of no size */
static void test_broken_meanwhile(void)
{
    static const struct vring_desc descs[] = {
        {MHP_REQ_ADDR, 1, NEXT, 1},
        {MHP_RESP_ADDR, sizeof(struct virtio_mhp_resp), WRITE, 0},
    };
    g_autoptr(Mhp) mhp = new_long();

    submit_long(mhp);
    virtio_pci_submit(mhp->pci, descs, G_N_ELEMENTS(descs));
    g_assert_cmpint(virtio_pci_wait(mhp->pci, NULL), ==, VIRTIO_PCI_BROKEN);
    g_assert_true(is_pending(mhp));
    check_rest(mhp);
    mhp_restart_driver(mhp, MHP_FEATURES);
    g_assert_cmpuint(report_block(mhp, 4), ==, MHP_BLOCK_SIZE);
    g_assert_true(mhp_block_holds(mhp, 2, 0x11));
}

/* DEV-REPORT-7: of its own queue and of another one */
static void test_queue_reset_meanwhile(void)
{
    for (unsigned queue = 0; queue <= REPORTQ; queue += REPORTQ) {
        g_autoptr(Mhp) mhp = new_long();
        uint64_t registers = virtio_pci_registers(mhp->pci);

        submit_long(mhp);
        qtest_write_reg(mhp->qtest, registers + VIRTIO_PCI_COMMON_Q_SELECT, 2,
                        queue);
        qtest_write_reg(mhp->qtest, registers + VIRTIO_PCI_COMMON_Q_RESET, 2,
                        1);
        if (queue == REPORTQ) {
            g_assert_true(is_pending(mhp));
            mhp_restart_driver(mhp, MHP_FEATURES);
            g_assert_cmpuint(report_block(mhp, 4), ==, MHP_BLOCK_SIZE);
            g_assert_true(mhp_block_holds(mhp, 2, 0x11));
        } else {
            finish(mhp);
            g_assert_true(mhp_block_holds(mhp, 2, 0));
        }
    }
}

/* DEV-REPORT-6: a machine that is stopped is left as it is */
static void test_stopped_meanwhile(void)
{
    g_autoptr(Mhp) mhp = new_long();

    submit_long(mhp);
    qmp(mhp, "stop");
    g_assert_true(is_pending(mhp));
    check_rest(mhp);
    g_assert_true(mhp_block_holds(mhp, 2, 0x11));
    qmp(mhp, "cont");
    finish(mhp);
    g_assert_true(mhp_block_holds(mhp, 2, 0));
    check_requests(mhp);
}

/* DEV-REPORT-6 */
static void test_kept_while_migrating(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        g_autoptr(Mhp) target = migrate_new_target(source, uri);

        fill(source);
        fill_boot(source);
        migration_set(source->vm, "max-bandwidth", 4096);
        migration_start(source->vm, uri);
        migration_wait(source->vm, "active");
        g_assert_cmpuint(report_block(source, 2), ==, 0);
        g_assert_cmpuint(report_one(source, BOOT, BOOT_SIZE), ==, 0);
        g_assert_true(mhp_block_holds(source, 2, 0x11));
        g_assert_true(holds(source, BOOT, BOOT_SIZE, 0x77));
        migration_cancel(source->vm);
        migration_wait(source->vm, "cancelled");
        g_assert_cmpuint(report_block(source, 2), ==, MHP_BLOCK_SIZE);
        g_assert_cmpuint(report_one(source, BOOT, BOOT_SIZE), ==, BOOT_SIZE);
        mhp_abandon(g_steal_pointer(&target));
    }
    migrate_free_uri(uri);
}

/* The buffer goes along, and is answered where the guest is */
static void test_migration(void)
{
    int bios = mhp_bios_file();
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", getpid(), bios);
    const char *const args[] = {"-bios", path, NULL};
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new_with_args(args);
        g_autoptr(Mhp) target = mhp_new_incoming(source, args);
        const Range range = {mhp_block_addr(source, 2), MHP_BLOCK_SIZE};

        migration_listen(target->vm, uri);
        qmp(source, "cont");
        fill(source);
        qmp(source, "stop");
        submit(source, &range, 1);
        g_assert_true(is_pending(source));
        migrate(source, target, uri);
        qmp(target, "cont");
        g_assert_cmpuint(finish(target), ==, MHP_BLOCK_SIZE);
        g_assert_true(mhp_block_holds(target, 1, 0x11));
        g_assert_true(mhp_block_holds(target, 2, 0));
        g_assert_cmpuint(report_block(target, 3), ==, MHP_BLOCK_SIZE);
        g_assert_true(mhp_block_holds(source, 2, 0x11));
        check_requests(target);
    }
    migrate_free_uri(uri);
    close(bios);
}

#define ADD(test) g_test_add_func("/virtio-mhp/reporting/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(plugged_memory);
    ADD(boot_memory);
    ADD(boot_memory_that_is_kept);
    ADD(huge_pages);
    ADD(prealloc);
    ADD(memmaps);
    ADD(unplugged_blocks);
    ADD(other_memory);
    ADD(wrong_ranges);
    ADD(right_shapes);
    ADD(wrong_shapes);
    ADD(several_buffers);
    ADD(without_the_feature);
    ADD(turned_off);
    ADD(without_statistics);
    ADD(unplugged_and_plugged_meanwhile);
    ADD(another_is_plugged_meanwhile);
    ADD(reset_meanwhile);
    ADD(broken_meanwhile);
    ADD(queue_reset_meanwhile);
    ADD(stopped_meanwhile);
    ADD(kept_while_migrating);
    ADD(migration);
    return g_test_run();
}
