/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two devices on two NUMA nodes: each block is on its device's node, and the
 * devices know nothing of each other, also when one is taken from the driver.
 * A device that is not the one whose memory is in use does not get it.
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fault.h"
#include "support.h"

#define REGION_SIZE (1 * GiB)
#define DEVICES 2

static Guest *guest;
static Fault *fault;
/* Start of each device's region */
static uint64_t region[DEVICES];

static void boot(void)
{
    static const char *const nodes[] = {
        "-object", "memory-backend-ram,id=b0,size=512M",
        "-object", "memory-backend-ram,id=b1,size=512M",
        "-smp",    "sockets=2",
        "-numa",   "node,nodeid=0,memdev=b0,cpus=0",
        "-numa",   "node,nodeid=1,memdev=b1,cpus=1",
    };
    int fd = memfd_create("fault", MFD_CLOEXEC);
    g_autoptr(GError) error = NULL;
    Vm *vm;

    g_assert_no_errno(ftruncate(fd, sizeof(*fault)));
    fault = mmap(NULL, sizeof(*fault), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                 0);
    g_assert_true(fault != MAP_FAILED);
    guest = system_new(DEVICES * REGION_SIZE, SYSTEM_MEMMAP_ON);
    vm = guest_vm(guest);
    for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
        vm_add_args(vm, nodes[i], NULL);
    }
    vm_add_plugin(vm);
    for (int i = 0; i < DEVICES; i++) {
        vm_add_opt(vm, "object",
                   "memory-backend-ram,id=m%d,size=%" PRIu64 ",reserve=off", i,
                   (uint64_t)REGION_SIZE);
        vm_add_opt(vm, "device", "mhp-vmemmap-mem,id=hp%d,memdev=m%d,node=%d",
                   i, i, i);
    }
    vm_add_opt(vm, "plugin", "%s,fault=/proc/%d/fd/%d",
               g_getenv("MHP_FAULT_PLUGIN"), getpid(), fd);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    system_load_driver(guest, "");
}

static char *path_of(int device)
{
    return g_strdup_printf("/machine/peripheral/hp%d", device);
}

static uint64_t get(int device, const char *property)
{
    g_autofree char *path = path_of(device);
    g_autoptr(GError) error = NULL;
    uint64_t value = 0;

    qmp_get_uint(guest_qmp(guest), path, property, &value, &error);
    g_assert_no_error(error);
    return value;
}

static void request(int device, uint64_t size)
{
    g_autofree char *path = path_of(device);
    g_autoptr(GError) error = NULL;

    qmp_set_uint(guest_qmp(guest), path, "requested-size", size, &error);
    g_assert_no_error(error);
}

typedef struct Goal {
    int device;
    uint64_t size;
} Goal;

static bool has_size(void *opaque, G_GNUC_UNUSED GError **error)
{
    Goal *goal = opaque;

    return get(goal->device, "size") == goal->size;
}

static void resize(int device, uint64_t size)
{
    Goal goal = {.device = device, .size = size};
    g_autoptr(GError) error = NULL;

    request(device, size);
    wait_until(has_size, &goal, SYSTEM_STALL_MS, "the resize", &error);
    g_assert_no_error(error);
}

/*
 * Which virtio device it is in the guest is told by its region, which the
 * driver says when it takes the device
 */
static char *virtio_of(int device)
{
    return system_run(guest,
                      "dmesg | sed -n 's/.* \\(virtio[0-9]*\\): region "
                      "0x%" PRIx64 "-.*/\\1/p' | tail -n 1",
                      region[device]);
}

static int bind(int device, const char *name, const char *what)
{
    g_test_message("%s of hp%d, %s", what, device, name);
    return system_status(guest,
                         "echo %s >/sys/bus/virtio/drivers/mhp_vmemmap_mem/%s",
                         name, what);
}

/* How many blocks of a region are online, in ZONE_MOVABLE, on this node */
static unsigned count_blocks(int device, int node)
{
    g_autofree char *text = system_run(
        guest,
        "n=0; cd /sys/devices/system/memory; i=%" PRIu64 ";"
        "while [ $i -lt %" PRIu64 " ]; do"
        " [ -e memory$i/node%d ] && grep -q '^Movable' memory$i/valid_zones &&"
        " grep -q online memory$i/state && n=$((n + 1)); i=$((i + 1)); done;"
        "echo $n",
        region[device] / MEMORY_BLOCK_SIZE,
        (region[device] + REGION_SIZE) / MEMORY_BLOCK_SIZE, node);

    return g_ascii_strtoull(text, NULL, 10);
}

