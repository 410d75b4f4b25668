/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A libvirtd of the test's own, as an unprivileged user, with everything that
 * it keeps below one folder, and virsh that talks to it. No systemd, no
 * virtlogd, nothing of the system's libvirt is used or asked.
 *
 * Everything here takes success for granted: a failure ends the test and shows
 * what the daemon said.
 */
#ifndef MHP_LIBVIRT_DAEMON_H
#define MHP_LIBVIRT_DAEMON_H

#include <gio/gio.h>
#include <stdbool.h>

typedef struct Daemon Daemon;

/*
 * Start a daemon in the folder @name of keeper_folder(). Each @name is a host
 * of its own for libvirt, with a host name and a UUID, so that guests can
 * migrate from one to the other.
 */
Daemon *daemon_new(const char *name);

/* Ends its guests first */
void daemon_free(Daemon *daemon);

/* The guests go on meanwhile; as systemd stops it, and as a crash does */
void daemon_stop(Daemon *daemon);
void daemon_kill(Daemon *daemon);
void daemon_start(Daemon *daemon);

/* Before daemon_start(): it shall think that the host was booted meanwhile */
void daemon_forget_boot(Daemon *daemon);

/* A path in the daemon's folder */
char *daemon_path(Daemon *daemon, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Another daemon's virsh can reach this one by it */
const char *daemon_uri(Daemon *daemon);

/*
 * Run virsh with these words (made by printf, split as a shell does) and return
 * what it said, without the empty line at the end.
 */
char *daemon_virsh(Daemon *daemon, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The same for a command that must fail: what it said on stderr */
char *daemon_virsh_fails(Daemon *daemon, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* Start virsh and leave it running; its output goes to the file @output */
GSubprocess *daemon_virsh_start(Daemon *daemon, const char *output,
                                const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Write a file that the daemon can read; its path */
char *daemon_write(Daemon *daemon, const char *name, const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Daemon, daemon_free)

#endif /* MHP_LIBVIRT_DAEMON_H */
