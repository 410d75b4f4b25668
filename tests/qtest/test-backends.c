/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each kind of memory backend: blocks read zero, keep what is written, and go
 * back to the host when they are unplugged; and what becomes of a PLUG when
 * the host has no memory to back it with.
 *
 * What a test sets on the host (the pool of huge pages, a control group) it
 * gives back. Both need root.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mhp.h"

#define RSS_SLACK (24 * MHP_MIB)

static Mhp *start_with(const char *backend, const char *properties)
{
    g_autoptr(GError) error = NULL;
    Mhp *mhp = g_new0(Mhp, 1);

    mhp->memory = -1;
    mhp->vm = vm_new();
    mhp->qtest = qtest_new(mhp->vm);
    vm_add_plugin(mhp->vm);
    vm_add_args(mhp->vm, "-M", "q35", "-m", "64M,maxmem=1G", NULL);
    vm_add_opt(mhp->vm, "object", "%s,id=mem0,size=%" G_GUINT64_FORMAT, backend,
               MHP_REGION_SIZE);
    vm_add_opt(mhp->vm, "device",
               "mhp-vmemmap-mem,id=mhp0,memdev=mem0,block-size=2M,"
               "requested-size=%" G_GUINT64_FORMAT "%s",
               MHP_REGION_SIZE, properties);
    vm_start(mhp->vm, &error);
    g_assert_no_error(error);
    mhp->pci = virtio_pci_new(mhp->qtest, 0x1040 + VIRTIO_ID_MHP);
    g_assert_nonnull(mhp->pci);
    mhp_restart_driver(mhp, MHP_FEATURES);
    mhp->addr = mhp_config(mhp).addr;
    return mhp;
}

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

static bool try_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 &&
                write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0) {
        close(fd);
    }
    return done;
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
    g_autoptr(Mhp) mhp = start_with(data, "");

    go_through_life(mhp);
}

/* A file of a file system, which is left as it was found: without data */
static void test_file_backend(const void *data)
{
    g_autofree char *folder = g_dir_make_tmp("mhp-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "memory", NULL);
    g_autofree char *backend = g_strdup_printf(
        "memory-backend-file,mem-path=%s,%s", path, (const char *)data);
    Mhp *mhp = start_with(backend, "");

    go_through_life(mhp);
    mhp_free(mhp);
    g_assert_no_errno(unlink(path));
    g_assert_no_errno(rmdir(folder));
}

/* DEV-PLUG-4, for all of a block */
static void test_prealloc(const void *data)
{
    g_autoptr(Mhp) mhp = start_with(data, ",prealloc=on");
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
    g_autoptr(Mhp) mhp = start_with(
        "memory-backend-ram,policy=bind,host-nodes=0", ",prealloc=on");

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

#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define NR_HUGEPAGES POOL "nr_hugepages"
#define FREE_HUGEPAGES POOL "free_hugepages"
#define HUGETLB \
    "memory-backend-memfd,hugetlb=on,hugetlbsize=2M,share=on,reserve=off"

static uint64_t read_number(const char *path)
{
    g_autofree char *text = read_file(path);

    return g_ascii_strtoull(text, NULL, 10);
}

/* Whether there are so many free pages now; *@old is for pool_return() */
static bool pool_take(unsigned nb_free, uint64_t *old)
{
    g_autofree char *text = NULL;

    *old = read_number(NR_HUGEPAGES);
    text = g_strdup_printf("%" G_GUINT64_FORMAT,
                           *old - read_number(FREE_HUGEPAGES) + nb_free);
    if (!try_write(NR_HUGEPAGES, text) ||
        read_number(FREE_HUGEPAGES) != nb_free) {
        g_test_skip("there is no pool of huge pages to be had (not root?)");
        return false;
    }
    return true;
}

static void pool_return(uint64_t old)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, old);

    g_assert_true(try_write(NR_HUGEPAGES, text));
}

static void assert_pool(unsigned nb_free)
{
    g_assert_cmpuint(read_number(FREE_HUGEPAGES), ==, nb_free);
}

