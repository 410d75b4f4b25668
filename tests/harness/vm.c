/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vm: see vm.h. File descriptors for QEMU are collected while arguments are
 * added and go to it at the start, under the numbers they have here.
 */
#include "vm.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "logs.h"

#define VM_QUIT_MS 5000
#define VM_SIGTERM_MS 5000

struct Vm {
    GPtrArray *argv;
    GSubprocessLauncher *launcher;
    GSubprocess *process;
    pid_t pid;
    int pidfd;
    GArray *streams;
    Logs *logs;
    Channel *qmp_channel; /* until vm_start() has made qmp of it */
    Qmp *qmp;
};

/* What QEMU writes to or reads from, under a number that its arguments name */
typedef struct VmStream {
    int fd;
    Channel *channel; /* or NULL: a log, or QMP */
    char *log;
} VmStream;

/* Runs in the child, before QEMU */
static void vm_child_setup(gpointer parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != GPOINTER_TO_INT(parent)) {
        _exit(1);
    }
}

char *vm_build_path(const char *name)
{
    const char *build = g_getenv("MHP_BUILD");
    g_autofree char *path = g_build_filename(build ? build : "build", name,
                                             NULL);

    return g_canonicalize_filename(path, NULL);
}

static void vm_stream_clear(gpointer opaque)
{
    VmStream *stream = opaque;

    channel_free(stream->channel);
    g_free(stream->log);
}

static void vm_socketpair(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        g_error("cannot make a socket pair: %s", g_strerror(errno));
    }
}

/* Append a chardev @id that is a socket to us; our end */
static int vm_add_socket(Vm *vm, const char *id, VmStream *stream)
{
    int fds[2];

    vm_socketpair(fds);
    stream->fd = fds[1];
    g_subprocess_launcher_take_fd(vm->launcher, fds[1], fds[1]);
    vm_add_opt(vm, "chardev", "socket,id=%s,fd=%d", id, fds[1]);
    return fds[0];
}

/* For a plugin with sanitizers, whose run-time libraries must come first */
static void vm_preload(GSubprocessLauncher *launcher, const char *libraries)
{
    if (libraries) {
        g_subprocess_launcher_setenv(launcher, "LD_PRELOAD", libraries, TRUE);
        g_subprocess_launcher_setenv(launcher, "ASAN_OPTIONS", "detect_leaks=0",
                                     TRUE);
    }
}

static GSubprocessLauncher *vm_new_launcher(int stderr_fd)
{
    GSubprocessLauncher *launcher = g_subprocess_launcher_new(
        G_SUBPROCESS_FLAGS_STDOUT_SILENCE);

    g_subprocess_launcher_set_child_setup(launcher, vm_child_setup,
                                          GINT_TO_POINTER(getpid()), NULL);
    g_subprocess_launcher_take_stderr_fd(launcher, stderr_fd);
    vm_preload(launcher, g_getenv("MHP_QEMU_PRELOAD"));
    return launcher;
}

Vm *vm_new(void)
{
    return vm_new_qemu("qemu-system-x86_64");
}

Vm *vm_new_qemu(const char *by_default)
{
    const char *qemu = g_getenv("MHP_QEMU");
    Vm *vm = g_new0(Vm, 1);
    VmStream stream = {};

    vm->argv = g_ptr_array_new_with_free_func(g_free);
    vm->pidfd = -1;
    vm->streams = g_array_new(FALSE, FALSE, sizeof(VmStream));
    g_array_set_clear_func(vm->streams, vm_stream_clear);
    vm->logs = logs_new();
    vm->launcher = vm_new_launcher(logs_add(vm->logs, VM_STDERR));

    vm_add_args(vm, qemu ? qemu : by_default, "-nodefaults", "-no-user-config",
                "-display", "none", NULL);
    vm->qmp_channel = channel_new(vm_add_socket(vm, "qmp", &stream));
    g_array_append_val(vm->streams, stream);
    vm_add_args(vm, "-mon", "chardev=qmp,mode=control", NULL);
    return vm;
}

