/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kdump-tools as a Debian has them: the crash kernel is loaded anew while the
 * guest grows, and when it crashes, it writes a dump that has the memory which
 * was plugged.
 */
#include <inttypes.h>
#include <string.h>

#include "debian.h"
#include "vmcore.h"

#define GROWTH (16 * GiB)
#define REGION_SIZE (GROWTH + MEMORY_BLOCK_SIZE)
#define CMDLINE SYSTEM_MEMMAP_ON " crashkernel=256M"
#define INITRD_MINUTES 10
#define DUMP_MS 1200000

/*
 * It leaves out what is free or zero and keeps all the rest, so that there is a
 * page to find, in a format that says where that is. (The default leaves out
 * what is a process's.) And a busy host makes a second kernel find a wrong
 * speed for the TSC.
 */
#define DEFAULTS                                                             \
    "printf '%s\\n' 'MAKEDUMP_ARGS=\"-E -d 17\"' "                           \
    "'KDUMP_CMDLINE_APPEND=\"reset_devices nr_cpus=1 irqpoll usbcore.nousb'" \
    "' systemd.unit=kdump-tools-dump.service notsc\"'"                       \
    " >>/etc/default/kdump-tools;"

static void enable_kdump(Guest *guest)
{
    g_autofree char *text = NULL;

    g_test_timer_start();
    text = debian_run_long(guest, INITRD_MINUTES,
                           DEFAULTS "systemctl enable --now kdump-tools 2>&1;"
                                    "kdump-config status;"
                                    "ls -sh --block-size=k /var/lib/kdump;"
                                    "lsinitramfs $(readlink -f"
                                    " /var/lib/kdump/initrd.img) |"
                                    " grep mhp || echo initrd without mhp;");
    g_test_message("kdump-tools took %.0f s: %s", g_test_timer_elapsed(), text);
    g_assert_nonnull(strstr(text, "ready to kdump"));
    /* By the package's hook */
    g_assert_null(strstr(text, "initrd without mhp"));
}

/*
 * The package's unit has kdump-tools load the crash kernel anew, where that is
 * needed, once the guest has grown.
 */
static void grow(Guest *guest)
{
    g_autofree char *text = NULL, *count = NULL;
    double grown;

    g_test_timer_start();
    system_resize(guest, GROWTH);
    grown = g_test_timer_elapsed();
    text = system_run(guest,
                      "for i in $(seq 600); do"
                      " [ $(systemctl show -P ConditionTimestampMonotonic"
                      " mhp-kdump) != 0 ] && break; sleep 0.1; done;"
                      "udevadm settle;"
                      "cat /sys/devices/system/memory/crash_hotplug"
                      " 2>/dev/null; journalctl -b -o cat -u mhp-kdump;"
                      "kdump-config status");
    g_test_message("grown in %.1f s, all was done after %.1f s: %s", grown,
                   g_test_timer_elapsed(), text);
    g_assert_nonnull(strstr(text, "ready to kdump"));
    count = system_run(guest, "journalctl -b -o cat -u mhp-kdump |"
                              " grep -c '^Starting'");
    g_assert_cmpstr(count, ==, "1");
}

/* The crash kernel has our agent, too, and is gone when the dump is written */
static void crash(Guest *guest)
{
    g_autoptr(GError) error = NULL;

    guest_allow_reset(guest, &error);
    g_assert_no_error(error);
    agent_start(guest_agent(guest), "echo c >/proc/sysrq-trigger", &error);
    g_assert_no_error(error);
    g_test_timer_start();
    guest_wait_ready(guest, &error);
    g_assert_no_error(error);
    g_test_message("the crash kernel is up after %.0f s",
                   g_test_timer_elapsed());
    agent_wait_ready(guest_agent(guest), DUMP_MS, &error);
    g_assert_no_error(error);
    g_test_message("the next kernel is up after %.0f s",
                   g_test_timer_elapsed());
    debian_wait_running(guest);
}

static void check_dump(Guest *guest, uint64_t region, uint64_t marked)
{
    g_autofree char *files = system_run(guest, "find /var/crash -type f |"
                                               " xargs ls -s --block-size=M");
    g_autofree char *script = NULL, *text = NULL;

    g_test_message("%s", files);
    g_assert_null(strstr(files, "incomplete"));
    g_assert_nonnull(strstr(files, "/dump."));
    script = g_strdup_printf("cat /var/crash/2*/dump.* |"
                             " makedumpfile -R /var/tmp/dump >/var/tmp/said &&"
                             " mhp-vmcore %" PRIx64 " read /var/tmp/dump ||"
                             " { tail -n 5 /var/tmp/said; df -h /; exit 1; }",
                             marked);
    text = debian_run_long(guest, INITRD_MINUTES, script);
    g_test_message("%s", strstr(text, "word"));
    vmcore_check_mark(text, marked);
    g_assert_cmpuint(vmcore_of_region(text, region, REGION_SIZE), ==, GROWTH);
}

/* What the driver said in the crash kernel, if it was there */
static char *crash_kernel_log(Guest *guest)
{
    return system_run(guest, "journalctl -b -1 -o short-monotonic |"
                             " grep -e 'Command line' -e kdump -e vmcore || :");
}

static void test_dump(void)
{
    Guest *guest = debian_boot(GROWTH, CMDLINE);
    g_autoptr(GArray) plugged = NULL;
    g_autofree char *log = NULL;
    uint64_t region, marked;

    enable_kdump(guest);
    grow(guest);
    region = system_addr(guest);
    plugged = system_blocks(guest);
    marked = vmcore_mark_page(guest, plugged);
    debian_check(guest);
    crash(guest);
    check_dump(guest, region, marked);
    log = crash_kernel_log(guest);
    g_test_message("%s", log);
    g_assert_nonnull(strstr(log, "only the 16384 MiB"));
    /* What comes after the dump was begun comes too late */
    g_assert_null(strstr(log, "Unexpected vmcore"));
    debian_end(guest);
}

#define ADD(name, test) g_test_add_func("/virtio-mhp/distro/kdump/" name, test)

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    ADD("the dump has what was plugged", test_dump);
    return g_test_run();
}
