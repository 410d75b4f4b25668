/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the system tests share: a guest of the kernel that meson names, with
 * our device, and the harness's verbs with success taken for granted. A guest
 * that fails one of them fails the test; the abort shows QEMU's and the
 * guest's last words.
 */
#ifndef MHP_SYSTEM_SUPPORT_H
#define MHP_SYSTEM_SUPPORT_H

#include "klog.h"
#include "memdev.h"
#include "wait.h"

/* A resize that comes no closer for so long has failed */
#define SYSTEM_STALL_MS 120000

#define SYSTEM_MEMMAP_ON "memory_hotplug.memmap_on_memory=1"

/*
 * g_test_init() and the check that all is built. Where it is not, the program
 * ends with status 77 and says what is missing.
 */
void system_init(int *argc, char ***argv);

/* The same for a module of tests/system/modules/ */
void system_need_module(const char *name);

/* The guest's kernel: a folder of $MHP_BUILD/guest */
const char *system_kver(void);

/* The debug kernel is: what is done for its number's sake is done less there */
bool system_is_slow(void);

/* A guest that is not started and has no device yet, but room for one */
Guest *system_new(uint64_t region_size, const char *cmdline);
/* The same with another size at boot than others */
Guest *system_new_sized(uint64_t boot_size, uint64_t region_size,
                        const char *cmdline);
/* The same with another initramfs, a file of the kernel's folder */
Guest *system_new_from(const char *initrd, uint64_t region_size,
                       const char *cmdline);

/* Boot a guest that can grow by @growth; the moat comes on top */
Guest *system_boot(uint64_t growth, const char *cmdline);

/* The same with the device's defaults: it reports free pages, too */
Guest *system_boot_default(uint64_t growth, const char *cmdline);

/* Boot a guest that has another size at boot than others, and this region */
Guest *system_boot_sized(uint64_t boot_size, uint64_t region_size,
                         const char *cmdline);

/* End the guest, whose kernel log must be clean and which has lost no memory */
void system_end(Guest *guest);

/*
 * What lockdep says of any kernel, without our driver too, once userspace is
 * about to write a memory block's state while that block is removed. The two
 * cannot wait for each other: both hold device_hotplug_lock, for which the
 * writer does not wait with the file in use (lock_device_hotplug_sysfs()), and
 * that lockdep does not see, as the writer took it by trying. Words of the
 * report, for klog_without_report().
 */
extern const char *const system_removal_circle[];

/*
 * The kernel log must be clean but for that circle, kmemleak's findings in it;
 * it starts anew
 */
void system_check_klog(Guest *guest);

/* Run a script that must end with status 0; its output without the last \n */
char *system_run(Guest *guest, const char *format, ...) G_GNUC_PRINTF(2, 3);

/*
 * Start a tool that says @word and a number when it is ready, and then holds
 * what it has; what it says
 */
char *system_hold(Guest *guest, const char *word, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* End all that have said so */
void system_let_go(Guest *guest, const char *word);
/* Have a page in this range held until system_let_go("pinned"); its address */
uint64_t system_pin(Guest *guest, uint64_t addr, uint64_t size);

/* For scripts: do something with each worker's folder $p and its $line there */
#define SYSTEM_EACH_WORKER(action)                    \
    "for p in /proc/[0-9]*; do"                       \
    " read -r line 2>/dev/null <$p/stat || continue;" \
    " case $line in *'(mhp-'*) " action " ;; esac; done"

/*
 * Have the kernel take so much memory for itself, with the module mhp_kernel:
 * more than it has, unless the driver gives it blocks. It keeps all but what
 * makes the driver look for no further one.
 */
#define SYSTEM_KERNEL_SPARE_MIB 96
void system_take_kernel_memory(Guest *guest, unsigned mib);

/* Run a script and return its status */
int system_status(Guest *guest, const char *format, ...) G_GNUC_PRINTF(2, 3);

/*
 * Press a key until the script that the guest is running has ended, which has
 * put it to sleep; its output
 */
char *system_wake_up(Guest *guest);
/* What lets a key wake it: a script */
extern const char system_wake_by_key[];

void system_load_driver(Guest *guest, const char *parameters);
void system_unload_driver(Guest *guest);

void system_request(Guest *guest, uint64_t size);
void system_wait_size(Guest *guest, uint64_t size);
/* Both of them */
void system_resize(Guest *guest, uint64_t size);
/* Wait until the size is at least, or at most, @size on its way */
void system_wait_above(Guest *guest, uint64_t size);
void system_wait_below(Guest *guest, uint64_t size);

/* The device's size, and attributes of the driver */
uint64_t system_size(Guest *guest);
uint64_t system_attr(Guest *guest, const char *name);
void system_wait_attr(Guest *guest, const char *name, uint64_t value);
char *system_attr_text(Guest *guest, const char *name);
/* The guest-physical start of the region */
uint64_t system_addr(Guest *guest);
GArray *system_blocks(Guest *guest);

/* Seconds by the guest's clock that the driver's worker was on a CPU */
double system_worker_time(Guest *guest);

/* How many requests the device has got since its driver was loaded */
int64_t system_requests_seen(Guest *guest);
/* How many requests of a type, as "plug", the device has ever granted */
int64_t system_acks(Guest *guest, const char *type);

#endif /* MHP_SYSTEM_SUPPORT_H */
