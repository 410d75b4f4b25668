/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shrinking with two NUMA nodes. Who offlines memory moves its pages to other
 * nodes, if there are any: with no room there, they have to move within the
 * block's own.
 */
#include <inttypes.h>

#include "support.h"

#define GROWTH (4 * GiB)
/* Random pages of twice as much, so that no block of these is empty */
#define USED_MIB 1500
/* Room for what is used, but what has to move for it is more than node 1 has */
#define LEFT (14 * MEMORY_BLOCK_SIZE)

static const char *const nodes[] = {
    "-object", "memory-backend-ram,id=b0,size=512M",
    "-object", "memory-backend-ram,id=b1,size=512M",
    "-smp",    "sockets=2",
    "-numa",   "node,nodeid=0,memdev=b0,cpus=0",
    "-numa",   "node,nodeid=1,memdev=b1,cpus=1",
};

static Guest *boot(void)
{
    Guest *guest = system_new(GROWTH + MEMORY_BLOCK_SIZE, SYSTEM_MEMMAP_ON);
    g_autoptr(GError) error = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
        vm_add_args(guest_vm(guest), nodes[i], NULL);
    }
    memdev_add(guest, MEMDEV_OURS, GROWTH + MEMORY_BLOCK_SIZE);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    system_load_driver(guest, "");
    system_resize(guest, GROWTH);
    return guest;
}

/* On the CPU of the device's node, which has by far the most memory */
static void use_some(Guest *guest)
{
    g_free(system_hold(guest, "filled", "taskset 1 mhp-fill fragments %u",
                       USED_MIB));
}

static void test_within_the_node(void)
{
    Guest *guest = boot();
    g_autofree char *kills = NULL;

    use_some(guest);
    system_resize(guest, LEFT);
    kills = system_run(guest,
                       "awk '$1 == \"oom_kill\" { print $2 }' /proc/vmstat");
    g_assert_cmpstr(kills, ==, "0");
    system_let_go(guest, "filled");
    system_resize(guest, 0);
    system_end(guest);
}

/* A pinned page ends the attempt, and everything is as before */
static void test_pinned(void)
{
    Guest *guest = boot();
    uint64_t addr = system_addr(guest);

    use_some(guest);
    /* One in each of so many blocks, more than may stay */
    g_free(system_hold(guest, "pinned",
                       "mhp-pins %" PRIx64 " %" PRIx64 " %" PRIx64 " 16", addr,
                       (uint64_t)GROWTH, (uint64_t)MEMORY_BLOCK_SIZE));
    system_request(guest, LEFT);
    system_wait_below(guest, GROWTH - 2 * MEMORY_BLOCK_SIZE);
    system_let_go(guest, "pinned");
    system_wait_size(guest, LEFT);
    system_let_go(guest, "filled");
    system_resize(guest, 0);
    system_end(guest);
}

#define ADD(name, test) g_test_add_func("/virtio-mhp/nodes/" name, test)

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    ADD("pages move within the device's node", test_within_the_node);
    ADD("some of them are pinned", test_pinned);
    return g_test_run();
}
