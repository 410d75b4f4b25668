/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each kind of memory backend: blocks read zero, keep what is written, and go
 * back to the host when they are unplugged; and what becomes of a PLUG when
 * the host has no memory to back it with.
 *
 * What a test sets on the host (the pool of huge pages) it gives back. That
 * needs root.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mhp.h"
#include "pool.h"

#define RSS_SLACK (24 * MHP_MIB)

static uint64_t number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    g_assert_nonnull(at);
    return g_ascii_strtoull(at + strlen(key), NULL, 10);
}

static char *read_file(const char *path)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static char *read_proc(Mhp *mhp, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", vm_pid(mhp->vm),
                                            name);

    return read_file(path);
}

static uint64_t rss(Mhp *mhp)
{
    g_autofree char *text = read_proc(mhp, "status");

    return number_after(text, "VmRSS:") * 1024;
}

/* All that a backend has to do, on half of the region */
static void go_through_life(Mhp *mhp)
{
    const unsigned nb_blocks = MHP_NB_BLOCKS / 2;
    const uint64_t size = nb_blocks * MHP_BLOCK_SIZE;
    uint64_t before, filled;

    mhp_expect(mhp_plug(mhp, 0, nb_blocks), ACK);
    before = rss(mhp);
    g_assert_true(mhp_block_holds(mhp, 0, 0));
    for (unsigned i = 0; i < nb_blocks; i++) {
        mhp_fill(mhp, i, 0x11);
    }
    filled = rss(mhp);
    g_assert_cmpuint(filled + RSS_SLACK, >=, before + size);
    mhp_expect(mhp_unplug(mhp, 1, nb_blocks - 1), ACK);
    g_assert_cmpuint(rss(mhp), <=, filled - size + RSS_SLACK);
    mhp_expect(mhp_plug(mhp, 1, nb_blocks - 1), ACK);
    g_assert_true(mhp_block_holds(mhp, 0, 0x11));
    g_assert_true(mhp_block_holds(mhp, 1, 0));
    g_assert_true(mhp_block_holds(mhp, nb_blocks - 1, 0));
}

/* DEV-PLUG-5, DEV-UNPLUG-3 */
static void test_backend(const void *data)
{
    g_autoptr(Mhp) mhp = mhp_new_with_backend(data, "", NULL);

    go_through_life(mhp);
}

