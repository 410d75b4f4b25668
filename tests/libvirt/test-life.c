/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's life with a guest that works all the while: resizes, save and
 * restore, migration, resets, restarts of libvirtd and of the host. The tests
 * are steps of one life, in their order.
 */
#include <signal.h>
#include <string.h>

#include "domain.h"
#include "events.h"
#include "keeper.h"
#include "worker.h"

#define NB_RAPID 100

static Daemon *daemon_a, *daemon_b;
static Domain *domain;

static void test_resize(void)
{
    worker_start(domain);
    domain_setmem(domain, 4096);
    worker_check(domain);
    domain_setmem(domain, 1024);
    worker_check(domain);
}

/* The guest does not hear all of them; what counts is the last. */
static void test_rapid(void)
{
    g_autoptr(GString) commands = g_string_new(NULL);
    unsigned mib = 0;

    for (unsigned i = 0; i < NB_RAPID; i++) {
        mib = 1024 + 128 * (unsigned)g_test_rand_int_range(0, 57);
        g_string_append_printf(commands, "setmem d %uM;", mib);
    }
    g_free(daemon_virsh(daemon_a, "'%s'", commands->str));
    g_test_message("the last of %u is %u MiB", NB_RAPID, mib);
    domain_wait_size(domain, mib * MiB);
    worker_check(domain);
}

static void test_save(void)
{
    g_autofree char *path = daemon_path(daemon_a, "saved");

    domain_setmem(domain, 3072);
    g_free(daemon_virsh(daemon_a, "save d %s", path));
    g_free(daemon_virsh(daemon_a, "restore %s", path));
    domain_connect(domain);
    domain_wait_size(domain, 3 * GiB);
    worker_check(domain);
    domain_setmem(domain, 2048);
    worker_check(domain);
}

static void test_managedsave(void)
{
    g_free(daemon_virsh(daemon_a, "managedsave d"));
    g_free(daemon_virsh(daemon_a, "start d"));
    domain_connect(domain);
    domain_wait_size(domain, 2 * GiB);
    worker_check(domain);
    domain_setmem(domain, 3072);
}

/* libvirtd asks QEMU anew what has become of the resize. */
static void test_daemon_restarts(void)
{
    g_free(daemon_virsh(daemon_a, "setmem d 8G"));
    daemon_stop(daemon_a);
    daemon_start(daemon_a);
    domain_wait_size(domain, 8 * GiB);
    g_free(daemon_virsh(daemon_a, "setmem d 1G"));
    daemon_kill(daemon_a);
    daemon_start(daemon_a);
    domain_wait_size(domain, 1 * GiB);
    worker_check(domain);
}

static void migrate(Daemon *from, Daemon *to, const char *options)
{
    g_autofree char *socket = daemon_path(to, "migration");

    g_free(daemon_virsh(from,
                        "migrate %s --persistent --undefinesource d '%s' "
                        "--migrateuri unix://%s",
                        options, daemon_uri(to), socket));
    domain_set_daemon(domain, to);
    domain_connect(domain);
}

/*
 * QEMU 10.0 under TCG loses writes to all memory but the first block when the
 * guest runs while it is migrated (see qemu-device/README.md), whatever device
 * has that memory. So the worker runs where all is boot memory, or where the
 * guest is stopped meanwhile, and pauses else.
 */
static void test_migration(void)
{
    daemon_b = daemon_new("b");
    migrate(daemon_a, daemon_b, "--live");
    domain_wait_size(domain, 1 * GiB);
    worker_check(domain);
    domain_setmem(domain, 4096);
    worker_check(domain);

    worker_pause(domain);
    migrate(daemon_b, daemon_a, "--live");
    worker_go_on(domain);
    domain_wait_size(domain, 4 * GiB);
    worker_check(domain);

    migrate(daemon_a, daemon_b, "");
    domain_wait_size(domain, 4 * GiB);
    worker_check(domain);
    domain_setmem(domain, 2048);
    worker_check(domain);
    migrate(daemon_b, daemon_a, "");
    domain_check_klog(domain);
}

