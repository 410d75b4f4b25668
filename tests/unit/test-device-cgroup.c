/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Room in control groups, read from trees of files as they are found on
 * machines with version 1, version 2 and both, and inside containers.
 *
 * In a mountinfo, "HERE" stands for the mount that the tree is on; a folder of
 * it plays the mounted file system.
 */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virtio-mhp-cgroup.h"

#define GIB (UINT64_C(1) << 30)
#define V1_MAX "9223372036854771712\n"
/* In GiB */
#define G1 "1073741824"
#define G10 "10737418240"
#define G30 "32212254720"
#define G40 "42949672960"
#define G90 "96636764160"
#define G100 "107374182400"

#define V1 "sys/fs/cgroup/memory"
#define V2 "sys/fs/cgroup"
#define MOUNT_V1 \
    "HERE 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
#define MOUNT_V2 \
    "HERE 30 0:31 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
#define MOUNTS "proc/self/mountinfo"
#define GROUP "proc/self/cgroup"
/* What tells the root of a hierarchy from other groups */
#define V1_ROOT V1 "/release_agent", ""
#define V2_NOT_ROOT V2 "/cgroup.type", "domain\n"

typedef struct File {
    const char *path;
    const char *text;
} File;

typedef struct Tree {
    char *root;
    VirtIOMHPCgroup *cgroup;
} Tree;

static char *mount_id(const char *path)
{
    struct statx stx;

    g_assert_no_errno(statx(AT_FDCWD, path, 0, STATX_MNT_ID, &stx));
    g_assert_true(stx.stx_mask & STATX_MNT_ID);
    return g_strdup_printf("%" G_GUINT64_FORMAT, (uint64_t)stx.stx_mnt_id);
}

static void write_file(const Tree *tree, const File *file)
{
    g_autofree char *path = g_build_filename(tree->root, file->path, NULL);
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *id = mount_id(tree->root);
    g_autoptr(GString) text = g_string_new(file->text);
    g_autoptr(GError) error = NULL;

    g_assert_no_errno(g_mkdir_with_parents(folder, 0700));
    g_string_replace(text, "HERE", id, 0);
    g_file_set_contents(path, text->str, -1, &error);
    g_assert_no_error(error);
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        remove_tree(child);
    }
    g_remove(path);
}

static Tree *tree_new(const File *files)
{
    Tree *tree = g_new0(Tree, 1);

    tree->root = g_dir_make_tmp("cgroup-XXXXXX", NULL);
    for (; files->path; files++) {
        write_file(tree, files);
    }
    tree->cgroup = virtio_mhp_cgroup_open(tree->root);
    return tree;
}

static void tree_free(Tree *tree)
{
    virtio_mhp_cgroup_close(tree->cgroup);
    remove_tree(tree->root);
    g_free(tree->root);
    g_free(tree);
}

static const char *sight_name(VirtIOMHPCgroupSight sight)
{
    static const char *const names[] = {
        [VIRTIO_MHP_CGROUP_LIMITED] = "limited",
        [VIRTIO_MHP_CGROUP_UNLIMITED] = "unlimited",
        [VIRTIO_MHP_CGROUP_UNSEEN] = "unseen",
    };

    return names[sight];
}

static void tree_assert(const Tree *tree, const char *sight)
{
    uint64_t room;

    g_assert_cmpstr(sight_name(virtio_mhp_cgroup_room(tree->cgroup, &room)), ==,
                    sight);
}

static void tree_assert_room(const Tree *tree, uint64_t wanted)
{
    uint64_t room = 0;

    g_assert_cmpstr(sight_name(virtio_mhp_cgroup_room(tree->cgroup, &room)), ==,
                    "limited");
    g_assert_cmpuint(room, ==, wanted);
}

static void assert_room(const File *files, uint64_t wanted)
{
    Tree *tree = tree_new(files);

    tree_assert_room(tree, wanted);
    tree_free(tree);
}

