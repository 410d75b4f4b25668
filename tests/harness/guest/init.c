/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's first and only service: mounts what scripts need, loads the
 * stock modules that lead to the agent's virtio-serial port, and then runs the
 * scripts that the host sends (protocol: ../agent.h). It loads no driver under
 * test; a script does that, with the parameters that the test wants.
 *
 * Linked statically. Under other names it is one of the tools in tools.h, one
 * of which is the agent alone, for a guest that has an init of its own. When it
 * cannot go on it says why on the console and powers the guest off, so that the
 * host sees the end at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "port.h"
#include "tools.h"

#define INIT_SCRIPT_MAX (1 << 20)

/* In the order of their dependencies; what is built in has no file */
static const char *const init_modules[] = {
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_console",
    "pvpanic",
    "pvpanic-pci",
};

_Noreturn void init_die(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fprintf(stderr, "init: ");
    vfprintf(stderr, format, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    sync();
    reboot(RB_POWER_OFF);
    for (;;) {
        pause();
    }
}

static void init_mount(const char *type, const char *where)
{
    mkdir(where, 0755);
    if (mount(type, where, type, 0, NULL) < 0 && errno != EBUSY) {
        init_die("cannot mount %s: %s", where, strerror(errno));
    }
}

static void init_load_module(const char *name)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "/lib/modules/%s.ko", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST) {
        init_die("cannot load %s: %s", path, strerror(errno));
    }
    close(fd);
}

static _Noreturn void init_exec(const char *script, int output)
{
    setsid();
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execl("/bin/sh", "sh", "-c", script, NULL);
    _exit(127);
}

/*
 * Run @script with its output in the file @output. Its end counts, not that of
 * what it left running. As the first process we also reap all orphans.
 */
static int init_run(const char *script, int output)
{
    pid_t pid = fork(), ended;
    int status;

    if (pid < 0) {
        dprintf(output, "cannot fork: %s\n", strerror(errno));
        return 126;
    }
    if (pid == 0) {
        init_exec(script, output);
    }
    do {
        ended = wait(&status);
    } while (ended != pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void init_send_result(int port, int status, int output)
{
    off_t size = lseek(output, 0, SEEK_END);
    char head[64], *text = NULL;

    if (size > 0) {
        text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, output, 0);
    }
    if (text == MAP_FAILED) {
        init_die("cannot map the output of a script: %s", strerror(errno));
    }
    snprintf(head, sizeof(head), "done %d %lld\n", status, (long long)size);
    port_write(port, head, strlen(head));
    if (text) {
        port_write(port, text, size);
        munmap(text, size);
    }
}

/* Read one "run LENGTH\n" and the script after it; free() it */
static char *init_receive(int port)
{
    char line[32] = "", *script;
    size_t used = 0;
    unsigned long size;

    do {
        port_read(port, line + used, 1);
    } while (line[used] != '\n' && ++used < sizeof(line) - 1);
    if (sscanf(line, "run %lu", &size) != 1 || size > INIT_SCRIPT_MAX) {
        init_die("want 'run LENGTH' from the host, got '%s'", line);
    }
    script = calloc(1, size + 1);
    if (!script) {
        init_die("no memory for a script of %lu bytes", size);
    }
    port_read(port, script, size);
    return script;
}

/* The port for the next script: this one may have taken the old one away */
static int init_serve(int port)
{
    char *script = init_receive(port);
    int output = memfd_create("output", MFD_CLOEXEC), status;

    if (output < 0) {
        init_die("no memory for the output of a script");
    }
    /* Processes that a script leaves running share the file offset */
    fcntl(output, F_SETFL, O_APPEND);
    status = init_run(script, output);
    port = port_check(port);
    init_send_result(port, status, output);
    close(output);
    free(script);
    return port;
}

static void init_say_ready(int port)
{
    struct utsname name;
    char line[256];

    uname(&name);
    snprintf(line, sizeof(line), "ready %s\n", name.release);
    port_write(port, line, strlen(line));
}

static _Noreturn void init_serve_all(int uevents)
{
    int port = port_wait(uevents);

    init_say_ready(port);
    for (;;) {
        port = init_serve(port);
    }
}

int tool_agent(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    init_serve_all(port_listen());
}

int main(int argc, char **argv)
{
    int uevents;

    if (getpid() != 1) {
        return tools_main(argc, argv);
    }

    init_mount("devtmpfs", "/dev");
    init_mount("proc", "/proc");
    init_mount("sysfs", "/sys");
    init_mount("tmpfs", "/tmp");
    /* Only debug kernels are sure to have it */
    mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
    setenv("PATH", "/bin", 1);
    setenv("HOME", "/tmp", 1);

    uevents = port_listen();
    for (size_t i = 0; i < sizeof(init_modules) / sizeof(*init_modules); i++) {
        init_load_module(init_modules[i]);
    }
    init_serve_all(uevents);
}
