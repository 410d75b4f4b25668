/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compat=virtio-mem: the kernel's own virtio_mem drives our device. It grows,
 * shrinks, and grows anew after a reset of the machine.
 */
#include <string.h>

#include "klog.h"
#include "memdev.h"

#define STALL_MS 60000
#define EVENT_MS 60000
/* virtio-mem's feature PERSISTENT_SUSPEND, in /sys/bus/virtio/… */
#define HAS_PERSISTENT_SUSPEND \
    "grep -q '^..1' /sys/bus/virtio/drivers/virtio_mem/virtio*/features"
#define GROWTH (1 * GiB)

static const char *kernel(void)
{
    const char *kver = g_getenv("MHP_KVER");

    return kver ? kver : "6.12";
}

static Guest *compat_boot(void)
{
    const GuestConfig config = {
        .kver = kernel(),
        .hotplug_max = 2 * GROWTH,
        .cmdline = "memhp_default_state=online_movable",
    };
    Guest *guest = guest_new(&config);
    g_autoptr(GError) error = NULL;

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

static void sleep_and_wake_up(Guest *guest)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) event = NULL, result = NULL;
    g_autofree char *output = NULL;

    agent_start(guest_agent(guest), "echo mem >/sys/power/state", &error);
    g_assert_no_error(error);
    event = qmp_wait_event(guest_qmp(guest), "SUSPEND", EVENT_MS, &error);
    g_assert_no_error(error);
    result = qmp_executef(guest_qmp(guest), &error, "system_wakeup", NULL);
    g_assert_no_error(error);
    output = agent_finish(guest_agent(guest), GUEST_BOOT_MS, NULL, &error);
    g_assert_no_error(error);
}

/* Linux 6.1 does not know of it and refuses to suspend at all. */
static void suspend(Guest *guest)
{
    if (strcmp(kernel(), "6.1") == 0) {
        run(guest, "! " HAS_PERSISTENT_SUSPEND);
        return;
    }
    run(guest, HAS_PERSISTENT_SUSPEND);
    run(guest,
        "echo deep >/sys/power/mem_sleep; mkdir -p /tmp/m\n"
        "mount -t tmpfs none /tmp/m; head -c 64m /dev/urandom >/tmp/m/f\n"
        "cd /tmp/m; md5sum f >/tmp/sum");
    sleep_and_wake_up(guest);
    assert_size(guest, GROWTH);
    run(guest, "cd /tmp/m; md5sum -c /tmp/sum; cd /; umount /tmp/m");
}

static void test_stock_driver(void)
{
    Guest *guest = compat_boot();
    g_autoptr(GError) error = NULL;
    g_autofree char *log = NULL, *trouble = NULL;

    run(guest, "insmod /lib/modules/virtio_mem.ko");
    resize(guest, GROWTH);
    use_memory(guest);
    suspend(guest);
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
