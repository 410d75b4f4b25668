/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The package as a user of a running Debian has it: removed, installed and
 * upgraded, also while memory is plugged.
 */
#include <string.h>

#include "debian.h"

#define GROWTH (2 * GiB)
#define PACKAGE "mhp-vmemmap-mem-dkms"
#define NEW_VERSION "99.0"
/* What the module is built by under TCG takes minutes */
#define BUILD_MINUTES 20
/* More than a guest holds that has not grown */
#define FILE_MIB 1024

/* Run a command of dpkg, which builds or removes the module */
static void dpkg(Guest *guest, const char *arguments)
{
    g_autofree char *script = g_strdup_printf(
        "DEBIAN_FRONTEND=noninteractive dpkg %s 2>&1", arguments);

    g_test_timer_start();
    g_free(debian_run_long(guest, BUILD_MINUTES, script));
    g_test_message("dpkg %s took %.0f s", arguments, g_test_timer_elapsed());
}

/* What of the package is there; dkms' own folder and key are not of it */
static char *leftovers(Guest *guest)
{
    return system_run(
        guest,
        "find /usr/src /usr/share/doc /usr/lib /usr/share/initramfs-tools"
        " /etc /var/lib/dkms /lib/modules/ -name '*mhp[-_]vmemmap*';"
        "grep -lrs --include='modules.*' mhp_vmemmap_mem /lib/modules/ || :");
}

static void assert_loaded(Guest *guest, bool is_loaded)
{
    g_assert_cmpint(
        system_status(guest, "[ -e /sys/module/mhp_vmemmap_mem ]") == 0, ==,
        is_loaded);
}

/* As when the device comes: udev loads what its alias leads to */
static void trigger_device(Guest *guest)
{
    g_free(system_run(guest, "udevadm trigger --action=add --settle"
                             " --subsystem-match=virtio"));
}

static void test_remove_and_install(void)
{
    Guest *guest = debian_boot(GROWTH, SYSTEM_MEMMAP_ON);
    g_autofree char *left = NULL;

    assert_loaded(guest, true);
    dpkg(guest, "--purge " PACKAGE);
    system_unload_driver(guest);
    left = leftovers(guest);
    g_assert_cmpstr(left, ==, "");
    trigger_device(guest);
    assert_loaded(guest, false);

    dpkg(guest, "--install /var/tmp/mhp.deb");
    assert_loaded(guest, false);
    trigger_device(guest);
    assert_loaded(guest, true);
    system_resize(guest, GROWTH);
    system_resize(guest, 0);
    debian_end(guest);
}

/* The same package, but for its version, which the module tells as well */
static void make_new_package(Guest *guest)
{
    g_free(system_run(
        guest, "set -e; cd /var/tmp; dpkg-deb -R mhp.deb new; cd new;"
               "old=$(dpkg-deb -f ../mhp.deb Version);"
               "mv usr/src/mhp-vmemmap-mem-$old"
               "   usr/src/mhp-vmemmap-mem-" NEW_VERSION ";"
               "ln -sf ../../src/mhp-vmemmap-mem-" NEW_VERSION "/dkms.conf"
               "   usr/lib/mhp-vmemmap-mem/dkms.conf;"
               "cd usr/src/mhp-vmemmap-mem-" NEW_VERSION ";"
               "sed -i s/$old/" NEW_VERSION "/ dkms.conf"
               "   $(find ../../../DEBIAN -type f);"
               "cd ../../..; find usr -type f | xargs md5sum >DEBIAN/md5sums;"
               "dpkg-deb -b . ../new.deb"));
}

static char *loaded_version(Guest *guest)
{
    return system_run(guest, "cat /sys/module/mhp_vmemmap_mem/version");
}

/*
 * What dkms has; each line is a version on a kernel. Now and then it says, too,
 * that one of its own pipes broke.
 */
