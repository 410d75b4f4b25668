/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt's events about one domain, by "virsh event", as a user sees them.
 */
#ifndef MHP_LIBVIRT_EVENTS_H
#define MHP_LIBVIRT_EVENTS_H

#include "daemon.h"

typedef struct Events Events;

/* Listens when it returns; the domain is defined or runs */
Events *events_new(Daemon *daemon, const char *domain);
void events_free(Events *events);

/*
 * Wait for an event whose line matches @pattern ('*' and '?' as for files),
 * after the one that was waited for before. Without it the test fails.
 */
void events_wait(Events *events, const char *pattern);

/* Whether such a line came, after the one that was waited for before */
bool events_has(Events *events, const char *pattern);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Events, events_free)

#endif /* MHP_LIBVIRT_EVENTS_H */