static void hugetlb_memmaps(void)
{
    g_autoptr(Mhp) mhp = start_with(HUGETLB, "");

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
    g_autoptr(Mhp) mhp = start_with(HUGETLB, ",prealloc=on");

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
    g_autoptr(Mhp) mhp = start_with(backend, "");

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

/* Control groups, of either version */

typedef struct Group {
    char *folder;
    const char *limit;
} Group;

static bool group_take(Group *group)
{
    static const struct {
        const char *mount;
        const char *limit;
    } versions[] = {
        {"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
        {"/sys/fs/cgroup", "memory.max"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(versions); i++) {
        g_autofree char *folder = g_strdup_printf("%s/mhp-test-%d",
                                                  versions[i].mount, getpid());
        g_autofree char *limit = g_build_filename(folder, versions[i].limit,
                                                  NULL);

        try_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
        if (mkdir(folder, 0700) == 0 && access(limit, W_OK) == 0) {
            group->folder = g_steal_pointer(&folder);
            group->limit = versions[i].limit;
            return true;
        }
        rmdir(folder);
    }
    g_test_skip("there is no control group of memory to be had (not root?)");
    return false;
}

static void group_write(Group *group, const char *name, uint64_t value)
{
    g_autofree char *path = g_build_filename(group->folder, name, NULL);
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);

    g_assert_true(try_write(path, text));
}

/* A group can be removed when the last of its processes has gone */
static void group_return(Group *group)
{
    int64_t end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    while (rmdir(group->folder) < 0) {
        g_assert_cmpint(errno, ==, EBUSY);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_free(group->folder);
}

static void be_limited(Group *group)
{
    g_autoptr(Mhp) mhp = start_with("memory-backend-ram", ",prealloc=on");
    g_autofree char *log = NULL;

    group_write(group, "cgroup.procs", vm_pid(mhp->vm));
    group_write(group, group->limit, 112 * MHP_MIB);
    mhp_expect(mhp_plug(mhp, 0, 16), ACK);
    mhp_expect(mhp_plug(mhp, 16, 48), NACK);
    g_assert_cmpuint(mhp_size(mhp), ==, 16 * MHP_BLOCK_SIZE);
    log = vm_stderr(mhp->vm);
    g_assert_nonnull(strstr(log, "QEMU's control group has room for"));
    /* What it has is its own, and what is given back can be had again */
    for (unsigned i = 0; i < 16; i++) {
        mhp_fill(mhp, i, 0x11);
    }
    mhp_expect(mhp_unplug(mhp, 0, 16), ACK);
    mhp_expect(mhp_plug(mhp, 16, 16), ACK);
    g_assert_true(mhp_block_holds(mhp, 16, 0));
}

/* DEV-PLUG-4, DEV-REQ-5: Linux would end QEMU at the limit */
static void test_control_group(void)
{
    Group group;

    if (group_take(&group)) {
        be_limited(&group);
        group_return(&group);
    }
}

static void be_limited_to_memmaps(Group *group)
{
    g_autoptr(Mhp) mhp = start_with("memory-backend-memfd", "");

    group_write(group, "cgroup.procs", vm_pid(mhp->vm));
    group_write(group, group->limit, 48 * MHP_MIB);
    mhp_expect(mhp_memmap(mhp, 2 * MHP_BLOCK_SIZE, MHP_BLOCK_SIZE), ACK);
    mhp_expect(mhp_plug(mhp, 0, 16), ACK);
    mhp_expect(mhp_plug(mhp, 16, 32), NACK);
    g_assert_cmpuint(mhp_size(mhp), ==, 16 * MHP_BLOCK_SIZE);
}

/* DEV-PLUG-4 */
static void test_control_group_and_memmaps(void)
{
    Group group;

    if (group_take(&group)) {
        be_limited_to_memmaps(&group);
        group_return(&group);
    }
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
    ADD(control_group);
    ADD(control_group_and_memmaps);
    return g_test_run();
}
