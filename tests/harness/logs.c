/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logs: see logs.h.
 */
#include "logs.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abort-log.h"

typedef struct Log {
    char *name;
    int fd; /* to read it */
} Log;

struct Logs {
    GArray *logs;
};

static void logs_close(gpointer data)
{
    Log *log = data;

    abort_log_remove(log->fd);
    close(log->fd);
    g_free(log->name);
}

Logs *logs_new(void)
{
    Logs *logs = g_new0(Logs, 1);

    logs->logs = g_array_new(FALSE, FALSE, sizeof(Log));
    g_array_set_clear_func(logs->logs, logs_close);
    return logs;
}

void logs_free(Logs *logs)
{
    g_array_unref(logs->logs);
    g_free(logs);
}

static const Log *logs_find(Logs *logs, const char *name)
{
    for (unsigned i = 0; i < logs->logs->len; i++) {
        const Log *log = &g_array_index(logs->logs, Log, i);

        if (g_str_equal(log->name, name)) {
            return log;
        }
    }
    return NULL;
}

/*
 * The writer gets an open file of its own: QEMU looks in its sets of
 * descriptors for one that can write and nothing else.
 */
static int log_open(const Log *log)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", log->fd);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    if (fd < 0) {
        g_error("cannot make a memory file: %s", g_strerror(errno));
    }
    return fd;
}

int logs_add(Logs *logs, const char *name)
{
    Log log = {.name = g_strdup(name), .fd = memfd_create(name, MFD_CLOEXEC)};

    g_array_append_val(logs->logs, log);
    abort_log_add(log.fd, name);
    return log_open(&log);
}

int logs_renew(Logs *logs, const char *name)
{
    const Log *log = logs_find(logs, name);

    if (ftruncate(log->fd, 0) < 0) {
        g_error("cannot empty a memory file: %s", g_strerror(errno));
    }
    return log_open(log);
}

char *logs_read(Logs *logs, const char *name)
{
    const Log *log = logs_find(logs, name);
    struct stat st;
    char *text;
    ssize_t n;

    if (!log || fstat(log->fd, &st) < 0) {
        return g_strdup("");
    }
    text = g_malloc(st.st_size + 1);
    n = pread(log->fd, text, st.st_size, 0);
    text[MAX(n, 0)] = '\0';
    return text;
}
