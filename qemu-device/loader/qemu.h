/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the loader uses of QEMU: functions that all versions with plugins
 * export, in the shape that they have had there. QEMU's own headers say more
 * than is so for all of them.
 */
#ifndef MHP_LOADER_QEMU_H
#define MHP_LOADER_QEMU_H

#include <glib.h>
#include <stdint.h>

/* See query-version in QEMU's qapi/control.json */
typedef struct VersionTriple {
    int64_t major;
    int64_t minor;
    int64_t micro;
} VersionTriple;

typedef struct VersionInfo {
    VersionTriple *qemu;
    char *package; /* "" if it is not a distribution's */
} VersionInfo;

/* Never fails; to be freed with qapi_free_VersionInfo() */
VersionInfo *qmp_query_version(void *errp);
void qapi_free_VersionInfo(VersionInfo *info);

/* A line on stderr, or in the monitor that gave the command */
void error_report(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* The entry of a plugin: 0, or QEMU ends. @info is not looked into here. */
typedef int PluginInstall(uint64_t id, const void *info, int argc, char **argv);

#endif /* MHP_LOADER_QEMU_H */
