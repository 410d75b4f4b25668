/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that moves: see moving.h.
 */
#include "moving.h"

#include <glib/gstdio.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "accel.h"
#include "klog.h"
#include "migration.h"
#include "picture.h"
#include "wait.h"

#define MOVING_REGION (2 * GiB)
/*
 * Boot memory, with 8 KiB that are odd. When QEMU collects dirty pages of a
 * block of memory, it makes TCG notice the next writes, but to the block that
 * comes first in its list (cpu_physical_memory_sync_dirty_bitmap() in 10.0
 * takes an offset in a block for an address). Guests die of writes that were
 * not noticed. Only blocks of whole 256 KiB are collected in this way, and the
 * device's comes first.
 */
#define MOVING_BOOT_KIB (GUEST_BOOT_SIZE / KiB + 8)
#define MOVING_DATA_MIB 64u
#define MOVING_STALL_MS 60000

/* Slow enough for what is asked meanwhile, and then as fast as it can be */
#define MOVING_SLOW (4 * MiB)
#define MOVING_FAST (4 * GiB)
#define MOVING_DOWNTIME_MS 60000

/*
 * Pages of tmpfs can be moved, so they are in the device's memory. One loop
 * compares, the other writes, so that there is memory to be sent again.
 */
#define MOVING_DATA                                                         \
    "mkdir /data && mount -t tmpfs -o size=90%% tmpfs /data && cd /data &&" \
    " dd if=/dev/urandom of=data bs=1M count=%u 2>/dev/null &&"             \
    " md5sum data >sum && { {"                                              \
    " while :; do md5sum -c sum || echo bad >>bad; done & };"               \
    " { while :; do dd if=/dev/urandom of=dirty bs=64k count=16"            \
    " conv=notrunc; sleep 0.1; done & }; } >/dev/null 2>&1"

static const char *moving_kver(void)
{
    const char *kver = g_getenv("MHP_KVER");

    return kver ? kver : "6.12";
}

/* Memory of the device that we see, too */
static int moving_new_memory(void)
{
    int fd = memfd_create("region", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_no_errno(ftruncate(fd, MOVING_REGION));
    return fd;
}

/* All memory is shared, as cpr-transfer wants it */
static Guest *moving_new_guest(Moving *moving, int memory)
{
    GuestConfig config = {
        .kver = moving_kver(),
        .hotplug_max = MOVING_REGION,
        .cmdline = "memory_hotplug.memmap_on_memory=1",
    };
    Guest *guest = guest_new(&config);
    Vm *vm = guest_vm(guest);

    vm_add_plugin(vm);
    /* This comes first: see MOVING_BOOT_KIB */
    vm_add_opt(vm, "object",
               "memory-backend-file,id=hpmem,share=on,reserve=off,"
               "mem-path=/proc/%d/fd/%d,size=%" PRIu64,
               getpid(), memory, MOVING_REGION);
    vm_add_opt(vm, "m", "size=%" PRIu64 "K", MOVING_BOOT_KIB);
    vm_add_opt(vm, "object",
               "memory-backend-memfd,id=boot,share=on,size=%" PRIu64 "K",
               MOVING_BOOT_KIB);
    vm_add_args(vm, "-machine", "memory-backend=boot,aux-ram-share=on", NULL);
    vm_add_opt(vm, "device", MEMDEV_OURS ",id=hp0,memdev=hpmem,prealloc=%s",
               moving->prealloc ? "on" : "off");
    return guest;
}

/* One that waits for the guest; the next memory is its, or what we have */
static Guest *moving_new_target(Moving *moving, bool shares_memory)
{
    Guest *target;

    moving->next_memory = shares_memory ? dup(moving->memory)
                                        : moving_new_memory();
    g_assert_cmpint(moving->next_memory, >=, 0);
    target = moving_new_guest(moving, moving->next_memory);
    vm_add_args(guest_vm(target), "-incoming", "defer", NULL);
    if (shares_memory) {
        /* Not before we have looked what the source does to it */
        vm_add_args(guest_vm(target), "-S", NULL);
    }
    return target;
}

static Guest *moving_start_target(Moving *moving, bool shares_memory)
{
    Guest *target = moving_new_target(moving, shares_memory);
    g_autoptr(GError) error = NULL;

    vm_start(guest_vm(target), &error);
    g_assert_no_error(error);
    return target;
}

static void moving_drop_target(Moving *moving, Guest *target)
{
    guest_free(target);
    close(moving->next_memory);
    moving->next_memory = -1;
}

static char *moving_run(Moving *moving, const char *script)
{
    g_autoptr(GError) error = NULL;
    char *output = guest_runf(moving->guest, &error, "%s", script);

    g_assert_no_error(error);
    return output;
}

Moving *moving_new(bool prealloc)
{
    Moving *moving = g_new0(Moving, 1);
    g_autofree char *script = g_strdup_printf(MOVING_DATA, MOVING_DATA_MIB);
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;

    moving->folder = g_dir_make_tmp("mhp-XXXXXX", &error);
    g_assert_no_error(error);
    moving->prealloc = prealloc;
    moving->memory = moving_new_memory();
    moving->next_memory = -1;
    moving->guest = moving_new_guest(moving, moving->memory);
    guest_boot(moving->guest, &error);
    g_assert_no_error(error);
    path = g_build_filename(moving->folder, "disk", NULL);
    migration_add_disk(guest_vm(moving->guest), path);
    memdev_load_driver(moving->guest, "", &error);
    g_assert_no_error(error);
    moving_request(moving, MOVING_SMALL);
    moving_settle(moving);
    g_free(moving_run(moving, script));
    return moving;
}

void moving_free(Moving *moving)
{
    static const char *const names[] = {"disk", "socket", "file", "cpr"};

    guest_free(moving->guest);
    close(moving->memory);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(moving->folder, names[i],
                                                 NULL);

        g_unlink(path);
    }
    g_assert_no_errno(g_rmdir(moving->folder));
    g_free(moving->folder);
    g_free(moving);
}

