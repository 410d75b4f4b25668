/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest: see guest.h.
 */
#include "guest.h"

#include <inttypes.h>
#include <string.h>

#include "arch.h"

/* Panic ends QEMU, so that nobody waits for a dead guest */
#define GUEST_CMDLINE "panic=-1 loglevel=5"
#define GUEST_DISK_CMDLINE " root=/dev/vda rw"

/* Before the number of a Debian in the name of its folder */
#define GUEST_DEBIAN "debian-"

/* RAM addresses that maxmem leaves for aligning the devices */
#define GUEST_ALIGN_SIZE (2 * GiB)

/*
 * Empties caches that would blur a comparison of free pages. Dentries and
 * inodes come back only after an RCU grace period, and their slabs only when
 * these are shrunk after that.
 */
#define GUEST_SETTLE                                                      \
    "settle() {"                                                          \
    " echo 3 >/proc/sys/vm/drop_caches;"                                  \
    " echo 1 >/sys/module/rcutree/parameters/do_rcu_barrier || :;"        \
    " find /sys/kernel/slab -name shrink | while read -r f; do"           \
    " echo 1 >$f; done; };"                                               \
    "{ settle; settle; } 2>/dev/null; echo 1 >/proc/sys/vm/stat_refresh;" \
    "cat /proc/zoneinfo"

struct Guest {
    Vm *vm;
    Agent *agent;
    char *release;
    bool has_disk;
};

static char *guest_path(const char *kver, const char *name)
{
    g_autofree char *path = g_build_filename("guest", kver, name, NULL);

    return vm_build_path(path);
}

bool guest_has_disk(const char *kver)
{
    g_autofree char *disk = guest_path(kver, "disk.img");

    return g_file_test(disk, G_FILE_TEST_EXISTS);
}

/* Each kernel that can be asked for, and the Debian whose own it is */
static const struct {
    const char *version;
    const char *debian;
} guest_versions[] = {
    {"6.1", GUEST_DEBIAN "12"},
    {"6.12", GUEST_DEBIAN "13"},
};

static const char *guest_folder(bool is_debian, const char *version,
                                GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(guest_versions); i++) {
        if (g_str_equal(guest_versions[i].version, version)) {
            return is_debian ? guest_versions[i].debian
                             : guest_versions[i].version;
        }
    }
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "--kernel wants 6.1 or 6.12, got '%s'", version);
    return NULL;
}

char *guest_find(const char *kind, const char *version, GError **error)
{
    bool is_debian = g_str_equal(kind, "debian");
    g_autofree char *path = NULL;
    const char *folder;

    if (!is_debian && !g_str_equal(kind, "busybox")) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--guest wants busybox or debian, got '%s'", kind);
        return NULL;
    }
    folder = guest_folder(is_debian, version, error);
    if (!folder) {
        return NULL;
    }
    path = guest_path(folder, is_debian ? "disk.img" : "initramfs.cpio");
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
                    "there is no %s: ./mhp demo and ./mhp bench make it", path);
        return NULL;
    }
    return g_strdup(folder);
}

char *guest_describe(const char *kver)
{
    g_autofree char *path = guest_path(kver, "release");
    g_autofree char *release = NULL;

    if (!g_file_get_contents(path, &release, NULL, NULL)) {
        release = g_strdup("unknown");
    }
    g_strstrip(release);
    return guest_has_disk(kver)
               ? g_strdup_printf("Debian %s, Linux %s",
                                 kver + strlen(GUEST_DEBIAN), release)
               : g_strdup_printf("Linux %s and busybox", release);
}

static void guest_add_kernel(Guest *guest, const GuestConfig *config)
{
    g_autofree char *kernel = guest_path(config->kver, "vmlinuz");
    g_autofree char *initrd = guest_path(
        config->kver, config->initrd ? config->initrd : "initramfs.cpio");

    vm_add_opt(guest->vm, "kernel", "%s", kernel);
    vm_add_opt(guest->vm, "initrd", "%s", initrd);
    vm_add_opt(guest->vm, "append", GUEST_CMDLINE "%s console=%s %s",
               guest->has_disk ? GUEST_DISK_CMDLINE : "",
               arch_of(config->kver)->console,
               config->cmdline ? config->cmdline : "");
}

