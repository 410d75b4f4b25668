/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the XML that libvirt hands to QEMU as it is: the plugin, the
 * overridden properties and, for huge pages, a memory backend.
 */
#include "transform.h"

#include <inttypes.h>
#include <string.h>

#include "sizes.h"
#include "xml.h"

static xmlNode *qemu_need(xmlNode *parent, const char *name)
{
    xmlNode *node = xml_qemu_child(parent, name);

    return node ? node : xml_qemu_add(parent, name);
}

static void qemu_remove_if_empty(xmlNode *node)
{
    if (node && !xmlFirstElementChild(node)) {
        xml_remove(node);
    }
}

static void qemu_set_property(xmlNode *override, const char *name,
                              const char *type, const char *value)
{
    xmlNode *property = domain_property(override, name);

    if (!value) {
        if (property) {
            xml_remove(property);
        }
        return;
    }
    if (!property) {
        property = xml_qemu_add(qemu_need(override, "frontend"), "property");
        xml_set(property, "name", name);
    }
    xml_set(property, "type", type);
    xml_set(property, "value", value);
}

/* Where it is from before, unless the machine changed under it */
static void qemu_set_dimm_place(const Domain *domain, const Plan *plan,
                                xmlNode *override)
{
    g_autofree char *addr = g_strdup_printf("0x%x", (unsigned)plan->pci_slot);

    qemu_set_property(override, "bus", "string", domain->machine->bus);
    if (plan->pci_slot >= 0) {
        qemu_set_property(override, "addr", "string", addr);
    }
}

static void qemu_set_dimm_properties(const Domain *domain, const Plan *plan,
                                     xmlNode *override)
{
    const bool is_default = plan->block == plan->default_block;
    g_autofree char *block = g_strdup_printf("%" PRIu64, plan->block);
    g_autofree char *memdev = g_strconcat(MHP_BACKEND_PREFIX, plan->alias,
                                          NULL);

    qemu_set_dimm_place(domain, plan, override);
    qemu_set_property(override, "block-size", "unsigned",
                      is_default ? NULL : block);
    qemu_set_property(override, "memdev", "string",
                      plan->page_size ? memdev : NULL);
}

/* libvirt says all of that. */
static void qemu_remove_dimm_properties(xmlNode *override)
{
    static const char *const names[] = {"bus", "addr", "block-size", "memdev"};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        qemu_set_property(override, names[i], NULL, NULL);
    }
}

/* By itself it is a balloon to libvirt only in place of a virtio-balloon. */
static const char *qemu_balloon_value(const Plan *plan)
{
    if (plan->form == FORM_VIRTIO_MEM) {
        return "off";
    }
    return plan->no_balloon ? "on" : NULL;
}

static void qemu_set_free_memory(const Plan *plan, xmlNode *override)
{
    g_autofree char *pressure = g_strdup_printf("%" PRIu64, plan->pressure);

    if (plan->reporting) {
        qemu_set_property(override, "free-page-reporting", "string",
                          strcmp(plan->reporting, "auto") != 0 ? plan->reporting
                                                               : NULL);
    }
    qemu_set_property(override, "pressure-size", "unsigned",
                      plan->pressure ? pressure : NULL);
}

void transform_override(Domain *domain, const Plan *plan)
{
    xmlNode *override = domain->ours.override;

    if (!override) {
        override = xml_qemu_add(qemu_need(domain->root, "override"), "device");
        domain->ours.override = override;
    }
    xml_set(override, "alias", plan->alias);
    qemu_set_property(override, "driver", "string", MHP_DRIVER);
    qemu_set_property(override, "balloon", "string", qemu_balloon_value(plan));
    if (plan->form == FORM_DIMM) {
        qemu_set_dimm_properties(domain, plan, override);
    } else {
        qemu_remove_dimm_properties(override);
    }
    if (plan->prealloc) {
        qemu_set_property(override, "prealloc", "bool", "true");
    }
    qemu_set_free_memory(plan, override);
}

