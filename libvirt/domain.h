/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain as its XML says it is: sizes, NUMA cells, memory devices and, if
 * the tool was here before, what it made then.
 */
#ifndef MHP_VIRT_XML_DOMAIN_H
#define MHP_VIRT_XML_DOMAIN_H

#include <libxml/tree.h>

#include "options.h"
#include "report.h"

/* What QEMU calls the device, and the plugin's file whatever folder it is in */
#define MHP_DRIVER "mhp-vmemmap-mem"
/* And what it calls what stands for a virtio-balloon */
#define MHP_NO_BALLOON "mhp-no-balloon"
#define MHP_PLUGIN_NAME "mhp-vmemmap-mem.so"
#define MHP_DEFAULT_ALIAS "ua-mhp"
/* Of a memory backend that libvirt does not know of */
#define MHP_BACKEND_PREFIX "mhp-mem-"

/* A machine type that the device works in */
typedef struct {
    const char *arch;
    /* How libvirt's names for it start, and nothing but a - may follow */
    const char *name;
    const char *bus;
    /* Bits of slots that are not to be had there */
    uint32_t reserved_slots;
    /*
     * Holes for PCI: this much boot memory is below the lower one, or all of it
     * if it is less than the limit; how large the upper one is. x86 only.
     */
    uint64_t low_limit;
    uint64_t low;
    uint64_t pci_hole;
} Machine;

/* Where boot memory goes on behind the lower hole, without an AMD vCPU's */
#define MACHINE_HIGH_START (4 * GiB)

bool machine_is_x86(const Machine *machine);
/* Where boot memory ends if it goes on at @high_start, which is the least */
uint64_t machine_boot_end(const Machine *machine, uint64_t boot,
                          uint64_t high_start);

/* What the tool made; unset where it was not here yet */
typedef struct {
    xmlNode *memory;
    xmlNode *override;
    /* That of the memballoon, if there is to be none */
    xmlNode *no_balloon;
    char *alias;
    char *plugin;
    Form form;
    uint64_t region;
    uint64_t block;
    /* Form virtio-mem: what is plugged when the guest is up */
    uint64_t requested;
    uint64_t node;
    /* Of huge pages, 0 if it has none */
    uint64_t page_size;
} Ours;

typedef struct {
    xmlNode *root;
    xmlNode *devices;
    const Machine *machine;
    uint64_t boot;
    uint64_t current;
    /* <maxMemory> and its slots, 0 if there is none */
    uint64_t max_memory;
    uint64_t slots;
    unsigned cells;
    unsigned vcpus;
    /* Memory devices that are not ours: DIMMs, and all that are counted */
    unsigned dimms;
    uint64_t dimm_size;
    uint64_t other_size;
    Ours ours;
} Domain;

/* False if it cannot be understood; what is wrong is reported either way. */
bool domain_read(Domain *domain, xmlDoc *doc, Report *report);
void domain_clear(Domain *domain);

/* Fill in domain->ours */
void domain_find_ours(Domain *domain, Report *report);
/* Walks over the values of qemu:arg; start with NULL */
xmlNode *domain_next_arg(const Domain *domain, const xmlNode *arg);
xmlNode *domain_property(const xmlNode *override, const char *name);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Domain, domain_clear)

#endif
