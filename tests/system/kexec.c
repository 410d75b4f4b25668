/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another kernel in the same guest: see kexec.h.
 */
#include "kexec.h"

#include <inttypes.h>
#include <sys/stat.h>

#include "support.h"

/* nvme0 and nvme1, in the order in which they are given to QEMU */
static const char *const disks[] = {"vmlinuz", "initramfs.cpio"};

static char *disk_path(const char *name)
{
    const char *kver = g_getenv("MHP_KVER");
    g_autofree char *file = g_build_filename("guest", kver ? kver : "6.12",
                                             name, NULL);

    return vm_build_path(file);
}

void kexec_add_disks(Guest *guest)
{
    for (size_t i = 0; i < G_N_ELEMENTS(disks); i++) {
        g_autofree char *path = disk_path(disks[i]);

        vm_add_opt(guest_vm(guest), "drive",
                   "if=none,id=disk%zu,format=raw,readonly=on,file=%s", i,
                   path);
        vm_add_opt(guest_vm(guest), "device", "nvme,drive=disk%zu,serial=%s", i,
                   disks[i]);
    }
}

void kexec_load(Guest *guest, bool on_crash, const char *cmdline)
{
    /* Disks end at sectors; the kernel wants files */
    for (size_t i = 0; i < G_N_ELEMENTS(disks); i++) {
        g_autofree char *path = disk_path(disks[i]);
        struct stat st;

        g_assert_no_errno(stat(path, &st));
        g_free(system_run(guest,
                          "d=$(grep -l '^%s ' /sys/class/nvme/nvme?/serial);"
                          "head -c %" PRIu64 " /dev/$(basename $(dirname $d))n1"
                          " >/tmp/%s",
                          disks[i], (uint64_t)st.st_size, disks[i]));
    }
    /* A busy host makes a second kernel find a wrong speed for the TSC */
    g_free(system_run(guest,
                      "mhp-kexec %s /tmp/%s /tmp/%s"
                      " 'console=ttyS0 panic=-1 loglevel=5 notsc %s' &&"
                      "rm /tmp/%s /tmp/%s",
                      on_crash ? "-p" : "", disks[0], disks[1], cmdline,
                      disks[0], disks[1]));
}

void kexec_start(Guest *guest, const char *script)
{
    g_autoptr(GError) error = NULL;

    agent_start(guest_agent(guest), script, &error);
    g_assert_no_error(error);
    guest_wait_ready(guest, &error);
    g_assert_no_error(error);
}
