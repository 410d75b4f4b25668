/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that take long: QEMU's monitor answers meanwhile, requests behind
 * them wait, and whatever ends them in the middle leaves all or nothing.
 *
 * The region has as many blocks as a request can name. Part of its memory file
 * is backed by the test, in 4 KiB pages, which take longest to discard.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "latency.h"
#include "mhp.h"

#define NB_BLOCKS 65535u
#define REGION_SIZE (NB_BLOCKS * MHP_BLOCK_SIZE)
/* Takes 150 ms to discard, in one go */
#define BACKED_BLOCKS 512u
#define BACKED_SIZE (BACKED_BLOCKS * MHP_BLOCK_SIZE)
/* Takes longer to back */
#define PREALLOC_BLOCKS 256u

#define MACHINE_Q35 "q35"
#define MACHINE_PC "pc"

static void add_device(Mhp *mhp, const char *properties)
{
    mhp->memory = memfd_create("region", MFD_CLOEXEC);
    g_assert_cmpint(mhp->memory, >=, 0);
    g_assert_no_errno(ftruncate(mhp->memory, (off_t)REGION_SIZE));
    vm_add_opt(mhp->vm, "object",
               "memory-backend-file,id=mem0,share=on,reserve=off,"
               "mem-path=/proc/%d/fd/%d,size=%" G_GUINT64_FORMAT,
               getpid(), mhp->memory, REGION_SIZE);
    vm_add_opt(mhp->vm, "device",
               "mhp-vmemmap-mem,id=mhp0,memdev=mem0,addr=0x8,block-size=2M,"
               "requested-size=%" G_GUINT64_FORMAT "%s",
               REGION_SIZE, properties);
}

static Mhp *start(const char *machine, const char *properties)
{
    g_autoptr(GError) error = NULL;
    Mhp *mhp = g_new0(Mhp, 1);
    int bios = mhp_bios_file();

    mhp->vm = vm_new();
    mhp->qtest = qtest_new(mhp->vm);
    vm_add_plugin(mhp->vm);
    vm_add_args(mhp->vm, "-M", machine, "-m", "64M,maxmem=256G", "-name",
                "debug-threads=on", NULL);
    vm_add_opt(mhp->vm, "bios", "/proc/%d/fd/%d", getpid(), bios);
    add_device(mhp, properties);
    vm_start(mhp->vm, &error);
    g_assert_no_error(error);
    close(bios);
    mhp->pci = virtio_pci_new(mhp->qtest, 0x1040 + VIRTIO_ID_MHP);
    g_assert_nonnull(mhp->pci);
    mhp_restart_driver(mhp, MHP_FEATURES);
    mhp->addr = mhp_config(mhp).addr;
    return mhp;
}

/* All blocks plugged, and some of them expensive */
static Mhp *start_full(const char *machine)
{
    Mhp *mhp = start(machine, "");

    mhp_expect(mhp_plug(mhp, 0, NB_BLOCKS), ACK);
    g_assert_no_errno(fallocate(mhp->memory, 0, 0, BACKED_SIZE));
    return mhp;
}

static void qmp(Mhp *mhp, const char *command)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode)
        result = qmp_executef(vm_qmp(mhp->vm), &error, command, NULL);

    g_assert_no_error(error);
}

/* Send a request and wait until its work has begun to show */
static void begin(Mhp *mhp, uint16_t type, uint16_t nb_blocks)
{
    uint64_t size = mhp_backed_size(mhp);

    mhp_submit(mhp, type, nb_blocks);
    while (mhp_backed_size(mhp) == size) {
        qmp(mhp, "query-status");
    }
}

/* Ask the monitor, again and again, until the memory file is @size */
static void assert_monitor_answers_until(Mhp *mhp, uint64_t size)
{
    Latency *latency = latency_new(mhp);

    while (mhp_backed_size(mhp) != size) {
        latency_ask(latency);
    }
    latency_finish(latency);
}

static void test_monitor_answers_during_unplug_all(void)
{
    g_autoptr(Mhp) mhp = start_full(MACHINE_Q35);

    mhp_submit(mhp, VIRTIO_MHP_REQ_UNPLUG_ALL, 0);
    assert_monitor_answers_until(mhp, 0);
    mhp_expect(mhp_finish(mhp), ACK);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
}

