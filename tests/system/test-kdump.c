/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that crashes with memory plugged, and the crash kernel that reads
 * all of its memory: what is plugged is there, what is not is not touched.
 * The proof of the latter is the page map of QEMU itself: in a part of the
 * region that nobody has touched since it was discarded no page is present,
 * not even one of those that the host shows to readers only.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kexec.h"
#include "support.h"
#include "vmcore.h"

#define LARGEST (24 * GiB)
#define KEPT (16 * GiB)
#define REGION_SIZE (LARGEST + MEMORY_BLOCK_SIZE)
#define SMALL_REGION_SIZE (4 * GiB)
#define READ_MS 1500000
/* More than the guest has, so that the kernel gets a block for itself */
#define KERNEL_MIB 1000

#define HOST_PAGE 4096
#define PAGEMAP_TOUCHED (3ULL << 62) /* present or swapped out */

static Guest *guest;

static void boot(uint64_t region_size)
{
    g_autoptr(GError) error = NULL;

    guest = system_new(region_size, SYSTEM_MEMMAP_ON " crashkernel=224M");
    memdev_add(guest, MEMDEV_OURS, region_size);
    kexec_add_disks(guest);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    system_load_driver(guest, "kernel_blocks=demand");
}

/* Where QEMU has the region: no other mapping is as large */
static uint64_t host_address(void)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/maps",
                                            vm_pid(guest_vm(guest)));
    g_autofree char *maps = NULL;
    g_auto(GStrv) lines = NULL;
    uint64_t start, end;

    g_assert_true(g_file_get_contents(path, &maps, NULL, NULL));
    lines = g_strsplit(maps, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (sscanf(*line, "%" SCNx64 "-%" SCNx64, &start, &end) == 2 &&
            end - start == REGION_SIZE) {
            return start;
        }
    }
    g_assert_not_reached();
}

/* How many of the host's pages behind a block have been touched */
static unsigned touched_pages(int pagemap, uint64_t host)
{
    static uint64_t entries[MEMORY_BLOCK_SIZE / HOST_PAGE];
    unsigned count = 0;

    g_assert_cmpint(
        pread(pagemap, entries, sizeof(entries), host / HOST_PAGE * 8), ==,
        sizeof(entries));
    for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
        count += !!(entries[i] & PAGEMAP_TOUCHED);
    }
    return count;
}

/* Look at all blocks; *@others are touched pages of those not in @plugged */
static void count_touched(GArray *plugged, uint64_t region, uint64_t *ours,
                          uint64_t *others)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/pagemap",
                                            vm_pid(guest_vm(guest)));
    int pagemap = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t host = host_address();
    unsigned next = 0;

    g_assert_cmpint(pagemap, >=, 0);
    *ours = *others = 0;
    for (uint64_t at = 0; at < REGION_SIZE; at += MEMORY_BLOCK_SIZE) {
        if (next < plugged->len &&
            g_array_index(plugged, MemdevBlock, next).addr == region + at) {
            *ours += touched_pages(pagemap, host + at);
            next++;
        } else {
            *others += touched_pages(pagemap, host + at);
        }
    }
    g_assert_cmpuint(next, ==, plugged->len);
    close(pagemap);
}