/* What the guest writes goes to a file that vanishes with QEMU */
static void guest_add_disk(Guest *guest, const char *kver)
{
    g_autofree char *disk = guest_path(kver, "disk.img");

    vm_add_opt(guest->vm, "drive",
               "if=none,id=" GUEST_DISK ",format=raw,snapshot=on,file=%s",
               disk);
    vm_add_opt(guest->vm, "device", "virtio-blk-pci,drive=" GUEST_DISK);
}

/* Debug kernels keep their accounts of plugged memory in boot memory */
static uint64_t guest_boot_size(void)
{
    const char *mib = g_getenv("MHP_BOOT_MIB");

    return mib ? g_ascii_strtoull(mib, NULL, 10) * MiB : GUEST_BOOT_SIZE;
}

static void guest_add_memory(Guest *guest, const GuestConfig *config)
{
    uint64_t size = config->boot_size ? config->boot_size : guest_boot_size();

    if (config->hotplug_max) {
        vm_add_opt(guest->vm, "m",
                   "size=%" PRIu64 "M,slots=%u,maxmem=%" PRIu64 "M", size / MiB,
                   GUEST_DIMM_SLOTS,
                   (size + config->hotplug_max + GUEST_ALIGN_SIZE) / MiB);
    } else {
        vm_add_opt(guest->vm, "m", "%" PRIu64 "M", size / MiB);
    }
    if (config->boot_size) {
        /* Without a reservation: the guest does not touch most of it */
        vm_add_opt(guest->vm, "object",
                   "memory-backend-ram,id=boot,size=%" PRIu64 ",reserve=off",
                   size);
        vm_add_args(guest->vm, "-machine", "memory-backend=boot", NULL);
    }
}

Guest *guest_new(const GuestConfig *config)
{
    Guest *guest = g_new0(Guest, 1);
    const Arch *arch = arch_of(config->kver);
    Vm *vm = guest->vm = vm_new_qemu(arch->qemu);

    guest->has_disk = guest_has_disk(config->kver);
    vm_add_args(vm, "-machine",
                config->machine ? config->machine : arch->machine, "-cpu",
                "max", "-smp", "2", "-no-reboot", "-device", "pvpanic-pci",
                "-device", "virtio-serial-pci", NULL);
    vm_add_opt(vm, "accel", "%s", config->accel ? config->accel : "tcg");
    guest_add_memory(guest, config);
    guest_add_kernel(guest, config);
    if (guest->has_disk) {
        guest_add_disk(guest, config->kver);
    }

    vm_add_log(vm, VM_CONSOLE);
    vm_add_opt(vm, "serial", "chardev:" VM_CONSOLE);
    guest->agent = agent_new(vm_add_channel(vm, "agent"));
    vm_add_opt(vm, "device", "virtserialport,chardev=agent,name=" AGENT_PORT);
    return guest;
}

void guest_free(Guest *guest)
{
    if (!guest) {
        return;
    }
    agent_free(guest->agent);
    vm_free(guest->vm);
    g_free(guest->release);
    g_free(guest);
}

static bool guest_wait_agent(Guest *guest, unsigned timeout_ms, GError **error)
{
    const char *release = agent_wait_ready(guest->agent, timeout_ms, error);

    g_free(guest->release);
    guest->release = g_strdup(release);
    return release != NULL;
}

bool guest_wait_ready(Guest *guest, GError **error)
{
    return guest_wait_agent(guest, GUEST_BOOT_MS, error);
}

/* More in a row are not by chance */
#define GUEST_STARTS 3

/* A guest that waits for a vCPU for ever says so after 21 s */
#define GUEST_LOOK_MS 30000

