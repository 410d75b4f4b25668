/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks of a domain, see check.h: each is a function that knows one thing
 * that QEMU, libvirt or the device would stumble over, and says it so that the
 * user can mend it.
 */
#include "check.h"

#include "xml.h"

typedef void (*Check)(const Domain *domain, Form form, Report *report);

static void check_type(const Domain *domain, Form form, Report *report)
{
    g_autofree char *type = xml_attribute(domain->root, "type");

    (void)form;
    if (g_strcmp0(type, "kvm") != 0 && g_strcmp0(type, "qemu") != 0) {
        report_problem(report,
                       "the domain's type wants to be kvm or qemu, got '%s'",
                       type ? type : "");
    }
}

/* libvirt adds a balloon where nothing is said. */
static void check_balloon(const Domain *domain, Form form, Report *report)
{
    const xmlNode *balloon = xml_child(domain->devices, "memballoon");

    if (form == FORM_DIMM && xml_attribute_is(balloon, "model", "none")) {
        report_problem(
            report,
            "virsh setmem wants a memballoon, got <memballoon model='none'/>: make it model='virtio', or use --form virtio-mem");
    }
}

static void check_allocation(const Domain *domain, Form form, Report *report)
{
    const xmlNode *allocation = xml_path(domain->root,
                                         "memoryBacking/allocation");

    if (form == FORM_DIMM &&
        xml_attribute_is(allocation, "mode", "immediate")) {
        report_problem(
            report,
            "memory that comes and goes wants no <allocation mode='immediate'/>, which takes all of it at start: take it out, or use --form virtio-mem");
    }
}

static void check_locked(const Domain *domain, Form form, Report *report)
{
    (void)form;
    if (xml_path(domain->root, "memoryBacking/locked")) {
        report_problem(
            report,
            "memory that comes and goes wants no <locked/> in <memoryBacking>, which keeps QEMU from giving it back: take it out");
    }
}

static void check_security(const Domain *domain, Form form, Report *report)
{
    const xmlNode *security = xml_child(domain->root, "launchSecurity");

    (void)form;
    if (security) {
        g_autofree char *type = xml_attribute(security, "type");

        report_problem(
            report,
            "memory that comes and goes wants a guest that the host can see into, got <launchSecurity type='%s'>",
            type ? type : "");
    }
}

static void check_vdpa(const Domain *domain, Form form, Report *report)
{
    const xmlNode *interface = xml_child(domain->devices, "interface");

    (void)form;
    for (; interface; interface = xml_next(interface)) {
        if (xml_attribute_is(interface, "type", "vdpa")) {
            report_problem(
                report,
                "memory that comes and goes wants no <interface type='vdpa'>, which keeps QEMU from giving it back");
        }
    }
}

static void check_cells(const Domain *domain, Form form, Report *report)
{
    (void)form;
    if (domain->cells > 1 && domain->ours.memory == NULL) {
        report_note(
            report,
            "the domain has %u NUMA cells, the memory goes to the one that --node says",
            domain->cells);
    }
}

static void check_hostdev(const Domain *domain, Form form, Report *report)
{
    const xmlNode *hostdev = xml_child(domain->devices, "hostdev");

    (void)form;
    if (hostdev) {
        report_note(
            report,
            "with a <hostdev> plugged memory is pinned: the host needs all of it, and its limit of locked memory has to allow it");
    }
}

static void check_other_virtio_mem(const Domain *domain, Form form,
                                   Report *report)
{
    (void)form;
    if (domain->other_size) {
        report_note(
            report,
            "the domain has other memory devices than DIMMs, whose sizes are not part of --max");
    }
}

void check_domain(const Domain *domain, Form form, Report *report)
{
    static const Check checks[] = {
        check_type,   check_balloon,  check_allocation,
        check_locked, check_security, check_vdpa,
        check_cells,  check_hostdev,  check_other_virtio_mem,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(checks); i++) {
        checks[i](domain, form, report);
    }
}
