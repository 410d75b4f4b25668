/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device taken from the driver while its memory is in use, by unbinding it
 * and by removing it from the PCI bus: the memory stays as usable and as
 * guarded as before, and the driver goes on when the device is back.
 */
#include <inttypes.h>
#include <string.h>

#include "bystander.h"

#define GROWTH (8 * GiB)
#define FILE_MIB 192
#define ROUNDS 12
/* Far more than a pass over a block takes on a slow machine */
#define UNBIND_SECONDS 20
#define EJECT_SECONDS 60

#define DRIVER "/sys/bus/virtio/drivers/mhp_vmemmap_mem/"

static Guest *guest;

static void take(bool from_bus)
{
    bystander_take_device(guest, from_bus);
    g_assert_cmpint(system_status(guest, "ls -d " DRIVER "virtio*"), !=, 0);
}

static void give_back(bool from_bus)
{
    bystander_give_back_device(guest, from_bus);
}

static void tear_down(void)
{
    system_resize(guest, 0);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, 0);
    system_check_klog(guest);
}

/* Memory is used from the highest zone down, so that is plugged memory */
static char *make_file(void)
{
    return system_run(guest,
                      "mkdir -p /mnt; mount -t tmpfs -o size=%uM t /mnt;"
                      "head -c 1000001 /dev/urandom >/tmp/seed;"
                      "for i in $(seq %u); do cat /tmp/seed; echo $i; done"
                      " >/mnt/file; rm /tmp/seed; md5sum /mnt/file",
                      FILE_MIB + 64, FILE_MIB);
}

static void check_file(const char *sum)
{
    g_autofree char *now = system_run(guest, "md5sum /mnt/file");

    g_assert_cmpstr(now, ==, sum);
}

static void remove_file(void)
{
    g_free(system_run(guest, "umount /mnt"));
}

/* Folder of a block in the midst of the region in sysfs */
static char *some_block(void)
{
    return g_strdup_printf("/sys/devices/system/memory/memory%" PRIu64,
                           (system_addr(guest) + 1 * GiB) / MEMORY_BLOCK_SIZE);
}

static void check_guarded(void)
{
    g_autofree char *block = some_block();

    g_assert_cmpint(system_status(guest, "rmmod mhp_vmemmap_mem"), !=, 0);
    g_free(system_run(guest, "echo offline >%s/state", block));
    g_assert_cmpint(system_status(guest, "echo online_kernel >%s/state", block),
                    !=, 0);
    g_free(system_run(guest, "echo online_movable >%s/state", block));
}

static void test_memory_stays(const void *data)
{
    const bool from_bus = GPOINTER_TO_INT(data);
    g_autofree char *sum = NULL, *log = NULL;
    g_autoptr(GArray) blocks = NULL;

    system_resize(guest, 2 * GiB);
    sum = make_file();
    take(from_bus);
    check_file(sum);
    check_guarded();
    /* Nobody is there to follow it */
    system_request(guest, 4 * GiB);
    blocks = system_blocks(guest);
    g_assert_cmpuint(memdev_count_self_hosted(blocks), ==,
                     2 * GiB / MEMORY_BLOCK_SIZE);
    g_assert_cmpuint(system_size(guest), ==, 2 * GiB);

    give_back(from_bus);
    system_wait_size(guest, 4 * GiB);
    log = system_run(guest, "dmesg");
    g_assert_nonnull(strstr(log, "went on with the memory of an earlier"));
    check_file(sum);
    system_resize(guest, 512 * MiB);
    check_file(sum);
    remove_file();
    tear_down();
    system_unload_driver(guest);
    system_load_driver(guest, "");
}

/* What was offlined meanwhile is known to the driver that goes on */
static void test_offlined_meanwhile(void)
{
    g_autofree char *block = some_block();

    system_resize(guest, 2 * GiB);
    take(false);
    g_free(system_run(guest, "echo offline >%s/state", block));
    give_back(false);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==,
                     2 * GiB - MEMORY_BLOCK_SIZE);
    g_assert_cmpuint(system_attr(guest, "plugged_size"), ==, 2 * GiB);
    tear_down();
}

