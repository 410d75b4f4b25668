/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeper: see keeper.h. It is the reaper of all processes below it, so that
 * daemons, which leave their parents, become its own children, and none is
 * ended that somebody else has started.
 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "outside.h"
#include "vm.h"

#define KEEPER_USER "libvirt-qemu"

static char *keeper_path;
static uid_t keeper_user_id;
static gid_t keeper_group_id;

const char *keeper_folder(void)
{
    return keeper_path;
}

/*
 * Asked once: a child between fork() and exec() must not. libvirt 9 makes its
 * user only for the system's daemon.
 */
static void keeper_find_user(void)
{
    const struct passwd *user = getuid() ? getpwuid(getuid())
                                         : getpwnam(KEEPER_USER);

    user = user ? user : getpwnam("nobody");
    if (!user) {
        g_error("there is neither user " KEEPER_USER " nor nobody");
    }
    keeper_user_id = user->pw_uid;
    keeper_group_id = user->pw_gid;
}

uid_t keeper_uid(void)
{
    return keeper_user_id;
}

gid_t keeper_gid(void)
{
    return keeper_group_id;
}

bool keeper_become_user(void)
{
    return getuid() ||
           (setgroups(0, NULL) == 0 && setgid(keeper_group_id) == 0 &&
            setuid(keeper_user_id) == 0);
}

static bool keeper_has_programs(void)
{
    g_autofree char *tool = vm_build_path("meson/libvirt/mhp-virt-xml");
    const char *const programs[] = {"libvirtd", "virsh", tool};

    for (unsigned i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *path = g_find_program_in_path(programs[i]);

        if (!path) {
            fprintf(stderr,
                    "skipped: there is no %s, ./mhp test libvirt sees to it\n",
                    programs[i]);
            return false;
        }
    }
    return true;
}

static void keeper_make_folder(void)
{
    g_autoptr(GError) error = NULL;

    keeper_path = g_dir_make_tmp("mhp-XXXXXX", &error);
    if (!keeper_path || chown(keeper_path, keeper_uid(), keeper_gid()) < 0) {
        g_error("cannot make a folder: %s",
                error ? error->message : g_strerror(errno));
    }
}

static int keeper_remove_entry(const char *path, const struct stat *st,
                               int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static pid_t keeper_start(KeeperBody body, int argc, char **argv)
{
    pid_t keeper = getpid(), pid = fork();
    sigset_t none;

    if (pid != 0) {
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper) {
        _exit(1);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (chdir("/") < 0) {
        _exit(1);
    }
    exit(body(argc, argv));
}

/* Wait for the end of @pid, reaping all others meanwhile */
static int keeper_wait(pid_t pid, const sigset_t *signals)
{
    int result = 0, status;
    pid_t ended;

    for (;;) {
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
            if (ended != pid) {
                continue;
            }
            if (WIFSIGNALED(status)) {
                fprintf(stderr, "ended by signal %d\n", WTERMSIG(status));
            }
            return WIFEXITED(status) ? MAX(result, WEXITSTATUS(status)) : 1;
        }
        if (sigwaitinfo(signals, NULL) != SIGCHLD) {
            kill(pid, SIGKILL);
            result = 1;
        }
    }
}

static bool keeper_is_child(const char *pid)
{
    g_autofree char *path = g_build_filename("/proc", pid, "stat", NULL);
    g_autofree char *stat = NULL;
    const char *fields;
    int parent = 0;

    if (!g_file_get_contents(path, &stat, NULL, NULL)) {
        return false;
    }
    fields = strrchr(stat, ')');
    return fields && sscanf(fields, ") %*c %d", &parent) == 1 &&
           parent == getpid();
}

/* 0 if there is none */
static pid_t keeper_find_child(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (g_ascii_isdigit(*name) && keeper_is_child(name)) {
            return atoi(name);
        }
    }
    return 0;
}

static void keeper_tell(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", pid);
    g_autofree char *cmdline = NULL;
    size_t size = 0;

    if (g_file_get_contents(path, &cmdline, &size, NULL)) {
        for (size_t i = 0; i + 1 < size; i++) {
            cmdline[i] = cmdline[i] ? cmdline[i] : ' ';
        }
    }
    fprintf(stderr, "left behind: process %d: %s\n", pid,
            cmdline ? cmdline : "");
}

/* End what is left; the children of one that ends become ours */
static bool keeper_end_children(void)
{
    bool was_clean = true;
    pid_t pid;

    do {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        pid = keeper_find_child();
        if (pid) {
            keeper_tell(pid);
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            was_clean = false;
        }
    } while (pid);
    return was_clean;
}

/* A moment that is over: what is changed from now on is later */
static void keeper_take_time(struct timespec *moment)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, moment);
    do {
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
    } while (now.tv_sec == moment->tv_sec && now.tv_nsec == moment->tv_nsec);
}

static bool keeper_check_outside(struct timespec since)
{
    g_autoptr(GPtrArray)
        found = outside_changes(since, keeper_uid(), keeper_path);

    for (unsigned i = 0; i < found->len; i++) {
        fprintf(stderr, "changed outside the test's folder: %s\n",
                (char *)found->pdata[i]);
    }
    return found->len == 0;
}

int keeper_run(KeeperBody body, int argc, char **argv)
{
    struct timespec start;
    sigset_t signals;
    int status;
    pid_t pid;

    if (!keeper_has_programs()) {
        return KEEPER_SKIP;
    }
    keeper_find_user();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    keeper_make_folder();
    keeper_take_time(&start);
    pid = keeper_start(body, argc, argv);
    if (pid < 0) {
        g_error("cannot fork: %s", g_strerror(errno));
    }
    status = keeper_wait(pid, &signals);
    if (!keeper_end_children() && !status) {
        status = 1;
    }
    nftw(keeper_path, keeper_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (!keeper_check_outside(start) && !status) {
        status = 1;
    }
    g_free(keeper_path);
    return status;
}
