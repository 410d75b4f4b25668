/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check that the vCPUs have addresses for all that QEMU lays out, see check.h.
 * QEMU does not start where they have not, as pc_memory_init() in its source
 * says: boot memory with the holes for PCI below 4 GiB, then what <maxMemory>
 * adds, for each of its slots 1 GiB more, and a hole for PCI.
 */
#include "check.h"

#include "host.h"
#include "sizes.h"
#include "xml.h"

/* QEMU's, where nothing says another number */
#define DEFAULT_BITS 40u
#define MAX_BITS 52u
#define MAX_SLOTS 256u

/* With an AMD vCPU, if it would reach the first of these otherwise */
#define AMD_HOLE (1012 * GiB)
#define AMD_HIGH_START (1024 * GiB)

static uint64_t round_up(uint64_t size)
{
    return (size + GiB - 1) / GiB * GiB;
}

static unsigned host_bits(const xmlNode *maxphysaddr)
{
    const unsigned bits = host_address_bits();
    uint64_t limit;

    return xml_number(maxphysaddr, "limit", &limit) && limit < bits
               ? (unsigned)limit
               : bits;
}

/* 0 if there is no telling */
static unsigned vcpu_bits(const Domain *domain)
{
    const xmlNode *cpu = xml_child(domain->root, "cpu");
    const xmlNode *maxphysaddr = xml_child(cpu, "maxphysaddr");
    uint64_t bits;

    if (xml_attribute_is(maxphysaddr, "mode", "emulate") &&
        xml_number(maxphysaddr, "bits", &bits)) {
        return bits <= MAX_BITS ? (unsigned)bits : 0;
    }
    if (xml_attribute_is(domain->root, "type", "kvm") &&
        (xml_attribute_is(maxphysaddr, "mode", "passthrough") ||
         xml_attribute_is(cpu, "mode", "host-passthrough") ||
         xml_attribute_is(cpu, "mode", "maximum"))) {
        return host_bits(maxphysaddr);
    }
    return DEFAULT_BITS;
}

/* The hole for PCI behind all memory */
static uint64_t pci_hole(const Domain *domain)
{
    const xmlNode *controller = xml_child(domain->devices, "controller");
    uint64_t size = domain->machine->pci_hole;

    for (; controller; controller = xml_next(controller)) {
        const xmlNode *hole = xml_child(controller, "pcihole64");

        if (hole) {
            xml_size(hole, &size);
        }
    }
    return size;
}

static uint64_t addresses_end(const Domain *domain, const Plan *plan,
                              uint64_t high_start)
{
    const uint64_t boot_end = machine_boot_end(domain->machine, plan->boot,
                                               high_start);
    const uint64_t more = plan->max_memory - plan->boot;

    return round_up(round_up(boot_end) + more +
                    MIN(plan->slots, MAX_SLOTS) * GiB) +
           pci_hole(domain);
}

static void report_end(const Plan *plan, unsigned bits, uint64_t excess,
                       Report *report)
{
    g_autofree char *wanted = size_text(plan->max_memory -
                                        MIN(excess, plan->max_memory));
    g_autofree char *got = size_text(plan->max_memory);

    report_problem(
        report,
        "<maxMemory> wants at most %s, because the vCPUs have %u address bits, got %s: use a smaller --max, or <maxphysaddr> in <cpu>",
        wanted, bits, got);
}

void check_addresses(const Domain *domain, const Plan *plan, Report *report)
{
    const unsigned bits = vcpu_bits(domain);
    const uint64_t limit = UINT64_C(1) << bits;
    uint64_t end;

    if (!domain->machine->pci_hole || !bits) {
        return;
    }
    end = addresses_end(domain, plan, MACHINE_HIGH_START);
    if (end > limit) {
        report_end(plan, bits, end - limit, report);
    } else if (end > AMD_HOLE &&
               addresses_end(domain, plan, AMD_HIGH_START) > limit) {
        report_note(
            report,
            "with vCPUs like AMD's, QEMU puts memory that reaches 1012 GiB above 1 TiB, and %u address bits do not reach its end",
            bits);
    }
}