/* The last block is plugged before it is online */
typedef struct Blocks {
    int device;
    unsigned wanted;
} Blocks;

static bool has_blocks(void *opaque, G_GNUC_UNUSED GError **error)
{
    Blocks *blocks = opaque;

    return count_blocks(blocks->device, blocks->device) == blocks->wanted;
}

static void wait_blocks(int device, uint64_t size)
{
    Blocks blocks = {.device = device, .wanted = size / MEMORY_BLOCK_SIZE};
    g_autoptr(GError) error = NULL;

    wait_until(has_blocks, &blocks, SYSTEM_STALL_MS, "blocks on their node",
               &error);
    g_assert_no_error(error);
    g_assert_cmpuint(count_blocks(device, 1 - device), ==, 0);
}

static void find_regions(void)
{
    for (int i = 0; i < DEVICES; i++) {
        region[i] = get(i, "memaddr");
    }
}

static void tear_down(void)
{
    for (int i = 0; i < DEVICES; i++) {
        resize(i, 0);
    }
    system_check_klog(guest);
    /* The log is where virtio_of() looks */
    system_unload_driver(guest);
    system_load_driver(guest, "");
}

static void test_each_on_its_node(void)
{
    resize(0, 256 * MiB);
    resize(1, 512 * MiB);
    wait_blocks(0, 256 * MiB);
    wait_blocks(1, 512 * MiB);
    /* One grows while the other shrinks */
    request(0, 768 * MiB);
    resize(1, 128 * MiB);
    resize(0, 768 * MiB);
    wait_blocks(0, 768 * MiB);
    wait_blocks(1, 128 * MiB);
    tear_down();
}

static void test_one_unbound(void)
{
    g_autofree char *name = virtio_of(0);

    resize(0, 512 * MiB);
    wait_blocks(0, 512 * MiB);
    g_assert_cmpint(bind(0, name, "unbind"), ==, 0);
    resize(1, 768 * MiB);
    wait_blocks(1, 768 * MiB);
    resize(1, 0);
    wait_blocks(0, 512 * MiB);
    g_assert_cmpint(bind(0, name, "bind"), ==, 0);
    resize(0, 0);
    tear_down();
}

/* It looks like the device whose memory is in use, but has not plugged it */
static void test_wrong_device_is_refused(void)
{
    const size_t fields[] = {offsetof(struct virtio_mhp_config, addr),
                             offsetof(struct virtio_mhp_config, node_id)};
    g_autofree char *right = virtio_of(0), *wrong = virtio_of(1), *log = NULL;
    uint64_t addr = GUINT64_TO_LE(region[0]);

    resize(0, 512 * MiB);
    wait_blocks(0, 512 * MiB);
    g_assert_cmpint(bind(0, right, "unbind"), ==, 0);
    g_assert_cmpint(bind(1, wrong, "unbind"), ==, 0);
    memcpy(fault->value + fields[0], &addr, sizeof(addr));
    memset(fault->mask + fields[0], 1, sizeof(addr));
    memset(fault->mask + fields[1], 1, sizeof(uint16_t));
    g_assert_cmpint(bind(1, wrong, "bind"), !=, 0);
    memset(fault->mask, 0, sizeof(fault->mask));
    log = system_run(guest, "dmesg");
    g_assert_nonnull(strstr(log, "the memory in use is lost"));

    g_assert_cmpint(bind(0, right, "bind"), ==, 0);
    g_assert_cmpint(bind(1, wrong, "bind"), ==, 0);
    wait_blocks(0, 512 * MiB);
    resize(1, 256 * MiB);
    tear_down();
}

#define ADD(name, test) \
    g_test_add_func("/virtio-mhp/system/two-devices/" name, test)

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    ADD("each block is on its device's node", test_each_on_its_node);
    ADD("one works while the other is unbound", test_one_unbound);
    ADD("the wrong device does not get the memory",
        test_wrong_device_is_refused);
    boot();
    find_regions();
    status = g_test_run();
    system_end(guest);
    return status;
}