void transform_remove_override(Domain *domain)
{
    if (domain->ours.override) {
        xml_remove(domain->ours.override);
        qemu_remove_if_empty(xml_qemu_child(domain->root, "override"));
        domain->ours.override = NULL;
    }
}

/* libvirt's own name for it, unless the user has one */
static char *qemu_balloon_alias(const Domain *domain)
{
    const xmlNode *balloon = xml_child(domain->devices, "memballoon");
    char *alias = xml_attribute(xml_child(balloon, "alias"), "name");

    return alias ? alias : g_strdup("balloon0");
}

/* All that libvirt gives a virtio-balloon and what stands for it has not */
static void qemu_remove_balloon_properties(xmlNode *override)
{
    static const char *const names[] = {
        "bus",
        "addr",
        "multifunction",
        "acpi-index",
        "deflate-on-oom",
        "free-page-reporting",
        "iommu_platform",
        "ats",
        "packed",
        "page-per-vq",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!domain_property(override, names[i])) {
            xmlNode *property = xml_qemu_add(qemu_need(override, "frontend"),
                                             "property");

            xml_set(property, "name", names[i]);
            xml_set(property, "type", "remove");
        }
    }
}

void transform_balloon(Domain *domain, const Plan *plan)
{
    g_autofree char *alias = qemu_balloon_alias(domain);
    xmlNode *override = domain->ours.no_balloon;

    if (!plan->no_balloon) {
        transform_remove_balloon(domain);
        return;
    }
    if (!override) {
        override = xml_qemu_add(qemu_need(domain->root, "override"), "device");
        domain->ours.no_balloon = override;
    }
    xml_set(override, "alias", alias);
    qemu_set_property(override, "driver", "string", MHP_NO_BALLOON);
    qemu_remove_balloon_properties(override);
}

void transform_remove_balloon(Domain *domain)
{
    if (domain->ours.no_balloon) {
        xml_remove(domain->ours.no_balloon);
        domain->ours.no_balloon = NULL;
    }
}

static bool arg_is_ours(const char *value)
{
    return value && (strstr(value, MHP_PLUGIN_NAME) ||
                     strstr(value, ",id=" MHP_BACKEND_PREFIX));
}

/* With the -plugin or -object before it */
void transform_remove_arguments(Domain *domain)
{
    xmlNode *arg = domain_next_arg(domain, NULL);
    xmlNode *previous = NULL;

    while (arg) {
        g_autofree char *value = xml_attribute(arg, "value");
        xmlNode *next = domain_next_arg(domain, arg);
        const bool is_ours = arg_is_ours(value);

        if (is_ours && previous) {
            xml_remove(previous);
        }
        if (is_ours) {
            xml_remove(arg);
        }
        previous = is_ours ? NULL : arg;
        arg = next;
    }
    qemu_remove_if_empty(xml_qemu_child(domain->root, "commandline"));
}

static void qemu_add_argument(const Domain *domain, const char *option,
                              const char *value)
{
    xmlNode *line = qemu_need(domain->root, "commandline");

    xml_set(xml_qemu_add(line, "arg"), "value", option);
    xml_set(xml_qemu_add(line, "arg"), "value", value);
}

/* libvirt's own backend of huge pages would take the whole region at start. */
static void qemu_add_backend(const Domain *domain, const Plan *plan)
{
    g_autofree char *backend = g_strdup_printf(
        "memory-backend-memfd,id=" MHP_BACKEND_PREFIX "%s,size=%" PRIu64
        ",hugetlb=on,hugetlbsize=%" PRIu64 ",reserve=off",
        plan->alias, plan->region, plan->page_size);

    qemu_add_argument(domain, "-object", backend);
}

void transform_arguments(Domain *domain, const Plan *plan)
{
    qemu_add_argument(domain, "-plugin", plan->plugin);
    if (plan->form == FORM_DIMM && plan->page_size) {
        qemu_add_backend(domain, plan);
    }
}
