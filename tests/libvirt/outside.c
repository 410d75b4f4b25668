/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Outside: see outside.h. Where programs of the machine may write at any time
 * it is the owner or the name that tells whose file it is.
 */
#include "outside.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where libvirt and QEMU, as root or as a user, keep what lasts */
static const char *const places[] = {
    "/dev/hugepages", "/dev/shm", "/etc", "/run", "/var", NULL,
};
static const char *const home_places[] = {
    ".cache", ".config", ".libvirt", ".local", NULL,
};

/* What the machine's package keeps there it may get at any time */
static const char packages_cache[] = "/var/cache/mhp-vmemmap-mem";

typedef struct Search {
    struct timespec since;
    uid_t uid;
    const char *folder;
    GPtrArray *found;
} Search;

static bool search_is_theirs(const Search *search, const char *path,
                             const struct stat *st)
{
    return (search->uid != getuid() && st->st_uid == search->uid) ||
           strstr(path, "libvirt") || strstr(path, "mhp-vmemmap");
}

static bool search_is_newer(const Search *search, const struct stat *st)
{
    return st->st_ctim.tv_sec > search->since.tv_sec ||
           (st->st_ctim.tv_sec == search->since.tv_sec &&
            st->st_ctim.tv_nsec > search->since.tv_nsec);
}

static void search_tree(Search *search, const char *path)
{
    g_autoptr(GDir) dir = NULL;
    struct stat st;
    const char *name;

    if (lstat(path, &st) < 0 || g_str_equal(path, search->folder) ||
        g_str_equal(path, packages_cache)) {
        return;
    }
    if (search_is_newer(search, &st) && search_is_theirs(search, path, &st)) {
        g_ptr_array_add(search->found, g_strdup(path));
    }
    dir = S_ISDIR(st.st_mode) ? g_dir_open(path, 0, NULL) : NULL;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        search_tree(search, child);
    }
}

GPtrArray *outside_changes(struct timespec since, uid_t uid, const char *folder)
{
    Search search = {
        .since = since,
        .uid = uid,
        .folder = folder,
        .found = g_ptr_array_new_with_free_func(g_free),
    };

    for (const char *const *place = places; *place; place++) {
        search_tree(&search, *place);
    }
    for (const char *const *place = home_places; *place; place++) {
        g_autofree char *path = g_build_filename(g_get_home_dir(), *place,
                                                 NULL);

        search_tree(&search, path);
    }
    return search.found;
}
