/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that discards and backs memory: QEMU never waits for it, whatever
 * the host does, and what it could not do is done later.
 *
 * hold.c is preloaded into QEMU and makes its calls to the kernel fail, or wait
 * as on storage that does not answer.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hold.h"
#include "mhp.h"
#include "wait.h"

#define WAIT_MS 20000
#define MEMMAP_SIZE 0x8000

static Hold *hold;

/* For the QEMUs that are started after this */
static void make_hold(void)
{
    int fd = memfd_create("hold", MFD_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", getpid(), fd);

    g_assert_cmpint(fd, >=, 0);
    g_assert_no_errno(ftruncate(fd, sizeof(*hold)));
    hold = mmap(NULL, sizeof(*hold), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(hold != MAP_FAILED);
    g_setenv(HOLD_ENV, path, true);
}

/* From the call after @nb_pass others on */
static void set_mode(int kind, uint32_t mode, uint32_t nb_pass)
{
    __atomic_store_n(&hold->kinds[kind].nb_pass, nb_pass, __ATOMIC_SEQ_CST);
    __atomic_store_n(&hold->kinds[kind].mode, mode, __ATOMIC_SEQ_CST);
}

static bool is_waiting(void *opaque, G_GNUC_UNUSED GError **error)
{
    return __atomic_load_n(&hold->kinds[GPOINTER_TO_INT(opaque)].nb_waiting,
                           __ATOMIC_SEQ_CST) > 0;
}

/* Until a call to the kernel hangs */
static void wait_for_hang(int kind)
{
    g_autoptr(GError) error = NULL;

    wait_until(is_waiting, GINT_TO_POINTER(kind), WAIT_MS,
               "a call that waits for the host", &error);
    g_assert_no_error(error);
}

static void qmp(Mhp *mhp, const char *command)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode)
        result = qmp_executef(vm_qmp(mhp->vm), &error, command, NULL);

    g_assert_no_error(error);
}

static bool remove_object(Mhp *mhp, const char *command, const char *id)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = qmp_executef(vm_qmp(mhp->vm), &error, command,
                                              "{'id': '%s'}", id);

    return result;
}

static void wait_deleted(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) event = qmp_wait_event(
        vm_qmp(mhp->vm), "DEVICE_DELETED", WAIT_MS, &error);

    g_assert_no_error(error);
    g_assert_nonnull(event);
}

/*
 * A removal that the guest did not answer is ended by the system reset that
 * discards the memory. All of QEMU's own threads have gone to sleep before.
 */
static void test_reset_ends_a_pending_removal(void)
{
    g_autoptr(Mhp) mhp = mhp_new_pc("");

    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    mhp_expect(mhp_unplug(mhp, 0, 8), ACK);
    mhp_set_requested_size(mhp, 0);
    set_mode(HOLD_DISCARDS, HOLD_WAIT, 0);
    g_assert_true(remove_object(mhp, "device_del", "mhp0"));
    qmp(mhp, "system_reset");
    wait_deleted(mhp);
    qmp(mhp, "query-status");
    set_mode(HOLD_DISCARDS, HOLD_PASS, 0);
}

/* The backend is in use as long as somebody touches its memory. */
static void test_removal_while_the_host_hangs(void)
{
    g_autoptr(Mhp) mhp = mhp_new_pc("");
    int64_t end = g_get_monotonic_time() + WAIT_MS * 1000;

    mhp_set_requested_size(mhp, 0);
    set_mode(HOLD_DISCARDS, HOLD_WAIT, 0);
    qmp(mhp, "system_reset");
    wait_for_hang(HOLD_DISCARDS);
    g_assert_true(remove_object(mhp, "device_del", "mhp0"));
    mhp_eject(mhp);
    wait_deleted(mhp);
    g_assert_false(remove_object(mhp, "object-del", "mem0"));
    set_mode(HOLD_DISCARDS, HOLD_PASS, 0);
    while (!remove_object(mhp, "object-del", "mem0")) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

/* Memory that is slow to get is not the main loop's matter. */
static void test_memmaps_while_the_host_hangs(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_memmap(mhp, MHP_BLOCK_SIZE, MEMMAP_SIZE), ACK);
    set_mode(HOLD_POPULATES, HOLD_WAIT, 0);
    mhp_submit(mhp, VIRTIO_MHP_REQ_PLUG, 1);
    wait_for_hang(HOLD_POPULATES);
    qmp(mhp, "query-status");
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    set_mode(HOLD_POPULATES, HOLD_PASS, 0);
    mhp_expect(mhp_finish(mhp), ACK);
    g_assert_true(mhp_is_backed(mhp, 0, MEMMAP_SIZE));
}

