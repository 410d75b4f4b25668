/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the device takes memmaps to lie: which layouts a driver may ask for,
 * and which parts of a range are memmap.
 *
 * The real source is compiled; no QEMU takes part.
 */
#include <glib.h>
#include <uapi/linux/virtio_mhp.h>

#include "virtio-mhp-block.h"

#define BLOCK_SIZE (UINT64_C(128) << 20)

/* DEV-MEMMAP-1 */
static void test_memmap_is_checked(void)
{
    static const struct {
        const char *what;
        VirtIOMHPMemmap memmap;
        bool is_valid;
    } memmaps[] = {
        {"a block", {BLOCK_SIZE, 2 << 20}, true},
        {"several blocks", {8 * BLOCK_SIZE, 16 << 20}, true},
        {"the largest unit", {UINT64_C(1) << 63, 4096}, true},
        {"none", {BLOCK_SIZE, 0}, true},
        {"one page", {BLOCK_SIZE, 4096}, true},
        {"all but one page", {BLOCK_SIZE, BLOCK_SIZE - 4096}, true},
        {"less than a block", {BLOCK_SIZE / 2, 4096}, true},
        {"the smallest unit", {VIRTIO_MHP_UNIT_SIZE_MIN, 4096}, true},
        {"unit 0", {0, 0}, false},
        {"too small a unit", {VIRTIO_MHP_UNIT_SIZE_MIN / 2, 4096}, false},
        {"no power of two", {3 * BLOCK_SIZE, 4096}, false},
        {"the highest number", {UINT64_MAX, 4096}, false},
        {"nothing but memmap", {BLOCK_SIZE, BLOCK_SIZE}, false},
        {"more memmap than unit", {BLOCK_SIZE, 2 * BLOCK_SIZE}, false},
        {"part of a page", {BLOCK_SIZE, 4095}, false},
        {"a page and a byte", {BLOCK_SIZE, 4097}, false},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(memmaps); i++) {
        g_test_message("%s", memmaps[i].what);
        g_assert_cmpint(virtio_mhp_memmap_is_valid(&memmaps[i].memmap), ==,
                        memmaps[i].is_valid);
    }
}

/* Address by address, the slow and simple way */
static unsigned count_memmap(const VirtIOMHPMemmap *memmap, uint64_t addr,
                             uint64_t end)
{
    unsigned nb = 0;

    for (; addr < end; addr++) {
        nb += addr % memmap->unit_size < memmap->memmap_size;
    }
    return nb;
}

static void assert_memmap_parts(const VirtIOMHPMemmap *memmap, uint64_t start,
                                uint64_t end)
{
    uint64_t addr = start, size, last = start;
    unsigned nb = 0;

    while (virtio_mhp_memmap_next(memmap, end, &addr, &size)) {
        g_assert_cmpuint(size, >, 0);
        g_assert_cmpuint(addr, >=, last);
        g_assert_cmpuint(addr + size, <=, end);
        /* each part is memmap from its first to its last byte */
        g_assert_cmpuint(count_memmap(memmap, addr, addr + size), ==, size);
        nb += size;
        addr += size;
        last = addr;
    }
    g_assert_cmpuint(nb, ==, count_memmap(memmap, start, end));
}

static void test_memmap_parts_of_any_range(void)
{
    for (uint64_t memmap_size = 0; memmap_size < 8; memmap_size++) {
        const VirtIOMHPMemmap memmap = {8, memmap_size};

        for (uint64_t start = 0; start < 24; start++) {
            for (uint64_t end = start; end < 40; end++) {
                assert_memmap_parts(&memmap, start, end);
            }
        }
    }
}

static void test_memmap_ends_with_the_addresses(void)
{
    const VirtIOMHPMemmap memmap = {BLOCK_SIZE, 4096};
    uint64_t addr = -BLOCK_SIZE, size;

    g_assert_true(
        virtio_mhp_memmap_next(&memmap, UINT64_MAX - 4095, &addr, &size));
    g_assert_cmpuint(addr, ==, -BLOCK_SIZE);
    g_assert_cmpuint(size, ==, 4096);
    addr += size;
    g_assert_false(
        virtio_mhp_memmap_next(&memmap, UINT64_MAX - 4095, &addr, &size));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mhp/memmap/is-checked", test_memmap_is_checked);
    g_test_add_func("/virtio-mhp/memmap/parts-of-any-range",
                    test_memmap_parts_of_any_range);
    g_test_add_func("/virtio-mhp/memmap/ends-with-the-addresses",
                    test_memmap_ends_with_the_addresses);
    return g_test_run();
}
