/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the XML comes from: standard input, or libvirt.
 */
#ifndef MHP_VIRT_XML_SOURCE_H
#define MHP_VIRT_XML_SOURCE_H

#include "options.h"

/* To be freed; length is without the NUL behind it. */
char *source_read(const Options *options, gsize *length, GError **error);

#endif
