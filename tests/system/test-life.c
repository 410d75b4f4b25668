/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes of mind and of life: the module unloaded and loaded again, the
 * machine reset, requested-size changed while a resize is under way.
 */
#include "support.h"

#define GROWTH (32 * GiB)

static Guest *guest;

static void tear_down(void)
{
    system_resize(guest, 0);
    system_check_klog(guest);
}

static void test_unload_is_refused(void)
{
    system_resize(guest, 1 * GiB);
    g_assert_cmpint(system_status(guest, "rmmod mhp_vmemmap_mem"), !=, 0);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, 1 * GiB);
    tear_down();
}

static void test_reload_works(void)
{
    system_resize(guest, 1 * GiB);
    system_resize(guest, 0);
    system_unload_driver(guest);
    system_load_driver(guest, "");
    system_resize(guest, 1 * GiB);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, 1 * GiB);
    tear_down();
}

static void test_load_finds_request(void)
{
    system_unload_driver(guest);
    system_request(guest, 1 * GiB);
    system_load_driver(guest, "");
    system_wait_size(guest, 1 * GiB);
    tear_down();
}

/* DEV-RESET-2 */
static void test_reset(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) blocks = NULL;

    system_resize(guest, 1 * GiB);
    guest_reset(guest, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(system_size(guest), ==, 0);
    system_load_driver(guest, "");
    system_wait_size(guest, 1 * GiB);
    blocks = system_blocks(guest);
    g_assert_cmpuint(memdev_count_self_hosted(blocks), ==,
                     1 * GiB / MEMORY_BLOCK_SIZE);
    tear_down();
}

static void test_less_while_growing(void)
{
    system_request(guest, GROWTH);
    system_wait_above(guest, 4 * GiB);
    system_resize(guest, 2 * GiB);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, 2 * GiB);
    tear_down();
}

static void test_more_while_growing(void)
{
    system_request(guest, 8 * GiB);
    system_wait_above(guest, 4 * GiB);
    system_resize(guest, 12 * GiB);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, 12 * GiB);
    tear_down();
}

static void test_more_while_shrinking(void)
{
    system_resize(guest, 16 * GiB);
    system_request(guest, 0);
    system_wait_below(guest, 12 * GiB);
    system_resize(guest, 14 * GiB);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, 14 * GiB);
    tear_down();
}

static void test_many_changes(void)
{
    static const uint64_t sizes[] = {8, 1, 4, 0, 6, 2, 7, 3};

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        system_request(guest, sizes[i] * GiB);
    }
    system_wait_size(guest, 3 * GiB);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, 3 * GiB);
    tear_down();
}

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    g_test_add_func("/virtio-mhp/system/life/the module stays while memory is "
                    "plugged",
                    test_unload_is_refused);
    g_test_add_func("/virtio-mhp/system/life/a module loaded again works",
                    test_reload_works);
    g_test_add_func("/virtio-mhp/system/life/a module finds a request that "
                    "waits",
                    test_load_finds_request);
    g_test_add_func("/virtio-mhp/system/life/a reset unplugs all and the guest "
                    "grows again",
                    test_reset);
    g_test_add_func("/virtio-mhp/system/life/less is wanted during a grow",
                    test_less_while_growing);
    g_test_add_func("/virtio-mhp/system/life/more is wanted during a grow",
                    test_more_while_growing);
    g_test_add_func("/virtio-mhp/system/life/more is wanted during a shrink",
                    test_more_while_shrinking);
    g_test_add_func("/virtio-mhp/system/life/of many changes the last wins",
                    test_many_changes);

    guest = system_boot(GROWTH, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    status = g_test_run();
    system_end(guest);
    return status;
}
