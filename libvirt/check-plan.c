/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks of a plan against what else is in the domain, see check.h.
 */
#include "check.h"

#include <string.h>

#include "sizes.h"
#include "xml.h"

/* Linux would end QEMU at its limit. */
static void check_hard_limit(const Domain *domain, const Plan *plan,
                             Report *report)
{
    const xmlNode *limit = xml_path(domain->root, "memtune/hard_limit");
    uint64_t size;

    if (limit && xml_size(limit, &size) && size < plan->total) {
        g_autofree char *wanted = size_text(plan->total);
        g_autofree char *got = size_text(size);

        report_problem(
            report,
            "<hard_limit> of <memtune> wants at least %s and room for QEMU, got %s: Linux would end QEMU there",
            wanted, got);
    }
}

/* Names are one space for all devices. */
static void check_alias(const Domain *domain, const Plan *plan, Report *report)
{
    const xmlNode *node = domain->devices;

    while ((node = xml_walk(domain->devices, node))) {
        if (!strcmp((const char *)node->name, "alias") &&
            xml_attribute_is(node, "name", plan->alias) &&
            node->parent != domain->ours.memory) {
            report_problem(
                report,
                "the alias '%s' wants to be the device's own, got a <%s> that has it: use --alias",
                plan->alias, (const char *)node->parent->name);
        }
    }
}

/* A property that the device has from before, from the tool or by hand */
static bool is_on(const Domain *domain, const char *property)
{
    const xmlNode *node = domain_property(domain->ours.override, property);

    return xml_attribute_is(node, "value", "true") ||
           xml_attribute_is(node, "value", "on");
}

/* The device keeps QEMU from discarding anybody's memory behind its back. */
static void check_backed(const Domain *domain, const Plan *plan, Report *report)
{
    const xmlNode *balloon = xml_child(domain->devices, "memballoon");

    if (!plan->prealloc && !plan->page_size && !is_on(domain, "prealloc")) {
        return;
    }
    if (xml_attribute_is(balloon, "freePageReporting", "on")) {
        report_note(
            report,
            "beside --hugepages or --prealloc freePageReporting='on' gives nothing back to the host, of boot memory neither");
    }
    if (plan->form == FORM_VIRTIO_MEM &&
        !xml_attribute_is(balloon, "model", "none")) {
        report_note(
            report,
            "beside --hugepages or --prealloc virsh setmem takes boot memory from the guest, but gives nothing back to the host");
    }
}

static void check_no_balloon(const Domain *domain, const Plan *plan,
                             Report *report)
{
    const xmlNode *balloon = xml_child(domain->devices, "memballoon");

    if (plan->no_balloon &&
        xml_attribute_is(balloon, "freePageReporting", "on")) {
        report_note(
            report,
            "with --memballoon replace the memballoon's freePageReporting='on' does nothing");
    }
}

/* QEMU does not start where both are said. */
static void check_reporting(const Domain *domain, const Plan *plan,
                            Report *report)
{
    const bool is_wanted = plan->reporting
                               ? !strcmp(plan->reporting, "on")
                               : is_on(domain, "free-page-reporting");
    const xmlNode *balloon = xml_child(domain->devices, "memballoon");

    if (!is_wanted) {
        return;
    }
    if (plan->prealloc || plan->page_size || is_on(domain, "prealloc")) {
        report_problem(
            report,
            "--free-page-reporting on wants memory that is not backed beforehand, got --hugepages or --prealloc: use auto or off");
    }
    if (!plan->no_balloon &&
        xml_attribute_is(balloon, "freePageReporting", "on")) {
        report_note(
            report,
            "the guest reports to one of the device and the memballoon with freePageReporting='on', to that whose driver comes first");
    }
}

static void check_period(const Domain *domain, const Plan *plan, Report *report)
{
    const xmlNode *balloon = xml_child(domain->devices, "memballoon");
    const xmlNode *stats = xml_child(balloon, "stats");
    const bool has_statistics = !xml_attribute_is(balloon, "model", "none");

    if (plan->stats_period > 0 && !has_statistics) {
        report_problem(
            report,
            "--stats-period wants a memballoon for virsh dommemstat to ask, got <memballoon model='none'/>: make it model='virtio'");
    } else if (plan->stats_period < 0 && has_statistics &&
               (!stats || xml_attribute_is(stats, "period", "0"))) {
        report_note(
            report,
            "virsh dommemstat shows figures as old as they are: a --stats-period keeps them fresh");
    }
}

static bool is_vhost_user(const xmlNode *node)
{
    return xml_attribute_is(node, "type", "vhostuser") ||
           xml_attribute_is(node, "type", "virtiofs") ||
           xml_attribute_is(node, "name", "vhostuser");
}

/* Memory devices stand first in what libvirt makes of a domain. */
static void check_memslots(const Domain *domain, Report *report)
{
    const xmlNode *node = domain->devices;

    if (!is_on(domain, "dynamic-memslots")) {
        return;
    }
    while ((node = xml_walk(domain->devices, node)) && !is_vhost_user(node)) {
    }
    if (node) {
        report_note(
            report,
            "dynamic-memslots wants vhost-user devices before the memory device, libvirt puts them behind: QEMU refuses those with less than 509 memory slots");
    }
}

void check_plan(const Domain *domain, const Plan *plan, Report *report)
{
    check_hard_limit(domain, plan, report);
    check_alias(domain, plan, report);
    check_addresses(domain, plan, report);
    check_backed(domain, plan, report);
    check_no_balloon(domain, plan, report);
    check_period(domain, plan, report);
    check_reporting(domain, plan, report);
    check_memslots(domain, report);
}
