/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parameter memmap=prefer|require|never, with a kernel that can put the
 * memmap on the block and with one that was booted without. One guest of each
 * kind serves all tests.
 */
#include <string.h>

#include "told.h"

#define GROWTH (1 * GiB)
#define BLOCKS (GROWTH / MEMORY_BLOCK_SIZE)

/* A guest for which the memmaps of a region are too much */
#define SMALL_SIZE (512 * MiB)
#define SMALL_GROWTH_MIN (8 * GiB)
/* The debug kernel takes an eighth of it from boot memory */
#define SMALL_GROWTH_MIN_SLOW (1 * GiB)

typedef struct Guests {
    Guest *can; /* booted with memmap_on_memory */
    Guest *cannot;
} Guests;

static Guests guests;

/* Load the driver, grow, and see where the memmaps are; then the way back */
static void check_memmaps(Guest *guest, const char *parameters,
                          const char *attr, unsigned nb_self_hosted)
{
    g_autofree char *memmap = NULL;
    g_autoptr(GArray) blocks = NULL;

    system_load_driver(guest, parameters);
    system_resize(guest, GROWTH);
    system_wait_attr(guest, "online_size", GROWTH);
    memmap = system_attr_text(guest, "memmap");
    g_assert_cmpstr(memmap, ==, attr);
    blocks = system_blocks(guest);
    g_assert_cmpuint(memdev_count_zone(blocks, "Movable"), ==, BLOCKS);
    g_assert_cmpuint(memdev_count_self_hosted(blocks), ==, nb_self_hosted);
    g_assert_cmpuint(system_attr(guest, "memmap_on_block_size"), ==,
                     nb_self_hosted * MEMMAP_SIZE);
    system_resize(guest, 0);
}

static void test_prefer(void)
{
    check_memmaps(guests.can, "", "prefer block", BLOCKS);
    system_unload_driver(guests.can);
    system_check_klog(guests.can);
}

static void test_require(void)
{
    check_memmaps(guests.can, "memmap=require", "require block", BLOCKS);
    system_unload_driver(guests.can);
    system_check_klog(guests.can);
}

static void test_never(void)
{
    check_memmaps(guests.can, "memmap=never", "never ordinary", 0);
    system_unload_driver(guests.can);
    system_check_klog(guests.can);
}

static void test_bad_value(void)
{
    g_autofree char *log = NULL;

    system_status(guests.can,
                  "insmod /lib/modules/mhp_vmemmap_mem.ko memmap=often");
    log = system_run(guests.can, "dmesg; rmmod mhp_vmemmap_mem || :");
    g_assert_nonnull(strstr(log, "parameter memmap is 'often'"));
    g_assert_nonnull(strstr(log, "prefer, require or never"));
    system_check_klog(guests.can);
}

static void test_prefer_falls_back(void)
{
    g_autofree char *log = NULL;

    check_memmaps(guests.cannot, "memmap=prefer", "prefer ordinary", 0);
    log = system_run(guests.cannot, "dmesg");
    g_assert_cmpuint(klog_count(log, "memmaps take boot memory"), ==, 1);
    system_unload_driver(guests.cannot);
    system_check_klog(guests.cannot);
}

static bool knows_request(void *opaque, GError **error)
{
    uint64_t size = 0;

    return memdev_attr_uint(opaque, "requested_size", &size, error) &&
           size == GROWTH;
}

static void test_require_refuses(void)
{
    g_autofree char *memmap = NULL;
    g_autofree char *log = NULL;
    g_autoptr(GError) error = NULL;
    Guest *guest = guests.cannot;
    const int64_t nb_plugs = system_acks(guest, "plug");

    system_load_driver(guest, "memmap=require");
    system_request(guest, GROWTH);
    wait_until(knows_request, guest, SYSTEM_STALL_MS, "the driver's look",
               &error);
    g_assert_no_error(error);
    memmap = system_attr_text(guest, "memmap");
    g_assert_cmpstr(memmap, ==, "require refused");
    /* DRV-STATUS-1: nothing is plugged, and the host hears why */
    told_wait_stuck(guest, "no-memmap", true);
    told_wait_last_error(guest, " no-memmap -95");
    g_assert_cmpint(system_acks(guest, "plug"), ==, nb_plugs);
    system_unload_driver(guest);
    g_assert_cmpuint(system_size(guest), ==, 0);

    log = system_run(guest, "dmesg");
    g_assert_cmpuint(klog_count(log, "nothing will be plugged: memmap=require"),
                     ==, 1);
    g_assert_cmpuint(klog_count(log, "memory_hotplug.memmap_on_memory=1"), ==,
                     1);
    system_request(guest, 0);
    system_check_klog(guest);
}

/*
 * Ordinary memmaps for all that is requested would take twice the memory that
 * this guest has. Growing stops before, and leaves the guest what it lives on.
 */
static void test_never_takes_not_all(void)
{
    Guest *guest = system_boot_sized(SMALL_SIZE, 64 * GiB, SYSTEM_MEMMAP_ON);
    g_autoptr(GError) error = NULL;
    uint64_t left = 0;

    system_load_driver(guest, "memmap=never");
    system_request(guest, 64 * GiB);
    told_wait_last_error(guest, " not-added -12");
    told_wait_stuck(guest, "not-added", true);
    g_assert_cmpuint(system_size(guest), >=,
                     system_is_slow() ? SMALL_GROWTH_MIN_SLOW
                                      : SMALL_GROWTH_MIN);
    guest_boot_free(guest, &left, &error);
    g_assert_no_error(error);
    g_test_message("%" G_GUINT64_FORMAT " MiB plugged, %" G_GUINT64_FORMAT
                   " MiB of boot memory left",
                   system_size(guest) / MiB, left / MiB);
    g_assert_cmpuint(left, >=, SMALL_SIZE / 16);
    system_check_klog(guest);
    system_resize(guest, 0);
    system_end(guest);
}

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    g_test_add_func("/virtio-mhp/system/memmap/prefer puts it on the block",
                    test_prefer);
    g_test_add_func("/virtio-mhp/system/memmap/require puts it on the block",
                    test_require);
    g_test_add_func("/virtio-mhp/system/memmap/never takes an ordinary one",
                    test_never);
    g_test_add_func("/virtio-mhp/system/memmap/another word is refused",
                    test_bad_value);
    g_test_add_func("/virtio-mhp/system/memmap/prefer falls back and says so "
                    "once",
                    test_prefer_falls_back);
    g_test_add_func("/virtio-mhp/system/memmap/require refuses and "
                    "says so",
                    test_require_refuses);

    g_test_add_func("/virtio-mhp/system/memmap/ordinary ones leave the guest "
                    "what it lives on",
                    test_never_takes_not_all);

    guests.can = system_boot(GROWTH, SYSTEM_MEMMAP_ON);
    guests.cannot = system_boot(GROWTH, "memory_hotplug.memmap_on_memory=0");
    status = g_test_run();
    system_end(guests.can);
    system_end(guests.cannot);
    return status;
}