/* Unbinding does not wait for the resize, and nothing is lost on the way */
static void test_during_resizes(void)
{
    g_autofree char *longest = NULL;

    for (int i = 0; i < ROUNDS; i++) {
        const bool from_bus = i % 2;
        uint64_t goal = i % 4 < 2 ? GROWTH : 0;

        system_request(guest, goal);
        if (goal) {
            system_wait_above(guest, 1 * GiB);
        }
        take(from_bus);
        give_back(from_bus);
    }
    system_resize(guest, GROWTH);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, GROWTH);
    tear_down();
}

/* The worker may be trying in vain when its device is taken */
static void test_with_pinned_page(void)
{
    gint64 start, time;

    system_resize(guest, 512 * MiB);
    system_pin(guest, system_addr(guest) + 2 * MEMORY_BLOCK_SIZE,
               MEMORY_BLOCK_SIZE);
    system_request(guest, 0);
    system_wait_below(guest, MEMORY_BLOCK_SIZE);
    start = g_get_monotonic_time();
    take(false);
    time = g_get_monotonic_time() - start;
    g_test_message("unbound in %" PRId64 " ms", (int64_t)time / 1000);
    g_assert_cmpint(time, <, UNBIND_SECONDS * G_USEC_PER_SEC);
    give_back(false);
    g_assert_cmpuint(system_attr(guest, "plugged_size"), ==, MEMORY_BLOCK_SIZE);
    system_let_go(guest, "pinned");
    tear_down();
}

/*
 * ACPI ejects a slot with the hotplug lock held, and all that is in the slot
 * goes, whatever its host thinks of it. The worker waits for that lock.
 */
static void test_ejected_during_resize(void)
{
    g_free(system_run(guest,
                      "cd " DRIVER "virtio*;"
                      "device=$(basename $(readlink -f ..));"
                      "insmod /lib/modules/mhp_eject.ko device=$device"
                      " task=mhp-virtio >/dev/null 2>&1 & echo $! >/tmp/pid;"
                      "until grep -qs Y /sys/module/mhp_eject/parameters/held;"
                      " do sleep 0.1; done"));
    system_request(guest, GROWTH);
    g_free(system_run(guest,
                      "for i in $(seq %u); do"
                      " kill -0 $(cat /tmp/pid) 2>/dev/null || break;"
                      " sleep 0.1; done; rmmod mhp_eject",
                      EJECT_SECONDS * 10));
    g_assert_cmpint(system_status(guest, "ls -d " DRIVER "virtio*"), !=, 0);
    give_back(true);
    system_wait_size(guest, GROWTH);
    tear_down();
}

/* Nothing is in use, nothing stays: the module can go without its device */
static void test_nothing_plugged(void)
{
    for (int from_bus = 0; from_bus < 2; from_bus++) {
        take(from_bus);
        system_unload_driver(guest);
        system_load_driver(guest, "");
        /* A driver that is loaded takes a device that is there by itself */
        if (from_bus) {
            give_back(true);
        }
        system_resize(guest, 512 * MiB);
        tear_down();
    }
}

#define ADD(name, test) g_test_add_func("/virtio-mhp/system/orphan/" name, test)

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    g_test_add_data_func("/virtio-mhp/system/orphan/memory stays, usable and "
                         "guarded (unbind)",
                         GINT_TO_POINTER(false), test_memory_stays);
    g_test_add_data_func("/virtio-mhp/system/orphan/memory stays, usable and "
                         "guarded (pci)",
                         GINT_TO_POINTER(true), test_memory_stays);
    ADD("what userspace offlines meanwhile is known", test_offlined_meanwhile);
    ADD("the device is taken again and again during resizes",
        test_during_resizes);
    ADD("a shrink that cannot succeed does not hold up", test_with_pinned_page);
    ADD("a slot is ejected during a resize", test_ejected_during_resize);
    ADD("with nothing plugged all goes", test_nothing_plugged);

    guest = system_boot(GROWTH, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    status = g_test_run();
    system_end(guest);
    return status;
}