void moving_request(Moving *moving, uint64_t size)
{
    g_autoptr(GError) error = NULL;

    memdev_request(moving->guest, size, &error);
    g_assert_no_error(error);
    moving->size = size;
}

void moving_settle(Moving *moving)
{
    g_autoptr(GError) error = NULL;

    memdev_wait(moving->guest, moving->size, MOVING_STALL_MS, NULL, NULL,
                &error);
    g_assert_no_error(error);
}

void moving_check(Moving *moving)
{
    g_autofree char *bad = NULL, *log = NULL, *trouble = NULL;

    /* Also of what no loop has come to since the guest moved */
    bad = moving_run(moving,
                     "cd /data && md5sum -c sum && ! cat bad 2>/dev/null");
    g_assert_nonnull(strstr(bad, "data: OK"));
    log = moving_run(moving, "dmesg -c");
    trouble = klog_trouble(log);
    if (trouble) {
        g_printerr("%s\n", log);
    }
    g_assert_cmpstr(trouble, ==, NULL);
}

static char *moving_uri(Moving *moving, const char *scheme, const char *name)
{
    return g_strdup_printf("%s:%s/%s", scheme, moving->folder, name);
}

static void moving_qmp(Guest *guest, const char *command, const char *arguments)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(guest_qmp(guest), &error, command,
                          arguments ? "%s" : NULL, arguments);
    g_assert_no_error(error);
}

/* All that an operator can do to a QEMU whose guest has left */
static void moving_provoke(Guest *source)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) event = NULL;

    g_assert_false(memdev_request(source, 0, &error));
    g_clear_error(&error);
    moving_qmp(source, "set-action", "{'reboot': 'reset'}");
    for (unsigned i = 0; i < 2; i++) {
        g_clear_pointer(&event, json_node_unref);
        moving_qmp(source, "system_reset", NULL);
        event = qmp_wait_event(guest_qmp(source), "RESET", MOVING_STALL_MS,
                               &error);
        g_assert_no_error(error);
    }
}

static bool moving_has_discarded(void *opaque, GError **error)
{
    uint64_t size = 1;

    return qmp_get_uint(guest_qmp(opaque), MEMDEV_PATH, "pending-discard-size",
                        &size, error) &&
           size == 0;
}

/* What the source may not touch: the other side uses it, or could */
static void moving_watch_source(Moving *moving)
{
    g_autofree char *before = picture_of(moving->memory), *after = NULL;

    moving_provoke(moving->guest);
    after = picture_of(moving->memory);
    g_assert_cmpstr(after, ==, before);
    moving->nb_watched++;
}

