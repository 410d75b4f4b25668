/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What others do to units. Those that fail for ever are in the way of no other:
 * neither those that cannot be plugged, nor one that lost a part and cannot get
 * it back. Where all would fail, that is found with the first.
 */
#include <inttypes.h>
#include <string.h>

#include "support.h"

/* Units of two memory blocks */
#define UNIT_SIZE (2 * MEMORY_BLOCK_SIZE)
#define UNITS 8
#define REGION_SIZE (UNITS * UNIT_SIZE)
/* What an attempt puts up with, the next one, and the moat among them */
#define FAILING 5
#define CHANGE_S 2

#define TROUBLE "/sys/module/mhp_trouble/parameters/"

static Guest *guest;

static void boot(void)
{
    g_autoptr(GError) error = NULL;
    Vm *vm;

    guest = system_new(REGION_SIZE, SYSTEM_MEMMAP_ON);
    vm = guest_vm(guest);
    vm_add_plugin(vm);
    vm_add_opt(vm, "object",
               "memory-backend-ram,id=hpmem,reserve=off,size=%" PRIu64,
               REGION_SIZE);
    vm_add_opt(vm, "device",
               MEMDEV_OURS ",id=hp0,memdev=hpmem,block-size=%" PRIu64,
               UNIT_SIZE);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    g_free(system_run(guest, "insmod /lib/modules/mhp_trouble.ko"));
    system_load_driver(guest, "");
}

static void take(uint64_t addr, unsigned nb_blocks)
{
    g_free(system_run(guest,
                      "echo %u >" TROUBLE "take_blocks;"
                      "echo 0x%" PRIx64 " >" TROUBLE "take",
                      nb_blocks, addr));
}

static void tear_down(void)
{
    take(0, 1);
    system_resize(guest, 0);
    /* Each says so: the kernel's own line about it is no trouble */
    system_check_klog(guest);
}

/* The lowest are the first to be plugged */
static void test_failing_units(void)
{
    take(system_addr(guest), FAILING * UNIT_SIZE / MEMORY_BLOCK_SIZE);
    system_resize(guest, (UNITS - FAILING) * UNIT_SIZE);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==,
                     (UNITS - FAILING) * UNIT_SIZE);
    tear_down();
}

/* Each new request is a new chance for those that failed, but not the first */
static void test_failing_units_and_new_requests(void)
{
    take(system_addr(guest), FAILING * UNIT_SIZE / MEMORY_BLOCK_SIZE);
    for (unsigned i = 0; i < UNITS && system_size(guest) == 0; i++) {
        system_request(guest, (UNITS - FAILING - i % 2) * UNIT_SIZE);
        g_free(system_run(guest, "sleep %d", CHANGE_S));
    }
    g_assert_cmpuint(system_size(guest), >, 0);
    tear_down();
}

static bool is_kept(void *opaque G_GNUC_UNUSED, GError **error)
{
    g_autofree char *text = memdev_attr(guest, "last_error", error);

    return text && strstr(text, "not-online -18");
}

/* Nothing more is plugged than shows it, and what they let go is of use */
static void test_pages_are_kept(void)
{
    g_autoptr(GError) error = NULL;

    g_free(system_run(guest, "echo 1 >" TROUBLE "keep"));
    system_request(guest, UNITS * UNIT_SIZE);
    wait_until(is_kept, NULL, SYSTEM_STALL_MS, "not-online", &error);
    g_assert_no_error(error);
    g_free(system_run(guest, "sleep %d", CHANGE_S));
    g_assert_cmpuint(system_size(guest), ==, UNIT_SIZE);
    g_free(system_run(guest, "dmesg | grep 'another driver keeps its pages';"
                             "echo 0 >" TROUBLE "keep"));
    tear_down();
}

static bool is_pinned(void *opaque G_GNUC_UNUSED, GError **error)
{
    g_autofree char *text = memdev_attr(guest, "last_error", error);

    return text && strstr(text, "pinned");
}

static void set_deadline(unsigned ms)
{
    g_free(system_run(guest,
                      "echo %u >/sys/module/mhp_vmemmap_mem/parameters/"
                      "block_timeout_ms",
                      ms));
}

static void test_incomplete_unit(void)
{
    uint64_t addr = system_addr(guest);
    g_autoptr(GError) error = NULL;

    system_resize(guest, UNIT_SIZE);
    system_pin(guest, addr, MEMORY_BLOCK_SIZE);
    /* Time for the other block to go, even on a slow machine */
    set_deadline(3000);
    system_request(guest, 0);
    wait_until(is_pinned, NULL, SYSTEM_STALL_MS, "the loss of a part", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, MEMORY_BLOCK_SIZE);
    set_deadline(500);
    take(addr + MEMORY_BLOCK_SIZE, 1);
    system_resize(guest, 3 * UNIT_SIZE);
    system_wait_attr(guest, "online_size", 3 * UNIT_SIZE - MEMORY_BLOCK_SIZE);
    /* It gets its part by itself when that is free again */
    take(0, 1);
    system_wait_attr(guest, "online_size", 3 * UNIT_SIZE);
    system_let_go(guest, "pinned");
    tear_down();
}

#define ADD(name, test) g_test_add_func("/virtio-mhp/system/others/" name, test)

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    system_need_module("mhp_trouble");
    /* First, as it wants the lowest: one that failed comes after others */
    ADD("a unit that cannot be completed", test_incomplete_unit);
    ADD("units that cannot be plugged", test_failing_units);
    ADD("units that cannot be plugged, and new requests",
        test_failing_units_and_new_requests);
    ADD("another driver keeps pages", test_pages_are_kept);
    boot();
    status = g_test_run();
    system_end(guest);
    return status;
}
