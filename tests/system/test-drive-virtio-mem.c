/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drive_virtio_mem=1: our driver drives the device that every QEMU has, with
 * memmaps on the blocks as on our own. Without the parameter it leaves that
 * device to the kernel's own driver.
 */
#include "arch.h"
#include "told.h"

#define REGION_SIZE (6 * GiB)
#define GROWTH (4 * GiB)
#define STOCK_BLOCK_SIZE (2 * MiB)
/* What is taken once weighs more in a few GiB: twice as much as elsewhere */
#define BOOT_MEMORY_PER_GIB_MAX (128 * KiB)
#define BOOT_MEMORY_LOST_MAX (1 * MiB)

#define LOAD_STOCK "insmod /lib/modules/virtio_mem.ko && "

static Guest *boot(const char *type)
{
    Guest *guest = system_new(REGION_SIZE, SYSTEM_MEMMAP_ON);
    g_autoptr(GError) error = NULL;

    memdev_add(guest, type, REGION_SIZE);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    return guest;
}

/* Name of the driver that the device is bound to, "" if there is none */
static char *driver(Guest *guest)
{
    return system_run(guest,
                      "cd /sys/bus/virtio/devices;"
                      "for d in *; do case $(cat $d/device) in 0x0018)"
                      " basename \"$(readlink $d/driver)\";; esac; done");
}

static void assert_driver(Guest *guest, const char *wanted)
{
    g_autofree char *name = driver(guest);

    g_assert_cmpstr(name, ==, wanted);
}

static uint64_t boot_free(Guest *guest)
{
    g_autoptr(GError) error = NULL;
    uint64_t bytes = 0;

    guest_boot_free(guest, &bytes, &error);
    g_assert_no_error(error);
    return bytes;
}

static void assert_blocks(Guest *guest, uint64_t size)
{
    g_autoptr(GArray) blocks = system_blocks(guest);
    unsigned nb_blocks = size / MEMORY_BLOCK_SIZE;

    g_assert_cmpuint(system_attr(guest, "online_size"), ==, size);
    g_assert_cmpuint(blocks->len, ==, nb_blocks);
    g_assert_cmpuint(memdev_count_zone(blocks, "Movable"), ==, nb_blocks);
    g_assert_cmpuint(memdev_count_self_hosted(blocks), ==, nb_blocks);
}

/*
 * QEMU's usable_region_size is 0 at first and then follows the requests, two
 * memory blocks ahead: just enough for the moat
 */
static void test_there_and_back(void)
{
    Guest *guest = boot(MEMDEV_STOCK);
    double used;
    uint64_t start;

    system_load_driver(guest, "drive_virtio_mem=1");
    assert_driver(guest, "mhp_vmemmap_mem");
    g_assert_cmpuint(system_attr(guest, "block_size"), ==, STOCK_BLOCK_SIZE);
    start = boot_free(guest);

    system_resize(guest, 1 * GiB);
    assert_blocks(guest, 1 * GiB);
    system_resize(guest, GROWTH);
    assert_blocks(guest, GROWTH);
    used = ((double)start - (double)boot_free(guest)) /
           ((double)GROWTH / (double)GiB);
    g_test_message("%.1f KiB of boot memory per GiB", used / KiB);
    g_assert_cmpfloat(used, <=,
                      BOOT_MEMORY_PER_GIB_MAX +
                          arch_of(system_kver())->page_tables);

    system_resize(guest, GROWTH / 2);
    assert_blocks(guest, GROWTH / 2);
    system_resize(guest, 0);
    assert_blocks(guest, 0);
    g_assert_cmpfloat((double)start - (double)boot_free(guest), <=,
                      (double)BOOT_MEMORY_LOST_MAX);
    system_unload_driver(guest);
    system_end(guest);
}

