/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel itself needs cannot be in ZONE_MOVABLE: a guest that runs
 * short of it is warned, or, with kernel_blocks=demand, gets as few blocks for
 * it as will do, which are the last to go.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "bystander.h"

#define GROWTH (4 * GiB)
#define SMALL (256 * MiB)
/* More than a small guest has, and what that takes at the most */
#define TAKEN_MIB 400
#define TAKEN_BLOCKS_MAX 5
/* Of those, what is not needed any more when the last was enough */
#define SPARE_BLOCKS_MAX 2
/* So many of them that one is empty when that is given back */
#define MANY_MIB 1200
/* What takes two of them */
#define LIMITED_MIB 340
/* For those that get less than they ask for */
#define TRY_TO_TAKE                           \
    "insmod /lib/modules/mhp_kernel.ko;"      \
    "cd /sys/module/mhp_kernel/parameters &&" \
    " echo 1 >gives_up && echo %u >mib"
#define WARNING "the kernel's own memory runs short"

/* Heads of buffers take a tenth of what a file system of small blocks caches */
#define CACHE_GIB 4

/* All but the last 3 GiB of 16 are written, and as much is to stay cached */
static unsigned cache_mib(uint64_t growth, unsigned parts)
{
    return (unsigned)(growth / 16 * parts / MiB);
}

/* The long suite tries more */
static uint64_t cache_growth(void)
{
    const char *gib = g_getenv("MHP_CACHE_GIB");

    return (gib ? g_ascii_strtoull(gib, NULL, 10) : CACHE_GIB) * GiB;
}

static Guest *boot(uint64_t boot_size, uint64_t growth, const char *parameters)
{
    Guest *guest = system_boot_sized(boot_size, growth + MEMORY_BLOCK_SIZE,
                                     SYSTEM_MEMMAP_ON);

    system_need_module("mhp_kernel");
    system_load_driver(guest, parameters);
    system_resize(guest, growth);
    return guest;
}

typedef struct Kernels {
    Guest *guest;
    unsigned nb;
} Kernels;

/* Linux and the driver say the same, as they do when none is on its way */
static bool are_agreed(void *opaque, GError **error)
{
    Kernels *kernels = opaque;
    g_autoptr(GArray) blocks = system_blocks(kernels->guest);
    uint64_t size = 0;

    kernels->nb = memdev_count_zone(blocks, "Normal");
    return memdev_attr_uint(kernels->guest, "kernel_blocks_size", &size,
                            error) &&
           size == kernels->nb * MEMORY_BLOCK_SIZE &&
           kernels->nb + memdev_count_zone(blocks, "Movable") == blocks->len &&
           memdev_count_self_hosted(blocks) == blocks->len;
}

static unsigned nb_kernels(Guest *guest)
{
    Kernels kernels = {guest, 0};
    g_autoptr(GError) error = NULL;

    wait_until(are_agreed, &kernels, SYSTEM_STALL_MS, "the kernel's blocks",
               &error);
    g_assert_no_error(error);
    return kernels.nb;
}

typedef struct Said {
    Guest *guest;
    const char *text;
} Said;

static unsigned nb_in_log(Guest *guest, const char *text)
{
    g_autofree char *log = system_run(guest, "dmesg");

    return klog_count(log, text);
}

static bool is_said(void *opaque, GError **error G_GNUC_UNUSED)
{
    const Said *said = opaque;

    return nb_in_log(said->guest, said->text) > 0;
}

