/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests in a whole Debian share: a guest whose services have all come
 * up, databases at work in it, and what must be true of it at any time. As in
 * the system tests, whose support this stands on, success is taken for granted:
 * what fails aborts the test.
 */
#ifndef MHP_DISTRO_DEBIAN_H
#define MHP_DISTRO_DEBIAN_H

#include "support.h"

/* Boot a guest that can grow by @growth, and wait until it runs */
Guest *debian_boot(uint64_t growth, const char *cmdline);

/* What was added to a guest of system_new() is there; boot and wait */
void debian_start(Guest *guest);

/*
 * Run a script after which this guest starts anew, by a reset or by kexec, and
 * wait until it runs; debian_check() before, as the kernel's log goes with it
 */
void debian_restart(Guest *guest, const char *script);

/* Run a script that may take @minutes and must end with status 0 */
char *debian_run_long(Guest *guest, unsigned minutes, const char *script);

/* Wait until all that starts at boot has started, and nothing has failed */
void debian_wait_running(Guest *guest);

/*
 * No unit has failed, nothing was killed for want of memory, no task hangs, and
 * the kernel's log is clean; it starts anew.
 */
void debian_check(Guest *guest);

/* debian_check(), and the end of the guest */
void debian_end(Guest *guest);

/* What systemd knows of a unit, such as "ActiveState" */
char *debian_unit(Guest *guest, const char *unit, const char *property);

/*
 * PostgreSQL by pgbench, and redis, work until databases_end(). What they hold
 * can be told from what it should be.
 */
void databases_start(Guest *guest);
/* Each has worked since this was asked last */
void databases_check_progress(Guest *guest);
/* Stop their clients; nothing is lost */
void databases_end(Guest *guest);

#endif /* MHP_DISTRO_DEBIAN_H */
