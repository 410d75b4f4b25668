/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that is broken: its block is given back before all others, and comes
 * back sound.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define BLOCKS 6
#define GROWTH (BLOCKS * MEMORY_BLOCK_SIZE)
#define EXIT_SKIP 77

static Guest *guest;

static void tear_down(void)
{
    system_resize(guest, 0);
    system_check_klog(guest);
}

/* Poisons a page of a block that has more in it than any other, or skips */
static uint64_t poison(unsigned block)
{
    uint64_t addr = system_addr(guest) + block * MEMORY_BLOCK_SIZE;
    g_autofree char *text = NULL;
    int status;

    status = system_status(
        guest, "mhp-pin %" PRIx64 " %" PRIx64 " poison >/tmp/poisoned 2>&1",
        addr, (uint64_t)MEMORY_BLOCK_SIZE);
    text = system_run(guest, "cat /tmp/poisoned");
    g_test_message("%s", text);
    if (status == EXIT_SKIP) {
        g_test_skip("this kernel does not handle memory failures");
        return 0;
    }
    g_assert_cmpint(status, ==, 0);
    return addr;
}

static bool has_block(uint64_t addr)
{
    g_autoptr(GArray) blocks = system_blocks(guest);

    for (unsigned i = 0; i < blocks->len; i++) {
        if (g_array_index(blocks, MemdevBlock, i).addr == addr) {
            return true;
        }
    }
    return false;
}

static void check_block(unsigned block)
{
    g_autoptr(GArray) blocks = NULL;
    g_autofree char *broken = NULL;
    uint64_t addr;

    system_resize(guest, GROWTH);
    addr = poison(block);
    if (addr) {
        g_assert_true(has_block(addr));
        system_resize(guest, GROWTH - MEMORY_BLOCK_SIZE);
        g_assert_false(has_block(addr));
        system_resize(guest, GROWTH);
        blocks = system_blocks(guest);
        g_assert_cmpuint(memdev_count_zone(blocks, "Movable"), ==, BLOCKS);
        broken = system_run(guest, "grep HardwareCorrupted /proc/meminfo");
        g_assert_nonnull(strstr(broken, " 0 kB"));
    }
    tear_down();
}

static void test_first(void)
{
    check_block(3);
}

static void test_lowest(void)
{
    check_block(0);
}

#define PATH "/virtio-mhp/system/poison/"

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    g_test_add_func(PATH "a block that is broken goes first", test_first);
    g_test_add_func(PATH "the lowest block, too", test_lowest);

    guest = system_boot(GROWTH, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    status = g_test_run();
    system_end(guest);
    return status;
}
