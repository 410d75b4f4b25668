/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does the keeper find what a test leaves behind? Without this the other
 * programs could be as untidy as they like.
 */
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon.h"
#include "keeper.h"

#define OUTSIDE "/dev/shm/libvirt-mhp-test"

static int clean_body(int argc, char **argv)
{
    Daemon *daemon = daemon_new("a");

    (void)argc;
    (void)argv;
    daemon_free(daemon);
    return 0;
}

/* A libvirtd that nobody ends, as after a test that aborts */
static int leaving_body(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    daemon_new("a");
    if (fork() == 0) {
        setsid();
        pause();
    }
    return 0;
}

static int aborting_body(int argc, char **argv)
{
    leaving_body(argc, argv);
    abort();
}

static int writing_body(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    g_assert_true(g_file_set_contents(OUTSIDE, "", 0, NULL));
    return 0;
}

static void run(KeeperBody body)
{
    exit(keeper_run(body, 0, NULL));
}

static bool has_failed(const char *message)
{
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_stderr(message);
    return !g_test_trap_has_passed();
}

static void test_clean(void)
{
    if (g_test_subprocess()) {
        run(clean_body);
    }
    g_assert_false(has_failed(""));
}

static void test_process(void)
{
    if (g_test_subprocess()) {
        run(leaving_body);
    }
    g_assert_true(has_failed("*left behind: process *"));
}

static void test_abort(void)
{
    if (g_test_subprocess()) {
        run(aborting_body);
    }
    g_assert_true(has_failed("*ended by signal 6*left behind: process *"));
}

static void test_file(void)
{
    if (g_test_subprocess()) {
        run(writing_body);
    }
    g_assert_true(
        has_failed("changed outside the test's folder: " OUTSIDE "\n"));
    g_unlink(OUTSIDE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mhp/libvirt/keeper/a clean test passes",
                    test_clean);
    g_test_add_func("/virtio-mhp/libvirt/keeper/a process is found and ended",
                    test_process);
    g_test_add_func("/virtio-mhp/libvirt/keeper/so it is when a test aborts",
                    test_abort);
    g_test_add_func("/virtio-mhp/libvirt/keeper/a changed file is found",
                    test_file);
    return g_test_run();
}
