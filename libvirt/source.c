/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the XML as text, see source.h. From libvirt it is that of the
 * domain's next start, with passwords, because it will be defined again.
 */
#include "source.h"

#include <errno.h>
#include <gio/gio.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xml.h"

static void source_be_quiet(void *opaque, virErrorPtr error)
{
    (void)opaque;
    (void)error;
}

static char *source_fail_libvirt(GError **error, const char *what)
{
    const virError *why = virGetLastError();

    g_set_error(error, G_IO_ERROR, 0, "%s: %s", what,
                why && why->message ? why->message : "unknown error");
    return NULL;
}

static char *source_domain_xml(virConnectPtr connection, const char *name,
                               GError **error)
{
    virDomainPtr domain = virDomainLookupByName(connection, name);
    char *xml, *copy;

    if (!domain) {
        return source_fail_libvirt(error, "libvirt has no such domain");
    }
    xml = virDomainGetXMLDesc(domain,
                              VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
    virDomainFree(domain);
    if (!xml) {
        return source_fail_libvirt(error,
                                   "libvirt does not give the domain's XML");
    }
    copy = g_strdup(xml);
    free(xml);
    return copy;
}

static char *source_from_libvirt(const Options *options, GError **error)
{
    virConnectPtr connection;
    char *xml;

    virSetErrorFunc(NULL, source_be_quiet);
    connection = virConnectOpen(options->connect);
    if (!connection) {
        return source_fail_libvirt(error, "cannot connect to libvirt");
    }
    xml = source_domain_xml(connection, options->domain, error);
    virConnectClose(connection);
    return xml;
}

/* One byte more than is allowed tells that there is too much. */
static char *source_from_stdin(GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char buffer[65536];
    ssize_t n;

    do {
        n = read(STDIN_FILENO, buffer, sizeof(buffer));
        if (n > 0) {
            g_string_append_len(text, buffer, n);
        }
    } while ((n > 0 && text->len <= XML_LIMIT) || (n < 0 && errno == EINTR));
    if (n < 0) {
        g_set_error(error, G_IO_ERROR, 0, "cannot read standard input: %s",
                    g_strerror(errno));
        return NULL;
    }
    if (memchr(text->str, '\0', text->len)) {
        g_set_error(error, G_IO_ERROR, 0, "the XML has a NUL byte in it");
        return NULL;
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

char *source_read(const Options *options, gsize *length, GError **error)
{
    char *text = options->domain ? source_from_libvirt(options, error)
                                 : source_from_stdin(error);

    *length = text ? strlen(text) : 0;
    return text;
}
