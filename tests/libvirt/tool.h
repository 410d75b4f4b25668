/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-virt-xml as a process, and the table of what it makes of which XML:
 * golden/in holds what it reads, golden/NAME.xml what it has to write, and
 * golden/NAME.args what libvirt has to make of that for QEMU. Where one version
 * of libvirt makes something else, golden/9.0/NAME.args and the like say what.
 *
 * With MHP_REGENERATE=1 the tests write these files instead of comparing, those
 * of a version only where there are some, be they empty. Look at the difference
 * before you believe it.
 */
#ifndef MHP_LIBVIRT_TOOL_H
#define MHP_LIBVIRT_TOOL_H

#include <glib.h>
#include <stdbool.h>

/* What every golden case and refusal is run with */
#define TOOL_PLUGIN "/usr/lib/x86_64-linux-gnu/qemu/mhp-vmemmap-mem.so"

typedef struct Golden {
    const char *name;
    /* In golden/in, or the result of an earlier case */
    const char *input;
    const char *options;
    /* There are NAME.args */
    bool has_args;
} Golden;

extern const Golden goldens[];
extern const unsigned n_goldens;

/* The exit status; the texts are to be freed */
int tool_run(const char *input, gssize length, const char *options, char **out,
             char **err);

/* golden/ of the sources and a name below it, made by printf */
char *golden_path(const char *format, ...) G_GNUC_PRINTF(1, 2);
char *golden_read(const char *path);
char *golden_input(const Golden *golden);
/* Compare with a file, and show the difference; or write it */
void golden_compare(const char *path, const char *text);

#endif /* MHP_LIBVIRT_TOOL_H */