/* The error may be that of an emulator's fault, which ends the wait */
static bool guest_start(Guest *guest, GError **error)
{
    g_autoptr(GError) local = NULL;
    unsigned waited = 0;

    if (!vm_start(guest->vm, error)) {
        return false;
    }
    while (!guest_wait_agent(guest, GUEST_LOOK_MS, &local)) {
        waited += GUEST_LOOK_MS;
        if (waited >= GUEST_BOOT_MS || vm_met_stock_fault(guest->vm) ||
            !g_error_matches(local, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return false;
        }
        g_clear_error(&local);
    }
    return true;
}

bool guest_boot(Guest *guest, GError **error)
{
    g_autoptr(GError) local = NULL;

    for (unsigned i = 1; !guest_start(guest, &local); i++) {
        if (i == GUEST_STARTS || !vm_met_stock_fault(guest->vm)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return false;
        }
        g_printerr("the emulator met a fault of its own at boot: it starts "
                   "again\n");
        g_clear_error(&local);
        vm_rewind(guest->vm);
    }
    return true;
}

/*
 * kdump-tools, which no Debian has unless somebody installs it, runs a script
 * for each memory block that comes or goes. Those of 8 GiB keep an emulated CPU
 * busy for half a minute.
 */
#define GUEST_QUIETEN                                        \
    "ln -s /dev/null /etc/udev/rules.d/50-kdump-tools.rules" \
    " && udevadm control --reload"
#define GUEST_FAILED_UNITS                           \
    "systemctl is-system-running --wait >/dev/null " \
    "|| systemctl list-units --state=failed --plain --no-legend"

bool guest_wait_running(Guest *guest, GError **error)
{
    g_autofree char *failed = guest_runf(guest, error, GUEST_FAILED_UNITS);

    if (failed && *failed) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "units of the guest have failed: %s", g_strstrip(failed));
    }
    return failed && !*failed;
}

bool guest_prepare(Guest *guest, GError **error)
{
    g_autofree char *quiet = NULL;

    if (!guest->has_disk) {
        return true;
    }
    quiet = guest_runf(guest, error, GUEST_QUIETEN);
    return quiet && guest_wait_running(guest, error);
}

bool guest_allow_reset(Guest *guest, GError **error)
{
    g_autoptr(JsonNode) result = NULL;

    /* It was started with -no-reboot */
    result = qmp_executef(guest_qmp(guest), error, "set-action",
                          "{'reboot': 'reset'}");
    return result != NULL;
}

bool guest_reset(Guest *guest, GError **error)
{
    g_autoptr(JsonNode) result = NULL;

    if (!guest_allow_reset(guest, error)) {
        return false;
    }
    result = qmp_executef(guest_qmp(guest), error, "system_reset", NULL);
    return result && guest_wait_ready(guest, error);
}

Vm *guest_vm(Guest *guest)
{
    return guest->vm;
}

Qmp *guest_qmp(Guest *guest)
{
    return vm_qmp(guest->vm);
}

Agent *guest_agent(Guest *guest)
{
    return guest->agent;
}

const char *guest_release(Guest *guest)
{
    return guest->release;
}

char *guest_runf(Guest *guest, GError **error, const char *format, ...)
{
    g_autofree char *script = NULL;
    va_list ap;

    va_start(ap, format);
    script = g_strdup_vprintf(format, ap);
    va_end(ap);
    return agent_run(guest->agent, script, GUEST_SCRIPT_MS, NULL, error);
}

/* What is built in has its parameters set */
#define GUEST_INSMOD                                      \
    "m=%s; set -- %s; if [ -e /lib/modules/$m.ko ]; then" \
    " insmod /lib/modules/$m.ko \"$@\";"                  \
    " else cd /sys/module/$m && for p in \"$@\"; do"      \
    " echo \"${p#*=}\" >parameters/${p%%%%=*} || exit; done; fi"

bool guest_load(Guest *guest, const char *module, const char *parameters,
                GError **error)
{
    g_autofree char *output = NULL;

    if (guest->has_disk) {
        output = guest_runf(guest, error, "modprobe %s %s", module, parameters);
    } else {
        output = guest_runf(guest, error, GUEST_INSMOD, module, parameters);
    }
    return output != NULL;
}

char *guest_klog(Guest *guest, GError **error)
{
    return guest_runf(guest, error, "dmesg");
}

char *guest_console(Guest *guest)
{
    return vm_log(guest->vm, VM_CONSOLE);
}

GArray *guest_zones(Guest *guest, GError **error)
{
    g_autofree char *text = guest_runf(guest, error, "%s", GUEST_SETTLE);

    return text ? zoneinfo_parse(text) : NULL;
}

bool guest_boot_free(Guest *guest, uint64_t *bytes, GError **error)
{
    g_autoptr(GArray) zones = guest_zones(guest, error);

    if (!zones) {
        return false;
    }
    *bytes = zoneinfo_boot_free(zones);
    return true;
}
