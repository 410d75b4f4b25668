/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Debian that starts anew or is to sleep, by the commands that its users
 * have for it.
 */
#include <string.h>

#include "debian.h"

#define GROWTH (4 * GiB)

/* All of it is there as if the guest had just grown, and it can go */
static void check_there_and_back(Guest *guest)
{
    g_autoptr(GArray) blocks = NULL;

    system_wait_size(guest, GROWTH);
    blocks = system_blocks(guest);
    g_assert_cmpuint(memdev_count_zone(blocks, "Movable"), ==,
                     GROWTH / MEMORY_BLOCK_SIZE);
    g_assert_cmpuint(memdev_count_self_hosted(blocks), ==,
                     GROWTH / MEMORY_BLOCK_SIZE);
    system_resize(guest, 0);
    debian_end(guest);
}

static void test_reboot(void)
{
    Guest *guest = debian_boot(GROWTH, SYSTEM_MEMMAP_ON);

    system_resize(guest, GROWTH);
    debian_restart(guest, "systemctl --no-block reboot");
    check_there_and_back(guest);
}

/* DRV-RESET-1 */
static void test_kexec(void)
{
    Guest *guest = debian_boot(GROWTH, SYSTEM_MEMMAP_ON);

    system_resize(guest, GROWTH);
    /* A busy host makes a second kernel find a wrong speed for the TSC */
    g_free(system_run(guest, "v=$(uname -r); kexec -l"
                             " --command-line=\"$(cat /proc/cmdline) notsc\""
                             " --initrd=/boot/initrd.img-$v"
                             " /boot/vmlinuz-$v"));
    debian_restart(guest, "systemctl --no-block kexec");
    /* Nobody has reset the machine */
    g_assert_cmpint(system_acks(guest, "unplug-all"), ==, 1);
    check_there_and_back(guest);
}

/* There is a swap file, and the kernel knows where to resume from */
static void make_swap(Guest *guest)
{
    g_free(system_run(
        guest,
        "set -e; fallocate -l 1536M /swap; chmod 600 /swap; mkswap -q /swap;"
        "swapon /swap; filefrag -v /swap |"
        " sed -n 's/^ *0: *[0-9]*\\.\\. *[0-9]*: *\\([0-9]*\\)\\.\\..*/\\1/p'"
        " >/sys/power/resume_offset;"
        /* It looks for an image at once, and there is none */
        "cat /sys/class/block/vda/dev >/sys/power/resume || :"));
}

/*
 * The command says nothing, as it only asks for it; what became of it is what
 * the unit's status and the journal say.
 */
static void test_hibernate(void)
{
    Guest *guest = debian_boot(GROWTH, SYSTEM_MEMMAP_ON);
    g_autofree char *status = NULL, *errors = NULL;

    make_swap(guest);
    system_resize(guest, GROWTH);
    status = system_run(guest,
                        "systemctl hibernate; for i in $(seq 300); do"
                        " systemctl is-failed -q systemd-hibernate && break;"
                        " sleep 0.2; done; systemctl status systemd-hibernate;"
                        "systemctl reset-failed systemd-hibernate");
    errors = system_run(guest, "journalctl -b -p err -o cat");
    g_test_message("%s", status);
    g_test_message("the journal's errors: %s", errors);
    g_assert_nonnull(strstr(status, "Device or resource busy"));
    g_assert_nonnull(
        strstr(errors, "hibernation is refused while memory is plugged"));
    check_there_and_back(guest);
}

/* systemctl suspend does not wait for the end, and its unit forgets it */
static const char suspend[] =
    "systemctl suspend; for i in $(seq 600); do"
    " journalctl -b -o cat -u systemd-suspend |"
    " grep -q 'returned from sleep' && exit 0; sleep 0.2; done;"
    "journalctl -b -u systemd-suspend; exit 1";

/* The kernel refuses, and systemd then has it idle, which is a sleep as well */
static void test_suspend_plugged(void)
{
    Guest *guest = debian_boot(GROWTH, SYSTEM_MEMMAP_ON);
    g_autofree char *script = g_strconcat(system_wake_by_key, suspend, NULL);
    g_autofree char *errors = NULL;
    g_autoptr(GError) error = NULL;

    system_resize(guest, GROWTH);
    agent_start(guest_agent(guest), script, &error);
    g_assert_no_error(error);
    g_free(system_wake_up(guest));
    errors = system_run(guest, "journalctl -b -p err -o cat");
    g_assert_nonnull(
        strstr(errors, "suspending is refused while memory is plugged"));
    check_there_and_back(guest);
}

static void test_suspend_nothing_plugged(void)
{
    Guest *guest = debian_boot(GROWTH, SYSTEM_MEMMAP_ON);
    g_autoptr(JsonNode) event = NULL, result = NULL;
    g_autofree char *output = NULL;
    g_autoptr(GError) error = NULL;

    agent_start(guest_agent(guest), suspend, &error);
    g_assert_no_error(error);
    event = qmp_wait_event(guest_qmp(guest), "SUSPEND", SYSTEM_STALL_MS,
                           &error);
    g_assert_no_error(error);
    system_request(guest, GROWTH);
    result = qmp_executef(guest_qmp(guest), &error, "system_wakeup", NULL);
    g_assert_no_error(error);
    output = agent_finish(guest_agent(guest), GUEST_BOOT_MS, NULL, &error);
    g_assert_no_error(error);
    check_there_and_back(guest);
}

#define ADD(name, test) g_test_add_func("/virtio-mhp/distro/start/" name, test)

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    ADD("systemctl reboot: it grows again", test_reboot);
    ADD("systemctl kexec: the next kernel starts from what is plugged",
        test_kexec);
    ADD("systemctl suspend: with memory plugged it idles",
        test_suspend_plugged);
    ADD("systemctl suspend: to memory, with nothing plugged",
        test_suspend_nothing_plugged);
    ADD("systemctl hibernate: refused while memory is plugged", test_hibernate);
    return g_test_run();
}
