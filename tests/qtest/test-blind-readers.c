/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What reads memory from the host without asking which blocks are plugged. In
 * a memory file it backs what it reads, but no more, and the device discards
 * that later. In each test nothing is plugged, so that all that is backed is
 * by looking. Other readers: test-readers.c
 */
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mhp.h"
#include "wait.h"

#define HOST_PAGE_SIZE UINT64_C(0x1000)
#define TIMEOUT_MS 60000

/* In each GiB, of which the region is an eighth */
#define SAMPLES 4096u
#define REGION_SAMPLES (SAMPLES / 8)

/* The machine's other memory, and what else QEMU may take meanwhile */
#define RSS_SLACK ((64 + 24) * MHP_MIB)

#define DYNAMIC "-global", "virtio-mhp.dynamic-memslots=on"

/* The most that one byte can cost: memory files can have huge pages */
static uint64_t page_size(void)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents(
            "/sys/kernel/mm/transparent_hugepage/shmem_enabled", &text, NULL,
            NULL) ||
        strstr(text, "[never]") || strstr(text, "[deny]")) {
        return HOST_PAGE_SIZE;
    }
    return MHP_BLOCK_SIZE;
}

/* Pages of the host that are backed; each may be in a huge one of its own */
static void assert_backed_pages(Mhp *mhp, uint64_t at_least, uint64_t at_most)
{
    g_assert_cmpuint(mhp_backed_size(mhp), >=, at_least * HOST_PAGE_SIZE);
    g_assert_cmpuint(mhp_backed_size(mhp), <=, at_most * page_size());
}

static bool rate_is_measured(void *opaque, GError **error)
{
    Mhp *mhp = opaque;
    g_autoptr(JsonNode)
        result = qmp_executef(vm_qmp(mhp->vm), error, "query-dirty-rate", NULL);

    return result &&
           g_str_equal("measured", json_object_get_string_member(
                                       json_node_get_object(result), "status"));
}

static void measure_dirty_rate(Mhp *mhp, const char *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(
        vm_qmp(mhp->vm), &error, "calc-dirty-rate",
        "{'calc-time': 100, 'calc-time-unit': 'millisecond', %s}", options);
    g_assert_no_error(error);
    wait_until(rate_is_measured, mhp, TIMEOUT_MS, "the end of calc-dirty-rate",
               &error);
    g_assert_no_error(error);
}

static void sample(Mhp *mhp)
{
    g_autofree char *options = g_strdup_printf("'sample-pages': %u", SAMPLES);

    measure_dirty_rate(mhp, options);
}

