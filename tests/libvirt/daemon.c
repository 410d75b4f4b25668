/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Daemon: see daemon.h.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abort-log.h"
#include "keeper.h"
#include "stock-faults.h"
#include "wait.h"

#define DAEMON_START_MS 60000
#define DAEMON_STOP_MS 60000

struct Daemon {
    char *name;
    char *folder;
    char *uri;
    int log;
    GSubprocess *process;
};

char *daemon_path(Daemon *daemon, const char *format, ...)
{
    g_autofree char *name = NULL;
    va_list ap;

    va_start(ap, format);
    name = g_strdup_vprintf(format, ap);
    va_end(ap);
    return g_build_filename(daemon->folder, name, NULL);
}

static void daemon_child_setup(gpointer opaque)
{
    const char *host = opaque;

    /*
     * Only root can; without it two daemons are one host. A name with a dot
     * libvirt takes as it is; any other it would ask a name server about.
     */
    if (host && unshare(CLONE_NEWUTS) == 0) {
        (void)!sethostname(host, strlen(host));
    }
    if (!keeper_become_user()) {
        _exit(126);
    }
    /* After the change of user, which clears it */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Nothing that libvirt would find by its environment is outside the folder */
static GSubprocessLauncher *
daemon_launcher(Daemon *daemon, GSubprocessFlags flags, const char *host)
{
    static const char *const folders[][2] = {
        {"HOME", ""},
        {"XDG_RUNTIME_DIR", "run"},
        {"XDG_CONFIG_HOME", "cfg"},
        {"XDG_CACHE_HOME", "cache"},
        {"XDG_DATA_HOME", "data"},
        {"TMPDIR", "tmp"},
    };
    GSubprocessLauncher *launcher = g_subprocess_launcher_new(flags);

    for (unsigned i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = daemon_path(daemon, "%s", folders[i][1]);

        g_subprocess_launcher_setenv(launcher, folders[i][0], path, TRUE);
    }
    g_subprocess_launcher_setenv(launcher, "LC_ALL", "C", TRUE);
    /* virsh shall not start a daemon by itself */
    g_subprocess_launcher_setenv(launcher, "LIBVIRT_AUTOSTART", "0", TRUE);
    g_subprocess_launcher_set_child_setup(launcher, daemon_child_setup,
                                          g_strdup(host), g_free);
    return launcher;
}

char *daemon_write(Daemon *daemon, const char *name, const char *text)
{
    char *path = daemon_path(daemon, "%s", name);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
    g_assert_cmpint(chmod(path, 0644), ==, 0);
    return path;
}

static void daemon_make_folders(Daemon *daemon)
{
    static const char *const names[] = {"",      "run",  "cfg", "cfg/libvirt",
                                        "cache", "data", "tmp"};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = daemon_path(daemon, "%s", names[i]);

        g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
        g_assert_cmpint(chown(path, keeper_uid(), keeper_gid()), ==, 0);
    }
}

static void daemon_configure(Daemon *daemon)
{
    g_autofree char *uuid = g_uuid_string_random();
    g_autofree char *text = g_strdup_printf("host_uuid = \"%s\"\n", uuid);

    g_free(daemon_write(daemon, "cfg/libvirt/libvirtd.conf", text));
    /* Without virtlogd */
    g_free(daemon_write(daemon, "cfg/libvirt/qemu.conf",
                        "stdio_handler = \"file\"\n"));
}

static bool daemon_answers(void *opaque, GError **error)
{
    Daemon *daemon = opaque;
    g_autoptr(GSubprocessLauncher) launcher = NULL;
    g_autoptr(GSubprocess) virsh = NULL;

    if (!g_subprocess_get_identifier(daemon->process)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "libvirtd ended");
        return false;
    }
    launcher = daemon_launcher(daemon,
                               G_SUBPROCESS_FLAGS_STDOUT_SILENCE |
                                   G_SUBPROCESS_FLAGS_STDERR_SILENCE,
                               NULL);
    virsh = g_subprocess_launcher_spawn(launcher, error, "virsh", "-q", "-c",
                                        "qemu:///session", "list", NULL);
    return virsh && g_subprocess_wait_check(virsh, NULL, NULL);
}

