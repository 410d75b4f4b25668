/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Handler of SIGABRT (g_assert) and SIGTRAP (g_error) that copies log tails to
 * stderr. It calls only functions that are safe in a signal handler; the table
 * has a fixed size for the same reason.
 */
#include "abort-log.h"

#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stock-faults.h"

#define ABORT_LOG_FILES 16
#define ABORT_LOG_TAIL 8192

/* tests/setup/stock-faults looks for it */
#define ABORT_LOG_STOCK_FAULT \
    "\nthe emulator ended this by a fault of its own\n"

static struct {
    char name[32];
    int fd; /* 0: the entry is free */
} abort_logs[ABORT_LOG_FILES];

static void abort_log_write(const void *data, size_t size)
{
    ssize_t unused = write(STDERR_FILENO, data, size);

    (void)unused;
}

/* Does it tell of a fault of the emulator's own? */
static bool abort_log_print(int fd, const char *name)
{
    char tail[ABORT_LOG_TAIL + 1];
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) < 0 || st.st_size == 0) {
        return false;
    }
    abort_log_write("\n---- ", 6);
    abort_log_write(name, strlen(name));
    abort_log_write(" ----\n", 6);
    lseek(fd, MAX(st.st_size - ABORT_LOG_TAIL, 0), SEEK_SET);
    n = read(fd, tail, ABORT_LOG_TAIL);
    n = MAX(n, 0);
    abort_log_write(tail, n);
    tail[n] = '\0';
    return is_stock_fault(name, tail);
}

static void abort_log_handler(int signal_number)
{
    bool is_stock = false;

    for (int i = 0; i < ABORT_LOG_FILES; i++) {
        if (abort_logs[i].fd) {
            is_stock |= abort_log_print(abort_logs[i].fd, abort_logs[i].name);
        }
    }
    if (is_stock) {
        abort_log_write(ABORT_LOG_STOCK_FAULT, strlen(ABORT_LOG_STOCK_FAULT));
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

void abort_log_add(int fd, const char *name)
{
    signal(SIGABRT, abort_log_handler);
    signal(SIGTRAP, abort_log_handler);
    for (int i = 0; i < ABORT_LOG_FILES; i++) {
        if (!abort_logs[i].fd) {
            abort_logs[i].fd = fd;
            g_strlcpy(abort_logs[i].name, name, sizeof(abort_logs[i].name));
            return;
        }
    }
}

void abort_log_remove(int fd)
{
    for (int i = 0; i < ABORT_LOG_FILES; i++) {
        if (abort_logs[i].fd == fd) {
            abort_logs[i].fd = 0;
        }
    }
}
