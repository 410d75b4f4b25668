/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Channel: a non-blocking socket behind poll(), with one buffer for what was
 * read and not yet asked for. The invariant: bytes leave the buffer only as
 * part of a complete answer, so that a call that ran into its time limit can
 * be tried again.
 */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct Channel {
    int fd;
    GByteArray *buffer;
};

Channel *channel_new(int fd)
{
    Channel *channel = g_new0(Channel, 1);

    channel->fd = -1;
    channel->buffer = g_byte_array_new();
    channel_renew(channel, fd);
    return channel;
}

void channel_free(Channel *channel)
{
    if (!channel) {
        return;
    }
    close(channel->fd);
    g_byte_array_unref(channel->buffer);
    g_free(channel);
}

void channel_renew(Channel *channel, int fd)
{
    if (channel->fd >= 0) {
        close(channel->fd);
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    channel->fd = fd;
    g_byte_array_set_size(channel->buffer, 0);
}

static int64_t channel_deadline(unsigned timeout_ms)
{
    return g_get_monotonic_time() + timeout_ms * 1000LL;
}

static void channel_set_errno(GError **error, const char *what)
{
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s", what,
                g_strerror(errno));
}

/* Wait for @events until @deadline; the peer's end counts as an event */
static bool channel_poll(Channel *channel, short events, int64_t deadline,
                         GError **error)
{
    struct pollfd pfd = {.fd = channel->fd, .events = events};
    int64_t left;
    int ret;

    do {
        left = MAX(deadline - g_get_monotonic_time(), 0);
        ret = poll(&pfd, 1, (int)((left + 999) / 1000));
    } while (ret < 0 && errno == EINTR);

    if (ret < 0) {
        channel_set_errno(error, "poll failed");
    } else if (ret == 0) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                            "no answer within the time limit");
    }
    return ret > 0;
}

bool channel_write(Channel *channel, const void *data, size_t size,
                   unsigned timeout_ms, GError **error)
{
    int64_t deadline = channel_deadline(timeout_ms);
    const char *next = data;

    while (size) {
        ssize_t n = send(channel->fd, next, size, MSG_NOSIGNAL);

        if (n >= 0) {
            next += n;
            size -= n;
        } else if (errno == EAGAIN) {
            if (!channel_poll(channel, POLLOUT, deadline, error)) {
                return false;
            }
        } else if (errno != EINTR) {
            channel_set_errno(error, "cannot send");
            return false;
        }
    }
    return true;
}

/* Wait for more bytes and append them to the buffer */
static bool channel_fill(Channel *channel, int64_t deadline, GError **error)
{
    uint8_t bytes[65536];
    ssize_t n;

    for (;;) {
        n = recv(channel->fd, bytes, sizeof(bytes), 0);
        if (n > 0) {
            g_byte_array_append(channel->buffer, bytes, n);
            return true;
        }
        if (n == 0) {
            g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED,
                                "the other end closed the connection");
            return false;
        }
        if (errno == EAGAIN) {
            if (!channel_poll(channel, POLLIN, deadline, error)) {
                return false;
            }
        } else if (errno != EINTR) {
            channel_set_errno(error, "cannot receive");
            return false;
        }
    }
}

/* Move the first @size bytes of the buffer into a string */
static char *channel_take(Channel *channel, size_t size)
{
    char *text = g_malloc(size + 1);

    memcpy(text, channel->buffer->data, size);
    text[size] = '\0';
    g_byte_array_remove_range(channel->buffer, 0, size);
    return text;
}

char *channel_read_line(Channel *channel, unsigned timeout_ms, GError **error)
{
    int64_t deadline = channel_deadline(timeout_ms);
    const uint8_t *end = NULL;
    size_t searched = 0;
    char *line;

    for (;;) {
        if (channel->buffer->len > searched) {
            end = memchr(channel->buffer->data + searched, '\n',
                         channel->buffer->len - searched);
        }
        if (end) {
            break;
        }
        searched = channel->buffer->len;
        if (!channel_fill(channel, deadline, error)) {
            return NULL;
        }
    }

    line = channel_take(channel, end - channel->buffer->data + 1);
    return g_strchomp(line);
}

char *channel_read(Channel *channel, size_t size, unsigned timeout_ms,
                   GError **error)
{
    int64_t deadline = channel_deadline(timeout_ms);

    while (channel->buffer->len < size) {
        if (!channel_fill(channel, deadline, error)) {
            return NULL;
        }
    }
    return channel_take(channel, size);
}
