/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading XML that anybody may have written, see xml.h. A document type
 * declaration ends the parser at once: without one there are no entities to
 * expand, and nothing names a file.
 */
#include "xml.h"

#include <gio/gio.h>
#include <string.h>

#include "sizes.h"

static void xml_refuse_doctype(void *opaque, const xmlChar *name,
                               const xmlChar *external, const xmlChar *system)
{
    xmlParserCtxt *parser = opaque;
    bool *has_doctype = parser->_private;

    (void)name;
    (void)external;
    (void)system;
    *has_doctype = true;
    xmlStopParser(parser);
}

static void xml_be_quiet(void *opaque, const xmlError *error)
{
    (void)opaque;
    (void)error;
}

/* Only the type of the parameter differs between versions of libxml2. */
static xmlStructuredErrorFunc xml_quiet = (xmlStructuredErrorFunc)xml_be_quiet;

static void xml_set_error(GError **error, const xmlParserCtxt *parser,
                          bool has_doctype)
{
    const xmlError *why = xmlCtxtGetLastError((void *)parser);
    g_autofree char *message = g_strdup(why && why->message ? why->message
                                                            : "no document");

    if (has_doctype) {
        g_set_error(
            error, G_IO_ERROR, 0,
            "the XML has a document type declaration, which libvirt never writes");
        return;
    }
    g_set_error(error, G_IO_ERROR, 0, "line %d is not well-formed XML: %s",
                why ? why->line : 1, g_strstrip(message));
}

xmlDoc *xml_parse(const char *text, gsize length, GError **error)
{
    g_autoptr(xmlParserCtxt) parser = xmlNewParserCtxt();
    g_autoptr(xmlDoc) doc = NULL;
    bool has_doctype = false;

    if (length > XML_LIMIT) {
        g_set_error(error, G_IO_ERROR, 0, "the XML is larger than %d MiB",
                    (int)(XML_LIMIT / MiB));
        return NULL;
    }
    xmlSetStructuredErrorFunc(NULL, xml_quiet);
    parser->_private = &has_doctype;
    parser->sax->internalSubset = xml_refuse_doctype;
    parser->sax->externalSubset = xml_refuse_doctype;
    doc = xmlCtxtReadMemory(parser, text, (int)length, NULL, NULL,
                            XML_PARSE_NONET | XML_PARSE_NOCDATA);
    if (has_doctype || !doc || !xmlDocGetRootElement(doc)) {
        xml_set_error(error, parser, has_doctype);
        return NULL;
    }
    return g_steal_pointer(&doc);
}

static bool xml_is(const xmlNode *node, const char *name, const char *ns)
{
    const char *other = node->ns ? (const char *)node->ns->href : NULL;

    return node->type == XML_ELEMENT_NODE &&
           !strcmp((const char *)node->name, name) && !g_strcmp0(other, ns);
}

static xmlNode *xml_find(xmlNode *node, const char *name, const char *ns)
{
    while (node && !xml_is(node, name, ns)) {
        node = node->next;
    }
    return node;
}

xmlNode *xml_child(const xmlNode *parent, const char *name)
{
    return parent ? xml_find(parent->children, name, NULL) : NULL;
}

xmlNode *xml_path(const xmlNode *parent, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    xmlNode *node = NULL;

    for (char **name = names; *name; name++) {
        node = xml_child(parent, *name);
        parent = node;
    }
    return node;
}

xmlNode *xml_qemu_child(const xmlNode *parent, const char *name)
{
    return parent ? xml_find(parent->children, name, QEMU_NAMESPACE) : NULL;
}

xmlNode *xml_next(const xmlNode *node)
{
    return xml_find(node->next, (const char *)node->name,
                    node->ns ? (const char *)node->ns->href : NULL);
}

xmlNode *xml_walk(const xmlNode *top, const xmlNode *node)
{
    do {
        if (node->children) {
            node = node->children;
            continue;
        }
        while (node != top && !node->next) {
            node = node->parent;
        }
        if (node == top) {
            return NULL;
        }
        node = node->next;
    } while (node->type != XML_ELEMENT_NODE);
    return (xmlNode *)node;
}

/* libxml2's strings are its own, ours are GLib's. */
static char *xml_take(xmlChar *text)
{
    char *copy = text ? g_strdup((const char *)text) : NULL;

    if (text) {
        xmlFree(text);
    }
    return copy;
}

char *xml_attribute(const xmlNode *node, const char *name)
{
    return node ? xml_take(
                      xmlGetNoNsProp((xmlNode *)node, (const xmlChar *)name))
                : NULL;
}

char *xml_content(const xmlNode *node)
{
    return node ? xml_take(xmlNodeGetContent((xmlNode *)node)) : NULL;
}

bool xml_attribute_is(const xmlNode *node, const char *name, const char *value)
{
    g_autofree char *is = xml_attribute(node, name);

    return !g_strcmp0(is, value);
}

bool xml_size(const xmlNode *node, uint64_t *size)
{
    g_autofree char *text = xml_content(node);
    g_autofree char *unit = xml_attribute(node, "unit");

    return text && size_parse_xml(text, unit, size);
}

bool xml_number(const xmlNode *node, const char *attribute, uint64_t *number)
{
    g_autofree char *text = attribute ? xml_attribute(node, attribute)
                                      : xml_content(node);
    char *end;

    if (!text) {
        return false;
    }
    g_strstrip(text);
    *number = g_ascii_strtoull(text, &end, 0);
    return g_ascii_isdigit(*text) && !*end;
}
