/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much memory the control groups of this process leave. Linux ends a
 * process that asks for more, so the device asks here first.
 *
 * Pure: it reads files and needs no QEMU. Versions 1 and 2 of control groups
 * are known, at the place where all distributions mount them.
 */
#ifndef VIRTIO_MHP_CGROUP_H
#define VIRTIO_MHP_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Room in bytes below the nearest limit, false if there is none. Page cache
 * that Linux would drop is room. @root is put before each path: "" but in
 * tests.
 */
bool virtio_mhp_cgroup_room(const char *root, uint64_t *room);

#endif
