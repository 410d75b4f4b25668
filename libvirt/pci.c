/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A free PCI slot, see pci.h. libvirt fills bus 0 from its lower end.
 */
#include "pci.h"

#include <string.h>

#include "xml.h"

#define PCI_SLOTS 32

static void pci_mark(uint32_t *used, uint64_t slot)
{
    if (slot < PCI_SLOTS) {
        *used |= UINT32_C(1) << slot;
    }
}

static void pci_mark_address(uint32_t *used, const xmlNode *node)
{
    uint64_t domain = 0, bus = 0, slot;

    if (strcmp((const char *)node->name, "address") != 0 ||
        !xml_attribute_is(node, "type", "pci")) {
        return;
    }
    xml_number(node, "domain", &domain);
    xml_number(node, "bus", &bus);
    if (!domain && !bus && xml_number(node, "slot", &slot)) {
        pci_mark(used, slot);
    }
}

/* addr=1e of -device and "addr": "0x1e" of its JSON: hexadecimal numbers */
static void pci_mark_arg(uint32_t *used, const char *value)
{
    const char *at = value;

    while ((at = strstr(at, "addr"))) {
        at += strlen("addr");
        at += strspn(at, "\"=: ");
        if (g_ascii_isxdigit(*at)) {
            pci_mark(used, g_ascii_strtoull(at, NULL, 16));
        }
    }
}

/* Overrides of other devices may have moved them. */
static void pci_mark_overrides(uint32_t *used, const Domain *domain)
{
    const xmlNode *device = xml_qemu_child(
        xml_qemu_child(domain->root, "override"), "device");

    for (; device; device = xml_next(device)) {
        g_autofree char *addr = xml_attribute(domain_property(device, "addr"),
                                              "value");

        if (addr && device != domain->ours.override) {
            pci_mark(used, g_ascii_strtoull(addr, NULL, 16));
        }
    }
}

int pci_free_slot(const Domain *domain)
{
    uint32_t used = domain->machine->reserved_slots;

    for (const xmlNode *node = xml_walk(domain->devices, domain->devices); node;
         node = xml_walk(domain->devices, node)) {
        pci_mark_address(&used, node);
    }
    for (const xmlNode *arg = domain_next_arg(domain, NULL); arg;
         arg = domain_next_arg(domain, arg)) {
        g_autofree char *value = xml_attribute(arg, "value");

        if (value) {
            pci_mark_arg(&used, value);
        }
    }
    pci_mark_overrides(&used, domain);
    for (int slot = PCI_SLOTS - 1; slot >= 0; slot--) {
        if (!(used & UINT32_C(1) << slot)) {
            return slot;
        }
    }
    return -1;
}
