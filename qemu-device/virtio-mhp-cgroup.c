/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The limits of control groups: see virtio-mhp-cgroup.h. A group is limited
 * by all groups above it, too. What cannot be read limits nothing: in a
 * container the upper groups are out of sight.
 */
#include "virtio-mhp-cgroup.h"

#include <glib.h>
#include <string.h>

typedef struct VirtIOMHPCgroupFiles {
    const char *mount;
    const char *limit;
    const char *usage;
    const char *cache; /* the line of memory.stat */
} VirtIOMHPCgroupFiles;

static const VirtIOMHPCgroupFiles virtio_mhp_cgroup_v1 = {
    "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
    "total_inactive_file "};
static const VirtIOMHPCgroupFiles virtio_mhp_cgroup_v2 = {
    "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "};

static char *virtio_mhp_cgroup_read(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

static bool virtio_mhp_cgroup_number(const char *folder, const char *name,
                                     uint64_t *value)
{
    g_autofree char *text = virtio_mhp_cgroup_read(folder, name);

    /* No limit is "max", or in version 1 a number beyond all memory. */
    return text && g_ascii_string_to_unsigned(g_strchomp(text), 10, 0,
                                              UINT64_MAX, value, NULL);
}

/* The number behind @key, which a line of memory.stat starts with */
static uint64_t virtio_mhp_cgroup_stat(const char *folder, const char *key)
{
    g_autofree char *text = virtio_mhp_cgroup_read(folder, "memory.stat");
    const char *line = text;

    while (line && !g_str_has_prefix(line, key)) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return line ? g_ascii_strtoull(line + strlen(key), NULL, 10) : 0;
}

static bool virtio_mhp_cgroup_room_of(const VirtIOMHPCgroupFiles *files,
                                      const char *folder, uint64_t *room)
{
    uint64_t limit, usage, cache;

    if (!virtio_mhp_cgroup_number(folder, files->limit, &limit) ||
        !virtio_mhp_cgroup_number(folder, files->usage, &usage)) {
        return false;
    }
    cache = virtio_mhp_cgroup_stat(folder, files->cache);
    usage -= MIN(usage, cache);
    *room = limit - MIN(limit, usage);
    return true;
}

/* The least room of the group at @path and all above it */
static bool virtio_mhp_cgroup_least_room(const VirtIOMHPCgroupFiles *files,
                                         const char *root, const char *path,
                                         uint64_t *room)
{
    g_autofree char *top = g_strconcat(root, files->mount, NULL);
    g_autofree char *folder = g_strconcat(top, path, NULL);
    bool is_limited = false;
    char *end = folder + strlen(folder);
    uint64_t value;

    do {
        *end = '\0';
        if (virtio_mhp_cgroup_room_of(files, folder, &value)) {
            *room = is_limited ? MIN(*room, value) : value;
            is_limited = true;
        }
        end = strrchr(folder, '/');
    } while (end && end >= folder + strlen(top));
    return is_limited;
}

/* Take the files and the path from a line "ID:CONTROLLERS:PATH". */
static const VirtIOMHPCgroupFiles *virtio_mhp_cgroup_parse(char *line,
                                                           const char **path)
{
    g_auto(GStrv) controllers = NULL;
    char *names = strchr(line, ':');
    char *colon = names ? strchr(names + 1, ':') : NULL;

    if (!colon) {
        return NULL;
    }
    *colon = '\0';
    *path = colon + 1;
    controllers = g_strsplit(names + 1, ",", -1);
    if (g_strv_contains((const char *const *)controllers, "memory")) {
        return &virtio_mhp_cgroup_v1;
    }
    return names + 1 == colon ? &virtio_mhp_cgroup_v2 : NULL;
}

bool virtio_mhp_cgroup_room(const char *root, uint64_t *room)
{
    g_autofree char *proc = g_strconcat(root, "/proc/self", NULL);
    g_autofree char *text = virtio_mhp_cgroup_read(proc, "cgroup");
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    bool is_limited = false;
    char **line;

    for (line = lines; *line; line++) {
        const char *path;
        const VirtIOMHPCgroupFiles *files = virtio_mhp_cgroup_parse(*line,
                                                                    &path);
        uint64_t value;

        if (files && virtio_mhp_cgroup_least_room(files, root, path, &value)) {
            *room = is_limited ? MIN(*room, value) : value;
            is_limited = true;
        }
    }
    return is_limited;
}
