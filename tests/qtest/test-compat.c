/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compat=virtio-mem: what a driver of QEMU's virtio-mem is shown. That such
 * drivers work with it is shown by tests/system.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mhp.h"

#define VIRTIO_MEM_PCI_DEVICE_ID 0x1058
#define VIRTIO_MEM_FEATURES              \
    (UINT64_C(1) << VIRTIO_F_VERSION_1 | \
     UINT64_C(1) << VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE)
/* Of the device; higher ones are the transport's */
#define DEVICE_FEATURES UINT64_C(0xffffff)
/* In no header of Linux 6.1 */
#define VIRTIO_MEM_F_PERSISTENT_SUSPEND 2

static Mhp *compat_new(const char *properties)
{
    Mhp *mhp = g_new0(Mhp, 1);
    g_autoptr(GError) error = NULL;

    mhp->memory = memfd_create("region", MFD_CLOEXEC);
    g_assert_cmpint(mhp->memory, >=, 0);
    g_assert_no_errno(ftruncate(mhp->memory, MHP_REGION_SIZE));
    mhp->vm = vm_new();
    mhp->qtest = qtest_new(mhp->vm);
    vm_add_plugin(mhp->vm);
    vm_add_args(mhp->vm, "-M", "q35", "-m", "64M,maxmem=1G", NULL);
    vm_add_opt(mhp->vm, "object",
               "memory-backend-file,id=mem0,share=on,mem-path=/proc/%d/fd/%d,"
               "size=128M",
               getpid(), mhp->memory);
    vm_add_opt(mhp->vm, "device",
               "mhp-vmemmap-mem,id=mhp0,memdev=mem0,block-size=2M,"
               "requested-size=64M,compat=virtio-mem%s",
               properties);
    vm_start(mhp->vm, &error);
    g_assert_no_error(error);
    mhp->pci = virtio_pci_new(mhp->qtest, VIRTIO_MEM_PCI_DEVICE_ID);
    g_assert_nonnull(mhp->pci);
    mhp_restart_driver(mhp, VIRTIO_MEM_FEATURES);
    mhp->addr = mhp_config(mhp).addr;
    return mhp;
}

static void test_features_are_virtio_mems(void)
{
    g_autoptr(Mhp) mhp = compat_new("");

    g_assert_cmphex(virtio_pci_features(mhp->pci) & DEVICE_FEATURES, ==,
                    UINT64_C(1) << VIRTIO_MHP_F_ACPI_PXM |
                        UINT64_C(1) << VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE |
                        UINT64_C(1) << VIRTIO_MEM_F_PERSISTENT_SUSPEND);
}

/* It ends where virtio-mem's does, and so does what is written there */
static void test_configuration_is_virtio_mems(void)
{
    g_autoptr(Mhp) mhp = compat_new("");

    g_assert_cmpuint(mhp_config(mhp).requested_size, ==, 64 * MHP_MIB);
    g_assert_cmphex(mhp_config(mhp).pressure_size, ==, UINT64_MAX);
}

static void test_requests_are_virtio_mems(void)
{
    g_autoptr(Mhp) mhp = compat_new("");

    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    g_assert_cmpstr(mhp_state_name(mhp, 0, 8), ==, "MIXED");
    mhp_expect(mhp_unplug(mhp, 0, 1), ACK);
    mhp_expect(mhp_unplug_all(mhp), ACK);
}

/* A request in a buffer of @size bytes */
static VirtioPciOutcome submit(Mhp *mhp, uint16_t type, uint32_t size)
{
    const struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(type),
        .u.plug.addr = GUINT64_TO_LE(mhp_block_addr(mhp, 5)),
        .u.plug.nb_blocks = GUINT16_TO_LE(1),
    };
    const struct vring_desc descs[] = {
        {MHP_REQ_ADDR, size, VRING_DESC_F_NEXT, 1},
        {MHP_RESP_ADDR, sizeof(struct virtio_mhp_resp), VRING_DESC_F_WRITE, 0},
    };

    qtest_write(mhp->qtest, MHP_REQ_ADDR, &req, sizeof(req));
    virtio_pci_submit(mhp->pci, descs, G_N_ELEMENTS(descs));
    return virtio_pci_wait(mhp->pci, NULL);
}

