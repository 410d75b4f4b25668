/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deciding, see plan.h. The sizes follow from libvirt's rules: virsh setmem
 * takes up to <memory> without virtio-mem, so that <memory> is all that the
 * guest may have; <maxMemory> only has to have room for it.
 */
#include "plan.h"

#include <inttypes.h>
#include <string.h>

#include "host.h"
#include "pci.h"
#include "sizes.h"
#include "step.h"
#include "xml.h"

Form plan_form(const Domain *domain, const Options *options)
{
    if (options->form) {
        return options->form;
    }
    return domain->ours.form ? domain->ours.form : FORM_DIMM;
}

static bool plan_boot(Plan *plan, const Domain *domain, const Options *options,
                      Report *report)
{
    plan->boot = options->boot ? options->boot : domain->boot;
    if (domain->cells > 1 && options->boot && options->boot != domain->boot) {
        g_autofree char *got = size_text(domain->boot);

        report_problem(
            report,
            "--boot wants a domain with one NUMA cell, got %u with %s in all: change <cell> by hand",
            domain->cells, got);
        return false;
    }
    if (plan->boot < MiB || plan->boot % MiB) {
        g_autofree char *got = size_text(plan->boot);

        report_problem(report, "boot memory wants whole MiB, got %s", got);
        return false;
    }
    return true;
}

static bool plan_node(Plan *plan, const Domain *domain, const Options *options,
                      Report *report)
{
    const unsigned cells = MAX(domain->cells, 1);
    const uint64_t node = options->node >= 0 ? (uint64_t)options->node
                                             : domain->ours.node;

    if (node >= cells) {
        report_problem(
            report,
            "--node wants one of the domain's NUMA cells, 0 to %u, got %" PRIu64,
            cells - 1, node);
        return false;
    }
    plan->node = (unsigned)node;
    return true;
}

static bool plan_block(Plan *plan, const Domain *domain, const Options *options,
                       Report *report)
{
    const bool kept = domain->ours.form == plan->form;
    /* Ordinary pages may become huge ones of the host's. */
    const uint64_t page = plan->page_size ? plan->page_size
                                          : host_huge_page_size();

    plan->default_block = MAX(PLAN_DEFAULT_BLOCK, page);
    if (options->block) {
        plan->block = options->block;
    } else {
        plan->block = kept && domain->ours.block ? domain->ours.block
                                                 : plan->default_block;
    }
    if (plan->block < page) {
        g_autofree char *wanted = size_text(page);
        g_autofree char *got = size_text(plan->block);

        report_problem(
            report,
            "--block-size wants at least a huge page, which is %s, got %s",
            wanted, got);
        return false;
    }
    return true;
}

static void plan_note_step(const Plan *plan, const Domain *domain,
                           Report *report)
{
    const uint64_t least = MAX(plan->block, STEP_MIN);
    const uint64_t wanted = step_boot(domain->machine, plan->boot, least);
    g_autofree char *step = size_text(plan->step);
    g_autofree char *block = size_text(least);
    g_autofree char *boot = size_text(wanted);

    if (wanted == plan->boot) {
        return;
    }
    report_note(
        report,
        "with this much boot memory the guest is resized by steps of %s: a --step of %s makes them that small, with %s of boot memory",
        step, block, boot);
}

static bool plan_set_boot(Plan *plan, const Domain *domain, uint64_t boot,
                          Report *report)
{
    g_autofree char *wanted = size_text(boot);
    g_autofree char *got = size_text(plan->boot);

    if (domain->cells > 1) {
        report_problem(
            report,
            "--step wants %s of boot memory, got %s in %u NUMA cells: change <cell> by hand",
            wanted, got, domain->cells);
        return false;
    }
    report_note(report, "boot memory is %s instead of %s, for the guest's step",
                wanted, got);
    plan->boot = boot;
    return true;
}