/* Device blocks are smaller than what Linux can use: a rest stays unplugged */
static void test_odd_size(void)
{
    Guest *guest = boot(MEMDEV_STOCK);

    system_load_driver(guest, "drive_virtio_mem=1");
    system_request(guest, GiB + STOCK_BLOCK_SIZE);
    system_wait_size(guest, GiB);
    assert_blocks(guest, GiB);
    told_wait_last_error(guest, " unit-size -34");
    system_request(guest, GiB - STOCK_BLOCK_SIZE);
    system_wait_size(guest, GiB - MEMORY_BLOCK_SIZE);
    assert_blocks(guest, GiB - MEMORY_BLOCK_SIZE);
    told_wait_last_error(guest, " unit-size -34");
    system_resize(guest, GiB);
    told_wait_last_error(guest, "none");
    system_end(guest);
}

/* A reset of the machine unplugs all; the request stays */
static void test_machine_reset(void)
{
    Guest *guest = boot(MEMDEV_STOCK);
    g_autoptr(GError) error = NULL;

    system_load_driver(guest, "drive_virtio_mem=1");
    system_resize(guest, 1 * GiB);
    guest_reset(guest, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(system_size(guest), ==, 0);
    system_load_driver(guest, "drive_virtio_mem=1");
    system_wait_size(guest, 1 * GiB);
    assert_blocks(guest, 1 * GiB);
    system_end(guest);
}

/* Not even probed: the kernel's own driver still gets all it wants */
static void test_left_alone(void)
{
    Guest *guest = boot(MEMDEV_STOCK);

    system_load_driver(guest, "");
    assert_driver(guest, "");
    g_free(system_run(guest, LOAD_STOCK "rmmod mhp_vmemmap_mem"));
    assert_driver(guest, "virtio_mem");
    system_resize(guest, 1 * GiB);
    /* How much of it that driver gets back is its own matter */
    system_request(guest, 0);
    system_wait_below(guest, GiB / 2);
    system_end(guest);
}

/* Two drivers want it: the first has it, until it is unbound */
static void test_taken_from_stock(void)
{
    Guest *guest = boot(MEMDEV_STOCK);

    g_free(system_run(guest, LOAD_STOCK "insmod /lib/modules/mhp_vmemmap_mem.ko"
                                        " drive_virtio_mem=1"));
    assert_driver(guest, "virtio_mem");
    system_unload_driver(guest);
    g_free(system_run(guest, "cd /sys/bus/virtio/drivers/virtio_mem;"
                             "echo virtio* >unbind"));
    system_load_driver(guest, "drive_virtio_mem=1");
    assert_driver(guest, "mhp_vmemmap_mem");
    system_resize(guest, 1 * GiB);
    assert_blocks(guest, 1 * GiB);
    system_end(guest);
}

/* A device that allows more than the driver will do */
static void test_accessible(void)
{
    Guest *guest;

    if (!arch_of(system_kver())->has_accessible_virtio_mem) {
        g_test_message("every virtio-mem is inaccessible there");
        return;
    }
    guest = boot(MEMDEV_STOCK ",unplugged-inaccessible=off");
    system_load_driver(guest, "drive_virtio_mem=1");
    system_resize(guest, 1 * GiB);
    assert_blocks(guest, 1 * GiB);
    system_resize(guest, 0);
    system_end(guest);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        GTestFunc run;
    } tests[] = {
        {"there and back with memmaps on the blocks", test_there_and_back},
        {"what is no whole memory block stays unplugged", test_odd_size},
        {"a reset of the machine unplugs all", test_machine_reset},
        {"without the parameter the device is left alone", test_left_alone},
        {"a device is taken over from the stock driver", test_taken_from_stock},
        {"unplugged-inaccessible=off is driven, too", test_accessible},
    };

    system_init(&argc, &argv);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf(
            "/virtio-mhp/system/drive-virtio-mem/%s", tests[i].name);

        g_test_add_func(path, tests[i].run);
    }
    return g_test_run();
}
