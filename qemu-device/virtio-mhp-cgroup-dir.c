/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control groups found: see virtio-mhp-cgroup-dir.h.
 *
 * /proc/self/cgroup names the group, and /proc/self/mountinfo which group is
 * the top folder of each mount. Both name groups as seen from the root of the
 * process's control group namespace: what is above that is "/..".
 *
 * Folders stay open, so that they can be read after a chroot, too.
 */
#include "virtio-mhp-cgroup-dir.h"

#include <errno.h>
#include <glib.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void virtio_mhp_cgroup_close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

char *virtio_mhp_cgroup_read(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    GString *text;
    char part[4096];
    ssize_t size;
    int error;

    if (fd < 0) {
        return NULL;
    }
    text = g_string_new(NULL);
    while ((size = read(fd, part, sizeof(part))) > 0) {
        g_string_append_len(text, part, size);
    }
    error = errno;
    close(fd);
    if (size < 0) {
        g_string_free(text, true);
        errno = error;
        return NULL;
    }
    return g_string_free(text, false);
}

/*
 * The way from group @above to @group, NULL if that is not below it. The names
 * of groups above the process's namespace are not known.
 */
static const char *virtio_mhp_cgroup_below(const char *above, const char *group)
{
    size_t length = g_str_equal(above, "/") ? 0 : strlen(above);
    const char *path = group + length;

    if (!g_str_has_prefix(group, above) || (*path && *path != '/')) {
        return NULL;
    }
    path += *path == '/';
    return g_str_has_prefix(path, "..") && (!path[2] || path[2] == '/') ? NULL
                                                                        : path;
}

/* The group in a line "ID:CONTROLLERS:GROUP", if that is about memory */
static unsigned virtio_mhp_cgroup_parse_line(const char *line, char **group)
{
    g_auto(GStrv) fields = g_strsplit(line, ":", 3);
    g_auto(GStrv) controllers = NULL;
    unsigned version = 0;

    if (g_strv_length(fields) < 3) {
        return 0;
    }
    controllers = g_strsplit(fields[1], ",", -1);
    if (g_strv_contains((const char *const *)controllers, "memory")) {
        version = 1;
    } else if (!fields[1][0]) {
        version = 2;
    }
    if (version) {
        *group = g_strdup(fields[2]);
    }
    return version;
}

/* Version 2 has the controllers that no hierarchy of version 1 has. */
static unsigned virtio_mhp_cgroup_parse(const char *text, char **group)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    unsigned found = 0;

    for (char **line = lines; *line; line++) {
        g_autofree char *value = NULL;
        unsigned version = virtio_mhp_cgroup_parse_line(*line, &value);

        if (version && found != 1) {
            found = version;
            g_free(*group);
            *group = g_steal_pointer(&value);
        }
    }
    return found;
}

/* Open mount @id at @path, unless another one hides it. */
static int virtio_mhp_cgroup_open_mount(const char *path, uint64_t id)
{
    int fd = open(path, VIRTIO_MHP_CGROUP_FOLDER);
    struct statx stx = {0};

    if (fd >= 0 && (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0 ||
                    !(stx.stx_mask & STATX_MNT_ID) || stx.stx_mnt_id != id)) {
        virtio_mhp_cgroup_close_fd(&fd);
    }
    return fd;
}

/* Whether @type and @options are of a mount that has the groups for memory */
static bool virtio_mhp_cgroup_is_mount(unsigned version, const char *type,
                                       const char *options)
{
    g_auto(GStrv) list = g_strsplit(options, ",", -1);

    if (version == 2) {
        return g_str_equal(type, "cgroup2");
    }
    return g_str_equal(type, "cgroup") &&
           g_strv_contains((const char *const *)list, "memory");
}

/*
 * Take the mount in a line "ID PARENT DEVICE TOP FOLDER OPTIONS... - TYPE
 * SOURCE OPTIONS" if it shows the group, and more of what is above it than the
 * mount at hand does.
 */