void daemon_start(Daemon *daemon)
{
    g_autofree char *path = daemon_path(daemon, "libvirtd.log");
    g_autofree char *host = g_strconcat(daemon->name, ".test", NULL);
    g_autoptr(GSubprocessLauncher) launcher = NULL;
    g_autoptr(GError) error = NULL;

    launcher = daemon_launcher(daemon, G_SUBPROCESS_FLAGS_STDERR_MERGE, host);
    g_subprocess_launcher_take_stdout_fd(
        launcher, open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    daemon->process = g_subprocess_launcher_spawn(launcher, &error, "libvirtd",
                                                  NULL);
    g_assert_no_error(error);
    wait_until(daemon_answers, daemon, DAEMON_START_MS, "an answer of libvirtd",
               &error);
    g_assert_no_error(error);
}

void daemon_stop(Daemon *daemon)
{
    g_subprocess_send_signal(daemon->process, SIGTERM);
    g_subprocess_wait(daemon->process, NULL, NULL);
    g_clear_object(&daemon->process);
}

void daemon_kill(Daemon *daemon)
{
    g_subprocess_force_exit(daemon->process);
    g_subprocess_wait(daemon->process, NULL, NULL);
    g_clear_object(&daemon->process);
}

void daemon_forget_boot(Daemon *daemon)
{
    g_autofree char *path = daemon_path(daemon,
                                        "run/libvirt/qemu/run/autostarted");

    g_assert_cmpint(g_unlink(path), ==, 0);
}

Daemon *daemon_new(const char *name)
{
    Daemon *daemon = g_new0(Daemon, 1);
    g_autofree char *log = NULL;

    daemon->name = g_strdup(name);
    daemon->folder = g_build_filename(keeper_folder(), name, NULL);
    daemon->uri = g_strdup_printf(
        "qemu+unix:///session?socket=%s/run/libvirt/libvirt-sock",
        daemon->folder);
    daemon_make_folders(daemon);
    daemon_configure(daemon);
    log = daemon_write(daemon, "libvirtd.log", "");
    daemon->log = open(log, O_RDONLY | O_CLOEXEC);
    abort_log_add(daemon->log, name);
    daemon_start(daemon);
    return daemon;
}

void daemon_free(Daemon *daemon)
{
    g_autofree char *names = NULL;
    g_auto(GStrv) domains = NULL;

    if (!daemon) {
        return;
    }
    names = daemon_virsh(daemon, "list --name");
    domains = g_strsplit(names, "\n", -1);
    for (char **domain = domains; *domain; domain++) {
        if (**domain) {
            g_free(daemon_virsh(daemon, "destroy %s", *domain));
        }
    }
    daemon_stop(daemon);
    abort_log_remove(daemon->log);
    close(daemon->log);
    g_free(daemon->name);
    g_free(daemon->folder);
    g_free(daemon->uri);
    g_free(daemon);
}

const char *daemon_uri(Daemon *daemon)
{
    return daemon->uri;
}

static GSubprocess *daemon_spawn_virsh(GSubprocessLauncher *launcher,
                                       const char *format, va_list ap)
{
    g_autofree char *words = g_strdup_vprintf(format, ap);
    g_autofree char *line = g_strconcat("virsh -q -c qemu:///session ", words,
                                        NULL);
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) argv = NULL;
    GSubprocess *virsh;

    g_shell_parse_argv(line, NULL, &argv, &error);
    g_assert_no_error(error);
    virsh = g_subprocess_launcher_spawnv(launcher, (const char *const *)argv,
                                         &error);
    g_assert_no_error(error);
    return virsh;
}

static bool daemon_run_virsh(Daemon *daemon, char **out, char **err,
                             const char *format, va_list ap)
{
    g_autoptr(GSubprocessLauncher) launcher = NULL;
    g_autoptr(GSubprocess) virsh = NULL;
    g_autoptr(GError) error = NULL;

    launcher = daemon_launcher(
        daemon, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE,
        NULL);
    virsh = daemon_spawn_virsh(launcher, format, ap);
    g_subprocess_communicate_utf8(virsh, NULL, NULL, out, err, &error);
    g_assert_no_error(error);
    g_strchomp(*out);
    g_strchomp(*err);
    return g_subprocess_get_successful(virsh);
}

/* What all QEMUs said: of a migration's two, one tells why it failed */
static void daemon_add_qemu_logs(void)
{
    g_autofree char *pattern = g_build_filename(
        keeper_folder(), "*", "cache/libvirt/qemu/log", "*.log", NULL);
    glob_t logs = {0};

    glob(pattern, 0, NULL, &logs);
    for (size_t i = 0; i < logs.gl_pathc; i++) {
        int fd = open(logs.gl_pathv[i], O_RDONLY | O_CLOEXEC);

        if (fd >= 0) {
            abort_log_add(fd, VM_STDERR);
        }
    }
    globfree(&logs);
}

char *daemon_virsh(Daemon *daemon, const char *format, ...)
{
    g_autofree char *err = NULL;
    char *out = NULL;
    bool worked;
    va_list ap;

    va_start(ap, format);
    worked = daemon_run_virsh(daemon, &out, &err, format, ap);
    va_end(ap);
    if (!worked) {
        daemon_add_qemu_logs();
        g_error("virsh %s: %s", format, err);
    }
    return out;
}

char *daemon_virsh_fails(Daemon *daemon, const char *format, ...)
{
    g_autofree char *out = NULL;
    char *err = NULL;
    bool worked;
    va_list ap;

    va_start(ap, format);
    worked = daemon_run_virsh(daemon, &out, &err, format, ap);
    va_end(ap);
    g_assert_false(worked);
    return err;
}

GSubprocess *daemon_virsh_start(Daemon *daemon, const char *output,
                                const char *format, ...)
{
    g_autoptr(GSubprocessLauncher) launcher = NULL;
    GSubprocess *virsh;
    va_list ap;

    launcher = daemon_launcher(daemon, G_SUBPROCESS_FLAGS_STDERR_MERGE, NULL);
    g_subprocess_launcher_set_stdout_file_path(launcher, output);
    va_start(ap, format);
    virsh = daemon_spawn_virsh(launcher, format, ap);
    va_end(ap);
    return virsh;
}