/* The largest request that there is */
static void test_monitor_answers_during_unplug(void)
{
    g_autoptr(Mhp) mhp = start_full(MACHINE_Q35);

    mhp_submit(mhp, VIRTIO_MHP_REQ_UNPLUG, NB_BLOCKS);
    assert_monitor_answers_until(mhp, 0);
    mhp_expect(mhp_finish(mhp), ACK);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
}

/* Blocks that the driver wrote to before it plugs them are discarded, too */
static void test_monitor_answers_during_plug(void)
{
    g_autoptr(Mhp) mhp = start(MACHINE_Q35, "");

    g_assert_no_errno(fallocate(mhp->memory, 0, 0, BACKED_SIZE));
    mhp_submit(mhp, VIRTIO_MHP_REQ_PLUG, NB_BLOCKS);
    assert_monitor_answers_until(mhp, 0);
    mhp_expect(mhp_finish(mhp), ACK);
    g_assert_cmpuint(mhp_size(mhp), ==, REGION_SIZE);
}

/* DEV-RESET-2: all is unplugged at once, and discarded soon */
static void test_monitor_answers_after_system_reset(void)
{
    g_autoptr(Mhp) mhp = start_full(MACHINE_Q35);

    qmp(mhp, "system_reset");
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    assert_monitor_answers_until(mhp, 0);
}

static void test_monitor_answers_during_prealloc(void)
{
    g_autoptr(Mhp) mhp = start(MACHINE_Q35, ",prealloc=on");

    mhp_submit(mhp, VIRTIO_MHP_REQ_PLUG, PREALLOC_BLOCKS);
    assert_monitor_answers_until(mhp, PREALLOC_BLOCKS * MHP_BLOCK_SIZE);
    mhp_expect(mhp_finish(mhp), ACK);
}

/* DEV-UNPLUG-3: not before the memory is back; then the one behind it */
static void test_requests_wait_in_order(void)
{
    g_autoptr(Mhp) mhp = start_full(MACHINE_Q35);
    const struct virtio_mhp_req reqs[] = {
        {.type = GUINT16_TO_LE(VIRTIO_MHP_REQ_UNPLUG_ALL)},
        {.type = GUINT16_TO_LE(VIRTIO_MHP_REQ_STATE),
         .u.state.addr = GUINT64_TO_LE(mhp->addr),
         .u.state.nb_blocks = GUINT16_TO_LE(NB_BLOCKS)},
    };
    const struct vring_desc descs[] = {
        {MHP_REQ_ADDR, sizeof(reqs[0]), VRING_DESC_F_NEXT, 1},
        {MHP_RESP_ADDR, sizeof(struct virtio_mhp_resp), VRING_DESC_F_WRITE, 0},
        {MHP_REQ_ADDR + sizeof(reqs[0]), sizeof(reqs[1]), VRING_DESC_F_NEXT, 3},
        {MHP_RESP_ADDR + 64, sizeof(struct virtio_mhp_resp), VRING_DESC_F_WRITE,
         0},
    };
    const uint16_t heads[] = {0, 2};
    struct vring_used_elem elems[2];
    struct virtio_mhp_resp resp;

    qtest_write(mhp->qtest, MHP_REQ_ADDR, reqs, sizeof(reqs));
    virtio_pci_submit_heads(mhp->pci, descs, 4, heads, 2);
    g_assert_cmpuint(virtio_pci_wait_heads(mhp->pci, elems, 2), ==, 2);
    g_assert_cmpuint(elems[0].id, ==, 0);
    g_assert_cmpuint(elems[1].id, ==, 2);
    qtest_read(mhp->qtest, MHP_RESP_ADDR + 64, &resp, sizeof(resp));
    mhp_expect(GUINT16_FROM_LE(resp.type), ACK);
    g_assert_cmpuint(GUINT16_FROM_LE(resp.u.state.state), ==,
                     VIRTIO_MHP_STATE_UNPLUGGED);
}

/* What a reset left to do is done while requests are served */
static void restart_and_wait(Mhp *mhp)
{
    mhp_restart_driver(mhp, MHP_FEATURES);
    g_assert_cmpstr(mhp_state_name(mhp, 0, 1), ==, "UNPLUGGED");
    mhp_wait_discarded(mhp);
}