void vm_add_args(Vm *vm, ...)
{
    const char *arg;
    va_list ap;

    va_start(ap, vm);
    while ((arg = va_arg(ap, const char *))) {
        g_ptr_array_add(vm->argv, g_strdup(arg));
    }
    va_end(ap);
}

void vm_add_opt(Vm *vm, const char *option, const char *format, ...)
{
    va_list ap;

    g_ptr_array_add(vm->argv, g_strconcat("-", option, NULL));
    va_start(ap, format);
    g_ptr_array_add(vm->argv, g_strdup_vprintf(format, ap));
    va_end(ap);
}

bool vm_needs_plugin(void)
{
    return g_strcmp0(g_getenv("MHP_PLUGIN"), "") != 0;
}

void vm_add_plugin(Vm *vm)
{
    const char *plugin = g_getenv("MHP_PLUGIN");
    g_autofree char *path = plugin ? g_strdup(plugin)
                                   : vm_build_path("mhp-vmemmap-mem.so");

    if (vm_needs_plugin()) {
        vm_add_opt(vm, "plugin", "%s", path);
    }
}

Channel *vm_add_channel(Vm *vm, const char *id)
{
    VmStream stream = {};

    stream.channel = channel_new(vm_add_socket(vm, id, &stream));
    g_array_append_val(vm->streams, stream);
    return stream.channel;
}

void vm_add_log(Vm *vm, const char *id)
{
    int fd = logs_add(vm->logs, id);
    const VmStream stream = {.fd = fd, .log = g_strdup(id)};

    /* Sets have numbers of their own; the descriptor's does well */
    g_subprocess_launcher_take_fd(vm->launcher, fd, fd);
    vm_add_opt(vm, "add-fd", "fd=%d,set=%d", fd, fd);
    vm_add_opt(vm, "chardev", "file,id=%s,path=/dev/fdset/%d,append=on", id,
               fd);
    g_array_append_val(vm->streams, stream);
}

/* Behind all others, as "-set" wants what it changes */
static bool vm_add_from_environment(Vm *vm, GError **error)
{
    const char *text = g_getenv("MHP_QEMU_ARGS");
    g_auto(GStrv) args = NULL;

    if (text && !g_shell_parse_argv(text, NULL, &args, error)) {
        g_prefix_error(error, "MHP_QEMU_ARGS: ");
        return false;
    }
    for (char **arg = args; arg && *arg; arg++) {
        vm_add_args(vm, *arg, NULL);
    }
    return true;
}

bool vm_launch(Vm *vm, GError **error)
{
    const char *id;

    if (!vm_add_from_environment(vm, error)) {
        return false;
    }
    g_ptr_array_add(vm->argv, NULL);
    vm->process = g_subprocess_launcher_spawnv(
        vm->launcher, (const char *const *)vm->argv->pdata, error);
    if (!vm->process) {
        return false;
    }
    /* Closes QEMU's ends here, so that its end is the end of the channels */
    g_clear_object(&vm->launcher);

    id = g_subprocess_get_identifier(vm->process);
    vm->pid = id ? atoi(id) : -1;
    vm->pidfd = id ? (int)syscall(SYS_pidfd_open, vm->pid, 0) : -1;
    return true;
}

/* Wait for QEMU's end; true if it came */
static bool vm_wait_end(Vm *vm, unsigned timeout_ms)
{
    struct pollfd pfd = {.fd = vm->pidfd, .events = POLLIN};

    if (vm->pidfd >= 0 && poll(&pfd, 1, (int)timeout_ms) <= 0) {
        return false;
    }
    return g_subprocess_wait(vm->process, NULL, NULL);
}

bool vm_wait_exit(Vm *vm, unsigned timeout_ms, int *exit_status, GError **error)
{
    if (!vm_wait_end(vm, timeout_ms)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                    "QEMU still runs after %u ms", timeout_ms);
        return false;
    }
    if (g_subprocess_get_if_exited(vm->process)) {
        *exit_status = g_subprocess_get_exit_status(vm->process);
    } else {
        *exit_status = 128 + g_subprocess_get_term_sig(vm->process);
    }
    return true;
}

