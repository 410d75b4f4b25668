/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Support of the system tests: see support.h.
 */
#include "support.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "accel.h"

#define SYSTEM_EXIT_SKIP 77
#define SYSTEM_KEY_MS 1000

const char *system_kver(void)
{
    const char *kver = g_getenv("MHP_KVER");

    return kver ? kver : "6.12";
}

bool system_is_slow(void)
{
    return g_str_equal(system_kver(), "debug");
}

static const char *system_accel(const char *kver)
{
    const char *wanted = g_getenv("MHP_ACCEL");
    g_autoptr(GError) error = NULL;
    const char *accel = accel_choose(wanted ? wanted : "tcg", kver, &error);

    g_assert_no_error(error);
    return accel;
}

static void system_need(const char *name)
{
    g_autofree char *path = vm_build_path(name);

    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_printerr("skipped: %s is missing, ./mhp build makes it\n", path);
        exit(SYSTEM_EXIT_SKIP);
    }
}

void system_init(int *argc, char ***argv)
{
    static const char *const files[] = {"vmlinuz", "initramfs.cpio"};

    g_test_init(argc, argv, NULL);
    system_need("mhp-vmemmap-mem.so");
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *name = g_build_filename("guest", system_kver(),
                                                 files[i], NULL);

        system_need(name);
    }
}

static Guest *system_new_as(GuestConfig config)
{
    config.kver = system_kver();
    config.accel = system_accel(config.kver);
    return guest_new(&config);
}

Guest *system_new_sized(uint64_t boot_size, uint64_t region_size,
                        const char *cmdline)
{
    return system_new_as((GuestConfig){
        .boot_size = boot_size,
        .hotplug_max = region_size,
        .cmdline = cmdline,
    });
}

Guest *system_new_from(const char *initrd, uint64_t region_size,
                       const char *cmdline)
{
    return system_new_as((GuestConfig){
        .initrd = initrd,
        .hotplug_max = region_size,
        .cmdline = cmdline,
    });
}

void system_need_module(const char *name)
{
    g_autofree char *path = g_strdup_printf("guest/%s/test-modules/%s.ko",
                                            system_kver(), name);

    system_need(path);
}

Guest *system_new(uint64_t region_size, const char *cmdline)
{
    return system_new_sized(0, region_size, cmdline);
}

static Guest *system_boot_device(const char *type, uint64_t boot_size,
                                 uint64_t region_size, const char *cmdline)
{
    Guest *guest = system_new_sized(boot_size, region_size, cmdline);
    g_autoptr(GError) error = NULL;

    memdev_add(guest, type, region_size);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    return guest;
}

Guest *system_boot(uint64_t growth, const char *cmdline)
{
    return system_boot_sized(0, growth + MEMORY_BLOCK_SIZE, cmdline);
}

Guest *system_boot_default(uint64_t growth, const char *cmdline)
{
    return system_boot_device(MEMDEV_DEFAULT, 0, growth + MEMORY_BLOCK_SIZE,
                              cmdline);
}

Guest *system_boot_sized(uint64_t boot_size, uint64_t region_size,
                         const char *cmdline)
{
    return system_boot_device(MEMDEV_OURS, boot_size, region_size, cmdline);
}

#define KMEMLEAK "/sys/kernel/debug/kmemleak"

/* What a scan finds is said in the kernel log. Kernels without it do nothing */
static const char scan[] = "if [ -e " KMEMLEAK " ]; then echo scan >" KMEMLEAK
                           "; fi;";

const char *const system_removal_circle[] = {
    "possible circular locking",
    "cpu_hotplug_lock --> mem_hotplug_lock",
    "state_store+",
    "__kernfs_remove+",
    "remove_memory_block_devices+",
    NULL,
};

/*
 * On its way back from hibernation, before its clocks run, 6.1 may allocate a
 * slab for ACPI, and ask for random numbers whose age it wants to know.
 */
static const char *const system_resume_warning[] = {
    "kernel/time/timekeeping.c",
    "ktime_get_seconds+",
    "crng_make_state+",
    "syscore_resume+",
    NULL,
};

void system_check_klog(Guest *guest)
{
    g_autofree char *log = system_run(guest, "%s dmesg -c", scan);
    g_autofree char *rest = klog_without_report(log, system_removal_circle);
    g_autofree char *others = klog_without_report(rest, system_resume_warning);
    g_autofree char *trouble = klog_trouble(others);

    if (trouble) {
        g_autofree char *leaks = system_run(guest, "cat " KMEMLEAK
                                                   " 2>/dev/null || :");

        g_printerr("%s\n%s\n", log, leaks);
    }
    g_assert_cmpstr(trouble, ==, NULL);
}

/*
 * A leak is one that two scans have seen and that is older than five seconds,
 * so the last one is found only then.
 */
