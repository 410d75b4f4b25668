/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tool needs of XML: reading it safely, finding elements, changing
 * them so that the result is indented as libvirt indents, and writing it.
 */
#ifndef MHP_VIRT_XML_XML_H
#define MHP_VIRT_XML_XML_H

#include <glib.h>
#include <libxml/parser.h>
#include <stdbool.h>
#include <stdint.h>

/* libvirt's own messages are smaller, too. */
#define XML_LIMIT (4 * 1024 * 1024)

#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

/* No network, no files, no document type declaration, so no entities either */
xmlDoc *xml_parse(const char *text, gsize length, GError **error);
/* To be freed, UTF-8 with a newline at its end */
char *xml_write(xmlDoc *doc);

/* The first child with this name and no namespace, NULL if there is none */
xmlNode *xml_child(const xmlNode *parent, const char *name);
/* By names with slashes between them */
xmlNode *xml_path(const xmlNode *parent, const char *path);
xmlNode *xml_qemu_child(const xmlNode *parent, const char *name);
/* The next one with the same name and namespace */
xmlNode *xml_next(const xmlNode *node);
/* The next element of all below top, in the document's order */
xmlNode *xml_walk(const xmlNode *top, const xmlNode *node);

/* To be freed; NULL if there is no such attribute or node */
char *xml_attribute(const xmlNode *node, const char *name);
char *xml_content(const xmlNode *node);
bool xml_attribute_is(const xmlNode *node, const char *name, const char *value);
/* A size with its unit; false if there is none that can be read */
bool xml_size(const xmlNode *node, uint64_t *size);
/* A number in any base that C has */
bool xml_number(const xmlNode *node, const char *attribute, uint64_t *number);

/* Appended to parent, or after its child named after if there is one */
xmlNode *xml_add(xmlNode *parent, const char *name, const char *content);
xmlNode *xml_add_after(xmlNode *parent, const char *after, const char *name,
                       const char *content);
/* With all that is in it, of the same document */
xmlNode *xml_add_copy(xmlNode *parent, const xmlNode *node);
xmlNode *xml_qemu_add(xmlNode *parent, const char *name);
/* Those attributes of from that to has not; from may be NULL */
void xml_keep_attributes(const xmlNode *from, xmlNode *to);
void xml_set(xmlNode *node, const char *attribute, const char *value);
/* The child's size, in KiB; the child is made if there is none */
void xml_set_size(xmlNode *node, uint64_t size);
/* With the white space before it */
void xml_remove(xmlNode *node);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlParserCtxt, xmlFreeParserCtxt)

#endif
