/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the XML that libvirt knows: sizes, NUMA and the memory device.
 */
#include "transform.h"

#include <inttypes.h>

#include "sizes.h"
#include "xml.h"

/* <name> before or behind its usual neighbour, made if it is not there */
static xmlNode *transform_need(xmlNode *parent, const char *after,
                               const char *name)
{
    xmlNode *node = xml_child(parent, name);

    return node ? node : xml_add_after(parent, after, name, NULL);
}

static void transform_sizes(const Domain *domain, const Plan *plan)
{
    g_autofree char *slots = g_strdup_printf("%" PRIu64, plan->slots);
    xmlNode *max = transform_need(domain->root, "memory", "maxMemory");

    xml_set_size(max, plan->max_memory);
    xml_set(max, "slots", slots);
    xml_set_size(xml_child(domain->root, "memory"), plan->total);
    xml_set_size(transform_need(domain->root, "memory", "currentMemory"),
                 plan->form == FORM_DIMM ? plan->current + domain->other_size
                                         : plan->total - plan->region);
}

/* libvirt gives memory devices to domains with NUMA cells only. */
static void transform_cell(const Domain *domain, const Plan *plan)
{
    g_autofree char *size = g_strdup_printf("%" PRIu64, plan->boot / KiB);
    g_autofree char *cpus = g_strdup_printf("0-%u", domain->vcpus - 1);
    xmlNode *numa, *cell;

    if (domain->cells > 1) {
        return;
    }
    numa = transform_need(transform_need(domain->root, "vcpu", "cpu"), "model",
                          "numa");
    cell = xml_child(numa, "cell");
    if (!cell) {
        cell = xml_add(numa, "cell", NULL);
        xml_set(cell, "id", "0");
        xml_set(cell, "cpus", domain->vcpus > 1 ? cpus : "0");
    }
    xml_set(cell, "memory", size);
    xml_set(cell, "unit", "KiB");
}

/* Ordinary pages where the domain's are huge: libvirt would take all at once */
static void transform_source(const Domain *domain, const Plan *plan,
                             xmlNode *memory)
{
    uint64_t page_size = 0;

    if (plan->form == FORM_VIRTIO_MEM) {
        page_size = plan->page_size;
    } else if (plan->form == FORM_DIMM &&
               xml_path(domain->root, "memoryBacking/hugepages")) {
        page_size = 4 * KiB;
    }
    if (page_size) {
        xml_set_size(xml_add(xml_add(memory, "source", NULL), "pagesize", NULL),
                     page_size);
    }
}

/*
 * What others have put into our memory device is theirs and stays, as long as
 * its form does. What libvirt says of one that runs goes: what it has, and
 * where among memory devices it is, may change with its size.
 */
static void transform_keep(const xmlNode *old, xmlNode *memory)
{
    const xmlNode *nodemask = xml_path(old, "source/nodemask");
    const xmlNode *driver = xml_child(old, "driver");
    const xmlNode *address = xml_child(old, "address");

    xml_keep_attributes(old, memory);
    xml_keep_attributes(xml_child(old, "target"), xml_child(memory, "target"));
    if (nodemask) {
        xml_add_copy(transform_need(memory, "alias", "source"), nodemask);
    }
    if (driver) {
        xml_add_copy(memory, driver);
    }
    if (xml_attribute_is(address, "type", "pci")) {
        xml_add_copy(memory, address);
    }
}

static void transform_memory(Domain *domain, const Plan *plan)
{
    xmlNode *old = domain->ours.memory;
    xmlNode *memory = xml_add_after(domain->devices, "emulator", "memory",
                                    NULL);
    g_autofree char *node = g_strdup_printf("%u", plan->node);
    xmlNode *target;

    xml_set(memory, "model", form_name(plan->form));
    transform_source(domain, plan, memory);
    target = xml_add(memory, "target", NULL);
    xml_set_size(xml_add(target, "size", NULL), plan->region);
    xml_add(target, "node", node);
    if (plan->form == FORM_VIRTIO_MEM) {
        xml_set_size(xml_add(target, "block", NULL), plan->block);
        xml_set_size(xml_add(target, "requested", NULL),
                     plan->current - (plan->max - plan->region));
    }
    xml_set(xml_add(memory, "alias", NULL), "name", plan->alias);
    if (old && domain->ours.form == plan->form) {
        transform_keep(old, memory);
    }
    if (old) {
        xml_remove(old);
    }
    domain->ours.memory = memory;
}

/* Huge pages by memfd or by hugetlbfs are both the domain's business. */
static void transform_backing(const Domain *domain, const Plan *plan)
{
    xmlNode *backing, *source;

    if (!plan->memfd) {
        return;
    }
    backing = transform_need(domain->root, "currentMemory", "memoryBacking");
    source = transform_need(backing, "access", "source");
    xml_set(source, "type", "memfd");
}

/* libvirt's memballoon has it, whoever tells the figures. */
static void transform_period(const Domain *domain, const Plan *plan)
{
    g_autofree char *period = g_strdup_printf("%d", plan->stats_period);
    xmlNode *balloon, *stats;

    if (plan->stats_period < 0) {
        return;
    }
    balloon = xml_child(domain->devices, "memballoon");
    if (!balloon) {
        balloon = xml_add(domain->devices, "memballoon", NULL);
        xml_set(balloon, "model", "virtio");
    }
    stats = xml_child(balloon, "stats");
    if (plan->stats_period) {
        xml_set(stats ? stats : xml_add(balloon, "stats", NULL), "period",
                period);
    } else if (stats) {
        xml_remove(stats);
    }
}

void transform_domain(Domain *domain, const Plan *plan)
{
    transform_sizes(domain, plan);
    transform_cell(domain, plan);
    transform_backing(domain, plan);
    transform_memory(domain, plan);
    transform_override(domain, plan);
    transform_balloon(domain, plan);
    transform_period(domain, plan);
    transform_remove_arguments(domain);
    transform_arguments(domain, plan);
}

void transform_remove(Domain *domain)
{
    const uint64_t left = domain->boot + domain->dimm_size + domain->other_size;
    xmlNode *max = xml_child(domain->root, "maxMemory");
    xmlNode *current = xml_child(domain->root, "currentMemory");

    if (domain->ours.memory) {
        xml_remove(domain->ours.memory);
        xml_set_size(xml_child(domain->root, "memory"), left);
        if (current && domain->current > left) {
            xml_set_size(current, left);
        }
        if (max && left == domain->boot) {
            xml_remove(max);
        }
    }
    transform_remove_balloon(domain);
    transform_remove_override(domain);
    transform_remove_arguments(domain);
}
