/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stock Debian kernel in a QEMU PC, with our init and agent, or with a whole
 * Debian and our agent as a service: boot it, run scripts in it, ask it about
 * its memory. What memory device it has, if any, is memdev.h's matter.
 */
#ifndef MHP_GUEST_H
#define MHP_GUEST_H

#include "agent.h"
#include "vm.h"
#include "zoneinfo.h"

#define KiB (UINT64_C(1) << 10)
#define MiB (UINT64_C(1) << 20)
#define GiB (UINT64_C(1) << 30)

/* Those of x86, and of Arm with pages of 4 KiB */
#define MEMORY_BLOCK_SIZE (128 * MiB)
/* struct page is 64 bytes for 4096: the memmap's share of a block */
#define MEMMAP_SIZE (MEMORY_BLOCK_SIZE / 64)
#define MEMMAP_PAGES (MEMMAP_SIZE / 4096)

#define GUEST_BOOT_SIZE (1 * GiB)
/* Only stock DIMMs take any */
#define GUEST_DIMM_SLOTS 32
#define GUEST_BOOT_MS 300000
#define GUEST_SCRIPT_MS 300000

typedef struct GuestConfig {
    const char *kver;     /* a folder of $MHP_BUILD/guest, such as 6.12 */
    const char *initrd;   /* NULL: initramfs.cpio of that folder */
    const char *accel;    /* NULL: tcg */
    const char *machine;  /* NULL: q35, or virt on Arm */
    uint64_t boot_size;   /* 0: GUEST_BOOT_SIZE; may exceed the host's memory */
    uint64_t hotplug_max; /* room for memory devices; 0: none */
    const char *cmdline;  /* more kernel parameters, or NULL */
} GuestConfig;

typedef struct Guest Guest;

/* What a user may call a guest's kernel and kind if nothing is said */
#define GUEST_DEFAULT_VERSION "6.12"
#define GUEST_DEFAULT_KIND "busybox"

/*
 * The folder of $MHP_BUILD/guest that has Linux @version, 6.1 or 6.12, in a
 * guest of this @kind: busybox, or debian, the Debian with that kernel. NULL,
 * with an error that names the options --kernel and --guest, for others and
 * for a folder that has not been made.
 */
char *guest_find(const char *kind, const char *version, GError **error);

/* Such a folder's guest for a reader: "Debian 13, Linux 6.12.9-cloud-amd64" */
char *guest_describe(const char *kver);

/* A guest that is not started: more arguments can go to guest_vm() */
Guest *guest_new(const GuestConfig *config);
void guest_free(Guest *guest);

/*
 * Start QEMU and wait until the agent is ready. A QEMU that meets
 * vm_met_stock_fault() before that is started again.
 */
bool guest_boot(Guest *guest, GError **error);

/* Have the machine come back from a reset, which ends QEMU otherwise */
bool guest_allow_reset(Guest *guest, GError **error);

/* Reset the machine and wait until the agent is ready again */
bool guest_reset(Guest *guest, GError **error);

/* Wait until the agent of a kernel that has just started is ready */
bool guest_wait_ready(Guest *guest, GError **error);

Vm *guest_vm(Guest *guest);
Qmp *guest_qmp(Guest *guest);
Agent *guest_agent(Guest *guest);
/* Wait until all of a Debian's services are there; an error if one failed */
bool guest_wait_running(Guest *guest, GError **error);

/*
 * What a measurement wants of a Debian that has just booted: all services are
 * there, and none of them works for each memory block. It is an error if one
 * did not start. A guest that is only a busybox has none.
 */
bool guest_prepare(Guest *guest, GError **error);

/* Does it boot from a disk, which then holds a whole Debian? */
bool guest_has_disk(const char *kver);
/* The id of that disk's drive */
#define GUEST_DISK "root"
/* uname -r */
const char *guest_release(Guest *guest);

/* Run a script that must end with status 0, and return its output */
char *guest_runf(Guest *guest, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Load a module that the guest has, with these parameters ("" for none) */
bool guest_load(Guest *guest, const char *module, const char *parameters,
                GError **error);

/* The kernel's log so far */
char *guest_klog(Guest *guest, GError **error);

/* The serial console so far; also readable when the guest is dead */
char *guest_console(Guest *guest);

/*
 * The guest's zones, after it has given back what it only caches: figures of
 * two moments can be compared to the page, near enough.
 */
GArray *guest_zones(Guest *guest, GError **error);

/* zoneinfo_boot_free() of guest_zones() */
bool guest_boot_free(Guest *guest, uint64_t *bytes, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Guest, guest_free)

#endif /* MHP_GUEST_H */
