/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much memory the control groups of this process leave. Linux ends a
 * process that asks for more, so the device asks here first.
 *
 * Pure: it reads files and needs no QEMU. Versions 1 and 2 of control groups
 * are known, mounted wherever they are, also both at once.
 */
#ifndef VIRTIO_MHP_CGROUP_H
#define VIRTIO_MHP_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/* What the process needs for itself: the last bytes are nobody's to take. */
#define VIRTIO_MHP_CGROUP_SPARE (UINT64_C(16) << 20)

/**
 * enum VirtIOMHPCgroupSight - what is known about limits
 * @VIRTIO_MHP_CGROUP_LIMITED: there is a limit, of the process's group or of
 *   one above it. In a container there may be more limits above, out of sight.
 * @VIRTIO_MHP_CGROUP_UNLIMITED: there is none: all groups up to the root of
 *   the whole hierarchy can be read, or the kernel has no groups for memory
 * @VIRTIO_MHP_CGROUP_UNSEEN: no limit is in sight, but there may be one. Of a
 *   container that has a control group namespace of its own, or in which only
 *   its own group is mounted, the groups above are hidden; or no mount shows
 *   the group; or /proc or a file of a group cannot be read.
 */
typedef enum VirtIOMHPCgroupSight {
    VIRTIO_MHP_CGROUP_LIMITED,
    VIRTIO_MHP_CGROUP_UNLIMITED,
    VIRTIO_MHP_CGROUP_UNSEEN,
} VirtIOMHPCgroupSight;

typedef struct VirtIOMHPCgroup VirtIOMHPCgroup;

/*
 * Look for the control groups. What is found stays open, so that it can be
 * read after a chroot, too, and after the process was moved to another group.
 * @root is put before each path: "" but in tests.
 */
VirtIOMHPCgroup *virtio_mhp_cgroup_open(const char *root);
void virtio_mhp_cgroup_close(VirtIOMHPCgroup *cgroup);

/*
 * If limited: *@room is what is left below the nearest limit, in bytes.
 *
 * A limit is memory.max (version 1: memory.limit_in_bytes and the one that
 * counts swap, too), and memory.high: Linux lets a process above it sleep. Page
 * cache is room, whether it is active or not: Linux drops it as soon as
 * somebody wants the memory. What is dirty, being written, locked or protected
 * by another group's memory.min is not room, nor are a tmpfs's files.
 *
 * Not for QEMU's main loop: memory.stat has Linux add up the figures of all
 * CPUs, which can take milliseconds. Any thread may call it.
 */
VirtIOMHPCgroupSight virtio_mhp_cgroup_room(VirtIOMHPCgroup *cgroup,
                                            uint64_t *room);

/*
 * Take @size bytes, for any part of this process, if VIRTIO_MHP_CGROUP_SPARE is
 * left then: if *@room, which is set to what was there before, is less than
 * both together, nothing was taken. Without a limit it is UINT64_MAX.
 *
 * Files are read only if that was not done in the last 100 ms, or if they said
 * too little then. @now is in microseconds, from a clock that never goes back.
 */
VirtIOMHPCgroupSight virtio_mhp_cgroup_take(VirtIOMHPCgroup *cgroup,
                                            int64_t now, uint64_t size,
                                            uint64_t *room);

#endif
