/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's end of the virtio-serial port to the host's agent client. Where
 * it fails there is nobody left to tell but the console: see init_die().
 */
#ifndef MHP_GUEST_PORT_H
#define MHP_GUEST_PORT_H

#include <stddef.h>

/*
 * Start listening for the port; from then on none is missed. The result is for
 * port_wait(), which ends the listening.
 */
int port_listen(void);

/* Wait until the port is there and open it */
int port_wait(int uevents);

/*
 * The port, opened anew if the guest's driver does not think that the host is
 * there. After idling Linux 7.3 asks before it listens, and waits for an answer
 * for ever.
 */
int port_check(int port);

/* All of @size, or init_die() */
void port_write(int port, const char *data, size_t size);
void port_read(int port, char *data, size_t size);

/* Say why on the console and power the guest off, so that the host sees it */
_Noreturn void init_die(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif /* MHP_GUEST_PORT_H */