/* Of so much cache in memory.stat, which may not be up to date */
static uint64_t counted(uint64_t cache)
{
    return cache -
           (uint64_t)sysconf(_SC_NPROCESSORS_CONF) * getauxval(AT_PAGESZ) * 128;
}

static void test_version_2(void)
{
    const File files[] = {
        {MOUNTS, MOUNT_V2},
        {GROUP, "0::/machine/vm\n"},
        {V2 "/machine/vm/memory.max", G100 "\n"},
        {V2 "/machine/vm/memory.current", G40 "\n"},
        {V2 "/machine/vm/memory.stat", "anon 1\ninactive_file 0\n"},
        {V2 "/machine/memory.max", "max\n"},
        {V2 "/machine/memory.current", G40 "\n"},
        {NULL, NULL},
    };

    assert_room(files, 60 * GIB);
}

static void test_version_1(void)
{
    const File files[] = {
        {MOUNTS, MOUNT_V1},
        {GROUP, "9:name=systemd:/x\n4:cpu,memory:/vm\n1:cpuset:/y\n0::/\n"},
        {V1_ROOT},
        {V1 "/vm/memory.limit_in_bytes", G100 "\n"},
        {V1 "/vm/memory.usage_in_bytes", G40 "\n"},
        {V1 "/memory.limit_in_bytes", V1_MAX},
        {V1 "/memory.usage_in_bytes", G90 "\n"},
        {NULL, NULL},
    };

    assert_room(files, 60 * GIB);
}

/* Version 2 is there, too, but does not count memory */
static void test_both_versions(void)
{
    const File files[] = {
        {MOUNTS,
         "9 30 0:30 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
         "HERE 30 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
         "HERE 30 0:32 / /sys/fs/cgroup/cpu rw shared:1 - cgroup none rw,cpu\n"
         "HERE 30 0:33 / /sys/fs/cgroup/memory rw - cgroup none rw,memory\n"},
        {GROUP, "2:cpu:/vm\n1:memory:/vm\n0::/vm\n"},
        {V2 "/unified/vm/memory.max", G1 "\n"},
        {V2 "/unified/vm/memory.current", "0\n"},
        {V2 "/cpu/vm/memory.limit_in_bytes", G1 "\n"},
        {V2 "/cpu/vm/memory.usage_in_bytes", "0\n"},
        {V1 "/vm/memory.limit_in_bytes", G100 "\n"},
        {V1 "/vm/memory.usage_in_bytes", G90 "\n"},
        {NULL, NULL},
    };

    assert_room(files, 10 * GIB);
}

static void test_mounted_elsewhere(void)
{
    const File files[] = {
        {MOUNTS, "HERE 30 0:31 / /my\\040groups\\134 rw - cgroup2 none rw\n"},
        {GROUP, "0::/a:b\n"},
        {"my groups\\/a:b/memory.max", G100 "\n"},
        {"my groups\\/a:b/memory.current", G90 "\n"},
        {NULL, NULL},
    };

    assert_room(files, 10 * GIB);
}

static void test_upper_group_limits_too(void)
{
    const File files[] = {
        {MOUNTS, MOUNT_V2},
        {GROUP, "0::/machine/vm\n"},
        {V2 "/machine/vm/memory.max", G100 "\n"},
        {V2 "/machine/vm/memory.current", "0\n"},
        {V2 "/machine/memory.max", G100 "\n"},
        {V2 "/machine/memory.current", G90 "\n"},
        {NULL, NULL},
    };

    assert_room(files, 10 * GIB);
}

/* Above it Linux lets QEMU sleep */
static void test_high_is_a_limit(void)
{
    const File files[] = {
        {MOUNTS, MOUNT_V2},
        {GROUP, "0::/vm\n"},
        {V2 "/vm/memory.max", "max\n"},
        {V2 "/vm/memory.high", G40 "\n"},
        {V2 "/vm/memory.current", G30 "\n"},
        {NULL, NULL},
    };

    assert_room(files, 10 * GIB);
}

