/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is beside a block's memmap is kept until memory gets short: so used
 * memory stays together, and yet a guest can use all that it has.
 */
#include <inttypes.h>
#include <stdio.h>

#include "support.h"

#define BLOCKS 64
#define GROWTH (BLOCKS * MEMORY_BLOCK_SIZE)
#define REMAINDER_SIZE (2 * MiB)
#define USED_MIB 128
/* What is used fits in two blocks; some is the guest's own */
#define FEW 8
#define MANY (BLOCKS / 2)

#define FULL_BLOCKS 8
#define FULL_GROWTH (FULL_BLOCKS * MEMORY_BLOCK_SIZE)
#define KEEP "/sys/module/mhp_vmemmap_mem/parameters/keep_remainders"

static Guest *boot(uint64_t growth, const char *parameters)
{
    Guest *guest = system_boot(growth, SYSTEM_MEMMAP_ON);

    system_load_driver(guest, parameters);
    return guest;
}

static void use_some(Guest *guest)
{
    g_free(
        system_run(guest,
                   "mkdir /tmp/used; mount -t tmpfs -o size=100%% u /tmp/used;"
                   "dd if=/dev/zero of=/tmp/used/file bs=1M count=%u",
                   USED_MIB));
}

/* In how many blocks of ZONE_MOVABLE anything is used */
static unsigned touched(Guest *guest, unsigned blocks)
{
    g_autofree char *text = system_run(guest, "mhp-spread");
    unsigned used, all;

    g_assert_cmpint(sscanf(text, "%u %u", &used, &all), ==, 2);
    g_assert_cmpuint(all, ==, blocks);
    g_test_message("used memory is in %u of %u blocks", used, all);
    return used;
}

static uint64_t mem_total(Guest *guest)
{
    g_autofree char *text = system_run(
        guest, "sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo");

    return g_ascii_strtoull(text, NULL, 10) * KiB;
}

static void test_together(void)
{
    Guest *guest = boot(GROWTH, "");
    uint64_t before = mem_total(guest);

    system_resize(guest, GROWTH);
    g_assert_cmpuint(system_attr(guest, "remainder_size"), ==,
                     BLOCKS * REMAINDER_SIZE);
    /* They are the guest's memory; memmaps are not */
    g_assert_cmpuint(mem_total(guest) - before, ==,
                     GROWTH - BLOCKS * MEMMAP_SIZE);
    use_some(guest);
    g_assert_cmpuint(touched(guest, BLOCKS), <=, FEW);
    /* What is used moves to boot memory */
    system_resize(guest, 0);
    g_assert_cmpuint(system_attr(guest, "remainder_size"), ==, 0);
    g_assert_cmpuint(mem_total(guest), ==, before);
    system_end(guest);
}

static void test_not_wanted(void)
{
    Guest *guest = boot(GROWTH, "keep_remainders=0");

    system_resize(guest, GROWTH);
    g_assert_cmpuint(system_attr(guest, "remainder_size"), ==, 0);
    use_some(guest);
    g_assert_cmpuint(touched(guest, BLOCKS), >=, MANY);
    /* For blocks that come from then on */
    system_resize(guest, GROWTH / 2);
    g_free(system_run(guest, "echo Y >" KEEP));
    system_resize(guest, GROWTH);
    g_assert_cmpuint(system_attr(guest, "remainder_size"), ==,
                     BLOCKS / 2 * REMAINDER_SIZE);
    system_end(guest);
}

/* One process more that uses memory, and holds it */
static void use_more(Guest *guest, const char *mib)
{
    g_free(system_hold(guest, "filled", "mhp-fill pages %s", mib));
}

/* They come before a process is killed */
static void test_all_is_used(void)
{
    Guest *guest = boot(FULL_GROWTH, "");
    g_autofree char *kills = NULL;
    unsigned more = 0;

    system_resize(guest, FULL_GROWTH);
    g_assert_cmpuint(system_attr(guest, "remainder_size"), ==,
                     FULL_BLOCKS * REMAINDER_SIZE);
    use_more(guest, "$(awk '/^MemAvailable/ { print int($2 / 1024) }'"
                    " /proc/meminfo)");
    while (system_attr(guest, "remainder_size")) {
        use_more(guest, "2");
        more += 2;
    }
    kills = system_run(guest,
                       "awk '$1 == \"oom_kill\" { print $2 }' /proc/vmstat");
    g_test_message("with %u MiB more than was available, none is kept", more);
    g_assert_cmpstr(kills, ==, "0");
    system_let_go(guest, "filled");
    system_resize(guest, 0);
    system_end(guest);
}

static void set_state(Guest *guest, uint64_t addr, const char *state)
{
    g_free(system_run(
        guest, "echo %s >/sys/devices/system/memory/memory%" PRIu64 "/state",
        state, addr / MEMORY_BLOCK_SIZE));
}

/* What userspace offlines goes, and what it onlines is as any other block */
static void test_userspace(void)
{
    Guest *guest = boot(FULL_GROWTH, "");
    uint64_t total;
    uint64_t addr;

    system_resize(guest, FULL_GROWTH);
    total = mem_total(guest);
    addr = system_addr(guest) + FULL_GROWTH / 2;
    set_state(guest, addr, "offline");
    g_assert_cmpuint(system_attr(guest, "remainder_size"), ==,
                     (FULL_BLOCKS - 1) * REMAINDER_SIZE);
    g_assert_cmpuint(total - mem_total(guest), ==,
                     MEMORY_BLOCK_SIZE - MEMMAP_SIZE);
    set_state(guest, addr, "online_movable");
    g_assert_cmpuint(mem_total(guest), ==, total);
    system_resize(guest, 0);
    system_end(guest);
}

/* The kernel has one hook for what goes online, and virtio-mem needs it */
static void test_virtio_mem_is_there(void)
{
    Guest *guest = system_boot(FULL_GROWTH, SYSTEM_MEMMAP_ON);

    g_free(system_run(guest, "insmod /lib/modules/virtio_mem.ko"));
    system_load_driver(guest, "");
    system_resize(guest, FULL_GROWTH);
    g_assert_cmpuint(system_attr(guest, "remainder_size"), ==, 0);
    system_resize(guest, 0);
    system_end(guest);
}

#define ADD(name, test) g_test_add_func("/virtio-mhp/remainder/" name, test)

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    ADD("used memory stays together", test_together);
    ADD("it does not without them", test_not_wanted);
    ADD("all of memory can be used", test_all_is_used);
    ADD("userspace offlines and onlines", test_userspace);
    ADD("virtio-mem is there", test_virtio_mem_is_there);
    return g_test_run();
}
