/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Suspending and hibernating: to memory and to disk not while memory is
 * plugged, to idle always, and after each of them the guest grows and shrinks
 * as before.
 */
#include <string.h>

#include "support.h"
#include "tracing.h"

#define TROUBLE "/sys/module/mhp_trouble/parameters/"
#define GROWTH (2 * GiB)
#define FILE_MIB 64
#define EVENT_MS 60000

static Guest *guest;

static void tear_down(void)
{
    system_resize(guest, GROWTH);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, GROWTH);
    system_resize(guest, 0);
    system_check_klog(guest);
}

/* What the script says that asks the kernel for a state it must refuse */
static void assert_refused(const char *script, const char *message)
{
    g_autofree char *log = NULL;

    g_assert_cmpint(system_status(guest, "%s", script), !=, 0);
    log = system_run(guest, "dmesg");
    g_assert_nonnull(strstr(log, message));
}

static void use_sleep(const char *how)
{
    g_free(system_run(guest, "echo %s >/sys/power/mem_sleep", how));
}

static void test_memory_plugged(void)
{
    use_sleep("deep");
    system_resize(guest, GROWTH);
    assert_refused("echo mem >/sys/power/state", "suspending is refused");
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, GROWTH);
    tear_down();
}

/*
 * What was requested meanwhile is found after the wake-up. This comes last: the
 * next time, QEMU 10.0's machine does not stay asleep.
 */
static void test_memory_nothing_plugged(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) event = NULL, result = NULL;
    g_autofree char *output = NULL;

    use_sleep("deep");
    agent_start(guest_agent(guest), "echo mem >/sys/power/state", &error);
    g_assert_no_error(error);
    event = qmp_wait_event(guest_qmp(guest), "SUSPEND", EVENT_MS, &error);
    g_assert_no_error(error);
    system_request(guest, GROWTH);
    result = qmp_executef(guest_qmp(guest), &error, "system_wakeup", NULL);
    g_assert_no_error(error);
    output = agent_finish(guest_agent(guest), GUEST_BOOT_MS, NULL, &error);
    g_assert_no_error(error);
    system_wait_size(guest, GROWTH);
    tear_down();
}

static void test_idle(void)
{
    g_autofree char *before = NULL, *after = NULL, *output = NULL;
    g_autofree char *script = NULL;
    g_autoptr(GError) error = NULL;

    use_sleep("s2idle");
    system_resize(guest, GROWTH);
    before = system_run(guest,
                        "mkdir -p /mnt; mount -t tmpfs t /mnt;"
                        "head -c %um /dev/urandom >/mnt/file;"
                        "md5sum /mnt/file",
                        FILE_MIB);
    script = g_strconcat(system_wake_by_key, "echo mem >/sys/power/state",
                         NULL);
    agent_start(guest_agent(guest), script, &error);
    g_assert_no_error(error);
    output = system_wake_up(guest);
    after = system_run(guest, "md5sum /mnt/file; umount /mnt");
    g_assert_cmpstr(before, ==, after);
    g_assert_cmpuint(system_size(guest), ==, GROWTH);
    tear_down();
}

static void test_disk_plugged(void)
{
    system_resize(guest, GROWTH);
    assert_refused("echo disk >/sys/power/state", "hibernation is refused");
    tear_down();
}

/* It gets as far as writing the image, for which there is no disk */
static void test_disk_nothing_plugged(void)
{
    g_autofree char *log = NULL;

    g_assert_cmpint(system_status(guest, "echo disk >/sys/power/state"), !=, 0);
    log = system_run(guest, "dmesg");
    g_assert_null(strstr(log, "hibernation is refused"));
    g_assert_nonnull(strstr(log, "Cannot find swap device"));
    tear_down();
}

/*
 * A request that comes once it is too late to refuse waits until it is over:
 * what was plugged meanwhile would be in no image, and a worker that waits for
 * the hotplug lock, which the kernel holds then, cannot be frozen.
 */
static void test_disk_request_meanwhile(void)
{
    g_autofree char *log = NULL;

    g_free(system_run(guest, "insmod /lib/modules/mhp_trouble.ko linger=1;"
                             "{ echo disk >/sys/power/state; } 2>/dev/null &"
                             "echo $! >/tmp/pid;"
                             "until grep -q Y " TROUBLE "lingers; do"
                             " sleep 0.1; done"));
    tracing_start(guest, TRACING_OURS);
    system_request(guest, GROWTH);
    g_ptr_array_unref(
        tracing_wait(guest, "virtio_mhp_resize_end", "result=-11"));
    g_assert_cmpuint(system_size(guest), ==, 0);
    g_free(system_run(guest, "echo 0 >" TROUBLE "linger;"
                             "while kill -0 $(cat /tmp/pid) 2>/dev/null; do"
                             " sleep 0.1; done"));
    log = system_run(guest, "dmesg");
    g_assert_nonnull(strstr(log, "Cannot find swap device"));
    system_wait_size(guest, GROWTH);
    tear_down();
}

/* Without a device there is nobody to ask which way of suspending it is */
static void test_orphan(void)
{
    system_resize(guest, GROWTH);
    g_free(system_run(guest, "cd /sys/bus/virtio/drivers/mhp_vmemmap_mem;"
                             "basename virtio* >/tmp/device;"
                             "cat /tmp/device >unbind"));
    assert_refused("echo mem >/sys/power/state", "suspending is refused");
    assert_refused("echo disk >/sys/power/state", "hibernation is refused");
    g_free(system_run(guest, "cat /tmp/device"
                             " >/sys/bus/virtio/drivers/mhp_vmemmap_mem/bind"));
    tear_down();
}

#define ADD(name, test) \
    g_test_add_func("/virtio-mhp/system/suspend/" name, test)

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    system_need_module("mhp_trouble");
    ADD("to memory: refused while memory is plugged", test_memory_plugged);
    ADD("to idle: works with memory plugged", test_idle);
    ADD("to disk: refused while memory is plugged", test_disk_plugged);
    ADD("to disk: not refused while none is", test_disk_nothing_plugged);
    ADD("to disk: what is requested meanwhile comes afterwards",
        test_disk_request_meanwhile);
    ADD("an orphan's memory forbids all", test_orphan);
    ADD("to memory: works while none is", test_memory_nothing_plugged);

    guest = system_boot(GROWTH, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    status = g_test_run();
    system_end(guest);
    return status;
}
