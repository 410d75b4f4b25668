/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU is replaced under a guest that works, on a host where the packages are
 * installed: the guest goes on, and what is started afterwards has the new QEMU
 * without another command, or says what is missing. The tests are steps of one
 * upgrade, in their order.
 *
 * MHP_UPGRADE is the command that upgrades; with MHP_UPGRADE_READY there is a
 * build of the device afterwards. MHP_OLD_QEMU is a copy of the old QEMU that
 * the upgrade leaves alone.
 */
#include "domain.h"
#include "keeper.h"
#include "worker.h"

#define QEMU "/usr/bin/qemu-system-x86_64"

static Daemon *daemon_a, *daemon_b;
static Domain *domain;
static char *old_version;

/* What the QEMU of a domain says of itself */
static char *version_of(Daemon *daemon, const char *name)
{
    return daemon_virsh(daemon, "qemu-monitor-command %s --hmp 'info version'",
                        name);
}

static void test_before(void)
{
    old_version = version_of(daemon_a, "d");
    g_test_message("the guest is in QEMU %s", old_version);
    worker_start(domain);
    domain_setmem(domain, 4096);
    worker_check(domain);
}

static void test_upgrade(void)
{
    const char *const argv[] = {"/bin/sh", "-c", g_getenv("MHP_UPGRADE"), NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess)
        process = g_subprocess_newv(argv, G_SUBPROCESS_FLAGS_NONE, &error);

    g_assert_no_error(error);
    g_subprocess_wait_check(process, NULL, &error);
    g_assert_no_error(error);
}

static void test_guest_goes_on(void)
{
    g_autofree char *version = version_of(daemon_a, "d");

    g_assert_cmpstr(version, ==, old_version);
    worker_check(domain);
    domain_setmem(domain, 2048);
    worker_check(domain);
    domain_setmem(domain, 4096);
    worker_check(domain);
}

/* By the libvirtd that has seen the old QEMU */
static void test_new_domain(void)
{
    g_autoptr(Domain) other = domain_new(daemon_a, "e", "--form dimm");
    g_autofree char *version = NULL;

    domain_start(other);
    version = version_of(daemon_a, "e");
    g_test_message("a new guest is in QEMU %s", version);
    g_assert_cmpstr(version, !=, old_version);
    domain_setmem(other, 3072);
    domain_check_klog(other);
    g_free(daemon_virsh(daemon_a, "destroy e"));
}

static void migrate(Daemon *from, Daemon *to, const char *options)
{
    g_autofree char *socket = daemon_path(to, "migration");

    /* As in test-life: QEMU under TCG loses what is written meanwhile. */
    worker_pause(domain);
    g_free(daemon_virsh(from,
                        "migrate --live --persistent --undefinesource d '%s' "
                        "--migrateuri unix://%s %s",
                        daemon_uri(to), socket, options));
    domain_set_daemon(domain, to);
    domain_connect(domain);
    worker_go_on(domain);
    domain_wait_size(domain, 4 * GiB);
    worker_check(domain);
}

static void test_migration(void)
{
    g_autofree char *version = NULL;

    daemon_b = daemon_new("b");
    migrate(daemon_a, daemon_b, "");
    version = version_of(daemon_b, "d");
    g_test_message("the guest is in QEMU %s", version);
    g_assert_cmpstr(version, !=, old_version);
    domain_setmem(domain, 2048);
    worker_check(domain);
    domain_setmem(domain, 4096);
}

/* A host that still has the old QEMU, as where only some were upgraded */
static void test_migration_back(void)
{
    g_autofree char *xml = daemon_virsh(daemon_b, "dumpxml d --migratable");
    g_autoptr(GString) text = g_string_new(xml);
    g_autofree char *path = NULL, *options = NULL, *version = NULL;

    g_assert_cmpuint(g_string_replace(text, QEMU, g_getenv("MHP_OLD_QEMU"), 0),
                     ==, 1);
    path = daemon_write(daemon_b, "back.xml", text->str);
    options = g_strdup_printf("--xml %s --persistent-xml %s", path, path);
    migrate(daemon_b, daemon_a, options);
    version = version_of(daemon_a, "d");
    g_assert_cmpstr(version, ==, old_version);
    domain_setmem(domain, 2048);
    worker_check(domain);
}

static void assert_wants_build(const char *said)
{
    static const char wanted[] =
        "*mhp-vmemmap-mem.so wants a build for this QEMU*'mhp-qemu-build' makes it*";

    if (!g_pattern_match_simple(wanted, said)) {
        g_assert_cmpstr(said, ==, wanted);
    }
}

/* What is missing is told where one looks, and the guest does not suffer. */
static void test_no_build(void)
{
    g_autoptr(Domain) other = domain_new(daemon_a, "e", "--form dimm");
    g_autofree char *start = daemon_virsh_fails(daemon_a, "start e");
    g_autofree char *socket = NULL, *moved = NULL;

    assert_wants_build(start);
    daemon_b = daemon_new("b");
    socket = daemon_path(daemon_b, "migration");
    moved = daemon_virsh_fails(daemon_a,
                               "migrate --live d '%s' --migrateuri unix://%s",
                               daemon_uri(daemon_b), socket);
    assert_wants_build(moved);
    worker_check(domain);
    domain_setmem(domain, 2048);
}

#define ADD(name, test) \
    g_test_add_func("/virtio-mhp/libvirt/upgrade/" name, test)

static int body(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    ADD("a guest works in the old QEMU", test_before);
    ADD("QEMU is upgraded", test_upgrade);
    ADD("the guest goes on", test_guest_goes_on);
    if (g_getenv("MHP_UPGRADE_READY")) {
        ADD("a new domain starts", test_new_domain);
        ADD("the guest migrates to the new QEMU", test_migration);
        ADD("and back to the old one", test_migration_back);
    } else {
        ADD("a new domain says what is missing", test_no_build);
    }

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