/* Nor does it keep the threads that disks need. */
static void test_disks_while_the_host_hangs(void)
{
    const char *const args[] = {
        "-object",   "main-loop,id=main-loop,thread-pool-max=1",
        "-blockdev", "host_device,node-name=disk,filename=/dev/zero",
        NULL,
    };
    g_autoptr(Mhp) mhp = mhp_new_with_args(args);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) output = NULL;

    mhp_expect(mhp_memmap(mhp, MHP_BLOCK_SIZE, MEMMAP_SIZE), ACK);
    set_mode(HOLD_POPULATES, HOLD_WAIT, 0);
    mhp_submit(mhp, VIRTIO_MHP_REQ_PLUG, 1);
    wait_for_hang(HOLD_POPULATES);
    output = qmp_executef(vm_qmp(mhp->vm), &error, "human-monitor-command",
                          "{'command-line': 'qemu-io disk \\\"read 0 4k\\\"'}");
    g_assert_no_error(error);
    g_assert_cmpstr(json_node_get_string(output), ==, "");
    set_mode(HOLD_POPULATES, HOLD_PASS, 0);
    mhp_expect(mhp_finish(mhp), ACK);
}

/* What a reset could not give back is pending, and tried again. */
static void test_failed_discards_are_retried(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    mhp_fill(mhp, 0, 0x11);
    mhp_fill(mhp, 7, 0x77);
    set_mode(HOLD_DISCARDS, HOLD_FAIL, 0);
    qmp(mhp, "system_reset");
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    g_assert_cmpuint(mhp_pending_discard_size(mhp), ==, MHP_REGION_SIZE);
    set_mode(HOLD_DISCARDS, HOLD_PASS, 0);
    mhp_wait_discarded(mhp);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

/* DEV-UNPLUG-3: contents are lost, so the blocks are; the rest comes later */
static void test_unplug_that_fails_half_way(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    for (unsigned i = 0; i < 8; i++) {
        mhp_fill(mhp, i, 0x11);
    }
    set_mode(HOLD_DISCARDS, HOLD_FAIL, 1);
    mhp_expect(mhp_unplug(mhp, 0, 8), ACK);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
    g_assert_cmpuint(mhp_pending_discard_size(mhp), >, 0);
    g_assert_cmpuint(mhp_pending_discard_size(mhp), <, 8 * MHP_BLOCK_SIZE);
    set_mode(HOLD_DISCARDS, HOLD_PASS, 0);
    mhp_wait_discarded(mhp);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    g_assert_true(mhp_block_holds(mhp, 7, 0));
}

/* DEV-REQ-5: nothing is lost, so nothing is changed */
static void test_unplug_that_fails_at_once(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_plug(mhp, 0, 8), ACK);
    mhp_fill(mhp, 0, 0x11);
    set_mode(HOLD_DISCARDS, HOLD_FAIL, 0);
    mhp_expect(mhp_unplug(mhp, 0, 8), BUSY);
    set_mode(HOLD_DISCARDS, HOLD_PASS, 0);
    g_assert_cmpuint(mhp_size(mhp), ==, 8 * MHP_BLOCK_SIZE);
    g_assert_cmpuint(mhp_pending_discard_size(mhp), ==, 0);
    g_assert_true(mhp_block_holds(mhp, 0, 0x11));
}

/* The memory that a refused PLUG took goes back. */
static void test_plug_that_fails_half_way(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_expect(mhp_memmap(mhp, MHP_BLOCK_SIZE, MEMMAP_SIZE), ACK);
    set_mode(HOLD_POPULATES, HOLD_FAIL, 2);
    mhp_expect(mhp_plug(mhp, 0, 8), NACK);
    set_mode(HOLD_POPULATES, HOLD_PASS, 0);
    mhp_wait_discarded(mhp);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
    g_assert_cmpuint(mhp_size(mhp), ==, 0);
}

#define ADD(test) g_test_add_func("/virtio-mhp/worker/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_hold();
    ADD(reset_ends_a_pending_removal);
    ADD(removal_while_the_host_hangs);
    ADD(memmaps_while_the_host_hangs);
    ADD(disks_while_the_host_hangs);
    ADD(failed_discards_are_retried);
    ADD(unplug_that_fails_half_way);
    ADD(unplug_that_fails_at_once);
    ADD(plug_that_fails_half_way);
    return g_test_run();
}