/* All requests of the kinds that change what is plugged */
static char *changes_so_far(void)
{
    static const char *const names[] = {"plug", "unplug", "unplug-all",
                                        "memmap"};
    g_autoptr(GString) text = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_string_append_printf(text, "%s %" PRId64 " ", names[i],
                               system_acks(guest, names[i]));
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/*
 * Let the crash kernel read all; what its tool says. It maps the dump, or reads
 * it if MHP_VMCORE is "read".
 */
static char *read_vmcore(uint64_t marked)
{
    const char *read = g_getenv("MHP_VMCORE");
    g_autofree char *script = g_strdup_printf(
        "mhp-vmcore %" PRIx64 " %s && stat -c 'size %%s' /proc/vmcore", marked,
        read ? read : "");
    g_autoptr(GError) error = NULL;
    gint64 start = g_get_monotonic_time();
    char *output = agent_run(guest_agent(guest), script, READ_MS, NULL, &error);

    g_assert_no_error(error);
    g_test_message("read in %" PRId64 " ms",
                   (int64_t)(g_get_monotonic_time() - start) / 1000);
    return output;
}

static void check_vmcore(const char *output, uint64_t marked)
{
    uint64_t total, size;

    vmcore_check_mark(output, marked);
    g_assert_cmpint(sscanf(strstr(output, "read "),
                           "read %" SCNu64 " size %" SCNu64, &total, &size),
                    ==, 2);
    g_assert_cmpuint(total, ==, size);
    g_assert_cmpuint(total, >, GUEST_BOOT_SIZE / 2);
}

static void test_unplugged_is_not_touched(void)
{
    uint64_t region, marked, ours, others;
    g_autofree char *before = NULL, *after = NULL, *output = NULL, *log = NULL;
    g_autoptr(GArray) plugged = NULL;

    boot(REGION_SIZE);
    system_resize(guest, LARGEST);
    /* From here on 6.1's headers of a dump stay as they are, 6.12's don't */
    kexec_load(guest, true, "nr_cpus=1");
    system_take_kernel_memory(guest, KERNEL_MIB);
    g_assert_cmpuint(system_attr(guest, "kernel_blocks_size"), >, 0);
    system_resize(guest, KEPT);
    region = system_addr(guest);
    plugged = system_blocks(guest);
    marked = vmcore_mark_page(guest, plugged);
    system_check_klog(guest);
    before = changes_so_far();

    kexec_start(guest, "echo c >/proc/sysrq-trigger");
    system_load_driver(guest, "");
    log = system_run(guest, "dmesg | grep 'kdump kernel:';"
                            "cd /sys/bus/virtio/drivers/mhp_vmemmap_mem/;"
                            "! ls virtio*/plugged_size");
    g_assert_nonnull(strstr(log, "only the 16384 MiB"));
    count_touched(plugged, region, &ours, &others);
    g_assert_cmpuint(others, ==, 0);
    output = read_vmcore(marked);
    g_test_message("%s", output);
    check_vmcore(output, marked);
    /* The headers name memory that is not there any more */
    g_assert_cmpuint(vmcore_of_region(output, region, REGION_SIZE), >, KEPT);

    count_touched(plugged, region, &ours, &others);
    g_assert_cmpuint(others, ==, 0);
    g_assert_cmpuint(ours, ==, KEPT / HOST_PAGE);
    after = changes_so_far();
    g_assert_cmpstr(before, ==, after);
    g_assert_cmpuint(system_size(guest), ==, KEPT);
    system_end(guest);
}

/*
 * The kernel uses up its memory before the driver gets to run, and then waits
 * for it before it ends a process. A driver that waited for memory in turn, as
 * 6.12's new headers of a dump want some for each block, would be too late.
 */
static void test_supply_in_time(void)
{
    boot(SMALL_REGION_SIZE);
    system_resize(guest, SMALL_REGION_SIZE);
    kexec_load(guest, true, "");
    g_free(system_run(guest, SYSTEM_EACH_WORKER("p=${p#/proc/};"
                                                " taskset -p 1 $p &&"
                                                " renice -n 19 $p")));
    g_free(system_run(guest,
                      "insmod /lib/modules/mhp_kernel.ko;"
                      "taskset 1 sh -c 'renice -n -20 $$;"
                      " echo %u >/sys/module/mhp_kernel/parameters/mib'",
                      KERNEL_MIB));
    g_assert_cmpuint(system_attr(guest, "kernel_blocks_size"), >, 0);
    system_check_klog(guest);
    system_end(guest);
}

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    system_need_module("mhp_kernel");
    g_test_add_func("/virtio-mhp/system/kdump/all that is plugged is read, and "
                    "nothing else is touched",
                    test_unplugged_is_not_touched);
    g_test_add_func("/virtio-mhp/system/kdump/the kernel gets its blocks in "
                    "time",
                    test_supply_in_time);
    return g_test_run();
}