static void test_memory_and_swap_is_a_limit(void)
{
    const File files[] = {
        {MOUNTS, MOUNT_V1},
        {GROUP, "4:memory:/vm\n"},
        {V1 "/vm/memory.limit_in_bytes", G100 "\n"},
        {V1 "/vm/memory.usage_in_bytes", G30 "\n"},
        {V1 "/vm/memory.memsw.limit_in_bytes", G100 "\n"},
        {V1 "/vm/memory.memsw.usage_in_bytes", G90 "\n"},
        {NULL, NULL},
    };

    assert_room(files, 10 * GIB);
}

/* Linux drops active pages as well, but none that it has to write first */
static void test_clean_cache_is_room(void)
{
    const File v2[] = {
        {MOUNTS, MOUNT_V2},
        {GROUP, "0::/vm\n"},
        {V2 "/vm/memory.max", G100 "\n"},
        {V2 "/vm/memory.current", G100 "\n"},
        {V2 "/vm/memory.stat",
         "total_active_file 1\nfile " G100 "\nfile_dirty " G10
         "\nfile_writeback " G1 "\ninactive_file " G30 "\nactive_file " G40},
        {NULL, NULL},
    };
    const File v1[] = {
        {MOUNTS, MOUNT_V1},
        {GROUP, "4:memory:/vm\n"},
        {V1 "/vm/memory.limit_in_bytes", G100 "\n"},
        {V1 "/vm/memory.usage_in_bytes", G100 "\n"},
        {V1 "/vm/memory.stat",
         "inactive_file 1\ndirty 1\ntotal_dirty " G10 "\ntotal_writeback " G1
         "\ntotal_inactive_file " G30 "\ntotal_active_file " G40 "\n"},
        {NULL, NULL},
    };

    assert_room(v2, counted(59 * GIB));
    assert_room(v1, counted(59 * GIB));
}

/* All of it is dirty */
static void test_dirty_cache_is_no_room(void)
{
    const File files[] = {
        {MOUNTS, MOUNT_V2},
        {GROUP, "0::/vm\n"},
        {V2 "/vm/memory.max", G100 "\n"},
        {V2 "/vm/memory.current", G90 "\n"},
        {V2 "/vm/memory.stat", "file_dirty " G40 "\ninactive_file " G30 "\n"},
        {NULL, NULL},
    };

    assert_room(files, 10 * GIB);
}

/*
 * Of 30 GiB of cache in the other group 20 stay: it may keep 90 of 100 GiB. The
 * third protects less than what it has besides.
 */
static void test_protected_cache_is_no_room(void)
{
    const File files[] = {
        {MOUNTS, MOUNT_V2},
        {GROUP, "0::/machine/vm\n"},
        {V2 "/machine/vm/memory.max", "max\n"},
        {V2 "/machine/vm/memory.min", "0\n"},
        {V2 "/machine/memory.max", G100 "\n"},
        {V2 "/machine/memory.current", G100 "\n"},
        {V2 "/machine/memory.stat", "active_file " G40 "\n"},
        {V2 "/machine/other/memory.min", G90 "\n"},
        {V2 "/machine/other/memory.current", G100 "\n"},
        {V2 "/machine/other/memory.stat", "active_file " G30 "\n"},
        {V2 "/machine/third/memory.min", G1 "\n"},
        {V2 "/machine/third/memory.current", G100 "\n"},
        {V2 "/machine/third/memory.stat", "active_file " G10 "\n"},
        {NULL, NULL},
    };

    assert_room(files, counted(20 * GIB));
}

/* The limit was lowered below what is in use */
static void test_no_room(void)
{
    const File files[] = {
        {MOUNTS, MOUNT_V2},
        {GROUP, "0::/vm\n"},
        {V2 "/vm/memory.max", G1 "\n"},
        {V2 "/vm/memory.current", G100 "\n"},
        {NULL, NULL},
    };

    assert_room(files, 0);
}

