/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changing and writing XML, see xml.h. What is not changed stays as it was
 * typed, and what is added is indented by two spaces for each level.
 */
#include "xml.h"

#include <inttypes.h>
#include <libxml/xmlsave.h>
#include <string.h>

#include "sizes.h"

char *xml_write(xmlDoc *doc)
{
    xmlBuffer *buffer = xmlBufferCreate();
    xmlSaveCtxt *save = xmlSaveToBuffer(buffer, "UTF-8", XML_SAVE_NO_DECL);
    char *text;

    xmlSaveDoc(save, doc);
    xmlSaveClose(save);
    text = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}

static unsigned xml_depth(const xmlNode *node)
{
    unsigned depth = 0;

    while (node->parent && node->parent->type == XML_ELEMENT_NODE) {
        depth++;
        node = node->parent;
    }
    return depth;
}

static xmlNode *xml_white_space(unsigned depth)
{
    g_autofree char *text = g_strdup_printf("\n%*s", (int)(2 * depth), "");

    return xmlNewText((const xmlChar *)text);
}

static bool xml_is_white_space(const xmlNode *node)
{
    return node && node->type == XML_TEXT_NODE && xmlIsBlankNode(node);
}

/* Behind the last element, so that what is indented so far stays so. */
static void xml_insert_last(xmlNode *parent, xmlNode *node)
{
    const unsigned depth = xml_depth(parent) + 1;
    xmlNode *last = parent->last;

    if (xml_is_white_space(last)) {
        xmlUnlinkNode(last);
        xmlFreeNode(last);
    }
    xmlAddChild(parent, xml_white_space(depth));
    xmlAddChild(parent, node);
    xmlAddChild(parent, xml_white_space(depth - 1));
}

xmlNode *xml_add(xmlNode *parent, const char *name, const char *content)
{
    xmlNode *node = xmlNewNode(NULL, (const xmlChar *)name);

    if (content) {
        xmlAddChild(node, xmlNewText((const xmlChar *)content));
    }
    xml_insert_last(parent, node);
    return node;
}

xmlNode *xml_add_after(xmlNode *parent, const char *after, const char *name,
                       const char *content)
{
    xmlNode *node = xml_add(parent, name, content);
    xmlNode *place = xml_child(parent, after);
    xmlNode *space = node->prev;

    if (place) {
        xmlUnlinkNode(node);
        xmlUnlinkNode(space);
        /* In this order: text would be merged with the text behind place. */
        xmlAddNextSibling(place, node);
        xmlAddPrevSibling(node, space);
    }
    return node;
}

xmlNode *xml_add_copy(xmlNode *parent, const xmlNode *node)
{
    xmlNode *copy = xmlCopyNode((xmlNode *)node, 1);

    xml_insert_last(parent, copy);
    return copy;
}

xmlNode *xml_qemu_add(xmlNode *parent, const char *name)
{
    xmlNode *root = xmlDocGetRootElement(parent->doc);
    xmlNs *ns = xmlSearchNsByHref(parent->doc, root,
                                  (const xmlChar *)QEMU_NAMESPACE);
    xmlNode *node;

    if (!ns) {
        ns = xmlNewNs(root, (const xmlChar *)QEMU_NAMESPACE,
                      (const xmlChar *)"qemu");
    }
    node = xmlNewNode(ns, (const xmlChar *)name);
    xml_insert_last(parent, node);
    return node;
}

void xml_set(xmlNode *node, const char *attribute, const char *value)
{
    xmlSetProp(node, (const xmlChar *)attribute, (const xmlChar *)value);
}

void xml_keep_attributes(const xmlNode *from, xmlNode *to)
{
    const xmlAttr *attribute = from ? from->properties : NULL;

    for (; attribute; attribute = attribute->next) {
        const char *name = (const char *)attribute->name;
        g_autofree char *value = xml_attribute(from, name);

        if (!xmlHasProp(to, attribute->name)) {
            xml_set(to, name, value);
        }
    }
}

void xml_set_size(xmlNode *node, uint64_t size)
{
    g_autofree char *text = g_strdup_printf("%" PRIu64, size / KiB);

    xmlNodeSetContent(node, (const xmlChar *)text);
    xml_set(node, "unit", "KiB");
}

void xml_remove(xmlNode *node)
{
    xmlNode *space = node->prev;

    if (xml_is_white_space(space)) {
        xmlUnlinkNode(space);
        xmlFreeNode(space);
    }
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}