static void system_check_leaks(Guest *guest)
{
    g_free(
        system_run(guest, "if [ -e " KMEMLEAK " ]; then sleep 6; %s fi", scan));
    system_check_klog(guest);
}

void system_end(Guest *guest)
{
    system_check_klog(guest);
    system_check_leaks(guest);
    guest_free(guest);
}

char *system_run(Guest *guest, const char *format, ...)
{
    g_autofree char *script = NULL;
    g_autoptr(GError) error = NULL;
    char *output;
    va_list ap;

    va_start(ap, format);
    script = g_strdup_vprintf(format, ap);
    va_end(ap);
    output = agent_run(guest_agent(guest), script, GUEST_SCRIPT_MS, NULL,
                       &error);
    g_assert_no_error(error);
    return g_strchomp(output);
}

char *system_hold(Guest *guest, const char *word, const char *format, ...)
{
    g_autofree char *command = NULL;
    va_list ap;

    va_start(ap, format);
    command = g_strdup_vprintf(format, ap);
    va_end(ap);
    return system_run(guest,
                      "rm -f /tmp/hold; mkfifo /tmp/hold;"
                      "%s >/tmp/hold 2>&1 & echo $! >>/tmp/held-%s;"
                      "read -r line </tmp/hold; echo $line;"
                      "case $line in '%s '*) ;; *) exit 1 ;; esac",
                      command, word, word);
}

void system_let_go(Guest *guest, const char *word)
{
    g_free(system_run(guest, "kill $(cat /tmp/held-%s) && rm /tmp/held-%s",
                      word, word));
}

uint64_t system_pin(Guest *guest, uint64_t addr, uint64_t size)
{
    g_autofree char *text = system_hold(
        guest, "pinned", "mhp-pin %" PRIx64 " %" PRIx64, addr, size);
    uint64_t page;

    g_assert_cmpint(sscanf(text, "pinned %" SCNx64, &page), ==, 1);
    return page;
}

int system_status(Guest *guest, const char *format, ...)
{
    g_autofree char *script = NULL;
    g_autoptr(GError) error = NULL;
    int status = -1;
    va_list ap;

    va_start(ap, format);
    script = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_free(agent_run(guest_agent(guest), script, GUEST_SCRIPT_MS, &status,
                     &error));
    g_assert_no_error(error);
    return status;
}

const char system_wake_by_key[] =
    "for f in /sys/devices/platform/i8042/serio*/power/wakeup; do"
    " echo enabled >$f; done;";

typedef struct SystemSleeper {
    Guest *guest;
    char *output;
} SystemSleeper;

/* It counts only once it is asleep, and nobody says when that is */
static bool system_press_key(void *opaque, GError **error)
{
    SystemSleeper *sleeper = opaque;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(guest_qmp(sleeper->guest), error, "send-key",
                          "{'keys': [{'type': 'qcode', 'data': 'shift'}]}");
    if (result) {
        sleeper->output = agent_finish(guest_agent(sleeper->guest),
                                       SYSTEM_KEY_MS, NULL, NULL);
    }
    return sleeper->output;
}

char *system_wake_up(Guest *guest)
{
    SystemSleeper sleeper = {.guest = guest};
    g_autoptr(GError) error = NULL;

    wait_until(system_press_key, &sleeper, SYSTEM_STALL_MS,
               "the end of the sleep", &error);
    g_assert_no_error(error);
    return sleeper.output;
}

void system_load_driver(Guest *guest, const char *parameters)
{
    g_autoptr(GError) error = NULL;

    memdev_load_driver(guest, parameters, &error);
    g_assert_no_error(error);
}

void system_unload_driver(Guest *guest)
{
    g_free(system_run(guest, "rmmod mhp_vmemmap_mem"));
}

void system_request(Guest *guest, uint64_t size)
{
    g_autoptr(GError) error = NULL;

    memdev_request(guest, size, &error);
    g_assert_no_error(error);
}

/* The driver's worker sleeps, as it does when it has nothing to do */
static bool is_worker_idle(void *opaque, GError **error)
{
    int status = 1;

    g_free(agent_run(guest_agent(opaque),
                     SYSTEM_EACH_WORKER("case $line in *') S '*) ;;"
                                        " *) exit 1 ;; esac") "; exit 0",
                     GUEST_SCRIPT_MS, &status, error));
    return status == 0;
}

/* The host has its size as soon as the last block is plugged: see it online */
static void wait_worker(Guest *guest)
{
    g_autoptr(GError) error = NULL;

    wait_until(is_worker_idle, guest, SYSTEM_STALL_MS, "the worker's rest",
               &error);
    g_assert_no_error(error);
}