/* Its own group is what is mounted; the names are those of the host or not */
static void test_limited_container(void)
{
    static const struct {
        const char *top;
        const char *group;
    } rows[] = {
        {"/docker/0123", "/docker/0123"},
        {"/", "/"},
        {"/..", "/.."},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *mount = g_strdup_printf(
            "HERE 30 0:31 %s /sys/fs/cgroup/memory rw - cgroup cgroup "
            "ro,memory\n",
            rows[i].top);
        g_autofree char *group = g_strdup_printf("4:memory:%s\n",
                                                 rows[i].group);
        const File files[] = {
            {MOUNTS, mount},
            {GROUP, group},
            {V1 "/memory.limit_in_bytes", G100 "\n"},
            {V1 "/memory.usage_in_bytes", G40 "\n"},
            {NULL, NULL},
        };

        g_test_message("row %u", i);
        assert_room(files, 60 * GIB);
    }
}

/* A part of a container's own, and all that it may see of the host */
static void test_most_complete_mount(void)
{
    const File files[] = {
        {MOUNTS, "HERE 30 0:31 /a/b /one rw - cgroup2 none rw\n"
                 "HERE 30 0:31 /a /two rw - cgroup2 none rw\n"
                 "HERE 30 0:31 /a/b/c /three rw - cgroup2 none rw\n"},
        {GROUP, "0::/a/b/c\n"},
        {"one/memory.max", G100 "\n"},
        {"one/memory.current", "0\n"},
        {"two/memory.max", G30 "\n"},
        {"two/memory.current", "0\n"},
        {"two/b/c/memory.max", G40 "\n"},
        {"two/b/c/memory.current", "0\n"},
        {"three/memory.max", G100 "\n"},
        {"three/memory.current", "0\n"},
        {NULL, NULL},
    };

    assert_room(files, 30 * GIB);
}

static void test_unlimited(void)
{
    static const File rows[][6] = {
        /* A kernel without control groups, or without those for memory */
        {{MOUNTS, ""}},
        {{MOUNTS, ""}, {GROUP, ""}},
        {{MOUNTS, MOUNT_V2}, {GROUP, "nonsense\n:\n1:cpu:/vm\n"}},
        /* The controller is off, on as far as the upper group, on */
        {{MOUNTS, MOUNT_V2}, {GROUP, "0::/vm\n"}, {V2 "/vm/cgroup.type", ""}},
        {{MOUNTS, MOUNT_V2},
         {GROUP, "0::/machine/vm\n"},
         {V2 "/machine/memory.max", "max\n"},
         {V2 "/machine/vm/cgroup.type", ""}},
        {{MOUNTS, MOUNT_V2},
         {GROUP, "0::/vm\n"},
         {V2 "/vm/memory.max", "max\n"},
         {V2 "/vm/memory.high", "max\n"}},
        {{MOUNTS, MOUNT_V2}, {GROUP, "0::/\n"}, {V2 "/cgroup.procs", ""}},
        {{MOUNTS, MOUNT_V1},
         {GROUP, "4:memory:/vm\n0::/\n"},
         {V1_ROOT},
         {V1 "/memory.limit_in_bytes", V1_MAX},
         {V1 "/vm/memory.limit_in_bytes", V1_MAX}},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Tree *tree = tree_new(rows[i]);

        g_test_message("row %u", i);
        tree_assert(tree, "unlimited");
        tree_free(tree);
    }
}

