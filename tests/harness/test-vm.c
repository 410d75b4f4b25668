/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the harness promises of QEMU processes: they end with their Vm, and
 * with their starter, however that ends.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vm.h"
#include "wait.h"

#define END_MS 10000

static Vm *start(void)
{
    Vm *vm = vm_new();
    g_autoptr(GError) error = NULL;

    vm_add_args(vm, "-machine", "none", "-accel", "tcg", NULL);
    vm_start(vm, &error);
    g_assert_no_error(error);
    return vm;
}

/* A zombie is gone, too: who reaps it is not our matter */
static bool is_gone(void *opaque, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat",
                                            *(const pid_t *)opaque);
    g_autofree char *stat = NULL;

    (void)error;
    return !g_file_get_contents(path, &stat, NULL, NULL) ||
           strstr(stat, ") Z ");
}

static void wait_until_gone(pid_t pid)
{
    g_autoptr(GError) error = NULL;

    wait_until(is_gone, &pid, END_MS, "QEMU's end", &error);
    g_assert_no_error(error);
}

static void test_free_ends_qemu(void)
{
    Vm *vm = start();
    pid_t pid = vm_pid(vm);

    g_assert_true(vm_is_running(vm));
    vm_free(vm);
    wait_until_gone(pid);
}

/* What this program does when it is called with "starter" */
static int be_starter(void)
{
    g_print("%d\n", vm_pid(start()));
    return pause();
}

static void test_killed_starter_ends_qemu(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) starter = NULL;
    char text[32] = "";
    pid_t pid;

    starter = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                               "/proc/self/exe", "starter", NULL);
    g_assert_no_error(error);
    g_input_stream_read(g_subprocess_get_stdout_pipe(starter), text,
                        sizeof(text) - 1, NULL, &error);
    g_assert_no_error(error);
    pid = atoi(text);
    g_assert_cmpint(pid, >, 0);

    g_subprocess_force_exit(starter);
    g_subprocess_wait(starter, NULL, NULL);
    wait_until_gone(pid);
}

static void test_refusal_is_collected(void)
{
    g_autoptr(Vm) vm = vm_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *said = NULL;
    int status = 0;

    vm_add_args(vm, "-device", "nonsense", NULL);
    vm_run(vm, END_MS, &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 1);
    said = vm_stderr(vm);
    g_assert_nonnull(strstr(said, "'nonsense' is not a valid device"));
}

static void test_failed_start_says_why(void)
{
    g_autoptr(Vm) vm = vm_new();
    g_autoptr(GError) error = NULL;

    vm_add_args(vm, "-device", "nonsense", NULL);
    g_assert_false(vm_start(vm, &error));
    g_assert_nonnull(strstr(error->message, "is not a valid device"));
}

static void test_event_is_kept(void)
{
    g_autoptr(Vm) vm = start();
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) event = NULL;

    json_node_unref(qmp_executef(vm_qmp(vm), &error, "stop", NULL));
    json_node_unref(qmp_executef(vm_qmp(vm), &error, "query-status", NULL));
    event = qmp_wait_event(vm_qmp(vm), "STOP", END_MS, &error);
    g_assert_no_error(error);
    g_assert_nonnull(event);
}

static void test_error_has_qemus_words(void)
{
    g_autoptr(Vm) vm = start();
    g_autoptr(GError) error = NULL;

    g_assert_null(qmp_executef(vm_qmp(vm), &error, "no-such-command", NULL));
    g_assert_error(error, QMP_ERROR, QMP_ERROR_REFUSED);
    g_assert_cmpstr(error->message, ==,
                    "The command no-such-command has not been found");
}

/* QEMUs that fail at their first start by a known fault: at once, or never */
#define FAILING_QEMU                                      \
    "#!/bin/sh\n"                                         \
    "[ -e $0.tried ] && exec qemu-system-x86_64 \"$@\"\n" \
    ">$0.tried\n"
static const char aborting_qemu[] = FAILING_QEMU
    "echo \"iotlb_to_section: Assertion 'it is known' failed.\" >&2\n"
    "kill -ABRT $$\n";
static const char hanging_qemu[] = FAILING_QEMU
    "for a; do case $a in fd=*,set=*) a=${a%,*} fd=${a#fd=} ;; esac; done\n"
    "echo \"rcu: rcu_preempt kthread timer wakeup didn't happen for 5251 \"\\\n"
    "\"jiffies!\" >>/proc/self/fd/$fd\n"
    "exec sleep 1000\n";

static bool has_met_stock_fault(void *opaque, GError **error G_GNUC_UNUSED)
{
    return vm_met_stock_fault(opaque);
}

