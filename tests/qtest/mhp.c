/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mhp: see mhp.h. The machine is a q35 without firmware, guest and disks.
 */
#include "mhp.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "migration.h"
#include "wait.h"

#define MHP_PCI_DEVICE_ID (0x1040 + VIRTIO_ID_MHP)

static Mhp *mhp_alloc_on(const char *machine)
{
    Mhp *mhp = g_new0(Mhp, 1);

    mhp->memory = -1;
    mhp->vm = vm_new();
    mhp->qtest = qtest_new(mhp->vm);
    vm_add_plugin(mhp->vm);
    vm_add_args(mhp->vm, "-M", machine, "-m", "64M,maxmem=1G", NULL);
    return mhp;
}

static Mhp *mhp_alloc(void)
{
    return mhp_alloc_on("q35");
}

static void mhp_add_device_with(Mhp *mhp, const char *properties)
{
    vm_add_opt(mhp->vm, "device",
               "mhp-vmemmap-mem,id=mhp0,memdev=mem0,block-size=%" PRIu64
               ",requested-size=%" PRIu64 "%s",
               MHP_BLOCK_SIZE, MHP_REQUESTED_SIZE, properties);
}

int mhp_bios_file(void)
{
    static const uint8_t code[] = {0xfa, 0xf4, 0xeb, 0xfc}; /* cli; hlt; jmp */
    int fd = memfd_create("bios", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_no_errno(ftruncate(fd, 0x10000));
    g_assert_cmpint(pwrite(fd, code, sizeof(code), 0xfff0), ==, sizeof(code));
    return fd;
}

static void mhp_add_device(Mhp *mhp)
{
    mhp_add_device_with(mhp, "");
}

static void mhp_start_vm(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;

    vm_start(mhp->vm, &error);
    g_assert_no_error(error);
}

static void mhp_start(Mhp *mhp)
{
    mhp_start_vm(mhp);
    mhp->pci = virtio_pci_new(mhp->qtest, MHP_PCI_DEVICE_ID);
    g_assert_nonnull(mhp->pci);
    mhp_restart_driver(mhp, MHP_FEATURES);
    mhp->addr = mhp_config(mhp).addr;
}

static void mhp_add_memory(Mhp *mhp)
{
    vm_add_opt(mhp->vm, "object",
               "memory-backend-file,id=mem0,share=on,mem-path=/proc/%d/fd/%d"
               ",size=%" PRIu64,
               getpid(), mhp->memory, MHP_REGION_SIZE);
}

/* Let the region's memory be a file of ours */
static void mhp_add_memory_file(Mhp *mhp)
{
    mhp->memory = memfd_create("region", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g_assert_cmpint(mhp->memory, >=, 0);
    g_assert_no_errno(ftruncate(mhp->memory, MHP_REGION_SIZE));
    mhp_add_memory(mhp);
}

Mhp *mhp_new_pc(const char *properties)
{
    g_autofree char *all = g_strdup_printf(",addr=0x%x%s", MHP_PC_SLOT,
                                           properties);
    Mhp *mhp = mhp_alloc_on("pc");

    mhp_add_memory_file(mhp);
    mhp_add_device_with(mhp, all);
    mhp_start(mhp);
    return mhp;
}

void mhp_eject(Mhp *mhp)
{
    qtest_outl(mhp->qtest, 0xae10, 0);
    qtest_outl(mhp->qtest, 0xae08, 1u << MHP_PC_SLOT);
}

static void mhp_add_args(Mhp *mhp, const char *const *args)
{
    for (; *args; args++) {
        vm_add_args(mhp->vm, *args, NULL);
    }
}

Mhp *mhp_new_with_args(const char *const *args)
{
    Mhp *mhp = mhp_alloc();

    mhp_add_memory_file(mhp);
    mhp_add_device(mhp);
    mhp_add_args(mhp, args);
    mhp_start(mhp);
    return mhp;
}

static void mhp_add_incoming(Mhp *mhp, const Mhp *source,
                             const char *const *args)
{
    mhp_add_device(mhp);
    mhp_add_args(mhp, args);
    vm_add_args(mhp->vm, "-incoming", "defer", NULL);
    mhp->addr = source->addr;
}

static void mhp_start_incoming(Mhp *mhp, const Mhp *source,
                               const char *const *args)
{
    mhp_add_incoming(mhp, source, args);
    mhp_start_vm(mhp);
}

Mhp *mhp_new_incoming(Mhp *source, const char *const *args)
{
    Mhp *mhp = mhp_alloc();

    mhp_add_memory_file(mhp);
    mhp_start_incoming(mhp, source, args);
    return mhp;
}

static void mhp_share_memory(Mhp *mhp, const Mhp *source)
{
    mhp->memory = dup(source->memory);
    g_assert_cmpint(mhp->memory, >=, 0);
    mhp_add_memory(mhp);
}

Mhp *mhp_new_incoming_shared(Mhp *source)
{
    const char *const no_args[] = {NULL};
    Mhp *mhp = mhp_alloc();

    mhp_share_memory(mhp, source);
    mhp_start_incoming(mhp, source, no_args);
    return mhp;
}

Mhp *mhp_new_incoming_cpr(Mhp *source, const char *const *args, const char *cpr)
{
    g_autoptr(GError) error = NULL;
    Mhp *mhp = mhp_alloc();

    mhp_share_memory(mhp, source);
    mhp_add_incoming(mhp, source, args);
    migration_add_cpr(mhp->vm, cpr);
    vm_launch(mhp->vm, &error);
    g_assert_no_error(error);
    return mhp;
}

void mhp_taken_over(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;

    vm_connect(mhp->vm, &error);
    g_assert_no_error(error);
}

void mhp_load_snapshot(Mhp *mhp, const char *tag)
{
    migration_load(mhp->vm, tag);
    virtio_pci_resume(mhp->pci);
}

void mhp_moved(Mhp *mhp, const Mhp *source)
{
    mhp->pci = virtio_pci_new_migrated(source->pci, mhp->qtest);
}

void mhp_arrived(Mhp *mhp, const Mhp *source)
{
    migration_wait_incoming(mhp->vm);
    if (!mhp->pci) {
        mhp_moved(mhp, source);
    }
}

Mhp *mhp_new(void)
{
    const char *const no_args[] = {NULL};

    return mhp_new_with_args(no_args);
}

Mhp *mhp_new_of_blocks_with_args(unsigned nb_blocks, const char *const *args)
{
    Mhp *mhp = mhp_alloc();

    vm_add_args(mhp->vm, "-m", "maxmem=4G", NULL);
    vm_add_opt(mhp->vm, "object",
               "memory-backend-ram,id=mem0,reserve=off,size=%" PRIu64,
               nb_blocks * MHP_BLOCK_SIZE);
    mhp_add_device(mhp);
    mhp_add_args(mhp, args);
    mhp_start(mhp);
    return mhp;
}

Mhp *mhp_new_of_blocks(unsigned nb_blocks)
{
    const char *const no_args[] = {NULL};

    return mhp_new_of_blocks_with_args(nb_blocks, no_args);
}

Mhp *mhp_new_anonymous(void)
{
    return mhp_new_of_blocks(MHP_NB_BLOCKS);
}

static void mhp_add_backend(Mhp *mhp, const char *backend,
                            const char *properties)
{
    vm_add_opt(mhp->vm, "object", "%s,id=mem0,size=%" PRIu64, backend,
               MHP_REGION_SIZE);
    vm_add_opt(mhp->vm, "device",
               "mhp-vmemmap-mem,id=mhp0,memdev=mem0,block-size=%" PRIu64
               ",requested-size=%" PRIu64 "%s",
               MHP_BLOCK_SIZE, MHP_REGION_SIZE, properties);
}

Mhp *mhp_new_with_backend(const char *backend, const char *properties,
                          const char *const *args)
{
    Mhp *mhp = mhp_alloc();

    mhp_add_backend(mhp, backend, properties);
    for (; args && *args; args++) {
        vm_add_args(mhp->vm, *args, NULL);
    }
    mhp_start(mhp);
    return mhp;
}

Mhp *mhp_new_incoming_with_backend(Mhp *source, const char *backend,
                                   const char *properties)
{
    Mhp *mhp = mhp_alloc();

    mhp_add_backend(mhp, backend, properties);
    vm_add_args(mhp->vm, "-incoming", "defer", NULL);
    mhp_start_vm(mhp);
    mhp->addr = source->addr;
    return mhp;
}

void mhp_free(Mhp *mhp)
{
    if (!mhp) {
        return;
    }
    g_assert_true(vm_is_running(mhp->vm));
    mhp_abandon(mhp);
}

void mhp_abandon(Mhp *mhp)
{
    virtio_pci_free(mhp->pci);
    qtest_free(mhp->qtest);
    vm_free(mhp->vm);
    if (mhp->memory >= 0) {
        close(mhp->memory);
    }
    g_free(mhp);
}

void mhp_restart_driver(Mhp *mhp, uint64_t features)
{
    g_assert_true(virtio_pci_negotiate(mhp->pci, features));
    virtio_pci_run(mhp->pci);
}

void mhp_system_reset(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;
    g_autoptr(JsonNode) event = NULL;

    result = qmp_executef(vm_qmp(mhp->vm), &error, "system_reset", NULL);
    g_assert_no_error(error);
    g_assert_nonnull(result);
    event = qmp_wait_event(vm_qmp(mhp->vm), "RESET", 10000, &error);
    g_assert_no_error(error);
    g_assert_nonnull(event);
    mhp_wait_discarded(mhp);
    virtio_pci_map(mhp->pci);
    mhp_restart_driver(mhp, MHP_FEATURES);
}

static bool mhp_has_discarded(void *opaque, G_GNUC_UNUSED GError **error)
{
    return !mhp_pending_discard_size(opaque);
}

void mhp_wait_discarded(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;

    wait_until(mhp_has_discarded, mhp, 10000, "the end of all discards",
               &error);
    g_assert_no_error(error);
}

struct virtio_mhp_config mhp_config(Mhp *mhp)
{
    struct virtio_mhp_config config;

    virtio_pci_read_config(mhp->pci, &config, sizeof(config));
    config.block_size = GUINT64_FROM_LE(config.block_size);
    config.node_id = GUINT16_FROM_LE(config.node_id);
    config.addr = GUINT64_FROM_LE(config.addr);
    config.region_size = GUINT64_FROM_LE(config.region_size);
    config.usable_region_size = GUINT64_FROM_LE(config.usable_region_size);
    config.plugged_size = GUINT64_FROM_LE(config.plugged_size);
    config.requested_size = GUINT64_FROM_LE(config.requested_size);
    config.pressure_size = GUINT64_FROM_LE(config.pressure_size);
    return config;
}

uint64_t mhp_block_addr(Mhp *mhp, unsigned block)
{
    return mhp->addr + block * MHP_BLOCK_SIZE;
}

void mhp_set_requested_size(Mhp *mhp, uint64_t size)
{
    g_autoptr(GError) error = NULL;

    qmp_set_uint(vm_qmp(mhp->vm), MHP_QOM_PATH, "requested-size", size, &error);
    g_assert_no_error(error);
}

void mhp_set_pressure_size(Mhp *mhp, uint64_t size)
{
    g_autoptr(GError) error = NULL;

    qmp_set_uint(vm_qmp(mhp->vm), MHP_QOM_PATH, "pressure-size", size, &error);
    g_assert_no_error(error);
}

static uint64_t mhp_get_size(Mhp *mhp, const char *property)
{
    g_autoptr(GError) error = NULL;
    uint64_t size = 0;

    qmp_get_uint(vm_qmp(mhp->vm), MHP_QOM_PATH, property, &size, &error);
    g_assert_no_error(error);
    return size;
}

uint64_t mhp_size(Mhp *mhp)
{
    return mhp_get_size(mhp, "size");
}

uint64_t mhp_pressure_plugged(Mhp *mhp)
{
    return mhp_get_size(mhp, "pressure-plugged");
}

uint64_t mhp_pending_discard_size(Mhp *mhp)
{
    return mhp_get_size(mhp, "pending-discard-size");
}

void mhp_assert_reports(Mhp *mhp, unsigned nb_blocks, const char *lines)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;
    g_autoptr(GString) got = g_string_new(NULL);
    JsonArray *array;
    uint64_t size = 0;

    qmp_get_uint(vm_qmp(mhp->vm), MHP_QOM_PATH, "stuck-size", &size, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(size, ==, nb_blocks * MHP_BLOCK_SIZE);

    result = qmp_executef(vm_qmp(mhp->vm), &error, "qom-get",
                          "{'path': '%s', 'property': 'stuck-blocks'}",
                          MHP_QOM_PATH);
    g_assert_no_error(error);
    array = json_node_get_array(result);
    for (unsigned i = 0; i < json_array_get_length(array); i++) {
        g_string_append_printf(got, "%s%s", i ? "\n" : "",
                               json_array_get_string_element(array, i));
    }
    g_assert_cmpstr(got->str, ==, lines);
}

char *mhp_hmp(Mhp *mhp, const char *command_line)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(vm_qmp(mhp->vm), &error, "human-monitor-command",
                          "{'command-line': '%s'}", command_line);
    g_assert_no_error(error);
    return g_strdup(json_node_get_string(result));
}

uint64_t mhp_backed_size(Mhp *mhp)
{
    struct stat st;

    g_assert_no_errno(fstat(mhp->memory, &st));
    return (uint64_t)st.st_blocks * 512;
}

bool mhp_is_backed(Mhp *mhp, uint64_t offset, uint64_t size)
{
    return lseek(mhp->memory, (off_t)offset, SEEK_DATA) == (off_t)offset &&
           lseek(mhp->memory, (off_t)offset, SEEK_HOLE) >=
               (off_t)(offset + size);
}

void mhp_fill(Mhp *mhp, unsigned block, uint8_t value)
{
    qtest_memset(mhp->qtest, mhp_block_addr(mhp, block), value, MHP_BLOCK_SIZE);
}

bool mhp_block_holds(Mhp *mhp, unsigned block, uint8_t value)
{
    g_autofree uint8_t *data = g_malloc(MHP_BLOCK_SIZE);

    qtest_read(mhp->qtest, mhp_block_addr(mhp, block), data, MHP_BLOCK_SIZE);
    return data[0] == value && !memcmp(data, data + 1, MHP_BLOCK_SIZE - 1);
}