static void test_unseen(void)
{
    static const File rows[][6] = {
        /* No /proc, or only a part of it */
        {{V2 "/memory.max", "max\n"}},
        {{GROUP, "0::/\n"}, {V2 "/memory.max", "max\n"}},
        {{MOUNTS, MOUNT_V2}, {GROUP "/unreadable", ""}},
        /* Not mounted, or below another mount */
        {{MOUNTS, ""}, {GROUP, "0::/\n"}},
        {{MOUNTS, MOUNT_V2}, {GROUP, "4:memory:/\n"}, {V1_ROOT}},
        {{MOUNTS, "999999999 30 0:31 / /sys/fs/cgroup rw - cgroup2 none rw\n"},
         {GROUP, "0::/\n"},
         {V2 "/memory.max", "max\n"}},
        /* Mounts that show other groups, or that cannot be told */
        {{MOUNTS, MOUNT_V2},
         {GROUP, "0::/../vm\n"},
         {V2 "/../vm/memory.max", G1},
         {V2 "/../vm/memory.current", "0\n"}},
        {{MOUNTS, "HERE 1 0:1 /v /sys/fs/cgroup rw - cgroup2 none rw\n"},
         {GROUP, "0::/vm\n"},
         {V2 "/m/x", ""}},
        {{MOUNTS, "HERE 1 0:1 /.. /sys/fs/cgroup rw - cgroup2 none rw\n"},
         {GROUP, "0::/\n"},
         {V2 "/x", ""}},
        {{MOUNTS, MOUNT_V2}, {GROUP, "0::vm\n"}, {V2 "/vm/x", ""}},
        {{MOUNTS, MOUNT_V2}, {GROUP, "0::/gone (deleted)\n"}, {V2 "/x", ""}},
        {{MOUNTS, "HERE 1 0:1 /\nHERE\n - cgroup2 none rw\n"},
         {GROUP, "0::/\n"}},
        /* A namespace or container has nothing above it in sight */
        {{MOUNTS, MOUNT_V2}, {GROUP, "0::/\n"}, {V2_NOT_ROOT}},
        {{MOUNTS, MOUNT_V2},
         {GROUP, "0::/vm\n"},
         {V2_NOT_ROOT},
         {V2 "/memory.max", "max\n"},
         {V2 "/vm/memory.max", "max\n"}},
        {{MOUNTS, MOUNT_V1},
         {GROUP, "4:memory:/vm\n"},
         {V1 "/memory.limit_in_bytes", V1_MAX},
         {V1 "/vm/memory.limit_in_bytes", V1_MAX}},
        /* Files that say nothing */
        {{MOUNTS, MOUNT_V2}, {GROUP, "0::/vm\n"}, {V2 "/vm/memory.max", "-\n"}},
        {{MOUNTS, MOUNT_V2}, {GROUP, "0::/vm\n"}, {V2 "/vm/memory.max", "1\n"}},
        {{MOUNTS, MOUNT_V2}, {GROUP, "0::/vm\n"}, {V2 "/vm/memory.high/x", ""}},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Tree *tree = tree_new(rows[i]);

        g_test_message("row %u", i);
        tree_assert(tree, "unseen");
        tree_free(tree);
    }
}

static const File movable[] = {
    {MOUNTS, MOUNT_V2},
    {GROUP, "0::/vm\n"},
    {V2 "/vm/memory.max", G100 "\n"},
    {V2 "/vm/memory.current", G90 "\n"},
    {V2 "/machine/other/memory.max", G100 "\n"},
    {V2 "/machine/other/memory.current", G40 "\n"},
    {NULL, NULL},
};

static void test_moved(void)
{
    Tree *tree = tree_new(movable);
    const File other = {GROUP, "0::/machine/other\n"};
    const File hidden = {GROUP, "0::/../vm\n"};

    tree_assert_room(tree, 10 * GIB);
    write_file(tree, &other);
    tree_assert_room(tree, 60 * GIB);
    write_file(tree, &hidden);
    tree_assert(tree, "unseen");
    tree_free(tree);
}

/* None of the paths leads there any more, as after a chroot */
static void test_paths_gone(void)
{
    Tree *tree = tree_new(movable);
    const File other = {GROUP, "0::/machine/other\n"};
    g_autofree char *root = g_strconcat(tree->root, "-gone", NULL);

    g_assert_no_errno(g_rename(tree->root, root));
    g_free(tree->root);
    tree->root = g_steal_pointer(&root);
    tree_assert_room(tree, 10 * GIB);
    write_file(tree, &other);
    tree_assert_room(tree, 60 * GIB);
    tree_free(tree);
}

