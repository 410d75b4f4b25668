/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A byte stream to QEMU or to something inside it (QMP, qtest, the guest's
 * agent), read by lines or by length. Each call has a time limit, and a peer
 * that went away is an error at once: nothing here can block for ever.
 */
#ifndef MHP_CHANNEL_H
#define MHP_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include <gio/gio.h>

typedef struct Channel Channel;

/* Takes over @fd, a connected stream socket */
Channel *channel_new(int fd);
void channel_free(Channel *channel);

/* The same with another socket; what came by the old one is forgotten */
void channel_renew(Channel *channel, int fd);

bool channel_write(Channel *channel, const void *data, size_t size,
                   unsigned timeout_ms, GError **error);

/* The next line without its end ("\n" or "\r\n"); NULL on error */
char *channel_read_line(Channel *channel, unsigned timeout_ms, GError **error);

/* Exactly @size bytes and a 0 after them; NULL on error */
char *channel_read(Channel *channel, size_t size, unsigned timeout_ms,
                   GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Channel, channel_free)

#endif /* MHP_CHANNEL_H */
