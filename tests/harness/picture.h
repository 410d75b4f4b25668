/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a memory file looks like from outside the QEMU that uses it: which parts
 * are backed, and what they hold. Two pictures are the same if nothing touched
 * the file in between.
 */
#ifndef MHP_PICTURE_H
#define MHP_PICTURE_H

/* A line for each part, for g_assert_cmpstr(); free with g_free() */
char *picture_of(int fd);

#endif /* MHP_PICTURE_H */
