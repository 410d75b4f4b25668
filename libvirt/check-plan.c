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

void check_plan(const Domain *domain, const Plan *plan, Report *report)
{
    check_hard_limit(domain, plan, report);
    check_alias(domain, plan, report);
    check_addresses(domain, plan, report);
}
