/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The limits of control groups: see virtio-mhp-cgroup.h. A group is limited by
 * all groups above it, too, so all folders from the mount's down to the group's
 * are read.
 */
#include "virtio-mhp-cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "virtio-mhp-cgroup-dir.h"

/* How long a reading is good for, in microseconds */
#define VIRTIO_MHP_CGROUP_FRESH 100000

/*
 * Linux may leave so many pages for each CPU out of memory.stat: twice what it
 * collects before it adds them up.
 */
#define VIRTIO_MHP_CGROUP_LAG_PAGES 128

/* Version 1 says "none" by the highest number of whole pages. */
#define VIRTIO_MHP_CGROUP_NONE (INT64_MAX - (UINT64_C(1) << 20))

/**
 * struct VirtIOMHPCgroupFiles - what a version calls its files
 * @limits: the limits, and what each of them is a limit of
 * @cache: lines of memory.stat about file pages, of the groups below, too
 * @not_clean: lines about those that Linux cannot drop at once
 * @protection: what of a group is not reclaimed for one above, or NULL
 */
typedef struct VirtIOMHPCgroupFiles {
    struct {
        const char *limit;
        const char *usage;
    } limits[2];
    const char *cache[2];
    const char *not_clean[2];
    const char *protection;
} VirtIOMHPCgroupFiles;

static const VirtIOMHPCgroupFiles virtio_mhp_cgroup_v1 = {
    .limits[0] = {"memory.limit_in_bytes", "memory.usage_in_bytes"},
    .limits[1] = {"memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes"},
    .cache = {"total_active_file ", "total_inactive_file "},
    .not_clean = {"total_dirty ", "total_writeback "},
};

static const VirtIOMHPCgroupFiles virtio_mhp_cgroup_v2 = {
    .limits[0] = {"memory.max", "memory.current"},
    .limits[1] = {"memory.high", "memory.current"},
    .cache = {"active_file ", "inactive_file "},
    .not_clean = {"file_dirty ", "file_writeback "},
    .protection = "memory.min",
};

/**
 * struct VirtIOMHPCgroup - where the groups are, and what they said
 * @lock: protects all that follows
 * @dir: where they are
 * @sight: what is known of limits
 * @room: what is left below one, without what has been taken since
 * @read_at: when that was read, 0 if never
 */
struct VirtIOMHPCgroup {
    GMutex lock;
    VirtIOMHPCgroupDir dir;
    VirtIOMHPCgroupSight sight;
    uint64_t room;
    int64_t read_at;
};

/* What was read of the groups so far */
typedef struct VirtIOMHPCgroupReading {
    const VirtIOMHPCgroupFiles *files;
    bool is_limited;
    bool is_complete;
    uint64_t room;
} VirtIOMHPCgroupReading;

/* A number of bytes, UINT64_MAX for "max"; false and errno if there is none */
static bool virtio_mhp_cgroup_number(int folder, const char *name,
                                     uint64_t *value)
{
    g_autofree char *text = virtio_mhp_cgroup_read(folder, name);

    if (!text) {
        return false;
    }
    g_strchomp(text);
    if (g_str_equal(text, "max")) {
        *value = UINT64_MAX;
        return true;
    }
    errno = EINVAL;
    return g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX, value, NULL);
}

/* The sum of the numbers behind two keys, which lines start with */
static uint64_t virtio_mhp_cgroup_sum(const char *text, const char *const *keys)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < 2; i++) {
        const char *line = text;

        while (line && !g_str_has_prefix(line, keys[i])) {
            line = strchr(line, '\n');
            line = line ? line + 1 : NULL;
        }
        if (line) {
            sum += g_ascii_strtoull(line + strlen(keys[i]), NULL, 10);
        }
    }
    return sum;
}

/* Page cache that Linux can drop at once, of the group and those below it */
static uint64_t virtio_mhp_cgroup_cache(const VirtIOMHPCgroupFiles *files,
                                        int folder)
{
    g_autofree char *text = virtio_mhp_cgroup_read(folder, "memory.stat");
    uint64_t cache = virtio_mhp_cgroup_sum(text, files->cache);
    uint64_t not_clean = virtio_mhp_cgroup_sum(text, files->not_clean);

    return cache - MIN(cache, not_clean);
}

/* What of the cache of group @name is not dropped for the one above it */
static uint64_t virtio_mhp_cgroup_kept(const VirtIOMHPCgroupFiles *files,
                                       int above, const char *name)
{
    int folder = openat(above, name, VIRTIO_MHP_CGROUP_FOLDER | O_NOFOLLOW);
    uint64_t protection, usage, cache, kept = 0;

    if (folder < 0) {
        return 0;
    }
    if (virtio_mhp_cgroup_number(folder, files->protection, &protection) &&
        protection > 0 &&
        virtio_mhp_cgroup_number(folder, files->limits[0].usage, &usage)) {
        cache = virtio_mhp_cgroup_cache(files, folder);
        kept = cache - MIN(cache, usage - MIN(usage, protection));
    }
    close(folder);
    return kept;
}

/* The same for all groups right below @folder: protection goes no deeper. */
static uint64_t virtio_mhp_cgroup_kept_below(const VirtIOMHPCgroupFiles *files,
                                             int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    uint64_t kept = 0;

    if (!dir) {
        return 0;
    }
    while ((entry = readdir(dir))) {
        if (entry->d_type != DT_REG && entry->d_name[0] != '.') {
            kept += virtio_mhp_cgroup_kept(files, folder, entry->d_name);
        }
    }
    closedir(dir);
    return kept;
}

