/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work in a domain's guest that would notice lost or foreign memory: copies of
 * a file in tmpfs, whose pages the kernel likes to have in plugged memory, are
 * made and compared for ever.
 */
#ifndef MHP_LIBVIRT_WORKER_H
#define MHP_LIBVIRT_WORKER_H

#include "domain.h"

void worker_start(Domain *domain);

/* Wait until it has done more, all of it right */
void worker_check(Domain *domain);

/* It keeps its memory, and does nothing until it goes on */
void worker_pause(Domain *domain);
void worker_go_on(Domain *domain);

#endif /* MHP_LIBVIRT_WORKER_H */