static void virtio_mhp_cgroup_try_mount(VirtIOMHPCgroupDir *dir,
                                        const char *root, const char *line)
{
    const char *dash = strstr(line, " - ");
    g_auto(GStrv) first = g_strsplit(line, " ", 6);
    g_auto(GStrv) last = g_strsplit(dash ? dash + 3 : "", " ", 3);
    g_autofree char *top_group = NULL, *folder = NULL, *path = NULL;
    int top;

    if (g_strv_length(first) < 6 || g_strv_length(last) < 3 ||
        !virtio_mhp_cgroup_is_mount(dir->version, last[0], last[2])) {
        return;
    }
    /* Spaces and the like are octal there. */
    top_group = g_strcompress(first[3]);
    folder = g_strcompress(first[4]);
    if (!virtio_mhp_cgroup_below(top_group, dir->group) ||
        (dir->top >= 0 && strlen(top_group) >= strlen(dir->top_group))) {
        return;
    }
    path = g_strconcat(root, folder, NULL);
    top = virtio_mhp_cgroup_open_mount(path,
                                       g_ascii_strtoull(first[0], NULL, 10));
    if (top >= 0) {
        virtio_mhp_cgroup_close_fd(&dir->top);
        dir->top = top;
        g_free(dir->top_group);
        dir->top_group = g_steal_pointer(&top_group);
    }
}

/* A file that version 1 has at the root alone, version 2 anywhere else */
static bool virtio_mhp_cgroup_top_is_whole(const VirtIOMHPCgroupDir *dir)
{
    if (dir->version == 1) {
        return faccessat(dir->top, "release_agent", F_OK, 0) == 0;
    }
    return faccessat(dir->top, "cgroup.type", F_OK, 0) < 0 && errno == ENOENT;
}

static void virtio_mhp_cgroup_find_mount(VirtIOMHPCgroupDir *dir,
                                         const char *root, const char *mounts)
{
    g_auto(GStrv) lines = g_strsplit(mounts, "\n", -1);

    for (char **line = lines; *line; line++) {
        virtio_mhp_cgroup_try_mount(dir, root, *line);
    }
    dir->is_whole = dir->top >= 0 && virtio_mhp_cgroup_top_is_whole(dir);
}

void virtio_mhp_cgroup_find(VirtIOMHPCgroupDir *dir, const char *root)
{
    g_autofree char *proc = g_strconcat(root, "/proc", NULL);
    g_autofree char *mounts = NULL, *text = NULL;

    *dir = (VirtIOMHPCgroupDir){.top = -1};
    dir->proc = open(proc, VIRTIO_MHP_CGROUP_FOLDER);
    mounts = virtio_mhp_cgroup_read(dir->proc, "self/mountinfo");
    text = virtio_mhp_cgroup_read(dir->proc, "self/cgroup");
    if (text) {
        dir->version = virtio_mhp_cgroup_parse(text, &dir->group);
    } else if (errno != ENOENT) {
        dir->is_hidden = true;
    }
    if (!mounts) {
        /* Else a kernel without control groups has no such file. */
        dir->is_hidden = true;
    } else if (dir->version) {
        virtio_mhp_cgroup_find_mount(dir, root, mounts);
    }
}

void virtio_mhp_cgroup_forget(VirtIOMHPCgroupDir *dir)
{
    virtio_mhp_cgroup_close_fd(&dir->proc);
    virtio_mhp_cgroup_close_fd(&dir->top);
    g_free(dir->top_group);
    g_free(dir->group);
}

const char *virtio_mhp_cgroup_follow(VirtIOMHPCgroupDir *dir)
{
    g_autofree char *text = virtio_mhp_cgroup_read(dir->proc, "self/cgroup");
    g_autofree char *group = NULL;

    if (text && virtio_mhp_cgroup_parse(text, &group) == dir->version) {
        g_free(dir->group);
        dir->group = g_steal_pointer(&group);
    }
    return virtio_mhp_cgroup_below(dir->top_group, dir->group);
}
