/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small guest that is asked to grow: the figures for the page tables that
 * this can come to need and for the memory that can hold them, and the warning
 * when the one is too much for the other. One guest serves all tests.
 */
#include "support.h"

#define BOOT_SIZE (256 * MiB)
#define REGION_SIZE (64 * GiB)
#define LITTLE (4 * GiB)
/* Page tables of 80 MiB: more than a quarter of what the guest has */
#define TOO_MUCH (40 * GiB)
#define WARNING "outside ZONE_MOVABLE"

static Guest *guest;

static unsigned nb_warnings(void)
{
    g_autofree char *log = system_run(guest, "dmesg");

    return klog_count(log, WARNING);
}

static bool is_requested(void *opaque, GError **error)
{
    const uint64_t *wanted = opaque;
    uint64_t size = 0;

    return memdev_attr_uint(guest, "requested_size", &size, error) &&
           size == *wanted;
}

/* The driver has looked at it; how much it has plugged is no matter here */
static void request(uint64_t size)
{
    g_autoptr(GError) error = NULL;

    system_request(guest, size);
    wait_until(is_requested, &size, SYSTEM_STALL_MS, "the driver's look",
               &error);
    g_assert_no_error(error);
}

static bool has_warned(void *opaque G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return nb_warnings() > 0;
}

/* 4 KiB for each 2 MiB, and 4 KiB for each GiB */
static void test_page_tables_size(void)
{
    g_assert_cmpuint(system_attr(guest, "page_tables_size"), ==, 0);
    request(LITTLE);
    g_assert_cmpuint(system_attr(guest, "page_tables_size"), ==,
                     LITTLE / 512 + LITTLE / 512 / 512);
}

static void test_kernel_memory_size(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) zones = NULL;
    uint64_t size;

    system_wait_size(guest, LITTLE);
    size = system_attr(guest, "kernel_memory_size");
    zones = guest_zones(guest, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(size, ==,
                     zoneinfo_managed(zones, "DMA") +
                         zoneinfo_managed(zones, "DMA32") +
                         zoneinfo_managed(zones, "Normal"));
    g_assert_cmpuint(size, >, BOOT_SIZE / 2);
    g_assert_cmpuint(size, <, BOOT_SIZE);
}

static void test_little_is_no_matter(void)
{
    g_assert_cmpuint(nb_warnings(), ==, 0);
}

static void test_too_much_is_warned_of_once(void)
{
    g_autoptr(GError) error = NULL;

    request(TOO_MUCH);
    wait_until(has_warned, NULL, SYSTEM_STALL_MS, "the warning", &error);
    g_assert_no_error(error);
    request(LITTLE);
    system_wait_size(guest, LITTLE);
    request(TOO_MUCH + 1 * GiB);
    /* Plugging starts after the look that would have warned */
    system_wait_above(guest, LITTLE + MEMORY_BLOCK_SIZE);
    g_assert_cmpuint(nb_warnings(), ==, 1);
    system_resize(guest, 0);
    g_assert_cmpuint(nb_warnings(), ==, 1);
}

#define ADD(name, test) g_test_add_func("/virtio-mhp/system/ratio/" name, test)

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    ADD("page tables take a 512th and a 512th of that", test_page_tables_size);
    ADD("they have to be outside ZONE_MOVABLE", test_kernel_memory_size);
    ADD("no word of a request that is far from it", test_little_is_no_matter);
    ADD("a request that goes too far is warned of once",
        test_too_much_is_warned_of_once);
    guest = system_boot_sized(BOOT_SIZE, REGION_SIZE, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "memmap=require");
    status = g_test_run();
    system_end(guest);
    return status;
}