/* DEV-RESET-4 */
static void test_device_reset_during_unplug_all(void)
{
    g_autoptr(Mhp) mhp = start_full(MACHINE_Q35);

    begin(mhp, VIRTIO_MHP_REQ_UNPLUG_ALL, 0);
    virtio_pci_reset(mhp->pci);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    restart_and_wait(mhp);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    g_assert_true(mhp_block_holds(mhp, 7, 0));
}

/* DEV-RESET-4 */
static void test_device_reset_during_plug(void)
{
    g_autoptr(Mhp) mhp = start(MACHINE_Q35, ",prealloc=on");

    begin(mhp, VIRTIO_MHP_REQ_PLUG, PREALLOC_BLOCKS);
    virtio_pci_reset(mhp->pci);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    restart_and_wait(mhp);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
}

static void test_system_reset_during_requests(void)
{
    static const struct {
        uint16_t type;
        uint16_t nb_blocks;
    } rows[] = {
        {VIRTIO_MHP_REQ_UNPLUG_ALL, 0},
        {VIRTIO_MHP_REQ_UNPLUG, BACKED_BLOCKS / 2},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Mhp) mhp = start_full(MACHINE_Q35);

        begin(mhp, rows[i].type, rows[i].nb_blocks);
        mhp_system_reset(mhp);
        g_assert_cmpuint(mhp_size(mhp), ==, 0);
        restart_and_wait(mhp);
        g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
        mhp_expect(mhp_plug(mhp, 0, NB_BLOCKS), ACK);
    }
}

