/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the domain shall be: every size, name and place decided, from the
 * options first, then from what the tool made before, then by default.
 */
#ifndef MHP_VIRT_XML_PLAN_H
#define MHP_VIRT_XML_PLAN_H

#include "domain.h"

#define PLAN_DEFAULT_BLOCK (128 * MiB)

typedef struct {
    Form form;
    const char *alias;
    const char *plugin;
    uint64_t boot;
    uint64_t current;
    /* What the guest may have: boot memory, DIMMs and our region */
    uint64_t max;
    uint64_t region;
    uint64_t block;
    /* Which the device chooses, too */
    uint64_t default_block;
    /* What the guest can be resized by */
    uint64_t step;
    unsigned node;
    /* <memory>, <maxMemory> and its slots */
    uint64_t total;
    uint64_t max_memory;
    uint64_t slots;
    /* 0 is ordinary pages */
    uint64_t page_size;
    bool prealloc;
    bool no_balloon;
    /* NULL is as it was */
    const char *reporting;
    /* What the guest may take by itself */
    uint64_t pressure;
    /* Seconds, negative is as it was */
    int stats_period;
    bool memfd;
    /* Form dimm: a PCI slot of bus 0 */
    int pci_slot;
} Plan;

/* False if there is none; why is reported. */
bool plan_make(Plan *plan, const Domain *domain, const Options *options,
               Report *report);
Form plan_form(const Domain *domain, const Options *options);

#endif
