/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Group, Neighbour: see group.h. A process of its own removes the group when
 * the test has ended, however that was. Page cache wants a file on a disk: it
 * is in the build folder.
 */
#include "group.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm.h"

#define PART ((size_t)1 << 20)

typedef struct GroupFiles {
    const char *mount;
    const char *limit;
    const char *high;
    const char *cache[2];
} GroupFiles;

struct Group {
    char *folder;
    const GroupFiles *files;
    pid_t keeper; /* removes the group */
    int end;      /* when this is closed, by us or by our end */
};

struct Neighbour {
    pid_t pid;
    int file;
};

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

/* A group can be removed when the last of its processes has gone. */
static void remove_group(const char *folder)
{
    int64_t end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    while (rmdir(folder) < 0) {
        if (errno != EBUSY || g_get_monotonic_time() > end) {
            perror(folder);
            _exit(1);
        }
        g_usleep(1000);
    }
    _exit(0);
}

static void start_keeper(Group *group)
{
    int fds[2];
    char byte;

    g_assert_no_errno(pipe2(fds, O_CLOEXEC));
    group->keeper = fork();
    g_assert_cmpint(group->keeper, >=, 0);
    if (group->keeper == 0) {
        close(fds[1]);
        if (read(fds[0], &byte, 1) == 0) {
            remove_group(group->folder);
        }
        _exit(1);
    }
    close(fds[0]);
    group->end = fds[1];
}

Group *group_new(void)
{
    static const GroupFiles versions[] = {
        {"/sys/fs/cgroup/memory",
         "memory.limit_in_bytes",
         NULL,
         {"total_active_file ", "total_inactive_file "}},
        {"/sys/fs/cgroup",
         "memory.max",
         "memory.high",
         {"\nactive_file ", "\ninactive_file "}},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(versions); i++) {
        g_autofree char *folder = g_strdup_printf("%s/mhp-test-%d",
                                                  versions[i].mount, getpid());
        g_autofree char *limit = g_build_filename(folder, versions[i].limit,
                                                  NULL);

        try_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
        if (mkdir(folder, 0700) == 0 && access(limit, W_OK) == 0) {
            Group *group = g_new0(Group, 1);

            group->folder = g_steal_pointer(&folder);
            group->files = &versions[i];
            start_keeper(group);
            return group;
        }
        rmdir(folder);
    }
    g_test_skip("there is no control group of memory to be had (not root?)");
    return NULL;
}

void group_free(Group *group)
{
    int status;

    if (!group) {
        return;
    }
    close(group->end);
    g_assert_cmpint(waitpid(group->keeper, &status, 0), ==, group->keeper);
    g_assert_cmpint(status, ==, 0);
    g_free(group->folder);
    g_free(group);
}

static void group_write(Group *group, const char *name, uint64_t value)
{
    g_autofree char *path = g_build_filename(group->folder, name, NULL);
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);

    g_assert_true(try_write(path, text));
}

void group_add(Group *group, pid_t pid)
{
    group_write(group, "cgroup.procs", (uint64_t)pid);
}

void group_set_limit(Group *group, uint64_t limit)
{
    group_write(group, group->files->limit, limit);
}

bool group_set_high(Group *group, uint64_t high)
{
    if (!group->files->high) {
        return false;
    }
    group_write(group, group->files->high, high);
    return true;
}

uint64_t group_cache(Group *group)
{
    g_autofree char *path = g_build_filename(group->folder, "memory.stat",
                                             NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    uint64_t sum = 0;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    for (unsigned i = 0; i < G_N_ELEMENTS(group->files->cache); i++) {
        const char *key = group->files->cache[i];
        const char *at = strstr(text, key);

        g_assert_nonnull(at);
        sum += g_ascii_strtoull(at + strlen(key), NULL, 10);
    }
    return sum;
}

static int make_file(void)
{
    g_autofree char *path = vm_build_path("neighbour-XXXXXX");
    int fd = g_mkstemp(path);

    g_assert_cmpint(fd, >=, 0);
    g_assert_no_errno(unlink(path));
    return fd;
}

/* What follows runs in the neighbour: what fails there ends it. */

static void check(bool is_right, const char *what)
{
    if (!is_right) {
        perror(what);
        _exit(1);
    }
}

static void write_all(int file, size_t size)
{
    static char part[PART];

    memset(part, 1, sizeof(part));
    for (size_t at = 0; at < size; at += sizeof(part)) {
        check(pwrite(file, part, sizeof(part), (off_t)at) == sizeof(part),
              "pwrite");
    }
}

static void read_all(int file, size_t size)
{
    static char part[PART];

    for (size_t at = 0; at < size; at += sizeof(part)) {
        check(pread(file, part, sizeof(part), (off_t)at) == sizeof(part),
              "pread");
    }
}

static void lock_all(int file, size_t size)
{
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);

    check(map != MAP_FAILED, "mmap");
    check(mlock(map, size) == 0, "mlock");
}

static void have_all(size_t size)
{
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    check(map != MAP_FAILED, "mmap");
    memset(map, 1, size);
}

static void settle(NeighbourKind kind, int file, size_t size)
{
    switch (kind) {
    case NEIGHBOUR_HAS_NAMESPACE:
        check(unshare(CLONE_NEWCGROUP) == 0, "unshare");
        break;
    case NEIGHBOUR_HAS_MEMORY:
        have_all(size);
        break;
    default:
        write_all(file, size);
        check(fsync(file) == 0, "fsync");
        /* Twice makes pages active. */
        read_all(file, size);
        read_all(file, size);
        if (kind == NEIGHBOUR_HAS_LOCKED) {
            lock_all(file, size);
        }
    }
}

static void live(NeighbourKind kind, int file, size_t size)
{
    for (;;) {
        if (kind == NEIGHBOUR_READS) {
            read_all(file, size);
        } else {
            pause();
        }
    }
}

Neighbour *neighbour_new(Group *group, NeighbourKind kind, size_t size)
{
    Neighbour *neighbour = g_new0(Neighbour, 1);
    const pid_t parent = getpid();
    int ready[2];
    char byte;

    g_assert_no_errno(pipe(ready));
    neighbour->file = make_file();
    neighbour->pid = fork();
    g_assert_cmpint(neighbour->pid, >=, 0);
    if (neighbour->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        check(getppid() == parent, "getppid");
        group_add(group, getpid());
        settle(kind, neighbour->file, size);
        check(write(ready[1], "", 1) == 1, "write");
        live(kind, neighbour->file, size);
    }
    close(ready[1]);
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    close(ready[0]);
    return neighbour;
}

pid_t neighbour_pid(Neighbour *neighbour)
{
    return neighbour->pid;
}

void neighbour_free(Neighbour *neighbour)
{
    if (!neighbour) {
        return;
    }
    kill(neighbour->pid, SIGKILL);
    g_assert_cmpint(waitpid(neighbour->pid, NULL, 0), ==, neighbour->pid);
    close(neighbour->file);
    g_free(neighbour);
}
