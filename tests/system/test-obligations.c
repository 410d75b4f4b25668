/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver against the specification, as far as the host can see it. The
 * region's memory is a memory file that the test holds, too: it shows which
 * memory the guest touched, and lets the host run short. Device blocks are
 * smaller than memory blocks here.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mhp.h"
#include "told.h"

#define NB_BLOCKS 8
#define REGION_SIZE (NB_BLOCKS * MEMORY_BLOCK_SIZE)

/* Requests to wait for that cannot all be new ones */
#define REPETITIONS 3

static Guest *guest;
static int memory;

/* A guest that is not started; QEMU's log will tell of wrong requests */
static void new_guest(uint64_t requested_size)
{
    Vm *vm;

    memory = memfd_create("region", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g_assert_cmpint(memory, >=, 0);
    g_assert_no_errno(ftruncate(memory, REGION_SIZE));
    guest = system_new(REGION_SIZE, SYSTEM_MEMMAP_ON);
    vm = guest_vm(guest);
    vm_add_plugin(vm);
    vm_add_args(vm, "-d", "guest_errors", NULL);
    vm_add_opt(vm, "object",
               "memory-backend-file,id=hpmem,share=on,mem-path=/proc/%d/fd/%d"
               ",size=%" PRIu64,
               getpid(), memory, REGION_SIZE);
    vm_add_opt(vm, "device",
               MEMDEV_OURS ",id=hp0,memdev=hpmem,block-size=%" PRIu64
                           ",requested-size=%" PRIu64,
               MHP_BLOCK_SIZE, requested_size);
}

static void end_guest(void)
{
    g_assert_true(vm_is_running(guest_vm(guest)));
    system_end(guest);
    close(memory);
}

static uint64_t backed_size(void)
{
    struct stat st;

    g_assert_no_errno(fstat(memory, &st));
    return (uint64_t)st.st_blocks * 512;
}

/* Asserts that nothing but the blocks that the guest has costs memory */
static void assert_only_blocks_are_backed(void)
{
    g_autoptr(GArray) blocks = system_blocks(guest);
    uint64_t region = system_addr(guest);
    bool has[NB_BLOCKS] = {false};
    off_t data = 0;

    for (unsigned i = 0; i < blocks->len; i++) {
        uint64_t addr = g_array_index(blocks, MemdevBlock, i).addr;

        has[(addr - region) / MEMORY_BLOCK_SIZE] = true;
    }
    while ((data = lseek(memory, data, SEEK_DATA)) >= 0) {
        off_t hole = lseek(memory, data, SEEK_HOLE);

        g_assert_true(has[data / MEMORY_BLOCK_SIZE]);
        g_assert_true(has[(hole - 1) / MEMORY_BLOCK_SIZE]);
        data = hole;
    }
}

/* Waits that are over when the number in @opaque is reached */
static bool is_online(void *opaque, GError **error)
{
    const uint64_t *wanted = opaque;
    uint64_t size = 0;

    return memdev_attr_uint(guest, "online_size", &size, error) &&
           size == *wanted;
}

static bool is_requested(void *opaque, GError **error)
{
    const uint64_t *wanted = opaque;
    uint64_t size = 0;

    return memdev_attr_uint(guest, "requested_size", &size, error) &&
           size == *wanted;
}

static bool has_requests(void *opaque, GError **error G_GNUC_UNUSED)
{
    const uint64_t *wanted = opaque;

    return (uint64_t)system_requests_seen(guest) >= *wanted;
}

static void wait_for(WaitReady ready, uint64_t wanted, const char *what)
{
    g_autoptr(GError) error = NULL;

    wait_until(ready, &wanted, SYSTEM_STALL_MS, what, &error);
    g_assert_no_error(error);
}

static void resize(uint64_t size)
{
    system_resize(guest, size);
    wait_for(is_online, size, "the driver's own account of it");
}

/* DRV-FEAT-1; the attribute is a digit for each bit */
static void test_features_accepted(void)
{
    static const unsigned bits[] = {
        VIRTIO_F_VERSION_1,           VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE,
        VIRTIO_MHP_F_MEMMAP_ON_BLOCK, VIRTIO_MHP_F_STATUS,
        VIRTIO_MHP_F_STATS,
    };
    g_autofree char *features = system_run(
        guest, "cat /sys/bus/virtio/drivers/mhp_vmemmap_mem/virtio*/features");

    g_assert_cmpuint(strlen(features), >=, 64);
    for (unsigned i = 0; i < G_N_ELEMENTS(bits); i++) {
        g_test_message("bit %u", bits[i]);
        g_assert_true(features[bits[i]] == '1');
    }
}

/* DRV-MEMMAP-2: nothing has been requested yet */
static void test_unit_is_told_at_once(void)
{
    told_wait_unit_size(guest, MEMORY_BLOCK_SIZE);
    g_assert_cmpint(system_requests_seen(guest), ==, 1);
}

/* DRV-PLUG-1, DRV-MEMMAP-1: exactly one MEMMAP and a PLUG for each block */
static void test_no_request_beyond_requested_size(void)
{
    uint64_t more = 2 * MEMORY_BLOCK_SIZE + MHP_BLOCK_SIZE;

    resize(2 * MEMORY_BLOCK_SIZE);
    g_assert_cmpint(system_requests_seen(guest), ==, 3);
    system_request(guest, more);
    wait_for(is_requested, more, "the driver's look at the request");
    resize(3 * MEMORY_BLOCK_SIZE);
    g_assert_cmpint(system_requests_seen(guest), ==, 4);
    resize(0);
}

/* DRV-PLUG-3, DRV-UNPLUG-1 */
static void test_unplugged_memory_is_not_touched(void)
{
    static const unsigned nb_blocks[] = {1, 4, 2, 7, 1, 5};

    for (unsigned i = 0; i < G_N_ELEMENTS(nb_blocks); i++) {
        g_test_message("%u blocks", nb_blocks[i]);
        resize(nb_blocks[i] * MEMORY_BLOCK_SIZE);
        assert_only_blocks_are_backed();
    }
    resize(0);
    g_free(system_run(guest, "cat /proc/kpageflags /proc/zoneinfo >/dev/null"));
    g_assert_cmpuint(backed_size(), ==, 0);
}

/* DRV-PLUG-2, DRV-REQ-2, DRV-UNPLUGALL-1: each would have been an ERROR */
static void test_no_request_was_wrong(void)
{
    g_autofree char *said = NULL;

    resize(REGION_SIZE);
    resize(MEMORY_BLOCK_SIZE);
    resize(3 * MEMORY_BLOCK_SIZE);
    resize(0);
    said = vm_stderr(guest_vm(guest));
    g_assert_null(strstr(said, "virtio-mhp"));
}

/*
 * DRV-MEMMAP-1: a host that has memory for the first blocks only refuses the
 * others, so that the guest finds no memmap missing; and gives what it can.
 */
static void test_host_without_memory_for_memmaps(void)
{
    g_assert_no_errno(ftruncate(memory, 3 * MEMORY_BLOCK_SIZE));
    system_request(guest, 5 * MEMORY_BLOCK_SIZE);
    system_wait_size(guest, 2 * MEMORY_BLOCK_SIZE);
    wait_for(has_requests, (uint64_t)system_requests_seen(guest) + REPETITIONS,
             "a repeated PLUG");
    g_assert_cmpuint(system_size(guest), ==, 2 * MEMORY_BLOCK_SIZE);
    g_assert_no_errno(ftruncate(memory, REGION_SIZE));
    resize(5 * MEMORY_BLOCK_SIZE);
    resize(0);
}

/* DRV-UNPLUGALL-1: a driver that returns finds memory that Linux still uses */
static void test_driver_that_is_torn_away(void)
{
    resize(2 * MEMORY_BLOCK_SIZE);
    g_free(system_run(guest,
                      "device=$(readlink -f "
                      "/sys/bus/virtio/drivers/mhp_vmemmap_mem/virtio*/..);"
                      "echo 1 >$device/remove; echo 1 >/sys/bus/pci/rescan"));
    g_assert_cmpuint(system_attr(guest, "online_size"), ==,
                     2 * MEMORY_BLOCK_SIZE);
    g_assert_cmpuint(system_size(guest), ==, 2 * MEMORY_BLOCK_SIZE);
}

static void run_guest(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(guest_qmp(guest), &error, "cont", NULL);
    g_assert_no_error(error);
    g_assert_nonnull(result);
    agent_wait_ready(guest_agent(guest), GUEST_BOOT_MS, &error);
    g_assert_no_error(error);
}

/* DRV-RESET-1: the blocks are plugged before the guest's first instruction */
static void test_driver_that_finds_blocks_plugged(void)
{
    const unsigned nb = MEMORY_BLOCK_SIZE / MHP_BLOCK_SIZE;
    g_autoptr(GError) error = NULL;
    g_autoptr(Qtest) qtest = NULL;
    g_autoptr(VirtioPci) pci = NULL;
    Mhp mhp = {0};

    end_guest();
    new_guest(3 * MEMORY_BLOCK_SIZE);
    qtest = mhp.qtest = qtest_new(guest_vm(guest));
    vm_start(guest_vm(guest), &error);
    g_assert_no_error(error);
    pci = mhp.pci = virtio_pci_new(qtest, 0x1040 + VIRTIO_ID_MHP);
    mhp_restart_driver(&mhp, MHP_FEATURES);
    mhp.addr = mhp_config(&mhp).addr;
    mhp_expect(mhp_plug(&mhp, nb, 3 * nb), ACK);
    mhp_fill(&mhp, nb, 0x11);
    virtio_pci_reset(pci);

    run_guest();
    g_assert_cmpuint(system_size(guest), ==, 3 * MEMORY_BLOCK_SIZE);
    system_load_driver(guest, "");
    wait_for(is_online, 3 * MEMORY_BLOCK_SIZE, "a start from nothing");
    assert_only_blocks_are_backed();
    resize(0);
    g_assert_cmpuint(backed_size(), ==, 0);
}

/* DRV-REQ-4: a seal on the file keeps the device from unplugging, for good */
static void test_busy_device_is_asked_again(void)
{
    resize(MEMORY_BLOCK_SIZE);
    g_assert_no_errno(fcntl(memory, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
    system_request(guest, 2 * MEMORY_BLOCK_SIZE);
    wait_for(has_requests, (uint64_t)system_requests_seen(guest) + REPETITIONS,
             "a repeated PLUG");
    g_assert_cmpuint(system_size(guest), ==, MEMORY_BLOCK_SIZE);
}

#define ADD(test) \
    g_test_add_func("/virtio-mhp/system/obligations/" #test, test_##test)

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int status;

    system_init(&argc, &argv);
    new_guest(0);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    system_load_driver(guest, "");
    ADD(features_accepted);
    ADD(unit_is_told_at_once);
    ADD(no_request_beyond_requested_size);
    ADD(unplugged_memory_is_not_touched);
    ADD(no_request_was_wrong);
    ADD(host_without_memory_for_memmaps);
    ADD(driver_that_is_torn_away);
    ADD(driver_that_finds_blocks_plugged);
    ADD(busy_device_is_asked_again);
    status = g_test_run();
    end_guest();
    return status;
}
