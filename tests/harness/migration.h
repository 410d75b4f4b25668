/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Migrations and snapshots of a Vm, from the operator's side: QMP commands and
 * waiting for what comes of them. This file knows nothing of memory devices.
 *
 * Every function ends the test when QEMU does not do as it should.
 */
#ifndef MHP_MIGRATION_H
#define MHP_MIGRATION_H

#include "vm.h"

/* Longer than any migration of a small guest takes on a busy machine */
#define MIGRATION_TIMEOUT_MS 120000

/* "migrate-set-capabilities", for one of them */
void migration_enable(Vm *vm, const char *capability);
void migration_disable(Vm *vm, const char *capability);

/* "migrate-set-parameters", for a number */
void migration_set(Vm *vm, const char *parameter, uint64_t value);

/* @vm was started with -incoming defer; it listens to @uri, or reads it */
void migration_listen(Vm *vm, const char *uri);
void migration_start(Vm *vm, const char *uri);
void migration_start_postcopy(Vm *vm);

/*
 * "migrate-set-parameters", for the mode, and cpr-transfer: the new QEMU opens
 * its monitor when the old one has begun. Both are paths of sockets.
 */
void migration_set_mode(Vm *vm, const char *mode);
void migration_add_cpr(Vm *vm, const char *cpr);
void migration_start_cpr(Vm *vm, const char *uri, const char *cpr);
void migration_cancel(Vm *vm);
/* Leave the state pre-switchover */
void migration_go_on(Vm *vm);

/* Wait for one of the states that query-migrate names */
void migration_wait(Vm *vm, const char *status);

/* Wait until the guest may run on its destination, all its memory there */
void migration_wait_incoming(Vm *vm);

/* Bytes of memory that the last migration of @vm has sent so far */
uint64_t migration_bytes(Vm *vm);

/* "running", "postmigrate", … */
char *migration_run_state(Vm *vm);

/* Give @vm a disk "disk" in the file @path that holds snapshots */
void migration_add_disk(Vm *vm, const char *path);
void migration_save(Vm *vm, const char *tag);
void migration_load(Vm *vm, const char *tag);
/* The same where it may fail: what QEMU says then, or NULL */
char *migration_try_load(Vm *vm, const char *tag);

#endif /* MHP_MIGRATION_H */
