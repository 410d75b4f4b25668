/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Storage that does not answer: pages that are being written or read wait for
 * it, and the kernel would wait for them as long, with its hotplug lock held.
 * Their blocks are left alone, and all other blocks come and go.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "told.h"

#define DATA_MIB 160
#define DATA_PAGES (DATA_MIB * 256)
/* 100 MiB of it is to be under writeback */
#define WRITEBACK_PAGES (100 * 256)
/* Of a file, the file system itself says where so many pages are */
#define DIRECT_PAGES 12
#define BOOT_SIZE (640 * MiB)
/* All of its blocks have pages of the file */
#define USED (4 * MEMORY_BLOCK_SIZE)
#define GROWTH (12 * MEMORY_BLOCK_SIZE)
/* A request is served within 2 s; on a slow machine with others, in */
#define SERVED_MS 20000

static Guest *guest;

static void add_disk(int fd)
{
    Vm *vm = guest_vm(guest);

    g_assert_cmpint(ftruncate(fd, 1 * GiB), ==, 0);
    vm_add_opt(vm, "blockdev",
               "driver=raw,node-name=disk0,file.driver=file,file.locking=off,"
               "file.filename=/proc/%d/fd/%d",
               (int)getpid(), fd);
    vm_add_opt(vm, "device", "virtio-blk-pci,drive=disk0,id=disk0");
}

/* 1 byte a second: nothing is answered any more. 0: as fast as it can */
static void throttle(unsigned bytes_per_second)
{
    g_autoptr(JsonNode) result = NULL;
    g_autoptr(GError) error = NULL;

    result = qmp_executef(
        guest_qmp(guest), &error, "block_set_io_throttle",
        "{'id': '/machine/peripheral/disk0/virtio-backend', 'bps': %u, 'bps_rd': 0,"
        " 'bps_wr': 0, 'iops': 0, 'iops_rd': 0,"
        " 'iops_wr': 0}",
        bytes_per_second);
    g_assert_no_error(error);
}

/* DRV-STATUS-1: the host and the administrator are told the same */
static void check_reason(void)
{
    g_autofree char *last_error = NULL;
    g_autofree char *blocks = NULL;

    told_wait_stuck(guest, "writeback", true);
    blocks = system_attr_text(guest, "blocks");
    g_assert_cmpuint(klog_count(blocks, "writeback"), >, 0);
    last_error = system_attr_text(guest, "last_error");
    g_assert_nonnull(strstr(last_error, "writeback"));
}

/* Not system_resize(), whose time limit is for resizes that come closer */
static void resize_in_time(uint64_t size)
{
    int64_t start = g_get_monotonic_time();
    g_autoptr(GError) error = NULL;

    memdev_resize(guest, size, SERVED_MS, &error);
    g_assert_no_error(error);
    g_test_message("%" G_GUINT64_FORMAT " MiB after %d ms", size / MiB,
                   (int)((g_get_monotonic_time() - start) / 1000));
    g_assert_cmpint(g_get_monotonic_time() - start, <, 1000 * SERVED_MS);
}

/*
 * Written twice: where it is on the disk is known then, so that nothing has to
 * be read or allocated before pages come under writeback.
 */
static void make_file(void)
{
    system_resize(guest, USED);
    g_free(system_run(guest,
                      "dd if=/dev/zero of=/tmp/disk/file bs=1M count=%d &&"
                      "sync &&"
                      "dd if=/dev/zero of=/tmp/disk/file bs=1M count=%d"
                      " conv=notrunc",
                      DATA_MIB, DATA_MIB));
}

/* Wait until so many pages of our memory are counted as @what */
static void wait_pages(const char *what, unsigned nb)
{
    g_free(system_run(guest,
                      "while [ $(awk '/^Node/ {movable = $4 == \"Movable\"}"
                      " $1 == \"%s\" && movable {print $2}' /proc/zoneinfo)"
                      " -lt %u ]; do sleep 0.1; done",
                      what, nb));
}

/* Both directions with what is free, and with what is asked for meanwhile */
static void check_resizes(void)
{
    resize_in_time(GROWTH);
    resize_in_time(USED);
    system_request(guest, 0);
    check_reason();
    resize_in_time(GROWTH);
    /* The worker rests: it has taken its reports back */
    system_wait_size(guest, GROWTH);
    system_request(guest, 0);
    check_reason();
}

static void tear_down(void)
{
    throttle(0);
    g_free(system_run(guest,
                      "pid=$(cat /tmp/pid);"
                      "while kill -0 $pid 2>/dev/null; do sleep 0.1; done"));
    system_wait_size(guest, 0);
    system_check_klog(guest);
}

static void test_written(void)
{
    make_file();
    throttle(1);
    wait_pages("nr_zone_write_pending", DATA_PAGES * 7 / 8);
    g_free(system_run(guest,
                      "sync >/dev/null 2>&1 & echo $! >/tmp/pid;"
                      "while [ $(awk '/^nr_writeback / {print $2}'"
                      " /proc/vmstat) -lt %d ]; do sleep 0.1; done",
                      WRITEBACK_PAGES));
    check_resizes();
    tear_down();
}

/* Where the file's pages are on the disk is read before it stops to answer */
static void test_read(void)
{
    make_file();
    g_free(system_run(guest,
                      "sync; echo 1 >/proc/sys/vm/drop_caches;"
                      "dd if=/tmp/disk/file of=/dev/null bs=4k skip=%d count=1;"
                      "echo 4096 >/sys/block/vda/queue/read_ahead_kb",
                      DIRECT_PAGES));
    throttle(1);
    g_free(system_run(guest,
                      "cat /tmp/disk/file >/dev/null 2>&1 &"
                      " echo $! >/tmp/pid; while ! grep -q"
                      " '^State:.D' /proc/$!/status; do sleep 0.1; done"));
    check_resizes();
    tear_down();
}

/* What is only to be written later is moved without the disk */
static void test_dirty(void)
{
    make_file();
    wait_pages("nr_zone_write_pending", DATA_PAGES * 7 / 8);
    throttle(1);
    g_free(system_run(guest, "echo $$ >/tmp/pid"));
    resize_in_time(0);
    tear_down();
}

#define PATH "/virtio-mhp/system/storage/"

int main(int argc, char **argv)
{
    int fd = memfd_create("disk", 0);
    g_autoptr(GError) error = NULL;
    int status;

    system_init(&argc, &argv);
    g_test_add_func(PATH "pages that are not written", test_written);
    g_test_add_func(PATH "pages that are not read", test_read);
    g_test_add_func(PATH "dirty pages need no storage", test_dirty);

    guest = system_new_sized(BOOT_SIZE, GROWTH + MEMORY_BLOCK_SIZE,
                             SYSTEM_MEMMAP_ON);
    add_disk(fd);
    memdev_add(guest, MEMDEV_OURS, GROWTH + MEMORY_BLOCK_SIZE);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    system_load_driver(guest, "");
    g_free(system_run(guest, "insmod /lib/modules/virtio_blk.ko;"
                             "mke2fs -b 4096 /dev/vda && mkdir -p /tmp/disk &&"
                             "mount -t ext4 /dev/vda /tmp/disk &&"
                             "cd /proc/sys/vm && echo 90 >dirty_ratio &&"
                             " echo 80 >dirty_background_ratio &&"
                             " echo 0 >dirty_writeback_centisecs;"
                             /* It keeps writes back from a disk that is slow */
                             "echo 0 >/sys/block/vda/queue/wbt_lat_usec || :"));
    status = g_test_run();
    system_end(guest);
    close(fd);
    return status;
}
