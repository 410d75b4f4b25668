/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver in front of a device whose configuration is wrong: it refuses it
 * with a message, and works again when it is right. fault-plugin.c makes the
 * device lie.
 */
#include <stddef.h>
#include <string.h>

#include "faulty.h"

#define GROWTH (512 * MiB)
#define REGION_SIZE (GROWTH + MEMORY_BLOCK_SIZE)

/* A field of the configuration that is wrong, and what the driver says */
struct row {
    const char *what;
    size_t offset;
    uint64_t value;
    const char *message;
};

#define FIELD(name) offsetof(struct virtio_mhp_config, name)

static Guest *guest;
static Fault *fault;

/* DRV-CFG-1 */
static void test_device_is_refused(void)
{
    static const struct row rows[] = {
        {"no block size", FIELD(block_size), 0,
         "block_size 0x0 is not a power of two"},
        {"a block size of three", FIELD(block_size), 3 * MEMORY_BLOCK_SIZE,
         "block_size 0x18000000 is not a power of two"},
        {"a region that is not aligned", FIELD(addr), 4 * GiB + 4096,
         "addr 0x100001000 and region_size"},
        {"a region with half a block", FIELD(region_size),
         REGION_SIZE + 64 * MiB,
         "and region_size 0x2c000000 are not multiples"},
        {"no region", FIELD(region_size), 0, "region_size 0x0 is 0 or reaches"},
        {"a region that ends at 2^64", FIELD(addr), -REGION_SIZE,
         "reaches beyond the address space"},
        {"a region that wraps around", FIELD(region_size), -MEMORY_BLOCK_SIZE,
         "reaches beyond the address space"},
        {"more than the kernel can map", FIELD(region_size), UINT64_C(1) << 53,
         "where this kernel can add memory"},
        {"more than can be counted", FIELD(region_size), UINT64_C(1) << 57,
         "where this kernel can add memory"},
        {"all behind what the kernel can map", FIELD(addr), UINT64_C(1) << 60,
         "cannot be divided into memory blocks"},
        {"more usable than there is", FIELD(usable_region_size),
         2 * REGION_SIZE, "usable_region_size 0x50000000 is not a multiple"},
        {"half a block usable", FIELD(usable_region_size), 64 * MiB,
         "usable_region_size 0x4000000 is not a multiple"},
        {"more plugged than there is", FIELD(plugged_size), 2 * REGION_SIZE,
         "plugged_size 0x50000000 is not a multiple"},
        {"half a block plugged", FIELD(plugged_size), 64 * MiB,
         "plugged_size 0x4000000 is not a multiple"},
        {"more requested than there is", FIELD(requested_size), 2 * REGION_SIZE,
         "requested_size 0x50000000 is not a multiple"},
        {"half a block requested", FIELD(requested_size), 64 * MiB,
         "requested_size 0x4000000 is not a multiple"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *log = NULL;

        g_test_message("%s", rows[i].what);
        faulty_lie(fault, rows[i].offset, rows[i].value);
        system_load_driver(guest, "");
        log = system_run(guest,
                         "dmesg -c; ! ls -d "
                         "/sys/bus/virtio/drivers/mhp_vmemmap_mem/virtio*");
        g_assert_nonnull(strstr(log, rows[i].message));
        system_unload_driver(guest);
        faulty_be_honest(fault);
    }
}

/* DRV-CFG-1: what was right before stays in force */
static void test_change_is_refused(void)
{
    system_load_driver(guest, "");
    system_resize(guest, 2 * MEMORY_BLOCK_SIZE);
    faulty_lie(fault, FIELD(requested_size), 64 * MiB);
    system_request(guest, GROWTH);
    g_free(system_run(guest, "until dmesg | grep 'requested_size 0x4000000';"
                             "do sleep 0.1; done"));
    g_assert_cmpuint(system_size(guest), ==, 2 * MEMORY_BLOCK_SIZE);
    faulty_be_honest(fault);
    system_resize(guest, GROWTH);
    system_resize(guest, 0);
    system_unload_driver(guest);
}

/* DRV-CFG-2: of all that the other tests did */
static void test_configuration_is_not_written(void)
{
    system_load_driver(guest, "");
    system_resize(guest, GROWTH);
    system_resize(guest, 0);
    system_unload_driver(guest);
    g_assert_cmpuint(fault->nb_writes, ==, 0);
}

static void boot(void)
{
    g_autoptr(GError) error = NULL;

    guest = system_new(REGION_SIZE, SYSTEM_MEMMAP_ON);
    memdev_add(guest, MEMDEV_OURS, REGION_SIZE);
    fault = faulty_load(guest);
    guest_boot(guest, &error);
    g_assert_no_error(error);
}

#define ADD(test) \
    g_test_add_func("/virtio-mhp/system/bad-device/" #test, test_##test)

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    boot();
    ADD(device_is_refused);
    ADD(change_is_refused);
    ADD(configuration_is_not_written);
    status = g_test_run();
    system_end(guest);
    return status;
}
