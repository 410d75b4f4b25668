/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a domain, see domain.h. Sizes follow libvirt's own rules: where
 * there are NUMA cells they are the boot memory, and <memory> is that and all
 * memory devices.
 */
#include "domain.h"

#include <inttypes.h>
#include <string.h>

#include "sizes.h"
#include "xml.h"

/*
 * Free for us at the top of bus 0 on q35: not 1f (LPC), 1e (where libvirt puts
 * a dmi-to-pci-bridge), 1d and 1a (USB), 1b (sound); nowhere 0, 1 and 2 (host
 * bridge, IDE, video).
 */
#define RESERVED_Q35 0xec000007u
#define RESERVED_OTHER 0x80000007u

/* Holes are as QEMU's pc_q35.c, pc_piix.c, q35.c and i440fx.c have them. */
static const Machine machines[] = {
    {"x86_64", "q35", "pcie.0", RESERVED_Q35, 2816 * MiB, 2 * GiB, 32 * GiB},
    {"x86_64", "pc-q35", "pcie.0", RESERVED_Q35, 2816 * MiB, 2 * GiB, 32 * GiB},
    {"x86_64", "pc", "pci.0", RESERVED_OTHER, 3584 * MiB, 3 * GiB, 2 * GiB},
    {"x86_64", "pc-i440fx", "pci.0", RESERVED_OTHER, 3584 * MiB, 3 * GiB,
     2 * GiB},
    {"aarch64", "virt", "pcie.0", RESERVED_OTHER, 0, 0, 0},
};

static bool machine_fits(const Machine *machine, const char *arch,
                         const char *name)
{
    const size_t length = strlen(machine->name);

    if (!g_str_equal(machine->arch, arch) ||
        !g_str_has_prefix(name, machine->name)) {
        return false;
    }
    /* With a version behind it; pc-q35 is not a version of pc. */
    return !name[length] ||
           (name[length] == '-' && g_ascii_isdigit(name[length + 1]));
}

bool machine_is_x86(const Machine *machine)
{
    return machine->low;
}

uint64_t machine_boot_end(const Machine *machine, uint64_t boot,
                          uint64_t high_start)
{
    const uint64_t low = boot < machine->low_limit ? boot : machine->low;

    return high_start + boot - low;
}

static void domain_read_machine(Domain *domain, Report *report)
{
    const xmlNode *type = xml_path(domain->root, "os/type");
    g_autofree char *arch = xml_attribute(type, "arch");
    g_autofree char *name = xml_attribute(type, "machine");

    if (!arch || !name) {
        report_problem(
            report,
            "<os><type> wants arch and machine, as virsh dumpxml shows them, got neither or one");
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(machines); i++) {
        if (machine_fits(&machines[i], arch, name)) {
            domain->machine = &machines[i];
        }
    }
    if (!domain->machine) {
        report_problem(
            report,
            "the machine wants to be q35 or pc (x86_64) or virt (aarch64), got '%s' (%s)",
            name, arch);
    }
}

static bool domain_read_size(const xmlNode *parent, const char *name,
                             uint64_t *size, Report *report)
{
    const xmlNode *node = xml_child(parent, name);
    g_autofree char *got = xml_content(node);

    if (node && !xml_size(node, size)) {
        report_problem(report, "<%s> wants a size, got '%s'", name,
                       g_strstrip(got));
        return false;
    }
    return true;
}

/* All but ours; ours has to be known. */
static bool domain_read_memory_devices(Domain *domain, Report *report)
{
    for (xmlNode *memory = xml_child(domain->devices, "memory"); memory;
         memory = xml_next(memory)) {
        const xmlNode *target = xml_child(memory, "target");
        uint64_t size = 0;

        if (!domain_read_size(target, "size", &size, report)) {
            return false;
        }
        if (memory == domain->ours.memory) {
            domain->ours.region = size;
        } else if (xml_attribute_is(memory, "model", "dimm")) {
            domain->dimms++;
            domain->dimm_size += size;
        } else {
            domain->other_size += size;
        }
        if (domain->dimm_size + domain->other_size > SIZE_LIMIT) {
            report_problem(report,
                           "the memory devices want less than 4096 TiB in all");
            return false;
        }
    }
    return true;
}

static bool domain_read_cells(Domain *domain, Report *report)
{
    const xmlNode *cell = xml_path(domain->root, "cpu/numa/cell");

    for (; cell; cell = xml_next(cell)) {
        g_autofree char *got = xml_attribute(cell, "memory");
        g_autofree char *unit = xml_attribute(cell, "unit");
        uint64_t size;

        if (!got || !size_parse_xml(got, unit, &size) ||
            domain->boot + size > SIZE_LIMIT) {
            report_problem(
                report, "<cell> of <numa> wants memory with a size, got '%s'",
                got ? got : "");
            return false;
        }
        domain->boot += size;
        domain->cells++;
    }
    return true;
}

static bool domain_read_sizes(Domain *domain, Report *report)
{
    const uint64_t *devices[] = {&domain->dimm_size, &domain->other_size,
                                 &domain->ours.region};
    uint64_t memory = 0;

    if (!xml_child(domain->root, "memory")) {
        report_problem(report, "the domain wants <memory>, got none");
        return false;
    }
    if (!domain_read_size(domain->root, "memory", &memory, report) ||
        !domain_read_size(domain->root, "currentMemory", &domain->current,
                          report) ||
        !domain_read_size(domain->root, "maxMemory", &domain->max_memory,
                          report) ||
        !domain_read_cells(domain, report)) {
        return false;
    }
    xml_number(xml_child(domain->root, "maxMemory"), "slots", &domain->slots);
    if (!domain->cells) {
        domain->boot = memory;
        for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++) {
            domain->boot -= MIN(domain->boot, *devices[i]);
        }
    }
    return true;
}

static void domain_read_vcpus(Domain *domain, Report *report)
{
    const xmlNode *vcpu = xml_child(domain->root, "vcpu");
    uint64_t number = 1;

    if (vcpu &&
        (!xml_number(vcpu, NULL, &number) || !number || number > G_MAXUINT16)) {
        g_autofree char *got = xml_content(vcpu);

        report_problem(report, "<vcpu> wants a number, got '%s'",
                       g_strstrip(got));
    }
    domain->vcpus = (unsigned)number;
}

bool domain_read(Domain *domain, xmlDoc *doc, Report *report)
{
    *domain = (Domain){.root = xmlDocGetRootElement(doc)};
    if (strcmp((const char *)domain->root->name, "domain") != 0) {
        report_problem(report, "wanted the XML of a <domain>, got <%s>",
                       (const char *)domain->root->name);
        return false;
    }
    domain->devices = xml_child(domain->root, "devices");
    if (!domain->devices) {
        report_problem(report, "the domain wants <devices>, got none");
        return false;
    }
    domain_read_machine(domain, report);
    domain_read_vcpus(domain, report);
    domain_find_ours(domain, report);
    return domain_read_memory_devices(domain, report) &&
           domain_read_sizes(domain, report) && report_is_good(report);
}