/* By the worker, which is woken when memory is short */
static void wait_warning(Guest *guest)
{
    Said said = {guest, WARNING};
    g_autoptr(GError) error = NULL;

    wait_until(is_said, &said, SYSTEM_STALL_MS, "the warning", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(nb_in_log(guest, WARNING), ==, 1);
}

/* Each block that is left is the kernel's, and says why it stays */
static bool has_kernels_alone(void *opaque, GError **error)
{
    uint64_t plugged = 0;
    g_autofree char *blocks = NULL;

    if (!memdev_attr_uint(opaque, "plugged_size", &plugged, error)) {
        return false;
    }
    blocks = system_attr_text(opaque, "blocks");
    return klog_count(blocks, "Normal") * MEMORY_BLOCK_SIZE == plugged &&
           klog_count(blocks, "kernel-memory") + klog_count(blocks, "pinned") ==
               klog_count(blocks, "Normal");
}

/*
 * Of what stays the kernel does not complain, unless its page came when the
 * block was seen to have none, which is not so twice.
 */
static void shrink_to_kernels(Guest *guest)
{
    g_autoptr(GError) error = NULL;

    system_request(guest, 0);
    wait_until(has_kernels_alone, guest, SYSTEM_STALL_MS, "the shrink", &error);
    if (error) {
        g_autofree char *blocks = system_attr_text(guest, "blocks");

        g_test_message("%s", blocks);
    }
    g_assert_no_error(error);
    g_assert_cmpuint(nb_in_log(guest, "unmovable page"), <=, nb_kernels(guest));
    g_assert_cmpuint(nb_in_log(guest, "Out of memory"), ==, 0);
}

static void test_on_demand(void)
{
    Guest *guest = boot(SMALL, GROWTH, "kernel_blocks=demand");
    unsigned nb;

    g_assert_cmpuint(nb_kernels(guest), ==, 0);
    system_take_kernel_memory(guest, TAKEN_MIB);
    nb = nb_kernels(guest);
    g_assert_cmpuint(nb, >, SPARE_BLOCKS_MAX);
    g_assert_cmpuint(nb, <=, TAKEN_BLOCKS_MAX);
    g_assert_cmpuint(system_size(guest), ==, GROWTH);
    g_assert_cmpuint(nb_in_log(guest, WARNING), ==, 0);
    shrink_to_kernels(guest);
    g_assert_cmpuint(system_size(guest), >=,
                     (nb - SPARE_BLOCKS_MAX) * MEMORY_BLOCK_SIZE);
    system_end(guest);
}

static void test_off(void)
{
    Guest *guest = boot(SMALL, GROWTH, "");

    g_assert_cmpint(system_status(guest, TRY_TO_TAKE, TAKEN_MIB), !=, 0);
    wait_warning(guest);
    g_assert_cmpuint(nb_kernels(guest), ==, 0);
    g_assert_cmpuint(nb_in_log(guest, "Out of memory"), ==, 0);
    system_resize(guest, 0);
    system_end(guest);
}

static void test_limit(void)
{
    Guest *guest = boot(SMALL, GROWTH, "kernel_blocks=demand:256M");
    g_autofree char *wrong = NULL, *right = NULL;

    system_take_kernel_memory(guest, LIMITED_MIB);
    g_assert_cmpuint(nb_in_log(guest, WARNING), ==, 0);
    g_assert_cmpint(system_status(guest, TRY_TO_TAKE, 2 * TAKEN_MIB), !=, 0);
    wait_warning(guest);
    g_assert_cmpuint(nb_kernels(guest), ==, 2);
    /* Who has allowed that much is not told to allow it */
    g_assert_cmpuint(nb_in_log(guest, "allow more than 256 MiB"), ==, 1);
    right = system_run(guest, "cd /sys/module/mhp_vmemmap_mem/parameters;"
                              " for v in off demand demand:1G; do"
                              " echo $v >kernel_blocks; cat kernel_blocks;"
                              " done");
    g_assert_cmpstr(right, ==, "off\ndemand\ndemand:1073741824");
    wrong = system_run(
        guest, "cd /sys/module/mhp_vmemmap_mem/parameters;"
               " exec 2>/dev/null; for v in demand: demand:x demand:1Gx on; do"
               " echo $v >kernel_blocks && echo $v; done;"
               " cat kernel_blocks");
    g_assert_cmpstr(wrong, ==, "demand:1073741824");
    shrink_to_kernels(guest);
    system_end(guest);
}

static void test_pinned(void)
{
    Guest *guest = boot(GUEST_BOOT_SIZE, GROWTH, "kernel_blocks=demand");
    unsigned nb;

    g_free(system_hold(guest, "filled", "mhp-fill pinned 1500"));
    nb = nb_kernels(guest);
    g_assert_cmpuint(nb, >=, 4);
    system_let_go(guest, "filled");
    shrink_to_kernels(guest);
    system_end(guest);
}

static void assert_zones(GArray *before, GArray *after)
{
    g_assert_cmpuint(before->len, ==, after->len);
    for (unsigned i = 0; i < after->len; i++) {
        g_assert_cmpstr(g_array_index(before, MemdevBlock, i).zone, ==,
                        g_array_index(after, MemdevBlock, i).zone);
    }
}

/* What is the kernel's stays that while the device has no driver */
static void test_rebind(void)
{
    Guest *guest = boot(SMALL, GROWTH, "kernel_blocks=demand");
    g_autoptr(GArray) before = NULL, after = NULL;
    unsigned nb;

    system_take_kernel_memory(guest, TAKEN_MIB);
    nb = nb_kernels(guest);
    g_assert_cmpuint(nb, >=, 2);
    before = system_blocks(guest);
    for (unsigned from_bus = 0; from_bus < 2; from_bus++) {
        bystander_take_device(guest, from_bus);
        bystander_give_back_device(guest, from_bus);
    }
    system_wait_attr(guest, "plugged_size", GROWTH);
    after = system_blocks(guest);
    assert_zones(before, after);
    g_assert_cmpuint(nb_kernels(guest), ==, nb);
    shrink_to_kernels(guest);
    system_end(guest);
}

static int write_state(Guest *guest, uint64_t addr, const char *state)
{
    return system_status(guest,
                         "echo %s >/sys/devices/system/memory/memory%u/state",
                         state, (unsigned)(addr / MEMORY_BLOCK_SIZE));
}

/* One of the kernel's blocks that has none of its pages left; its address */
static uint64_t offline_kernels(Guest *guest)
{
    g_autoptr(GArray) blocks = system_blocks(guest);

    g_free(system_run(guest, "echo 0 >/sys/module/mhp_kernel/parameters/mib;"
                             "echo 3 >/proc/sys/vm/drop_caches"));
    for (unsigned i = 0; i < blocks->len; i++) {
        const MemdevBlock *block = &g_array_index(blocks, MemdevBlock, i);

        if (g_str_equal(block->zone, "Normal") &&
            !write_state(guest, block->addr, "offline")) {
            return block->addr;
        }
    }
    g_assert_not_reached();
}

/* Who brings such a block back decides what it is for from then on */
static void test_userspace(void)
{
    Guest *guest = boot(SMALL, GROWTH, "kernel_blocks=demand");
    unsigned nb;
    uint64_t addr;

    system_take_kernel_memory(guest, MANY_MIB);
    nb = nb_kernels(guest);
    addr = offline_kernels(guest);
    g_assert_cmpint(write_state(guest, addr, "online_kernel"), ==, 0);
    g_assert_cmpuint(nb_kernels(guest), ==, nb);
    g_assert_cmpint(write_state(guest, addr, "offline"), ==, 0);
    g_assert_cmpint(write_state(guest, addr, "online_movable"), ==, 0);
    g_assert_cmpuint(nb_kernels(guest), ==, nb - 1);
    g_assert_cmpint(write_state(guest, addr, "offline"), ==, 0);
    g_assert_cmpint(write_state(guest, addr, "online_kernel"), !=, 0);
    g_assert_cmpint(write_state(guest, addr, "online_movable"), ==, 0);
    g_assert_cmpuint(nb_kernels(guest), ==, nb - 1);
    shrink_to_kernels(guest);
    system_end(guest);
}

/* A disk that keeps nothing but what is not zero */
static void add_disk(Guest *guest, uint64_t size, int fd)
{
    Vm *vm = guest_vm(guest);

    g_assert_no_errno(ftruncate(fd, (off_t)size));
    vm_add_opt(vm, "blockdev",
               "driver=raw,node-name=disk0,discard=unmap,detect-zeroes=unmap,"
               "file.driver=file,file.discard=unmap,file.locking=off,"
               "file.filename=/proc/%d/fd/%d",
               (int)getpid(), fd);
    vm_add_opt(vm, "device", "virtio-blk-pci,drive=disk0,id=disk0");
}

static void test_cache(void)
{
    const uint64_t growth = cache_growth();
    int fd = memfd_create("disk", MFD_CLOEXEC);
    Guest *guest = system_new_sized(SMALL, growth + MEMORY_BLOCK_SIZE,
                                    SYSTEM_MEMMAP_ON);
    g_autofree char *cached = NULL;
    g_autoptr(GError) error = NULL;

    add_disk(guest, growth, fd);
    memdev_add(guest, MEMDEV_OURS, growth + MEMORY_BLOCK_SIZE);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    system_load_driver(guest, "kernel_blocks=demand");
    system_resize(guest, growth);
    g_free(
        system_run(guest,
                   "insmod /lib/modules/virtio_blk.ko;"
                   "mke2fs -b 1024 /dev/vda >/dev/null && mkdir -p /tmp/disk &&"
                   "mount -t ext4 /dev/vda /tmp/disk &&"
                   "dd if=/dev/zero of=/tmp/disk/file bs=1M count=%u",
                   cache_mib(growth, 13)));
    cached = system_run(guest,
                        "awk '/^Cached/ {print int($2 / 1024)}' /proc/meminfo");
    g_test_message("%s MiB are cached with %u blocks for the kernel",
                   g_strstrip(cached), nb_kernels(guest));
    g_assert_cmpuint(g_ascii_strtoull(cached, NULL, 10), >=,
                     cache_mib(growth, 12));
    g_free(system_run(guest, "umount /tmp/disk"));
    shrink_to_kernels(guest);
    system_end(guest);
    close(fd);
}

#define ADD(name, test) \
    g_test_add_func("/virtio-mhp/system/kernel-blocks/" name, test)

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    ADD("as few as will do, and the last to go", test_on_demand);
    ADD("off, and a warning comes first", test_off);
    ADD("no more than the limit", test_limit);
    ADD("registered buffers", test_pinned);
    ADD("the driver loses its device", test_rebind);
    ADD("userspace brings one back", test_userspace);
    ADD("the cache of small blocks", test_cache);
    return g_test_run();
}
