/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Room in control groups, read from trees of files as they are found on
 * machines with version 1, version 2 and both, and inside containers.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "virtio-mhp-cgroup.h"

#define MIB (UINT64_C(1) << 20)
#define V1 "sys/fs/cgroup/memory"
#define V2 "sys/fs/cgroup"
#define V1_MAX "9223372036854771712\n"

typedef struct File {
    const char *path;
    const char *text;
} File;

static void write_file(const char *root, const File *file)
{
    g_autofree char *path = g_build_filename(root, file->path, NULL);
    g_autofree char *folder = g_path_get_dirname(path);
    g_autoptr(GError) error = NULL;

    g_assert_no_errno(g_mkdir_with_parents(folder, 0700));
    g_file_set_contents(path, file->text, -1, &error);
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

/* -1: no limit */
static int64_t room_of(const File *files)
{
    g_autofree char *root = g_dir_make_tmp("cgroup-XXXXXX", NULL);
    uint64_t room = 0;
    bool is_limited;

    for (; files->path; files++) {
        write_file(root, files);
    }
    is_limited = virtio_mhp_cgroup_room(root, &room);
    remove_tree(root);
    return is_limited ? (int64_t)room : -1;
}

static void test_version_2(void)
{
    const File files[] = {
        {"proc/self/cgroup", "0::/machine/vm\n"},
        {V2 "/machine/vm/memory.max", "104857600\n"},
        {V2 "/machine/vm/memory.current", "41943040\n"},
        {V2 "/machine/vm/memory.stat", "anon 1\ninactive_file 0\n"},
        {V2 "/machine/memory.max", "max\n"},
        {V2 "/machine/memory.current", "41943040\n"},
        {NULL, NULL},
    };

    g_assert_cmpint(room_of(files), ==, 60 * MIB);
}

static void test_version_1(void)
{
    const File files[] = {
        {"proc/self/cgroup",
         "9:name=systemd:/x\n4:cpu,memory:/vm\n1:cpuset:/y\n0::/\n"},
        {V1 "/vm/memory.limit_in_bytes", "104857600\n"},
        {V1 "/vm/memory.usage_in_bytes", "41943040\n"},
        {V1 "/memory.limit_in_bytes", V1_MAX},
        {V1 "/memory.usage_in_bytes", "83886080\n"},
        {NULL, NULL},
    };

    g_assert_cmpint(room_of(files), ==, 60 * MIB);
}

static void test_upper_group_limits_too(void)
{
    const File files[] = {
        {"proc/self/cgroup", "0::/machine/vm\n"},
        {V2 "/machine/vm/memory.max", "104857600\n"},
        {V2 "/machine/vm/memory.current", "0\n"},
        {V2 "/machine/memory.max", "104857600\n"},
        {V2 "/machine/memory.current", "94371840\n"},
        {NULL, NULL},
    };

    g_assert_cmpint(room_of(files), ==, 10 * MIB);
}

static void test_cache_is_room(void)
{
    const File v2[] = {
        {"proc/self/cgroup", "0::/vm\n"},
        {V2 "/vm/memory.max", "104857600\n"},
        {V2 "/vm/memory.current", "104857600\n"},
        {V2 "/vm/memory.stat", "total_inactive_file 1\ninactive_file 31457280"},
        {NULL, NULL},
    };
    const File v1[] = {
        {"proc/self/cgroup", "4:memory:/vm\n"},
        {V1 "/vm/memory.limit_in_bytes", "104857600\n"},
        {V1 "/vm/memory.usage_in_bytes", "104857600\n"},
        {V1 "/vm/memory.stat",
         "inactive_file 1\ntotal_inactive_file 31457280\n"},
        {NULL, NULL},
    };

    g_assert_cmpint(room_of(v2), ==, 30 * MIB);
    g_assert_cmpint(room_of(v1), ==, 30 * MIB);
}

/* The limit was lowered below what is in use */
static void test_no_room(void)
{
    const File files[] = {
        {"proc/self/cgroup", "0::/vm\n"},
        {V2 "/vm/memory.max", "1048576\n"},
        {V2 "/vm/memory.current", "104857600\n"},
        {NULL, NULL},
    };

    g_assert_cmpint(room_of(files), ==, 0);
}

/* The path is that of the host, which the container does not see */
static void test_container(void)
{
    const File files[] = {
        {"proc/self/cgroup", "4:memory:/docker/0123\n"},
        {V1 "/memory.limit_in_bytes", "104857600\n"},
        {V1 "/memory.usage_in_bytes", "41943040\n"},
        {NULL, NULL},
    };

    g_assert_cmpint(room_of(files), ==, 60 * MIB);
}

static void test_no_limit(void)
{
    /* memory.max may be missing, too */
    static const struct {
        const char *cgroup;
        const char *max;
    } rows[] = {
        {"", NULL},
        {"nonsense\n:\n::\n0::/\n4:memory:\n", NULL},
        {"0::/vm\n", NULL},
        {"0::/vm\n", "max\n"},
        {"0::/vm\n", "many\n"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const File files[] = {
            {"proc/self/cgroup", rows[i].cgroup},
            {V2 "/vm/memory.current", "1\n"},
            {rows[i].max ? V2 "/vm/memory.max" : NULL, rows[i].max},
            {NULL, NULL},
        };

        g_test_message("row %u", i);
        g_assert_cmpint(room_of(files), ==, -1);
    }
}

#define ADD(test) g_test_add_func("/virtio-mhp/cgroup/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(version_2);
    ADD(version_1);
    ADD(upper_group_limits_too);
    ADD(cache_is_room);
    ADD(no_room);
    ADD(container);
    ADD(no_limit);
    return g_test_run();
}
