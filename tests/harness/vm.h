/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One QEMU process: its arguments, its channels, its output and its end. This
 * file knows nothing of guests (guest.h does): the qtest programs and the
 * tests of command lines use it as it is.
 *
 * Nothing is left behind, however a test ends: sockets are socket pairs, logs
 * are memory files, and the kernel kills QEMU when its starter dies.
 */
#ifndef MHP_VM_H
#define MHP_VM_H

#include "qmp.h"
#include "stock-faults.h"

typedef struct Vm Vm;

/*
 * A QEMU that is not started yet. Its arguments so far: -nodefaults,
 * -no-user-config, -display none, and QMP. QEMU is $MHP_QEMU or
 * qemu-system-x86_64, with $MHP_QEMU_PRELOAD as its LD_PRELOAD if that is set,
 * and $MHP_QEMU_ARGS, as a shell has them, behind all other arguments.
 */
Vm *vm_new(void);

/* The same with another QEMU than qemu-system-x86_64 */
Vm *vm_new_qemu(const char *by_default);

/* Ends QEMU by its pid (quit, SIGTERM, SIGKILL, each with a time limit) */
void vm_free(Vm *vm);

/* Append arguments as they are; the list ends with NULL */
void vm_add_args(Vm *vm, ...) G_GNUC_NULL_TERMINATED;

/*
 * Append "-OPTION" and one value made by printf:
 *   vm_add_opt(vm, "m", "%uG", 1)
 */
void vm_add_opt(Vm *vm, const char *option, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* False if $MHP_PLUGIN is empty: QEMU has the device built in */
bool vm_needs_plugin(void);

/*
 * Append -plugin for the device under test: $MHP_PLUGIN, by default
 * $MHP_BUILD/mhp-vmemmap-mem.so, if QEMU needs it
 */
void vm_add_plugin(Vm *vm);

/*
 * Append a chardev @id that is a socket to us and return our end, which lives
 * as long as @vm: vm_add_channel(vm, "qt") and -qtest chardev:qt.
 */
Channel *vm_add_channel(Vm *vm, const char *id);

/* Append a chardev @id whose output vm_log(vm, id) returns */
void vm_add_log(Vm *vm, const char *id);

/*
 * Start QEMU and speak to it by QMP. The error tells what QEMU said on stderr
 * if it ended at once.
 */
bool vm_start(Vm *vm, GError **error);

/* The two halves of that, for a QEMU that has no monitor until it is asked */
bool vm_launch(Vm *vm, GError **error);
bool vm_connect(Vm *vm, GError **error);

/*
 * Start QEMU and wait until it ends by itself: for command lines that must be
 * refused. @exit_status is that of a shell (128 + signal).
 */
bool vm_run(Vm *vm, unsigned timeout_ms, int *exit_status, GError **error);

/*
 * Have its logs VM_STDERR and VM_CONSOLE told of a fault of the emulator's own?
 */
bool vm_met_stock_fault(Vm *vm);

/*
 * End a QEMU that was started, and make ready to start it once more, with the
 * same channels. What it has said is forgotten.
 */
void vm_rewind(Vm *vm);

/* Wait for the end of a QEMU that vm_start() has started */
bool vm_wait_exit(Vm *vm, unsigned timeout_ms, int *exit_status,
                  GError **error);

Qmp *vm_qmp(Vm *vm);
bool vm_is_running(Vm *vm);
/* Of a QEMU that was started */
pid_t vm_pid(Vm *vm);

/* What came so far; free with g_free() */
char *vm_stderr(Vm *vm);
char *vm_log(Vm *vm, const char *id);

/* Absolute path of a file in the build folder ($MHP_BUILD) */
char *vm_build_path(const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Vm, vm_free)

#endif /* MHP_VM_H */