static uint64_t virtio_mhp_cgroup_reclaimable(const VirtIOMHPCgroupFiles *files,
                                              int folder)
{
    const uint64_t lag = (uint64_t)sysconf(_SC_NPROCESSORS_CONF) *
                         getauxval(AT_PAGESZ) * VIRTIO_MHP_CGROUP_LAG_PAGES;
    uint64_t cache = virtio_mhp_cgroup_cache(files, folder);

    cache -= MIN(cache, lag);
    if (cache && files->protection) {
        cache -= MIN(cache, virtio_mhp_cgroup_kept_below(files, folder));
    }
    return cache;
}

/* Add what limits the group to @reading. */
static void virtio_mhp_cgroup_read_group(VirtIOMHPCgroupReading *reading,
                                         int folder)
{
    const VirtIOMHPCgroupFiles *files = reading->files;
    uint64_t limit, usage, cache = 0;
    bool has_cache = false;

    for (unsigned i = 0; i < G_N_ELEMENTS(files->limits); i++) {
        if (!virtio_mhp_cgroup_number(folder, files->limits[i].limit, &limit)) {
            /* It is not there where the controller is off, as at the root. */
            reading->is_complete &= errno == ENOENT;
            continue;
        }
        if (limit >= VIRTIO_MHP_CGROUP_NONE) {
            continue;
        }
        if (!virtio_mhp_cgroup_number(folder, files->limits[i].usage, &usage)) {
            reading->is_complete = false;
            continue;
        }
        if (!has_cache) {
            cache = virtio_mhp_cgroup_reclaimable(files, folder);
            has_cache = true;
        }
        usage -= MIN(usage, cache);
        reading->room = MIN(reading->room, limit - MIN(limit, usage));
        reading->is_limited = true;
    }
}

/* The same for the group in @folder and those on @path below it */
static void virtio_mhp_cgroup_read_groups(VirtIOMHPCgroupReading *reading,
                                          int folder, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    int fd = openat(folder, ".", VIRTIO_MHP_CGROUP_FOLDER);

    for (char **name = names; fd >= 0; name++) {
        int next = -1;

        virtio_mhp_cgroup_read_group(reading, fd);
        if (!*name) {
            close(fd);
            return;
        }
        next = openat(fd, *name, VIRTIO_MHP_CGROUP_FOLDER | O_NOFOLLOW);
        close(fd);
        fd = next;
    }
    reading->is_complete = false;
}

static VirtIOMHPCgroupSight virtio_mhp_cgroup_look(VirtIOMHPCgroup *cgroup,
                                                   uint64_t *room)
{
    VirtIOMHPCgroupDir *dir = &cgroup->dir;
    VirtIOMHPCgroupReading reading = {
        .files = dir->version == 1 ? &virtio_mhp_cgroup_v1
                                   : &virtio_mhp_cgroup_v2,
        .is_complete = dir->is_whole,
        .room = UINT64_MAX,
    };
    const char *path;

    if (!dir->version && !dir->is_hidden) {
        return VIRTIO_MHP_CGROUP_UNLIMITED;
    }
    path = dir->top >= 0 ? virtio_mhp_cgroup_follow(dir) : NULL;
    if (!path) {
        return VIRTIO_MHP_CGROUP_UNSEEN;
    }
    virtio_mhp_cgroup_read_groups(&reading, dir->top, path);
    *room = reading.room;
    if (reading.is_limited) {
        return VIRTIO_MHP_CGROUP_LIMITED;
    }
    return reading.is_complete ? VIRTIO_MHP_CGROUP_UNLIMITED
                               : VIRTIO_MHP_CGROUP_UNSEEN;
}

VirtIOMHPCgroup *virtio_mhp_cgroup_open(const char *root)
{
    VirtIOMHPCgroup *cgroup = g_new0(VirtIOMHPCgroup, 1);

    g_mutex_init(&cgroup->lock);
    virtio_mhp_cgroup_find(&cgroup->dir, root);
    return cgroup;
}

void virtio_mhp_cgroup_close(VirtIOMHPCgroup *cgroup)
{
    virtio_mhp_cgroup_forget(&cgroup->dir);
    g_mutex_clear(&cgroup->lock);
    g_free(cgroup);
}

VirtIOMHPCgroupSight virtio_mhp_cgroup_room(VirtIOMHPCgroup *cgroup,
                                            uint64_t *room)
{
    g_autoptr(GMutexLocker)
        locker G_GNUC_UNUSED = g_mutex_locker_new(&cgroup->lock);

    return virtio_mhp_cgroup_look(cgroup, room);
}

VirtIOMHPCgroupSight virtio_mhp_cgroup_take(VirtIOMHPCgroup *cgroup,
                                            int64_t now, uint64_t size,
                                            uint64_t *room)
{
    g_autoptr(GMutexLocker)
        locker G_GNUC_UNUSED = g_mutex_locker_new(&cgroup->lock);
    const uint64_t wanted = size + VIRTIO_MHP_CGROUP_SPARE;

    if (!cgroup->read_at || now - cgroup->read_at >= VIRTIO_MHP_CGROUP_FRESH ||
        cgroup->room < wanted) {
        cgroup->room = UINT64_MAX;
        cgroup->sight = virtio_mhp_cgroup_look(cgroup, &cgroup->room);
        cgroup->read_at = now;
    }
    *room = cgroup->room;
    if (cgroup->sight == VIRTIO_MHP_CGROUP_LIMITED && *room >= wanted) {
        cgroup->room -= size;
    }
    return cgroup->sight;
}
