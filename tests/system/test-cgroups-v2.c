/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The qtest program that puts QEMU into control groups, $MHP_PROGRAM, in a
 * guest where they are of version 2, whatever they are on this machine. The
 * guest's clock counts instructions: on a slow machine that emulates it, too,
 * times are those of one that takes no more than 2 ns for each.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support.h"

#define BOOT_SIZE (2 * GiB)
#define DISK_SIZE (2 * GiB)
/* 2 to the power of this is how many ns an instruction takes */
#define CLOCK "shift=1"
#define CASE_MS 900000

#define PATH "/virtio-mhp/system/cgroups-v2/"
/* The program's */
#define CASES "/virtio-mhp/cgroups/"

static Guest *guest;

static void make_root(const char *image)
{
    g_autofree char *plugin = vm_build_path("mhp-vmemmap-mem.so");
    const char *argv[] = {
        g_getenv("MHP_MAKE_ROOT"), image, g_getenv("MHP_PROGRAM"), plugin, NULL,
    };
    g_autofree char *errors = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL,
                 &errors, &status, &error);
    g_assert_no_error(error);
    g_spawn_check_wait_status(status, &error);
    g_assert_cmpstr(errors, ==, "");
    g_assert_no_error(error);
}

static void boot(int disk)
{
    g_autofree char *image = g_strdup_printf("/proc/%d/fd/%d", getpid(), disk);
    g_autoptr(GError) error = NULL;

    g_assert_no_errno(ftruncate(disk, DISK_SIZE));
    make_root(image);
    guest = system_new_sized(BOOT_SIZE, 0, "");
    vm_add_opt(guest_vm(guest), "icount", CLOCK);
    vm_add_opt(guest_vm(guest), "blockdev",
               "driver=raw,node-name=disk0,file.driver=file,file.locking=off,"
               "file.filename=%s",
               image);
    vm_add_opt(guest_vm(guest), "device", "virtio-blk-pci,drive=disk0");
    guest_boot(guest, &error);
    g_assert_no_error(error);
    g_free(system_run(guest,
                      "insmod /lib/modules/virtio_blk.ko;"
                      "mkdir /tmp/root && mount -t ext4 /dev/vda /tmp/root &&"
                      " cd /tmp/root &&"
                      " mount -o bind /dev dev &&"
                      " mount -t proc none proc &&"
                      " mount -t sysfs none sys &&"
                      " mount -t cgroup2 none sys/fs/cgroup"));
}

/* What the program says of the case, and what it took there */
static void test_case(const void *name)
{
    g_autofree char *script = NULL, *output = NULL;
    g_autofree char *build = vm_build_path("");
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) lines = NULL;
    int status;

    script = g_strdup_printf("cd /tmp/root && export PATH=/bin:/usr/bin &&"
                             " MHP_BUILD=%s chroot . %s -p \"" CASES "%s\"",
                             build, g_getenv("MHP_PROGRAM"),
                             (const char *)name);
    output = agent_run(guest_agent(guest), script, CASE_MS, &status, &error);
    g_assert_no_error(error);
    lines = g_strsplit(output, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_test_message("%s", *line);
    }
    g_assert_cmpint(status, ==, 0);
    g_assert_nonnull(strstr(output, "ok 1 "));
    g_assert_null(strstr(output, "# SKIP"));
    g_assert_null(strstr(output, "version 1"));
}

static const char *const cases[] = {
    "limit",
    "cache in use is room",
    "the monitor answers at the limit",
    "the monitor answers at memory.high",
};

int main(int argc, char **argv)
{
    int disk = memfd_create("disk", MFD_CLOEXEC);
    int status;

    g_assert_cmpint(disk, >=, 0);
    system_init(&argc, &argv);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat(PATH, cases[i], NULL);

        g_test_add_data_func(path, cases[i], test_case);
    }
    boot(disk);
    status = g_test_run();
    system_end(guest);
    close(disk);
    return status;
}