static void test_system_reset_during_plug(void)
{
    g_autoptr(Mhp) mhp = start(MACHINE_Q35, ",prealloc=on");

    begin(mhp, VIRTIO_MHP_REQ_PLUG, PREALLOC_BLOCKS);
    mhp_system_reset(mhp);
    restart_and_wait(mhp);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

/* What is left to do is done while the machine is stopped */
static void test_stop_during_unplug_all(void)
{
    g_autoptr(Mhp) mhp = start_full(MACHINE_Q35);

    qmp(mhp, "cont");
    begin(mhp, VIRTIO_MHP_REQ_UNPLUG_ALL, 0);
    qmp(mhp, "stop");
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    mhp_expect(mhp_finish(mhp), ACK);
    assert_monitor_answers_until(mhp, 0);
}

/* Its request goes back into the queue, as if it had come just then */
static void test_stop_during_plug(void)
{
    g_autoptr(Mhp) mhp = start(MACHINE_Q35, ",prealloc=on");

    qmp(mhp, "cont");
    begin(mhp, VIRTIO_MHP_REQ_PLUG, PREALLOC_BLOCKS);
    qmp(mhp, "stop");
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    g_assert_true(mhp_is_pending(mhp));
    qmp(mhp, "cont");
    mhp_expect(mhp_finish(mhp), ACK);
    g_assert_cmpuint(mhp_size(mhp), ==, PREALLOC_BLOCKS * MHP_BLOCK_SIZE);
    g_assert_cmpuint(mhp_backed_size(mhp), ==,
                     PREALLOC_BLOCKS * MHP_BLOCK_SIZE);
}

/* The guest takes the device out while its memory is being discarded */
static void test_removal_during_discard(void)
{
    g_autoptr(Mhp) mhp = start_full(MACHINE_PC);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL, event = NULL;

    mhp_set_requested_size(mhp, 0);
    qmp(mhp, "system_reset");
    result = qmp_executef(vm_qmp(mhp->vm), &error, "device_del",
                          "{'id': 'mhp0'}");
    g_assert_no_error(error);
    g_assert_nonnull(result);
    qtest_outl(mhp->qtest, 0xae10, 0);
    qtest_outl(mhp->qtest, 0xae08, 1u << 8);
    event = qmp_wait_event(vm_qmp(mhp->vm), "DEVICE_DELETED", 10000, &error);
    g_assert_no_error(error);
    g_assert_nonnull(event);
}

static void write_register(Mhp *mhp, unsigned offset, unsigned size,
                           uint64_t value)
{
    qtest_write_reg(mhp->qtest, virtio_pci_registers(mhp->pci) + offset, size,
                    value);
}

/* Of a queue that the device does not even have */
static void test_reset_of_another_queue_during_plug(void)
{
    g_autoptr(Mhp) mhp = start(MACHINE_Q35, ",prealloc=on");

    begin(mhp, VIRTIO_MHP_REQ_PLUG, PREALLOC_BLOCKS);
    write_register(mhp, VIRTIO_PCI_COMMON_Q_SELECT, 2, 5);
    write_register(mhp, VIRTIO_PCI_COMMON_Q_RESET, 2, 1);
    mhp_expect(mhp_finish(mhp), ACK);
    g_assert_cmpuint(mhp_size(mhp), ==, PREALLOC_BLOCKS * MHP_BLOCK_SIZE);
}

/* DEV-RESET-4, for the queue alone */
static void test_reset_of_the_queue_during_plug(void)
{
    g_autoptr(Mhp) mhp = start(MACHINE_Q35, ",prealloc=on");

    begin(mhp, VIRTIO_MHP_REQ_PLUG, PREALLOC_BLOCKS);
    write_register(mhp, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
    write_register(mhp, VIRTIO_PCI_COMMON_Q_RESET, 2, 1);
    g_assert_true(mhp_is_pending(mhp));
    restart_and_wait(mhp);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

/* The response to a request must not make the device serve the next one */
static void test_used_ring_in_the_own_notifier(void)
{
    g_autoptr(Mhp) mhp = start(MACHINE_Q35, ",prealloc=on,ioeventfd=off");
    g_autofree char *log = NULL;

    write_register(mhp, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
    write_register(mhp, VIRTIO_PCI_COMMON_Q_USEDLO, 4,
                   virtio_pci_notifier(mhp->pci));
    write_register(mhp, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    begin(mhp, VIRTIO_MHP_REQ_PLUG, PREALLOC_BLOCKS);
    while (mhp_is_pending(mhp)) {
        qmp(mhp, "query-status");
    }
    log = vm_stderr(mhp->vm);
    g_assert_nonnull(strstr(log, "Blocked re-entrant IO on MemoryRegion"));
    mhp_restart_driver(mhp, MHP_FEATURES);
    mhp_expect(mhp_unplug_all(mhp), ACK);
}

/* Nothing is plugged yet, but soon it will be */
static void test_removal_is_refused_during_plug(void)
{
    g_autoptr(Mhp) mhp = start(MACHINE_PC, ",prealloc=on");
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    begin(mhp, VIRTIO_MHP_REQ_PLUG, PREALLOC_BLOCKS);
    mhp_set_requested_size(mhp, 0);
    result = qmp_executef(vm_qmp(mhp->vm), &error, "device_del",
                          "{'id': 'mhp0'}");
    g_assert_null(result);
    g_assert_nonnull(
        strstr(error->message, "are 0, got 512 MiB, 0 bytes and 0 bytes"));
    mhp_expect(mhp_finish(mhp), ACK);
}

/* QEMU's end must not wait for it, or go wrong */
static void test_quit_during_unplug_all(void)
{
    g_autoptr(Mhp) mhp = start_full(MACHINE_Q35);

    begin(mhp, VIRTIO_MHP_REQ_UNPLUG_ALL, 0);
}

#define ADD(test) g_test_add_func("/virtio-mhp/long/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(monitor_answers_during_unplug_all);
    ADD(monitor_answers_during_unplug);
    ADD(monitor_answers_during_plug);
    ADD(monitor_answers_after_system_reset);
    ADD(monitor_answers_during_prealloc);
    ADD(requests_wait_in_order);
    ADD(device_reset_during_unplug_all);
    ADD(device_reset_during_plug);
    ADD(system_reset_during_requests);
    ADD(system_reset_during_plug);
    ADD(stop_during_unplug_all);
    ADD(stop_during_plug);
    ADD(reset_of_another_queue_during_plug);
    ADD(reset_of_the_queue_during_plug);
    ADD(used_ring_in_the_own_notifier);
    ADD(removal_during_discard);
    ADD(removal_is_refused_during_plug);
    ADD(quit_during_unplug_all);
    return g_test_run();
}