/* All is unplugged by it; the driver then plugs what is still wanted. */
static void test_reset(void)
{
    domain_setmem(domain, 3072);
    g_free(daemon_virsh(daemon_a, "reset d"));
    domain_wait_boot(domain);
    domain_wait_size(domain, 3 * GiB);
}

/* By ACPI: the guest powers itself off, and libvirt resets the machine. */
static void test_reboot(void)
{
    g_free(daemon_virsh(daemon_a, "reboot d --mode acpi"));
    domain_leave(domain, "poweroff -f");
    domain_wait_boot(domain);
    domain_wait_size(domain, 3 * GiB);
    domain_setmem(domain, 2048);
}

/* A new start gives what <currentMemory> says: what setmem --config sets. */
static void test_destroy(void)
{
    g_autofree char *said = NULL;

    g_free(daemon_virsh(daemon_a, "setmem d 4G --config"));
    g_assert_cmpuint(domain_used(domain), ==, 2 * GiB);
    g_free(daemon_virsh(daemon_a, "destroy d"));
    said = daemon_virsh_fails(daemon_a, "setmem d 2G");
    g_assert_cmpstr(
        said, ==,
        "error: Requested operation is not valid: domain is not running");
    domain_start(domain);
    domain_wait_size(domain, 4 * GiB);
    domain_setmem(domain, 1024);
    domain_check_klog(domain);
}

/* As "virsh edit" does it */
static void edit_current_memory(const char *old, const char *new)
{
    g_autofree char *xml = daemon_virsh(daemon_a, "dumpxml d --inactive");
    g_autoptr(GString) text = g_string_new(xml);
    g_autofree char *path = NULL;

    g_assert_cmpuint(g_string_replace(text, old, new, 0), ==, 1);
    path = daemon_write(daemon_a, "edited.xml", text->str);
    g_free(daemon_virsh(daemon_a, "define --validate %s", path));
}

static void test_autostart(void)
{
    g_free(daemon_virsh(daemon_a, "autostart d"));
    edit_current_memory("<currentMemory unit='KiB'>4194304</currentMemory>",
                        "<currentMemory unit='KiB'>2097152</currentMemory>");
    g_free(daemon_virsh(daemon_a, "destroy d"));
    daemon_stop(daemon_a);
    daemon_forget_boot(daemon_a);
    daemon_start(daemon_a);
    domain_connect(domain);
    domain_wait_boot(domain);
    domain_wait_size(domain, 2 * GiB);
}

static int body(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mhp/libvirt/life/the guest works during resizes",
                    test_resize);
    g_test_add_func("/virtio-mhp/libvirt/life/of 100 changes the last wins",
                    test_rapid);
    g_test_add_func("/virtio-mhp/libvirt/life/save and restore", test_save);
    g_test_add_func("/virtio-mhp/libvirt/life/managedsave", test_managedsave);
    g_test_add_func("/virtio-mhp/libvirt/life/libvirtd restarts, or dies, "
                    "during a resize",
                    test_daemon_restarts);
    g_test_add_func("/virtio-mhp/libvirt/life/migration", test_migration);
    g_test_add_func("/virtio-mhp/libvirt/life/reset", test_reset);
    g_test_add_func("/virtio-mhp/libvirt/life/reboot", test_reboot);
    g_test_add_func("/virtio-mhp/libvirt/life/a new start", test_destroy);
    g_test_add_func("/virtio-mhp/libvirt/life/autostart after an edit",
                    test_autostart);

    daemon_a = daemon_new("a");
    domain = domain_new(daemon_a, "d", "--form dimm");
    domain_start(domain);
    status = g_test_run();
    domain_check_klog(domain);
    domain_free(domain);
    daemon_free(daemon_b);
    daemon_free(daemon_a);
    return status;
}

int main(int argc, char **argv)
{
    return keeper_run(body, argc, argv);
}
