/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compat=virtio-mem: the kernel's own virtio_mem drives our device. It grows,
 * shrinks, and grows anew after a reset of the machine.
 */
#include "klog.h"
#include "memdev.h"

#define STALL_MS 60000
#define GROWTH (1 * GiB)

static Guest *compat_boot(void)
{
    const char *kver = g_getenv("MHP_KVER");
    const GuestConfig config = {
        .kver = kver ? kver : "6.12",
        .hotplug_max = 2 * GROWTH,
        .cmdline = "memhp_default_state=online_movable",
    };
    Guest *guest = guest_new(&config);
    g_autoptr(GError) error = NULL;

    vm_add_plugin(guest_vm(guest));
    memdev_add(guest, MEMDEV_OURS_AS_STOCK, config.hotplug_max);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    return guest;
}

static void run(Guest *guest, const char *script)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *output = guest_runf(guest, &error, "%s", script);

    g_assert_no_error(error);
}

static void resize(Guest *guest, uint64_t size)
{
    g_autoptr(GError) error = NULL;

    memdev_resize(guest, size, STALL_MS, &error);
    g_assert_no_error(error);
}

static void assert_size(Guest *guest, uint64_t wanted)
{
    g_autoptr(GError) error = NULL;
    uint64_t size;

    memdev_size(guest, &size, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(size, ==, wanted);
}

/* Files in memory go to ZONE_MOVABLE first, which is all of our device. */
static void use_memory(Guest *guest)
{
    run(guest, "mkdir -p /tmp/m; mount -t tmpfs -o size=100% none /tmp/m\n"
               "dd if=/dev/zero of=/tmp/m/f bs=1M count=128 2>&1\n"
               "umount /tmp/m");
}

static void test_stock_driver(void)
{
    Guest *guest = compat_boot();
    g_autoptr(GError) error = NULL;
    g_autofree char *log = NULL, *trouble = NULL;

    run(guest, "insmod /lib/modules/virtio_mem.ko");
    resize(guest, GROWTH);
    use_memory(guest);
    resize(guest, GROWTH / 2);
    resize(guest, 0);
    resize(guest, GROWTH);

    guest_reset(guest, &error);
    g_assert_no_error(error);
    assert_size(guest, 0);
    run(guest, "insmod /lib/modules/virtio_mem.ko");
    memdev_wait(guest, GROWTH, STALL_MS, NULL, NULL, &error);
    g_assert_no_error(error);
    resize(guest, 0);

    log = guest_klog(guest, &error);
    g_assert_no_error(error);
    trouble = klog_trouble(log);
    g_assert_cmpstr(trouble, ==, NULL);
    guest_free(guest);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mhp/system/compat/stock_driver",
                    test_stock_driver);
    return g_test_run();
}