static void assert_starts_again(Vm *vm)
{
    g_autofree char *said = NULL;
    g_autoptr(GError) error = NULL;

    vm_rewind(vm);
    vm_start(vm, &error);
    g_assert_no_error(error);
    said = vm_stderr(vm);
    g_assert_cmpstr(said, ==, "");
    g_assert_false(vm_met_stock_fault(vm));
    json_node_unref(qmp_executef(vm_qmp(vm), &error, "query-status", NULL));
    g_assert_no_error(error);
}

/* A QEMU of ours instead of the wanted one */
static struct {
    char *dir;
    char *qemu;
    char *wanted;
} stand_in;

static void stand_in_begin(const char *script)
{
    g_autoptr(GError) error = NULL;

    stand_in.dir = g_dir_make_tmp("mhp-XXXXXX", &error);
    g_assert_no_error(error);
    stand_in.qemu = g_build_filename(stand_in.dir, "qemu", NULL);
    g_file_set_contents_full(stand_in.qemu, script, -1,
                             G_FILE_SET_CONTENTS_NONE, 0755, &error);
    g_assert_no_error(error);
    stand_in.wanted = g_strdup(g_getenv("MHP_QEMU"));
    g_setenv("MHP_QEMU", stand_in.qemu, TRUE);
}

static void stand_in_end(void)
{
    g_autofree char *tried = g_strconcat(stand_in.qemu, ".tried", NULL);

    if (stand_in.wanted) {
        g_setenv("MHP_QEMU", stand_in.wanted, TRUE);
    } else {
        g_unsetenv("MHP_QEMU");
    }
    g_assert_no_errno(unlink(tried));
    g_assert_no_errno(unlink(stand_in.qemu));
    g_assert_no_errno(rmdir(stand_in.dir));
    g_free(stand_in.wanted);
    g_free(stand_in.qemu);
    g_free(stand_in.dir);
}

static void test_starts_again(const void *failing_qemu)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Vm) vm = NULL;

    stand_in_begin(failing_qemu);
    vm = vm_new();
    vm_add_args(vm, "-machine", "none", "-accel", "tcg", NULL);
    vm_add_log(vm, VM_CONSOLE);
    vm_add_channel(vm, "channel");
    vm_launch(vm, &error);
    g_assert_no_error(error);
    wait_until(has_met_stock_fault, vm, END_MS, "a fault", &error);
    g_assert_no_error(error);
    assert_starts_again(vm);
    stand_in_end();
}

/* Whoever runs the tests then runs it once more */
static void test_abort_tells_of_fault(void)
{
    if (g_test_subprocess()) {
        g_autoptr(Vm) vm = vm_new();
        g_autoptr(GError) error = NULL;

        g_assert_false(vm_start(vm, &error));
        abort(); /* as GLib does, unless in a subprocess */
    }
    stand_in_begin(aborting_qemu);
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*the emulator ended this by a fault of its "
                              "own*");
    stand_in_end();
}

/* Others are not tried again: their cause is to be looked for */
static void test_own_fault_is_no_stock_fault(void)
{
    g_autoptr(Vm) vm = vm_new();
    g_autoptr(GError) error = NULL;

    vm_add_args(vm, "-device", "nonsense", NULL);
    g_assert_false(vm_start(vm, &error));
    if (g_test_subprocess()) {
        abort();
    }
    g_assert_false(vm_met_stock_fault(vm));
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr_unmatched("*fault of its own*");
}

int main(int argc, char **argv)
{
    if (argc == 2 && g_str_equal(argv[1], "starter")) {
        return be_starter();
    }
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mhp/harness/vm/QEMU ends with its Vm",
                    test_free_ends_qemu);
    g_test_add_func("/virtio-mhp/harness/vm/QEMU ends with a starter that is "
                    "killed",
                    test_killed_starter_ends_qemu);
    g_test_add_func(
        "/virtio-mhp/harness/vm/a refused command line is collected",
        test_refusal_is_collected);
    g_test_add_func("/virtio-mhp/harness/vm/a failed start says why",
                    test_failed_start_says_why);
    g_test_add_data_func("/virtio-mhp/harness/vm/QEMU starts again after a "
                         "fault of its own",
                         aborting_qemu, test_starts_again);
    g_test_add_data_func("/virtio-mhp/harness/vm/QEMU starts again after it "
                         "has lost a vCPU",
                         hanging_qemu, test_starts_again);
    g_test_add_func("/virtio-mhp/harness/vm/a test that such a fault ends says "
                    "so",
                    test_abort_tells_of_fault);
    g_test_add_func("/virtio-mhp/harness/vm/another fault is none of its own",
                    test_own_fault_is_no_stock_fault);
    g_test_add_func("/virtio-mhp/harness/vm/an event is kept until it is asked "
                    "for",
                    test_event_is_kept);
    g_test_add_func("/virtio-mhp/harness/vm/a refused command has QEMU's words",
                    test_error_has_qemus_words);
    return g_test_run();
}
