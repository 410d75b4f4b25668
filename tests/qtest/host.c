/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into QEMU or mhp-virt-xml: a host whose transparent huge pages have
 * another size. Who looks for that reads the file that $MHP_THP_SIZE_FILE
 * names.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define THP_SIZE_PATH "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

/* By the name that it has where offsets have 64 bits, as in GLib */
int open(const char *path, int flags, ...)
{
    static int (*next)(const char *, int, ...);
    const char *other = getenv("MHP_THP_SIZE_FILE");
    va_list args;
    int mode;

    va_start(args, flags);
    mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;
    va_end(args);
    if (!next) {
        next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    }
    return next(other && !strcmp(path, THP_SIZE_PATH) ? other : path, flags,
                mode);
}
