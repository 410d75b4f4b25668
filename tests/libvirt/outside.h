/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks for what was changed outside a test's own folder: by files of the user
 * that its daemons run as, and by files that are libvirt's by their name.
 */
#ifndef MHP_LIBVIRT_OUTSIDE_H
#define MHP_LIBVIRT_OUTSIDE_H

#include <glib.h>
#include <sys/types.h>
#include <time.h>

/*
 * Paths changed after @since (CLOCK_REALTIME_COARSE, as files have it), apart
 * from what is below @folder. With @uid = our own only what is libvirt's
 * counts.
 */
GPtrArray *outside_changes(struct timespec since, uid_t uid,
                           const char *folder);

#endif /* MHP_LIBVIRT_OUTSIDE_H */