/* No page is read, so nothing is backed: the way to measure it */
static void test_dirty_bitmap_backs_nothing(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    measure_dirty_rate(mhp, "'mode': 'dirty-bitmap'");
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

/* Where the first backed page at or behind a block is */
static uint64_t first_backed(Mhp *mhp, unsigned block)
{
    const off_t offset = lseek(mhp->memory, (off_t)(block * MHP_BLOCK_SIZE),
                               SEEK_DATA);

    return offset < 0 ? MHP_REGION_SIZE : (uint64_t)offset;
}

/* Each measurement takes other pages; none takes more than its samples */
static void test_dirty_rate_backs_its_samples(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    sample(mhp);
    assert_backed_pages(mhp, 1, REGION_SAMPLES);
    sample(mhp);
    assert_backed_pages(mhp, 1, 2 * REGION_SAMPLES);
    /* DEV-PLUG-5: they are gone where blocks are plugged */
    mhp_expect(mhp_plug(mhp, 0, MHP_NB_BLOCKS / 2), ACK);
    g_assert_cmpuint(first_backed(mhp, 0), >=, MHP_REGION_SIZE / 2);
    /* DEV-UNPLUGALL-1 */
    mhp_expect(mhp_unplug_all(mhp), ACK);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

/* DEV-RESET-2 */
static void test_system_reset_gives_it_back(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    sample(mhp);
    assert_backed_pages(mhp, 1, REGION_SAMPLES);
    mhp_system_reset(mhp);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

/* Whether looking at an address has backed that many pages */
static void assert_grown(Mhp *mhp, uint64_t before, uint64_t nb_pages)
{
    const uint64_t grown = mhp_backed_size(mhp) - before;

    g_assert_cmpuint(grown, >=, nb_pages * HOST_PAGE_SIZE);
    g_assert_cmpuint(grown, <=, nb_pages * page_size());
}

static void save(Mhp *mhp, const char *command, uint64_t addr, uint64_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = qmp_executef(
        vm_qmp(mhp->vm), &error, command,
        "{'val': %" PRIu64 ", 'size': %" PRIu64 ", 'filename': '/dev/null'}",
        addr, size);

    /* Refused where nothing is mapped */
    g_assert_true(result ||
                  g_error_matches(error, QMP_ERROR, QMP_ERROR_REFUSED));
}

/* Commands that take an address, and how many pages they read from there */
static const struct {
    const char *command;
    unsigned nb_pages;
} addressed[] = {
    {"xp /512xg", 1}, {"x /512xg", 1}, {"xp /8i", 1},  {"x /8i", 1},
    {"gpa2hpa", 1},   {"gpa2hva", 0},  {"gva2gpa", 0},
};

/* Each at a block of its own */
static void look_at_addresses(Mhp *mhp, bool is_mapped)
{
    static const char *const saves[] = {"memsave", "pmemsave"};
    unsigned block = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(addressed); i++) {
        const uint64_t before = mhp_backed_size(mhp);
        g_autofree char *command = g_strdup_printf(
            "%s 0x%" PRIx64, addressed[i].command,
            mhp_block_addr(mhp, block++));
        g_autofree char *answer = mhp_hmp(mhp, command);

        g_test_message("%s", command);
        /* A QEMU without a disassembler does not look there. */
        if (strstr(answer, "Asm output not supported")) {
            continue;
        }
        assert_grown(mhp, before, is_mapped ? addressed[i].nb_pages : 0);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(saves); i++) {
        const uint64_t before = mhp_backed_size(mhp);

        g_test_message("%s", saves[i]);
        save(mhp, saves[i], mhp_block_addr(mhp, block++), 4 * HOST_PAGE_SIZE);
        assert_grown(mhp, before, is_mapped ? 4 : 0);
    }
}

static void test_addresses_back_what_they_name(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    look_at_addresses(mhp, true);
    /* DEV-UNPLUGALL-1 */
    mhp_expect(mhp_plug(mhp, MHP_NB_BLOCKS - 1, 1), ACK);
    mhp_expect(mhp_unplug_all(mhp), ACK);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

/* There is no memory at these addresses */
static void test_addresses_back_nothing_in_unmapped_slots(void)
{
    static const char *const dynamic[] = {DYNAMIC, NULL};
    g_autoptr(Mhp) mhp = mhp_new_with_args(dynamic);

    look_at_addresses(mhp, false);
}

/* One packet to the gdbstub; asserts what its reply begins with */
static void gdb(Channel *channel, const char *text, const char *wanted)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *packet = NULL, *reply = NULL;
    uint8_t sum = 0;

    for (const char *c = text; *c; c++) {
        sum += (uint8_t)*c;
    }
    packet = g_strdup_printf("$%s#%02x", text, sum);
    channel_write(channel, packet, strlen(packet), TIMEOUT_MS, &error);
    g_assert_no_error(error);
    reply = channel_read(channel, strlen(wanted), TIMEOUT_MS, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(reply, ==, wanted);
}

/* Let QEMU be debugged, through a socket that needs no name any more */
static Channel *gdb_connect(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("mhp-XXXXXX", &error);
    g_autofree char *path = g_build_filename(folder, "gdb", NULL);
    g_autofree char *command = g_strdup_printf(
        "gdbserver unix:%s,server=on,wait=off", path);
    g_autofree char *answer = mhp_hmp(mhp, command);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    g_assert_no_errno(connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
    g_assert_no_errno(unlink(path));
    g_assert_no_errno(rmdir(folder));
    return channel_new(fd);
}

static void test_gdb_backs_what_it_reads(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    g_autoptr(Channel) channel = gdb_connect(mhp);
    g_autofree char *read = g_strdup_printf("m%" PRIx64 ",400", mhp->addr);

    gdb(channel, read, "+$0000");
    assert_backed_pages(mhp, 1, 1);
}

static void test_gdb_backs_physical_memory_that_it_reads(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    g_autoptr(Channel) channel = gdb_connect(mhp);
    g_autofree char *read = g_strdup_printf("m%" PRIx64 ",400", mhp->addr);

    gdb(channel, "Qqemu.PhyMemMode:1", "+$OK#9a");
    gdb(channel, read, "+$0000");
    assert_backed_pages(mhp, 1, 1);
}

/* Somebody asks QEMU for just that */
static void test_backend_can_be_told_to_back_all(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = qmp_executef(
        vm_qmp(mhp->vm), &error, "qom-set",
        "{'path': '/objects/mem0', 'property': 'prealloc', 'value': true}");

    g_assert_no_error(error);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, MHP_REGION_SIZE);
    mhp_system_reset(mhp);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

static uint64_t rss(pid_t pid)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_strdup_printf("/proc/%d/status", pid);
    g_autofree char *text = NULL;
    const char *value;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    value = strstr(text, "VmRSS:");
    g_assert_nonnull(value);
    return g_ascii_strtoull(value + strlen("VmRSS:"), NULL, 10) * 1024;
}

/* Of memory without a file: nothing, where Linux has a page of zeros for it */
static uint64_t cost_of_reading(uint64_t size)
{
    const uint64_t before = rss(getpid());
    /* volatile: each byte is to be read, though nothing is done with it. */
    volatile uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t cost;

    g_assert_true(memory != MAP_FAILED);
    for (uint64_t i = 0; i < size; i += HOST_PAGE_SIZE) {
        g_assert_cmpuint(memory[i], ==, 0);
    }
    cost = rss(getpid()) - before;
    g_assert_no_errno(munmap((void *)memory, size));
    return cost;
}

static void test_anonymous_memory_is_not_backed(void)
{
    g_autoptr(Mhp) mhp = mhp_new_anonymous();
    const uint64_t before = rss(vm_pid(mhp->vm));
    const uint64_t cost = cost_of_reading(MHP_REGION_SIZE);

    sample(mhp);
    save(mhp, "pmemsave", mhp->addr, MHP_REGION_SIZE);
    g_test_message("where the test itself pays %" PRIu64 " bytes", cost);
    g_assert_cmpuint(rss(vm_pid(mhp->vm)), <=, before + cost + RSS_SLACK);
}

#define ADD(test) \
    g_test_add_func("/virtio-mhp/blind-readers/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(dirty_bitmap_backs_nothing);
    ADD(dirty_rate_backs_its_samples);
    ADD(system_reset_gives_it_back);
    ADD(addresses_back_what_they_name);
    ADD(addresses_back_nothing_in_unmapped_slots);
    ADD(gdb_backs_what_it_reads);
    ADD(gdb_backs_physical_memory_that_it_reads);
    ADD(backend_can_be_told_to_back_all);
    ADD(anonymous_memory_is_not_backed);
    return g_test_run();
}