/* virtio-mem reads what it knows and ignores the rest */
static void test_longer_requests_are_accepted(void)
{
    static const uint32_t sizes[] = {
        sizeof(struct virtio_mhp_req) + 1,
        sizeof(struct virtio_mhp_req) + 8,
        4096,
    };
    g_autoptr(Mhp) mhp = compat_new("");

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_assert_cmpint(submit(mhp, VIRTIO_MHP_REQ_PLUG, sizes[i]), ==,
                        VIRTIO_PCI_USED);
        g_assert_cmpstr(mhp_state_name(mhp, 5, 1), ==, "PLUGGED");
        mhp_expect(mhp_unplug(mhp, 5, 1), ACK);
    }
    g_assert_cmpint(
        submit(mhp, VIRTIO_MHP_REQ_PLUG, sizeof(struct virtio_mhp_req) - 1), ==,
        VIRTIO_PCI_BROKEN);
}

/* virtio-mem does not know ours, either */
static void test_unknown_requests_break_the_device(void)
{
    static const uint16_t types[] = {VIRTIO_MHP_REQ_STATE + 1,
                                     VIRTIO_MHP_REQ_MEMMAP,
                                     VIRTIO_MHP_REQ_STATUS, UINT16_MAX};
    g_autoptr(Mhp) mhp = compat_new("");

    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        g_assert_cmpint(submit(mhp, types[i], sizeof(struct virtio_mhp_req)),
                        ==, VIRTIO_PCI_BROKEN);
        mhp_restart_driver(mhp, VIRTIO_MEM_FEATURES);
        mhp_expect(mhp_plug(mhp, 5, 1), ACK);
        mhp_expect(mhp_unplug(mhp, 5, 1), ACK);
    }
}

/* DEV-PLUG-9: Linux repeats at once what is answered by NACK */
static void test_host_that_is_short_of_memory_is_busy(void)
{
    g_autoptr(Mhp) mhp = compat_new(",prealloc=on");

    g_assert_no_errno(ftruncate(mhp->memory, 4 * MHP_BLOCK_SIZE));
    mhp_expect(mhp_plug(mhp, 2, 4), BUSY);
    mhp_expect(mhp_plug(mhp, 0, 4), ACK);
    mhp_expect(mhp_plug(mhp, 4, MHP_NB_BLOCKS), ERROR);
    mhp_expect(mhp_plug(mhp, 4, MHP_NB_BLOCKS - 4), NACK);
}

static void test_other_names_are_refused(void)
{
    g_autoptr(Vm) vm = vm_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *log = NULL;
    int status;

    vm_add_plugin(vm);
    vm_add_args(vm, "-M", "q35", "-m", "64M,maxmem=1G", "-object",
                "memory-backend-ram,id=mem0,size=128M", "-device",
                "mhp-vmemmap-mem,memdev=mem0,compat=balloon", NULL);
    vm_run(vm, 10000, &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 1);
    log = vm_stderr(vm);
    g_assert_nonnull(strstr(log, "property 'compat' wants 'virtio-mem' or "
                                 "nothing, got 'balloon'"));
}

#define ADD(test) g_test_add_func("/virtio-mhp/compat/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(features_are_virtio_mems);
    ADD(configuration_is_virtio_mems);
    ADD(requests_are_virtio_mems);
    ADD(longer_requests_are_accepted);
    ADD(unknown_requests_break_the_device);
    ADD(host_that_is_short_of_memory_is_busy);
    ADD(other_names_are_refused);
    return g_test_run();
}
