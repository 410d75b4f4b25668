/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding what the tool made in a domain before, so that making it again
 * changes it and keeps what no option says.
 *
 * The mark is an override whose driver is ours; its alias names the memory
 * device.
 */
#include "domain.h"

#include <string.h>

#include "sizes.h"
#include "xml.h"

xmlNode *domain_next_arg(const Domain *domain, const xmlNode *arg)
{
    return arg ? xml_next(arg)
               : xml_qemu_child(xml_qemu_child(domain->root, "commandline"),
                                "arg");
}

xmlNode *domain_property(const xmlNode *override, const char *name)
{
    xmlNode *property = xml_qemu_child(xml_qemu_child(override, "frontend"),
                                       "property");

    while (property && !xml_attribute_is(property, "name", name)) {
        property = xml_next(property);
    }
    return property;
}

/* The next override with this driver; start with NULL */
static xmlNode *ours_next_override(const Domain *domain, const xmlNode *device,
                                   const char *driver)
{
    xmlNode *next = device ? xml_next(device)
                           : xml_qemu_child(
                                 xml_qemu_child(domain->root, "override"),
                                 "device");

    while (next && !xml_attribute_is(domain_property(next, "driver"), "value",
                                     driver)) {
        next = xml_next(next);
    }
    return next;
}

static void ours_find_override(Ours *ours, const Domain *domain, Report *report)
{
    xmlNode *device = NULL;

    ours->no_balloon = ours_next_override(domain, NULL, MHP_NO_BALLOON);
    while ((device = ours_next_override(domain, device, MHP_DRIVER))) {
        if (ours->override) {
            report_problem(report, "one <qemu:override> with driver " MHP_DRIVER
                                   " is what the tool can change, got several");
            return;
        }
        ours->override = device;
        ours->alias = xml_attribute(device, "alias");
    }
}

/* -plugin PATH[,OPTION...] or -plugin file=PATH[,OPTION...] */
static char *ours_plugin_path(const char *value)
{
    const char *start = g_str_has_prefix(value, "file=") ? value + 5 : value;
    g_autofree char *path = g_strndup(start, strcspn(start, ","));
    g_autofree char *name = g_path_get_basename(path);

    return g_str_equal(name, MHP_PLUGIN_NAME) ? g_steal_pointer(&path) : NULL;
}

static bool ours_is_backend(const char *value)
{
    return g_str_has_prefix(value, "memory-backend-") &&
           strstr(value, ",id=" MHP_BACKEND_PREFIX);
}

static void ours_read_backend(Ours *ours, const char *value)
{
    const char *size = strstr(value, ",hugetlbsize=");

    if (size) {
        g_autofree char *text = g_strndup(size + 13, strcspn(size + 13, ","));

        size_parse_xml(text, "b", &ours->page_size);
    }
}

static void ours_read_args(Ours *ours, const Domain *domain, Report *report)
{
    for (xmlNode *arg = domain_next_arg(domain, NULL); arg;
         arg = domain_next_arg(domain, arg)) {
        g_autofree char *value = xml_attribute(arg, "value");
        g_autofree char *plugin = value ? ours_plugin_path(value) : NULL;

        if (plugin) {
            g_free(ours->plugin);
            ours->plugin = g_steal_pointer(&plugin);
        } else if (value && ours_is_backend(value)) {
            ours_read_backend(ours, value);
        } else if (value && strstr(value, MHP_DRIVER)) {
            report_problem(report,
                           "<qemu:arg> wants nothing about " MHP_DRIVER
                           " but its plugin, got '%s': take it out",
                           value);
        }
    }
}

static xmlNode *ours_find_memory(const Ours *ours, const Domain *domain)
{
    xmlNode *memory = ours->alias ? xml_child(domain->devices, "memory") : NULL;

    while (memory &&
           !xml_attribute_is(xml_child(memory, "alias"), "name", ours->alias)) {
        memory = xml_next(memory);
    }
    return memory;
}

static void ours_read_memory(Ours *ours)
{
    const xmlNode *target = xml_child(ours->memory, "target");
    g_autofree char *model = xml_attribute(ours->memory, "model");

    ours->form = form_from_name(model);
    xml_number(xml_child(target, "node"), NULL, &ours->node);
    if (ours->form == FORM_VIRTIO_MEM) {
        xml_size(xml_child(target, "block"), &ours->block);
        xml_size(xml_child(target, "requested"), &ours->requested);
        xml_size(xml_path(ours->memory, "source/pagesize"), &ours->page_size);
    } else {
        xml_number(domain_property(ours->override, "block-size"), "value",
                   &ours->block);
    }
}

void domain_find_ours(Domain *domain, Report *report)
{
    Ours *ours = &domain->ours;

    ours_find_override(ours, domain, report);
    ours_read_args(ours, domain, report);
    if (!ours->override) {
        return;
    }
    ours->memory = ours_find_memory(ours, domain);
    if (!ours->memory) {
        report_problem(report,
                       "the <qemu:override> with driver " MHP_DRIVER
                       " wants a <memory> with <alias name='%s'/>, got none",
                       ours->alias ? ours->alias : "");
        return;
    }
    ours_read_memory(ours);
    if (!ours->form) {
        report_problem(
            report,
            "the <memory> with <alias name='%s'/> wants model dimm or virtio-mem, got another",
            ours->alias);
    }
}

void domain_clear(Domain *domain)
{
    g_free(domain->ours.alias);
    g_free(domain->ours.plugin);
}