/* The guest's Linux has its say: see step.h */
static bool plan_step(Plan *plan, const Domain *domain, const Options *options,
                      Report *report)
{
    uint64_t boot = plan->boot;

    if (options->step && options->step < plan->block) {
        g_autofree char *wanted = size_text(plan->block);
        g_autofree char *got = size_text(options->step);

        report_problem(report,
                       "--step wants at least a block, which is %s, got %s",
                       wanted, got);
        return false;
    }
    if (options->step) {
        boot = step_boot(domain->machine, plan->boot, options->step);
    }
    if (boot != plan->boot && !plan_set_boot(plan, domain, boot, report)) {
        return false;
    }
    plan->step = MAX(plan->block,
                     step_memory_block(domain->machine, plan->boot));
    if (!options->step) {
        plan_note_step(plan, domain, report);
    }
    return true;
}

static void plan_report_max(const Plan *plan, const Domain *domain,
                            Report *report)
{
    const uint64_t base = plan->boot + domain->dimm_size;
    const uint64_t steps = plan->max > base ? (plan->max - base) / plan->block
                                            : 0;
    g_autofree char *got = size_text(plan->max);
    g_autofree char *boot = size_text(base);
    g_autofree char *block = size_text(plan->block);
    g_autofree char *below = size_text(base + MAX(steps, 1) * plan->block);
    g_autofree char *above = size_text(base + (steps + 1) * plan->block);

    if (!steps) {
        report_problem(
            report,
            "--max wants at least %s, one block of %s above boot memory (%s%s), got %s",
            below, block, boot, domain->dimm_size ? " with DIMMs" : "", got);
    } else {
        report_problem(
            report,
            "--max wants boot memory (%s%s) and whole blocks of %s, such as %s or %s, got %s",
            boot, domain->dimm_size ? " with DIMMs" : "", block, below, above,
            got);
    }
}

static bool plan_max(Plan *plan, const Domain *domain, const Options *options,
                     Report *report)
{
    const uint64_t base = plan->boot + domain->dimm_size;

    plan->max = options->max;
    if (!plan->max && domain->ours.memory) {
        plan->max = domain->boot + domain->dimm_size + domain->ours.region;
    }
    if (!plan->max) {
        report_problem(report,
                       "--max is needed: to what size the guest may grow");
        return false;
    }
    if (plan->max <= base || (plan->max - base) % plan->block) {
        plan_report_max(plan, domain, report);
        return false;
    }
    plan->region = plan->max - base;
    plan->total = plan->max + domain->other_size;
    plan->max_memory = MAX(domain->max_memory, plan->total);
    plan->slots = MAX(domain->slots,
                      domain->dimms + (plan->form == FORM_DIMM ? 1 : 0));
    plan->slots = MAX(plan->slots, 1);
    return true;
}

/* What the guest has when it is up: kept where the tool was here before */
static bool plan_current(Plan *plan, const Domain *domain,
                         const Options *options, Report *report)
{
    const uint64_t base = plan->boot + domain->dimm_size;
    uint64_t current = options->current;

    if (current && (current < base || current > plan->max ||
                    (current - base) % plan->block)) {
        g_autofree char *from = size_text(base);
        g_autofree char *to = size_text(plan->max);
        g_autofree char *block = size_text(plan->block);
        g_autofree char *got = size_text(current);

        report_problem(report,
                       "--current wants %s to %s by steps of %s, got %s", from,
                       to, block, got);
        return false;
    }
    if (!current) {
        current = domain->ours.form == FORM_DIMM
                      ? domain->current
                      : base + domain->ours.requested;
    }
    current = CLAMP(current, base, plan->max);
    plan->current = current - (current - base) % plan->block;
    return true;
}

static bool plan_pci(Plan *plan, const Domain *domain, Report *report)
{
    if (plan->form != FORM_DIMM ||
        domain_property(domain->ours.override, "addr")) {
        plan->pci_slot = -1;
        return true;
    }
    plan->pci_slot = pci_free_slot(domain);
    if (plan->pci_slot < 0) {
        report_problem(
            report,
            "the device wants a free slot on PCI bus 0, got none: move another device to another bus");
        return false;
    }
    report_note(report, "the device gets PCI slot 0x%x of %s", plan->pci_slot,
                domain->machine->bus);
    return true;
}

