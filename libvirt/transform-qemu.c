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

/* libvirt says all that but whose the balloon is. */
static void qemu_set_virtio_mem_properties(xmlNode *override, bool is_dimm)
{
    static const char *const dimm_only[] = {"bus", "addr", "block-size",
                                            "memdev"};

    for (unsigned i = 0; !is_dimm && i < G_N_ELEMENTS(dimm_only); i++) {
        qemu_set_property(override, dimm_only[i], NULL, NULL);
    }
    qemu_set_property(override, "balloon", "string", is_dimm ? NULL : "off");
}

void transform_override(Domain *domain, const Plan *plan)
{
    const bool is_dimm = plan->form == FORM_DIMM;
    xmlNode *override = domain->ours.override;

    if (!override) {
        override = xml_qemu_add(qemu_need(domain->root, "override"), "device");
        domain->ours.override = override;
    }
    xml_set(override, "alias", plan->alias);
    qemu_set_property(override, "driver", "string", MHP_DRIVER);
    qemu_set_virtio_mem_properties(override, is_dimm);
    if (is_dimm) {
        qemu_set_dimm_properties(domain, plan, override);
    }
    if (plan->prealloc) {
        qemu_set_property(override, "prealloc", "bool", "true");
    }
}

void transform_remove_override(Domain *domain)
{
    if (domain->ours.override) {
        xml_remove(domain->ours.override);
        qemu_remove_if_empty(xml_qemu_child(domain->root, "override"));
        domain->ours.override = NULL;
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