void system_take_kernel_memory(Guest *guest, unsigned mib)
{
    g_free(system_run(guest,
                      "insmod /lib/modules/mhp_kernel.ko;"
                      "cd /sys/module/mhp_kernel/parameters &&"
                      " echo %u >mib && echo %u >mib",
                      mib, mib - SYSTEM_KERNEL_SPARE_MIB));
    wait_worker(guest);
}

double system_worker_time(Guest *guest)
{
    g_autofree char *text = system_run(
        guest,
        SYSTEM_EACH_WORKER("read -r time rest <$p/schedstat && echo $time"));

    g_assert_cmpstr(text, !=, "");
    return g_ascii_strtod(text, NULL) / 1e9;
}

void system_wait_size(Guest *guest, uint64_t size)
{
    g_autoptr(GError) error = NULL;

    memdev_wait(guest, size, SYSTEM_STALL_MS, NULL, NULL, &error);
    g_assert_no_error(error);
    wait_worker(guest);
}

void system_resize(Guest *guest, uint64_t size)
{
    g_autoptr(GError) error = NULL;

    memdev_resize(guest, size, SYSTEM_STALL_MS, &error);
    g_assert_no_error(error);
    wait_worker(guest);
}

typedef struct SystemBound {
    Guest *guest;
    uint64_t min;
    uint64_t max;
} SystemBound;

static bool system_is_within(void *opaque, GError **error)
{
    SystemBound *bound = opaque;
    uint64_t size;

    return memdev_size(bound->guest, &size, error) && size >= bound->min &&
           size <= bound->max;
}

static void system_wait_within(Guest *guest, uint64_t min, uint64_t max)
{
    SystemBound bound = {.guest = guest, .min = min, .max = max};
    g_autoptr(GError) error = NULL;

    wait_until(system_is_within, &bound, SYSTEM_STALL_MS, "the way to the size",
               &error);
    g_assert_no_error(error);
}

void system_wait_above(Guest *guest, uint64_t size)
{
    system_wait_within(guest, size, UINT64_MAX);
}

void system_wait_below(Guest *guest, uint64_t size)
{
    system_wait_within(guest, 0, size);
}

uint64_t system_size(Guest *guest)
{
    g_autoptr(GError) error = NULL;
    uint64_t size = 0;

    memdev_size(guest, &size, &error);
    g_assert_no_error(error);
    return size;
}

uint64_t system_attr(Guest *guest, const char *name)
{
    g_autoptr(GError) error = NULL;
    uint64_t value = 0;

    memdev_attr_uint(guest, name, &value, &error);
    g_assert_no_error(error);
    return value;
}

typedef struct SystemAttr {
    Guest *guest;
    const char *name;
    uint64_t value;
} SystemAttr;

static bool system_attr_is(void *opaque, GError **error)
{
    const SystemAttr *attr = opaque;
    uint64_t value = 0;

    return memdev_attr_uint(attr->guest, attr->name, &value, error) &&
           value == attr->value;
}

void system_wait_attr(Guest *guest, const char *name, uint64_t value)
{
    SystemAttr attr = {.guest = guest, .name = name, .value = value};
    g_autoptr(GError) error = NULL;

    wait_until(system_attr_is, &attr, SYSTEM_STALL_MS, name, &error);
    g_assert_no_error(error);
}

char *system_attr_text(Guest *guest, const char *name)
{
    g_autoptr(GError) error = NULL;
    char *text = memdev_attr(guest, name, &error);

    g_assert_no_error(error);
    return text;
}

uint64_t system_addr(Guest *guest)
{
    g_autoptr(GError) error = NULL;
    uint64_t addr = 0, size;

    memdev_region(guest, &addr, &size, &error);
    g_assert_no_error(error);
    return addr;
}

GArray *system_blocks(Guest *guest)
{
    g_autoptr(GError) error = NULL;
    GArray *blocks = memdev_blocks(guest, &error);

    g_assert_no_error(error);
    return blocks;
}

int64_t system_requests_seen(Guest *guest)
{
    g_autoptr(JsonNode) status = NULL;
    g_autoptr(GError) error = NULL;

    status = qmp_executef(guest_qmp(guest), &error,
                          "x-query-virtio-queue-status",
                          "{'path': '" MEMDEV_PATH "/virtio-backend',"
                          " 'queue': 0}");
    g_assert_no_error(error);
    return json_object_get_int_member(json_node_get_object(status),
                                      "last-avail-idx");
}

int64_t system_acks(Guest *guest, const char *type)
{
    g_autoptr(JsonNode) counters = NULL;
    g_autoptr(GError) error = NULL;
    JsonObject *of_type;

    counters = qmp_executef(guest_qmp(guest), &error, "qom-get",
                            "{'path': '" MEMDEV_PATH "',"
                            " 'property': 'counters'}");
    g_assert_no_error(error);
    of_type = json_object_get_object_member(json_node_get_object(counters),
                                            type);
    return json_object_get_int_member(of_type, "ack");
}
