/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-virt-xml makes a libvirt domain resizable: from its XML to XML with a
 * mhp-vmemmap-mem, or to sentences that say what stands in the way.
 *
 * Nothing is written before everything is known to be right. The exit status
 * is 0, or 1 if the domain cannot be changed, or 2 if an option is wrong.
 *
 * Each file uses those before it only:
 *
 *   sizes.c           sizes of memory, as numbers and as text
 *   host.c            what the host has
 *   options.c         what the user asks for
 *   report.c          what is to be said
 *   xml-read.c        XML in, safely
 *   xml-write.c       XML changed, and out
 *   source.c          from standard input, or from libvirt
 *   domain-ours.c     what the tool made before
 *   domain.c          what the domain is
 *   check.c           what of it stands in the way
 *   pci.c             a free PCI slot
 *   step.c            by what step its guest is resized
 *   plan.c            what the domain shall be
 *   check-address.c   whether the vCPUs can address it
 *   check-plan.c      what else stands in the way of that
 *   transform-qemu.c  making it so: what libvirt hands to QEMU
 *   transform.c       and what libvirt knows
 *   mhp-virt-xml.c    from options to output
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "source.h"
#include "transform.h"
#include "xml.h"

enum {
    STATUS_GOOD = 0,
    STATUS_BAD_DOMAIN = 1,
    STATUS_BAD_USAGE = 2,
};

static bool write_text(const char *text, Report *report)
{
    if (fputs(text, stdout) == EOF || fflush(stdout) == EOF) {
        report_problem(report, "cannot write standard output: %s",
                       g_strerror(errno));
        return false;
    }
    return true;
}

/* Without --max there is only the domain to check. */
static bool need_plan(const Domain *domain, const Options *options)
{
    return !options->check || options->max || domain->ours.memory;
}

static bool change(Domain *domain, const Options *options, Report *report)
{
    Plan plan;

    if (options->remove) {
        if (!domain->ours.override) {
            report_problem(report, "--remove wants a domain with a " MHP_DRIVER
                                   ", got one without");
            return false;
        }
        transform_remove(domain);
        return true;
    }
    check_domain(domain, plan_form(domain, options), report);
    if (need_plan(domain, options) &&
        plan_make(&plan, domain, options, report)) {
        check_plan(domain, &plan, report);
        if (report_is_good(report)) {
            transform_domain(domain, &plan);
        }
    }
    return report_is_good(report);
}

static xmlDoc *read_document(const Options *options, Report *report)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    xmlDoc *doc = NULL;
    gsize length;

    text = source_read(options, &length, &error);
    if (text) {
        doc = xml_parse(text, length, &error);
    }
    if (!doc) {
        report_problem(report, "%s", error->message);
    }
    return doc;
}

static void run(const Options *options, Report *report)
{
    g_autoptr(xmlDoc) doc = read_document(options, report);
    g_auto(Domain) domain = {};

    if (!doc || !domain_read(&domain, doc, report) ||
        !change(&domain, options, report) || options->check) {
        return;
    }
    {
        g_autofree char *text = xml_write(doc);

        write_text(text, report);
    }
}

static int finish(const Options *options, const Report *report)
{
    report_print(report, options->check ? stdout : stderr);
    if (!report_is_good(report)) {
        return STATUS_BAD_DOMAIN;
    }
    if (options->check) {
        puts("mhp-virt-xml: nothing stands in the way");
    }
    return fflush(stdout) ? STATUS_BAD_DOMAIN : STATUS_GOOD;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_auto(Options) options = {};
    g_auto(Report) report;

    report_init(&report);
    if (!options_parse(&options, &argc, &argv, &error)) {
        report_problem(&report, "%s", error->message);
        report_print(&report, stderr);
        return STATUS_BAD_USAGE;
    }
    if (options.version) {
        puts("mhp-virt-xml " MHP_VERSION);
        return STATUS_GOOD;
    }
    run(&options, &report);
    return finish(&options, &report);
}