/* Then it is where it was */
static void test_proc_gone(void)
{
    Tree *tree = tree_new(movable);
    g_autofree char *proc = g_build_filename(tree->root, "proc", NULL);

    remove_tree(proc);
    tree_assert_room(tree, 10 * GIB);
    tree_free(tree);
}

static bool take(const Tree *tree, int64_t now, uint64_t size, uint64_t wanted)
{
    uint64_t room = 0;

    virtio_mhp_cgroup_take(tree->cgroup, now, size, &room);
    g_assert_cmpuint(room, ==, wanted);
    return room >= size + VIRTIO_MHP_CGROUP_SPARE;
}

static void test_take_keeps_some_spare(void)
{
    Tree *tree = tree_new(movable);
    const uint64_t room = 10 * GIB;

    g_assert_false(take(tree, 1, room - VIRTIO_MHP_CGROUP_SPARE + 1, room));
    g_assert_true(take(tree, 2, room - VIRTIO_MHP_CGROUP_SPARE, room));
    tree_free(tree);
}

static void test_take_counts_until_it_reads_again(void)
{
    Tree *tree = tree_new(movable);
    const File less = {V2 "/vm/memory.max", G90 "\n"};
    const File more = {V2 "/vm/memory.current", G40 "\n"};

    g_assert_true(take(tree, 1000, 4 * GIB, 10 * GIB));
    write_file(tree, &less);
    g_assert_true(take(tree, 100998, 4 * GIB, 6 * GIB));
    /* That was too little: it is looked at at once */
    g_assert_false(take(tree, 100999, 4 * GIB, 0));
    write_file(tree, &more);
    g_assert_true(take(tree, 101000, 4 * GIB, 50 * GIB));
    g_assert_true(take(tree, 200999, 4 * GIB, 46 * GIB));
    /* The last reading is old */
    g_assert_true(take(tree, 201000, 4 * GIB, 50 * GIB));
    tree_free(tree);
}

static void test_take_without_a_limit(void)
{
    static const File unlimited[] = {{MOUNTS, ""}, {NULL, NULL}};
    static const File unseen[] = {{GROUP, ""}, {NULL, NULL}};
    const struct {
        const File *files;
        VirtIOMHPCgroupSight sight;
    } rows[] = {
        {unlimited, VIRTIO_MHP_CGROUP_UNLIMITED},
        {unseen, VIRTIO_MHP_CGROUP_UNSEEN},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        Tree *tree = tree_new(rows[i].files);
        uint64_t room = 0;

        /* The second time from the first one's reading */
        for (int64_t now = 1; now < 3; now++) {
            g_assert_cmpint(
                virtio_mhp_cgroup_take(tree->cgroup, now, GIB, &room), ==,
                rows[i].sight);
            g_assert_cmpuint(room, ==, UINT64_MAX);
        }
        tree_free(tree);
    }
}

#define ADD(test) g_test_add_func("/virtio-mhp/cgroup/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(version_2);
    ADD(version_1);
    ADD(both_versions);
    ADD(mounted_elsewhere);
    ADD(upper_group_limits_too);
    ADD(high_is_a_limit);
    ADD(memory_and_swap_is_a_limit);
    ADD(clean_cache_is_room);
    ADD(dirty_cache_is_no_room);
    ADD(protected_cache_is_no_room);
    ADD(no_room);
    ADD(limited_container);
    ADD(most_complete_mount);
    ADD(unlimited);
    ADD(unseen);
    ADD(moved);
    ADD(paths_gone);
    ADD(proc_gone);
    ADD(take_keeps_some_spare);
    ADD(take_counts_until_it_reads_again);
    ADD(take_without_a_limit);
    return g_test_run();
}
