/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps a program with daemons of its own from touching the machine. The
 * program's body runs in a child; when it has ended, however it did, the keeper
 * ends every process that it has left, daemons included, and removes its
 * folder. A body that left a process, or changed a file outside its folder, has
 * failed.
 */
#ifndef MHP_LIBVIRT_KEEPER_H
#define MHP_LIBVIRT_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

#define KEEPER_SKIP 77

typedef int (*KeeperBody)(int argc, char **argv);

/*
 * Run @body with the working directory / and the exit status of the program as
 * the result. Where libvirt or mhp-virt-xml is missing it is KEEPER_SKIP.
 */
int keeper_run(KeeperBody body, int argc, char **argv);

/*
 * The body's folder, where its daemons may read and write; short enough for
 * libvirt to put sockets deep in it
 */
const char *keeper_folder(void);

/*
 * Who daemons run as: libvirt-qemu (or nobody) if we are root, else ourselves.
 * Becoming it is for a child before it executes a program.
 */
uid_t keeper_uid(void);
gid_t keeper_gid(void);
bool keeper_become_user(void);

#endif /* MHP_LIBVIRT_KEEPER_H */