/* A file of a file system, which is left as it was found: without data */
static void test_file_backend(const void *data)
{
    g_autofree char *folder = g_dir_make_tmp("mhp-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "memory", NULL);
    g_autofree char *backend = g_strdup_printf(
        "memory-backend-file,mem-path=%s,%s", path, (const char *)data);
    Mhp *mhp = mhp_new_with_backend(backend, "", NULL);

    go_through_life(mhp);
    mhp_free(mhp);
    g_assert_no_errno(unlink(path));
    g_assert_no_errno(rmdir(folder));
}

/* DEV-PLUG-4, for all of a block */
static void test_prealloc(const void *data)
{
    g_autoptr(Mhp) mhp = mhp_new_with_backend(data, ",prealloc=on", NULL);
    const uint64_t size = 32 * MHP_BLOCK_SIZE;
    uint64_t before = rss(mhp), backed;

    mhp_expect(mhp_plug(mhp, 4, 32), ACK);
    g_assert_cmpuint(rss(mhp) + RSS_SLACK, >=, before + size);
    g_assert_true(mhp_block_holds(mhp, 4, 0));
    g_assert_true(mhp_block_holds(mhp, 35, 0));
    backed = rss(mhp);
    mhp_expect(mhp_unplug(mhp, 4, 32), ACK);
    g_assert_cmpuint(rss(mhp), <=, backed - size + RSS_SLACK);
}

/* What is backed beforehand lies where the backend's policy says, each time */
static void test_host_nodes(void)
{
    g_autoptr(Mhp) mhp = mhp_new_with_backend(
        "memory-backend-ram,policy=bind,host-nodes=0", ",prealloc=on", NULL);

    for (unsigned i = 0; i < 2; i++) {
        g_autofree char *maps = NULL;
        const char *line;

        mhp_expect(mhp_plug(mhp, 0, 8), ACK);
        maps = read_proc(mhp, "numa_maps");
        line = strstr(maps, " bind:0 ");
        g_assert_nonnull(line);
        g_assert_cmpuint(number_after(line, " N0="), >=,
                         8 * MHP_BLOCK_SIZE / 4096);
        mhp_expect(mhp_unplug(mhp, 0, 8), ACK);
    }
}

/* Huge pages: a pool of the test's own size */

#define HUGETLB \
    "memory-backend-memfd,hugetlb=on,hugetlbsize=2M,share=on,reserve=off"

static void assert_pool(unsigned nb_free)
{
    g_assert_cmpuint(pool_free(), ==, nb_free);
}

static void hugetlb_memmaps(void)
{
    g_autoptr(Mhp) mhp = mhp_new_with_backend(HUGETLB, "", NULL);

    mhp_expect(mhp_memmap(mhp, 4 * MHP_BLOCK_SIZE, MHP_BLOCK_SIZE), ACK);
    mhp_expect(mhp_plug(mhp, 0, 16), ACK);
    assert_pool(4);
    mhp_fill(mhp, 1, 0x11);
    assert_pool(3);
    mhp_expect(mhp_plug(mhp, 16, 16), NACK);
    mhp_wait_discarded(mhp);
    assert_pool(3);
    g_assert_cmpuint(mhp_size(mhp), ==, 16 * MHP_BLOCK_SIZE);
    mhp_expect(mhp_plug(mhp, 16, 12), ACK);
    assert_pool(0);
    mhp_expect(mhp_plug(mhp, 28, 1), NACK);
    g_assert_true(mhp_block_holds(mhp, 1, 0x11));
    mhp_expect(mhp_unplug(mhp, 0, 4), ACK);
    assert_pool(2);
    mhp_expect(mhp_plug(mhp, 28, 8), ACK);
    assert_pool(0);
    mhp_expect(mhp_unplug_all(mhp), ACK);
    assert_pool(8);
}

/* DEV-PLUG-4, DEV-REQ-5, DEV-UNPLUG-3: with 8 pages for 64 blocks */
static void test_hugetlb_memmaps(void)
{
    uint64_t old;

    if (pool_take(8, &old)) {
        hugetlb_memmaps();
        pool_return(old);
    }
}

static void hugetlb_prealloc(void)
{
    g_autoptr(Mhp) mhp = mhp_new_with_backend(HUGETLB, ",prealloc=on", NULL);

    mhp_expect(mhp_plug(mhp, 0, 9), NACK);
    mhp_wait_discarded(mhp);
    assert_pool(8);
    mhp_expect(mhp_plug(mhp, 0, 6), ACK);
    assert_pool(2);
    mhp_expect(mhp_plug(mhp, 8, 3), NACK);
    mhp_expect(mhp_plug(mhp, 8, 2), ACK);
    assert_pool(0);
    for (unsigned i = 0; i < 6; i++) {
        mhp_fill(mhp, i, 0x11);
    }
    mhp_expect(mhp_unplug(mhp, 0, 6), ACK);
    assert_pool(6);
    mhp_expect(mhp_plug(mhp, 20, 6), ACK);
    g_assert_true(mhp_block_holds(mhp, 20, 0));
    mhp_system_reset(mhp);
    g_assert_cmpstr(mhp_state_name(mhp, 0, MHP_NB_BLOCKS), ==, "UNPLUGGED");
    assert_pool(8);
}

static void test_hugetlb_prealloc(void)
{
    uint64_t old;

    if (pool_take(8, &old)) {
        hugetlb_prealloc();
        pool_return(old);
    }
}

static void hugetlbfs_file(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, "memory", NULL);
    g_autofree char *backend = g_strdup_printf(
        "memory-backend-file,mem-path=%s,share=on,reserve=off", path);
    g_autoptr(Mhp) mhp = mhp_new_with_backend(backend, "", NULL);

    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    assert_pool(8);
    for (unsigned i = 0; i < 8; i++) {
        mhp_fill(mhp, i, 0x11);
    }
    assert_pool(0);
    mhp_expect(mhp_unplug(mhp, 0, 7), ACK);
    assert_pool(7);
    mhp_expect(mhp_plug(mhp, 8, 7), ACK);
    g_assert_true(mhp_block_holds(mhp, 7, 0x11));
    g_assert_true(mhp_block_holds(mhp, 8, 0));
    mhp_expect(mhp_unplug_all(mhp), ACK);
    assert_pool(8);
    g_assert_no_errno(unlink(path));
}

static void test_hugetlbfs_file(void)
{
    g_autofree char *folder = g_dir_make_tmp("mhp-XXXXXX", NULL);
    uint64_t old;

    if (pool_take(8, &old)) {
        g_assert_no_errno(mount("none", folder, "hugetlbfs", 0, "pagesize=2M"));
        hugetlbfs_file(folder);
        g_assert_no_errno(umount(folder));
        pool_return(old);
    }
    g_assert_no_errno(rmdir(folder));
}

#define PREFIX "/virtio-mhp/backends/"
#define ADD(test) g_test_add_func(PREFIX #test, test_##test)
#define ADD_ROW(name, data, test) g_test_add_data_func(PREFIX name, data, test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_ROW("ram", "memory-backend-ram", test_backend);
    ADD_ROW("ram shared", "memory-backend-ram,share=on", test_backend);
    ADD_ROW("ram unreserved", "memory-backend-ram,reserve=off", test_backend);
    ADD_ROW("memfd", "memory-backend-memfd", test_backend);
    ADD_ROW("memfd private", "memory-backend-memfd,share=off", test_backend);
    ADD_ROW("memfd unreserved", "memory-backend-memfd,reserve=off",
            test_backend);
    ADD_ROW("file shared", "share=on", test_file_backend);
    ADD_ROW("file private", "share=off", test_file_backend);
    ADD_ROW("prealloc ram", "memory-backend-ram", test_prealloc);
    ADD_ROW("prealloc memfd", "memory-backend-memfd", test_prealloc);
    ADD(host_nodes);
    ADD(hugetlb_memmaps);
    ADD(hugetlb_prealloc);
    ADD(hugetlbfs_file);
    return g_test_run();
}
