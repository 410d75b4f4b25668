/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The port to the host: see port.h. A port is found by its name, which comes
 * after the port itself, in an uevent of its own.
 */
#include "port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_NAME "mhp.agent"
#define PORT_WAIT_MS 30000
#define PORT_CLASS "/sys/class/virtio-ports"
#define PORT_DRIVER "/sys/bus/virtio/drivers/virtio_console"

int port_listen(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC,
                    NETLINK_KOBJECT_UEVENT);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        init_die("cannot listen to uevents: %s", strerror(errno));
    }
    return fd;
}

static int port_has_name(const char *port, const char *wanted)
{
    char path[300], name[64] = "";
    int fd;

    snprintf(path, sizeof(path), PORT_CLASS "/%s/name", port);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    if (read(fd, name, sizeof(name) - 1) < 0) {
        name[0] = '\0';
    }
    close(fd);
    name[strcspn(name, "\n")] = '\0';
    return !strcmp(name, wanted);
}

/* The file DIRECTORY/PORT of the agent's port, or -1 while it is not there */
static int port_find(const char *directory, int flags)
{
    DIR *dir = opendir(PORT_CLASS);
    struct dirent *entry;
    char path[300];
    int fd = -1;

    if (!dir) {
        return -1;
    }
    while (fd < 0 && (entry = readdir(dir))) {
        if (port_has_name(entry->d_name, PORT_NAME)) {
            snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
            fd = open(path, flags | O_CLOEXEC);
        }
    }
    closedir(dir);
    return fd;
}

int port_wait(int uevents)
{
    struct pollfd pfd = {.fd = uevents, .events = POLLIN};
    char event[4096];
    int port;

    while ((port = port_find("/dev", O_RDWR)) < 0) {
        if (poll(&pfd, 1, PORT_WAIT_MS) <= 0) {
            init_die("there is no virtio-serial port " PORT_NAME);
        }
        if (read(uevents, event, sizeof(event)) < 0 && errno != ENOBUFS) {
            init_die("cannot read uevents: %s", strerror(errno));
        }
    }
    close(uevents);
    return port;
}

static void port_tell_driver(const char *what, const char *device)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), PORT_DRIVER "/%s", what);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, device, strlen(device)) < 0) {
        init_die("cannot %s %s: %s", what, device, strerror(errno));
    }
    close(fd);
}

/* The name of the virtio device that the port belongs to */
static void port_device(char *device, size_t size)
{
    int dir = port_find(PORT_CLASS, O_RDONLY | O_DIRECTORY);
    char target[300] = "", *name;

    if (dir < 0 || readlinkat(dir, "device", target, sizeof(target) - 1) < 0) {
        init_die("cannot find the port's device: %s", strerror(errno));
    }
    close(dir);
    name = strrchr(target, '/');
    snprintf(device, size, "%s", name ? name + 1 : target);
}

int port_check(int port)
{
    struct pollfd pfd = {.fd = port};
    char device[64];
    int uevents;

    if (poll(&pfd, 1, 0) < 0 || !(pfd.revents & POLLHUP)) {
        return port;
    }
    close(port);
    uevents = port_listen();
    port_device(device, sizeof(device));
    port_tell_driver("unbind", device);
    port_tell_driver("bind", device);
    return port_wait(uevents);
}

void port_write(int port, const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(port, data, size);

        if (n < 0 && errno != EINTR) {
            init_die("cannot write to the host: %s", strerror(errno));
        }
        if (n > 0) {
            data += n;
            size -= n;
        }
    }
}

void port_read(int port, char *data, size_t size)
{
    while (size) {
        ssize_t n = read(port, data, size);

        if (n < 0 && errno != EINTR) {
            init_die("cannot read from the host: %s", strerror(errno));
        }
        if (n > 0) {
            data += n;
            size -= n;
        }
    }
}