bool vm_met_stock_fault(Vm *vm)
{
    static const char *const logs[] = {VM_STDERR, VM_CONSOLE};

    for (size_t i = 0; i < G_N_ELEMENTS(logs); i++) {
        g_autofree char *said = vm_log(vm, logs[i]);

        if (is_stock_fault(logs[i], said)) {
            return true;
        }
    }
    return false;
}

/* QEMU's end of a stream, made anew */
static int vm_renew(Vm *vm, const VmStream *stream)
{
    int fds[2];

    if (stream->log) {
        return logs_renew(vm->logs, stream->log);
    }
    vm_socketpair(fds);
    if (stream->channel) {
        channel_renew(stream->channel, fds[0]);
    } else {
        vm->qmp_channel = channel_new(fds[0]);
    }
    return fds[1];
}

/* Ask QEMU to end, more firmly each time */
static void vm_end(Vm *vm)
{
    g_autoptr(JsonNode) result = NULL;

    if (vm->qmp && vm_is_running(vm)) {
        result = qmp_execute(vm->qmp, "quit", NULL, NULL);
    }
    if (result && vm_wait_end(vm, VM_QUIT_MS)) {
        return;
    }
    g_subprocess_send_signal(vm->process, SIGTERM);
    if (!vm_wait_end(vm, VM_SIGTERM_MS)) {
        g_subprocess_force_exit(vm->process);
        g_subprocess_wait(vm->process, NULL, NULL);
    }
}

void vm_rewind(Vm *vm)
{
    vm_end(vm);
    g_clear_pointer(&vm->qmp, qmp_free);
    g_clear_object(&vm->process);
    close(vm->pidfd);
    vm->pidfd = -1;
    vm->launcher = vm_new_launcher(logs_renew(vm->logs, VM_STDERR));
    for (unsigned i = 0; i < vm->streams->len; i++) {
        const VmStream *stream = &g_array_index(vm->streams, VmStream, i);

        g_subprocess_launcher_take_fd(vm->launcher, vm_renew(vm, stream),
                                      stream->fd);
    }
}

bool vm_connect(Vm *vm, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *said = NULL;

    vm->qmp = qmp_new(g_steal_pointer(&vm->qmp_channel), &local);
    if (vm->qmp) {
        return true;
    }
    vm_wait_end(vm, VM_QUIT_MS);
    said = vm_stderr(vm);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                "QEMU did not start (%s): %s", local->message, said);
    return false;
}

bool vm_start(Vm *vm, GError **error)
{
    return vm_launch(vm, error) && vm_connect(vm, error);
}

bool vm_run(Vm *vm, unsigned timeout_ms, int *exit_status, GError **error)
{
    return vm_launch(vm, error) &&
           vm_wait_exit(vm, timeout_ms, exit_status, error);
}

Qmp *vm_qmp(Vm *vm)
{
    return vm->qmp;
}

bool vm_is_running(Vm *vm)
{
    return vm->process && !vm_wait_end(vm, 0);
}

pid_t vm_pid(Vm *vm)
{
    return vm->pid;
}

char *vm_log(Vm *vm, const char *id)
{
    return logs_read(vm->logs, id);
}

char *vm_stderr(Vm *vm)
{
    return vm_log(vm, VM_STDERR);
}

void vm_free(Vm *vm)
{
    if (!vm) {
        return;
    }
    if (vm->process) {
        vm_end(vm);
        g_object_unref(vm->process);
    }
    if (vm->pidfd >= 0) {
        close(vm->pidfd);
    }
    qmp_free(vm->qmp);
    channel_free(vm->qmp_channel);
    g_array_unref(vm->streams);
    logs_free(vm->logs);
    g_ptr_array_unref(vm->argv);
    g_clear_object(&vm->launcher);
    g_free(vm);
}
