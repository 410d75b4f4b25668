/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the control group of this process is that counts its memory, and which
 * of the groups above it are in sight. What they say is in virtio-mhp-cgroup.h.
 */
#ifndef VIRTIO_MHP_CGROUP_DIR_H
#define VIRTIO_MHP_CGROUP_DIR_H

#include <fcntl.h>
#include <stdbool.h>

#define VIRTIO_MHP_CGROUP_FOLDER (O_PATH | O_DIRECTORY | O_CLOEXEC)

/**
 * struct VirtIOMHPCgroupDir - how to get to the groups
 * @proc: the folder /proc, or -1
 * @version: which control groups count memory, 0 if the kernel has none
 * @is_hidden: not even that is known
 * @top: folder of the mount that shows most of them, or -1
 * @top_group: the group that this folder is
 * @is_whole: that is the root of the whole hierarchy
 * @group: the group of the process, as it was last seen
 */
typedef struct VirtIOMHPCgroupDir {
    int proc;
    unsigned version;
    bool is_hidden;
    int top;
    char *top_group;
    bool is_whole;
    char *group;
} VirtIOMHPCgroupDir;

/* @root is put before each path. */
void virtio_mhp_cgroup_find(VirtIOMHPCgroupDir *dir, const char *root);
void virtio_mhp_cgroup_forget(VirtIOMHPCgroupDir *dir);

/*
 * The way from @top to the group in which the process is now, NULL if that is
 * not below it. Valid until the next call.
 */
const char *virtio_mhp_cgroup_follow(VirtIOMHPCgroupDir *dir);

/* All of a file, NULL and errno if it cannot be read */
char *virtio_mhp_cgroup_read(int folder, const char *name);

#endif