/* The guest is in @target from now on; the other QEMU ends */
static void moving_take(Moving *moving, Guest *target)
{
    guest_free(moving->guest);
    moving->guest = target;
    close(moving->memory);
    moving->memory = moving->next_memory;
    moving->next_memory = -1;
}

/* The same for a guest that has left */
static void moving_change(Moving *moving, Guest *target, bool shares_memory)
{
    g_autoptr(GError) error = NULL;

    migration_wait_incoming(guest_vm(target));
    if (shares_memory) {
        /* That is the target's work */
        wait_until(moving_has_discarded, target, MOVING_STALL_MS,
                   "the end of what the source left", &error);
        g_assert_no_error(error);
    }
    moving_watch_source(moving);
    if (shares_memory) {
        moving_qmp(target, "cont", NULL);
    }
    moving_take(moving, target);
}

/* Only the first QEMU has the disk; that is all that it is for */
static void moving_drop_disk(Moving *moving)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) disk = NULL, file = NULL;

    disk = qmp_executef(guest_qmp(moving->guest), &error, "blockdev-del",
                        "{'node-name': 'disk'}");
    file = qmp_executef(guest_qmp(moving->guest), NULL, "blockdev-del",
                        "{'node-name': 'file'}");
}

/* The rest in one go, as nobody needs it slow any more */
static void moving_hurry(Vm *vm)
{
    migration_set(vm, "downtime-limit", MOVING_DOWNTIME_MS);
    migration_set(vm, "max-bandwidth", MOVING_FAST);
}

static void moving_slow_down(Moving *moving)
{
    Vm *vm = guest_vm(moving->guest);

    moving_drop_disk(moving);
    migration_set(vm, "downtime-limit", 1);
    migration_set(vm, "max-bandwidth", MOVING_SLOW);
}

static void moving_start(Moving *moving, const char *uri)
{
    Vm *vm = guest_vm(moving->guest);

    moving_slow_down(moving);
    migration_start(vm, uri);
    migration_wait(vm, "active");
}

/* The guest has asked, and was told to wait, or has nothing to ask for */
static void moving_ask_meanwhile(Moving *moving, uint64_t size)
{
    g_autofree char *script = NULL;

    if (size != moving->size) {
        moving_request(moving, size);
        /* The driver has looked; the script runner has the time limit */
        script = g_strdup_printf(
            "cd /sys/bus/virtio/drivers/mhp_vmemmap_mem/virtio*/ &&"
            " until [ $(cat requested_size) = %" PRIu64 " ];"
            " do sleep 0.05; done",
            size);
        g_free(moving_run(moving, script));
    }
}

/* Exactly one of them, or none: both at once would be another kind */
static void moving_set_kind(Guest *guest, const char *capability)
{
    static const char *const capabilities[] = {
        "multifd", "postcopy-ram", "background-snapshot", "x-ignore-shared"};

    for (size_t i = 0; i < G_N_ELEMENTS(capabilities); i++) {
        if (g_strcmp0(capability, capabilities[i]) != 0) {
            migration_disable(guest_vm(guest), capabilities[i]);
        }
    }
    if (capability) {
        migration_enable(guest_vm(guest), capability);
    }
}

static void moving_by_socket(Moving *moving, uint64_t size_meanwhile,
                             const char *capability)
{
    const bool shares_memory = g_strcmp0(capability, "x-ignore-shared") == 0;
    g_autofree char *uri = moving_uri(moving, "unix", "socket");
    Guest *target = moving_start_target(moving, shares_memory);
    Vm *vm = guest_vm(moving->guest);

    moving_set_kind(moving->guest, capability);
    moving_set_kind(target, capability);
    migration_listen(guest_vm(target), uri);
    moving_start(moving, uri);
    moving_ask_meanwhile(moving, size_meanwhile);
    if (g_strcmp0(capability, "postcopy-ram") == 0) {
        migration_start_postcopy(vm);
        /*
         * Not with that downtime: QEMU ends with what would take no longer,
         * and does not answer until it is sent.
         */
        migration_set(vm, "max-bandwidth", MOVING_FAST);
    } else {
        moving_hurry(vm);
    }
    migration_wait(vm, "completed");
    moving_change(moving, target, shares_memory);
}

void moving_precopy(Moving *moving, uint64_t size_meanwhile)
{
    moving_by_socket(moving, size_meanwhile, NULL);
}

void moving_multifd(Moving *moving, uint64_t size_meanwhile)
{
    moving_by_socket(moving, size_meanwhile, "multifd");
}

