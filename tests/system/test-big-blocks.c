/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks that are not all of 128 MiB: device blocks of several memory blocks,
 * and the memory blocks of 1 and 2 GiB that x86 takes in guests that boot with
 * 64 GiB or more, the largest that the end of their memory is a multiple of
 * (on q35 that is 2 GiB beyond the memory's size). All of it is backed lazily.
 */
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "told.h"

#define DEVICE_BLOCK (1 * GiB)
#define DEVICE_REGION (4 * DEVICE_BLOCK)
#define MBS_PER_DEVICE_BLOCK (DEVICE_BLOCK / MEMORY_BLOCK_SIZE)

/* A region of which the host has no more than a part */
#define LARGE_REGION (512 * GiB)
#define LARGE_GROWTH (10 * GiB)
/* Ordinary memmaps would take 160 MiB */
#define LARGE_BOOT_MEMORY_MAX (4 * MiB)

/* Requests to wait for that cannot all be new ones */
#define REPETITIONS 3

static bool has_requests(void *opaque, GError **error G_GNUC_UNUSED)
{
    Guest *guest = opaque;

    return system_requests_seen(guest) >= REPETITIONS;
}

typedef struct Online {
    Guest *guest;
    uint64_t size;
} Online;

static bool is_online(void *opaque, GError **error)
{
    const Online *online = opaque;
    uint64_t size = 0;

    return memdev_attr_uint(online->guest, "online_size", &size, error) &&
           size == online->size;
}

/* The device has granted it all when the driver is still onlining the last */
static void resize(Guest *guest, uint64_t size)
{
    Online online = {guest, size};
    g_autoptr(GError) error = NULL;

    system_resize(guest, size);
    wait_until(is_online, &online, SYSTEM_STALL_MS, "onlining", &error);
    g_assert_no_error(error);
}

static Guest *boot_with_device_blocks(int memory)
{
    Guest *guest = system_new(DEVICE_REGION, SYSTEM_MEMMAP_ON);
    g_autoptr(GError) error = NULL;
    Vm *vm = guest_vm(guest);

    vm_add_plugin(vm);
    vm_add_opt(vm, "object",
               "memory-backend-file,id=hpmem,share=on,mem-path=/proc/%d/fd/%d"
               ",size=%" PRIu64,
               getpid(), memory, DEVICE_REGION);
    vm_add_opt(vm, "device",
               MEMDEV_OURS ",id=hp0,memdev=hpmem,block-size=%" PRIu64,
               DEVICE_BLOCK);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    return guest;
}

static uint64_t backed_size(int memory)
{
    struct stat st;

    g_assert_no_errno(fstat(memory, &st));
    return (uint64_t)st.st_blocks * 512;
}

static void assert_memmaps_are_backed(int memory, Guest *guest)
{
    g_autoptr(GArray) blocks = system_blocks(guest);
    uint64_t region = system_addr(guest);

    g_assert_cmpuint(blocks->len, ==, MBS_PER_DEVICE_BLOCK);
    g_assert_cmpuint(memdev_count_self_hosted(blocks), ==,
                     MBS_PER_DEVICE_BLOCK);
    for (unsigned i = 0; i < blocks->len; i++) {
        off_t start = (off_t)(g_array_index(blocks, MemdevBlock, i).addr -
                              region);

        g_assert_cmpint(lseek(memory, start, SEEK_DATA), ==, start);
        g_assert_cmpint(lseek(memory, start, SEEK_HOLE), >=,
                        start + (off_t)MEMMAP_SIZE);
    }
}

/*
 * DEV-PLUG-4, DEV-MEMMAP-1: the host has memory for all memmaps of the device
 * block but the last. A device that does not know of that one would grant the
 * block, and the guest that uses it would be QEMU's end.
 */
static void test_device_block_of_several_memory_blocks(void)
{
    int memory = memfd_create("region", MFD_CLOEXEC);
    g_autoptr(GError) error = NULL;
    Guest *guest;

    g_assert_cmpint(memory, >=, 0);
    g_assert_no_errno(ftruncate(memory, DEVICE_REGION));
    guest = boot_with_device_blocks(memory);
    system_load_driver(guest, "memmap=require");
    g_assert_no_errno(ftruncate(memory, DEVICE_BLOCK - MEMORY_BLOCK_SIZE));
    system_request(guest, DEVICE_BLOCK);
    wait_until(has_requests, guest, SYSTEM_STALL_MS, "repeated PLUGs", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(system_size(guest), ==, 0);

    g_assert_no_errno(ftruncate(memory, DEVICE_REGION));
    resize(guest, DEVICE_BLOCK);
    assert_memmaps_are_backed(memory, guest);
    resize(guest, 0);
    g_assert_cmpuint(backed_size(memory), ==, 0);
    system_end(guest);
    close(memory);
}

typedef struct Large {
    uint64_t boot_size;
    uint64_t mb_size;
} Large;

static void assert_blocks(Guest *guest, uint64_t mb_size)
{
    g_autoptr(GArray) blocks = system_blocks(guest);

    g_assert_cmpuint(blocks->len, ==, LARGE_GROWTH / mb_size);
    g_assert_cmpuint(memdev_count_zone(blocks, "Movable"), ==, blocks->len);
    for (unsigned i = 0; i < blocks->len; i++) {
        const MemdevBlock *block = &g_array_index(blocks, MemdevBlock, i);

        g_assert_cmpuint(block->addr % mb_size, ==, 0);
        g_assert_cmpuint(block->memmap_pages, ==, mb_size / 64 / 4096);
    }
    g_assert_cmpuint(system_attr(guest, "memmap_on_block_size"), ==,
                     LARGE_GROWTH / 64);
}

static uint64_t boot_free(Guest *guest)
{
    g_autoptr(GError) error = NULL;
    uint64_t bytes = 0;

    guest_boot_free(guest, &bytes, &error);
    g_assert_no_error(error);
    return bytes;
}

/*
 * DRV-MEMMAP-2, DRV-PLUG-1: the host learns the unit before it asks for
 * anything; what it cannot have, the guest comes near to from below and says so
 */
static void check_sizes_that_cannot_be(Guest *guest, uint64_t mb_size)
{
    told_wait_unit_size(guest, mb_size);
    g_assert_cmpuint(system_attr(guest, "unit_size"), ==, mb_size);
    system_request(guest, mb_size / 2);
    told_wait_last_error(guest, " unit-size -34");
    g_assert_cmpuint(system_size(guest), ==, 0);
    system_request(guest, mb_size + mb_size / 2);
    system_wait_size(guest, mb_size);
    told_wait_last_error(guest, " unit-size -34");
    system_request(guest, mb_size);
    told_wait_last_error(guest, "none");
    g_assert_cmpuint(system_size(guest), ==, mb_size);
}

static void test_large_memory_blocks(const void *data)
{
    const Large *large = data;
    Guest *guest = system_boot_sized(large->boot_size, LARGE_REGION,
                                     SYSTEM_MEMMAP_ON);
    g_autofree char *size = system_run(
        guest, "cat /sys/devices/system/memory/block_size_bytes");
    uint64_t before;

    g_assert_cmphex(g_ascii_strtoull(size, NULL, 16), ==, large->mb_size);
    system_load_driver(guest, "memmap=require");
    check_sizes_that_cannot_be(guest, large->mb_size);
    resize(guest, 0);
    before = boot_free(guest);
    resize(guest, LARGE_GROWTH);
    assert_blocks(guest, large->mb_size);
    g_assert_cmpuint(boot_free(guest) + LARGE_BOOT_MEMORY_MAX, >=, before);
    resize(guest, 0);
    system_end(guest);
}

/* What --step 128M makes of 64 GiB: tests/libvirt/golden/step.xml */
static void test_small_step(void)
{
    Guest *guest = system_boot_sized(64 * GiB + MEMORY_BLOCK_SIZE, LARGE_REGION,
                                     SYSTEM_MEMMAP_ON);

    system_load_driver(guest, "memmap=require");
    g_assert_cmpuint(system_attr(guest, "unit_size"), ==, MEMORY_BLOCK_SIZE);
    resize(guest, MEMORY_BLOCK_SIZE);
    resize(guest, 2 * MEMORY_BLOCK_SIZE);
    resize(guest, 0);
    system_end(guest);
}

int main(int argc, char **argv)
{
    static const Large of_1_gib = {65 * GiB, 1 * GiB};
    static const Large of_2_gib = {64 * GiB, 2 * GiB};

    system_init(&argc, &argv);
    g_test_add_func("/virtio-mhp/system/big-blocks/a device block of several "
                    "memory blocks backs all their memmaps",
                    test_device_block_of_several_memory_blocks);
    g_test_add_data_func("/virtio-mhp/system/big-blocks/memory blocks of 1 GiB "
                         "hold their memmaps",
                         &of_1_gib, test_large_memory_blocks);
    g_test_add_data_func("/virtio-mhp/system/big-blocks/memory blocks of 2 GiB "
                         "hold their memmaps",
                         &of_2_gib, test_large_memory_blocks);
    g_test_add_func("/virtio-mhp/system/big-blocks/a little more boot memory "
                    "gives blocks of 128 MiB",
                    test_small_step);
    return g_test_run();
}