static void plan_pages(Plan *plan, const Domain *domain, const Options *options,
                       Report *report)
{
    const Ours *ours = &domain->ours;

    plan->page_size = options->page_size;
    if (!plan->page_size && ours->form == plan->form) {
        plan->page_size = ours->page_size;
    }
    /* As libvirt does for virtio-mem: a pool that is used up ends QEMU. */
    plan->prealloc = options->prealloc ||
                     (plan->form == FORM_DIMM && plan->page_size);
    if (!plan->page_size && plan->form == FORM_DIMM &&
        xml_path(domain->root, "memoryBacking/hugepages")) {
        report_note(
            report,
            "only boot memory is in huge pages, with --hugepages the rest is, too");
    }
}

/* By whole blocks, which may have become larger than they were */
static bool plan_pressure(Plan *plan, const Domain *domain,
                          const Options *options, Report *report)
{
    plan->pressure = options->pressure;
    if (plan->pressure == PRESSURE_UNSET &&
        !xml_number(domain_property(domain->ours.override, "pressure-size"),
                    "value", &plan->pressure)) {
        plan->pressure = 0;
    }
    if (plan->pressure % plan->block || plan->pressure > plan->region) {
        g_autofree char *block = size_text(plan->block);
        g_autofree char *region = size_text(plan->region);
        g_autofree char *got = size_text(plan->pressure);

        report_problem(
            report, "--pressure wants whole blocks of %s, %s at most, got %s",
            block, region, got);
        return false;
    }
    return true;
}

/* What it is by itself below boot memory is for form virtio-mem. */
static bool plan_balloon(Plan *plan, const Domain *domain,
                         const Options *options, Report *report)
{
    const xmlNode *balloon = xml_child(domain->devices, "memballoon");
    g_autofree char *model = xml_attribute(balloon, "model");

    plan->no_balloon = options->balloon ? options->balloon == BALLOON_REPLACE
                                        : domain->ours.no_balloon != NULL;
    if (!plan->no_balloon) {
        return true;
    }
    if (plan->form != FORM_DIMM) {
        report_problem(
            report,
            "--memballoon replace wants form dimm, got %s, where virsh setmem is for a virtio-balloon: use --memballoon keep",
            form_name(plan->form));
        return false;
    }
    if (model && strcmp(model, "virtio") != 0) {
        report_problem(
            report,
            "--memballoon replace wants a memballoon for libvirt to ask, <memballoon model='virtio'/>, got model='%s'",
            model);
        return false;
    }
    return true;
}

bool plan_make(Plan *plan, const Domain *domain, const Options *options,
               Report *report)
{
    const Ours *ours = &domain->ours;

    *plan = (Plan){.form = plan_form(domain, options),
                   .memfd = options->memfd,
                   .reporting = options->reporting,
                   .stats_period = options->stats_period};
    plan->alias = options->alias ? options->alias : ours->alias;
    if (!plan->alias) {
        plan->alias = MHP_DEFAULT_ALIAS;
    }
    plan->plugin = options->plugin ? options->plugin : ours->plugin;
    if (!plan->plugin) {
        plan->plugin = MHP_PLUGIN;
    }
    plan_pages(plan, domain, options, report);
    return plan_boot(plan, domain, options, report) &&
           plan_node(plan, domain, options, report) &&
           plan_block(plan, domain, options, report) &&
           plan_step(plan, domain, options, report) &&
           plan_max(plan, domain, options, report) &&
           plan_current(plan, domain, options, report) &&
           plan_pressure(plan, domain, options, report) &&
           plan_pci(plan, domain, report) &&
           plan_balloon(plan, domain, options, report);
}