static void check_only_new_version(Guest *guest)
{
    g_autofree char *status = system_run(
        guest, "dkms status mhp-vmemmap-mem 2>/dev/null");

    g_test_message("%s", status);
    g_assert_nonnull(strstr(status, NEW_VERSION));
    g_assert_null(strchr(status, '\n'));
    g_assert_nonnull(strstr(status, "installed"));
}

static void test_upgrade(void)
{
    Guest *guest = debian_boot(GROWTH, SYSTEM_MEMMAP_ON);
    g_autofree char *old = loaded_version(guest);
    g_autofree char *before = NULL, *after = NULL, *running = NULL,
                    *next = NULL;

    system_resize(guest, GROWTH / 2);
    before = system_run(guest,
                        "mount -t tmpfs -o size=100%% t /mnt;"
                        "head -c %um /dev/urandom >/mnt/file; md5sum /mnt/file",
                        FILE_MIB);
    make_new_package(guest);
    dpkg(guest, "--install /var/tmp/new.deb");
    check_only_new_version(guest);
    running = loaded_version(guest);
    g_assert_cmpstr(running, ==, old);
    system_resize(guest, GROWTH);
    after = system_run(guest, "md5sum /mnt/file");
    g_assert_cmpstr(before, ==, after);

    debian_restart(guest, "systemctl --no-block reboot");
    next = loaded_version(guest);
    g_assert_cmpstr(next, ==, NEW_VERSION);
    system_wait_size(guest, GROWTH);
    system_resize(guest, 0);
    debian_end(guest);
}

/* What mhp-driver.service did at this boot */
static void check_driver_unit(Guest *guest, const char *result)
{
    g_autofree char *started = debian_unit(guest, "mhp-driver",
                                           "ExecMainStartTimestampMonotonic");
    g_autofree char *got = debian_unit(guest, "mhp-driver", "Result");

    g_assert_cmpstr(started, !=, "0");
    g_assert_cmpstr(got, ==, result);
}

static void test_no_module(void)
{
    Guest *guest = debian_boot(GROWTH, SYSTEM_MEMMAP_ON);
    g_autoptr(GError) error = NULL;
    g_autofree char *quiet = NULL, *said = NULL;

    check_driver_unit(guest, "success");
    quiet = system_run(guest, "journalctl -b -o cat _SYSTEMD_UNIT=mhp-driver"
                              ".service | grep -v '^-- No entries' || :");
    g_assert_cmpstr(quiet, ==, "");
    g_free(system_run(guest, "find /lib/modules/ -name 'mhp_vmemmap_mem.ko*' "
                             "-delete && depmod"));
    debian_check(guest);
    guest_allow_reset(guest, &error);
    g_assert_no_error(error);
    g_free(system_run(guest, "systemctl --no-block reboot"));
    guest_wait_ready(guest, &error);
    g_assert_no_error(error);

    g_assert_false(guest_wait_running(guest, &error));
    g_assert_nonnull(strstr(error->message, "mhp-driver.service"));
    check_driver_unit(guest, "exit-code");
    said = system_run(guest, "journalctl -b -p err -o cat"
                             " _SYSTEMD_UNIT=mhp-driver.service");
    g_test_message("%s", said);
    g_assert_nonnull(strstr(said, "wanted the module mhp_vmemmap_mem"));
    g_assert_nonnull(strstr(said, "dkms autoinstall -k "));
    g_assert_null(strchr(said, '\n'));
    g_free(system_run(guest, "systemctl reset-failed mhp-driver"));
    debian_end(guest);
}

#define ADD(name, test) \
    g_test_add_func("/virtio-mhp/distro/package/" name, test)

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    ADD("removing it leaves nothing, and installed it grows the guest",
        test_remove_and_install);
    ADD("an upgrade while memory is plugged comes with the next boot",
        test_upgrade);
    ADD("booting a kernel without the module says so", test_no_module);
    return g_test_run();
}