void moving_postcopy(Moving *moving, uint64_t size_meanwhile)
{
    moving_by_socket(moving, size_meanwhile, "postcopy-ram");
}

void moving_ignore_shared(Moving *moving, uint64_t size_meanwhile)
{
    moving_by_socket(moving, size_meanwhile, "x-ignore-shared");
}

/* It is too fast for anything to be asked meanwhile */
void moving_transfer(Moving *moving, uint64_t size_meanwhile)
{
    g_autofree char *uri = moving_uri(moving, "unix", "socket");
    g_autofree char *cpr = g_build_filename(moving->folder, "cpr", NULL);
    Guest *target = moving_new_target(moving, true);
    g_autoptr(GError) error = NULL;

    g_unlink(cpr);
    migration_add_cpr(guest_vm(target), cpr);
    vm_launch(guest_vm(target), &error);
    g_assert_no_error(error);
    moving_drop_disk(moving);
    moving_set_kind(moving->guest, NULL);
    moving_request(moving, size_meanwhile);
    migration_start_cpr(guest_vm(moving->guest), uri, cpr);
    vm_connect(guest_vm(target), &error);
    g_assert_no_error(error);
    migration_listen(guest_vm(target), uri);
    migration_wait(guest_vm(moving->guest), "completed");
    moving_change(moving, target, true);
}

void moving_file(Moving *moving, uint64_t size_meanwhile)
{
    g_autofree char *uri = moving_uri(moving, "file", "file");
    Guest *target = moving_start_target(moving, false);

    moving_set_kind(moving->guest, NULL);
    moving_start(moving, uri);
    moving_ask_meanwhile(moving, size_meanwhile);
    moving_hurry(guest_vm(moving->guest));
    migration_wait(guest_vm(moving->guest), "completed");
    migration_listen(guest_vm(target), uri);
    moving_change(moving, target, false);
}

void moving_snapshot(Moving *moving, uint64_t size_meanwhile)
{
    g_autofree char *path = g_build_filename(moving->folder, "disk", NULL);
    Vm *vm = guest_vm(moving->guest);

    moving_set_kind(moving->guest, NULL);
    moving_drop_disk(moving);
    migration_add_disk(vm, path);
    moving_request(moving, size_meanwhile);
    migration_save(vm, "one");
    moving_settle(moving);
    moving_check(moving);
    moving_request(moving, MOVING_SMALL + MOVING_LARGE - size_meanwhile);
    migration_load(vm, "one");
    /* What was asked for when it was saved */
    moving->size = size_meanwhile;
}

/* The guest runs on; what was saved of it runs, too, somewhere else */
void moving_background(Moving *moving, uint64_t size_meanwhile)
{
    g_autofree char *uri = moving_uri(moving, "file", "file");
    Guest *target = moving_start_target(moving, false);
    Vm *vm = guest_vm(moving->guest);

    moving_drop_disk(moving);
    moving_set_kind(moving->guest, "background-snapshot");
    migration_set(vm, "max-bandwidth", MOVING_FAST);
    moving_request(moving, size_meanwhile);
    migration_start(vm, uri);
    migration_wait(vm, "completed");
    moving_settle(moving);
    moving_check(moving);
    migration_listen(guest_vm(target), uri);
    migration_wait_incoming(guest_vm(target));
    moving_take(moving, target);
}

void moving_cancelled(Moving *moving, uint64_t size_meanwhile)
{
    g_autofree char *uri = moving_uri(moving, "unix", "socket");
    Guest *target = moving_start_target(moving, false);

    moving_set_kind(moving->guest, NULL);
    migration_listen(guest_vm(target), uri);
    moving_start(moving, uri);
    moving_ask_meanwhile(moving, size_meanwhile);
    migration_cancel(guest_vm(moving->guest));
    migration_wait(guest_vm(moving->guest), "cancelled");
    moving_drop_target(moving, target);
}

void moving_failed(Moving *moving, uint64_t size_meanwhile)
{
    g_autofree char *uri = moving_uri(moving, "unix", "socket");
    Guest *target = moving_start_target(moving, false);

    moving_set_kind(moving->guest, NULL);
    migration_listen(guest_vm(target), uri);
    moving_start(moving, uri);
    moving_ask_meanwhile(moving, size_meanwhile);
    moving_drop_target(moving, target);
    migration_wait(guest_vm(moving->guest), "failed");
}
