/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the device is seen doing in QEMU's log: requests, jobs, discards and
 * what becomes of a migration.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "migrate.h"
#include "wait.h"

#define TRACE_MAX (1 << 20)

/* A migration that does not end by itself */
#define SLOW_BANDWIDTH 4096

/* A machine and what its QEMU logs */
typedef struct Trace {
    Mhp *mhp;
    int file;
    char text[TRACE_MAX];
    char *next; /* what has not been looked at */
} Trace;

/* The plugin's own mask, or in QEMU's tree the events themselves */
static const char *trace_items(void)
{
    return vm_needs_plugin() ? "plugin" : "trace:virtio_mhp*";
}

static void trace_open(Trace *trace)
{
    trace->file = memfd_create("trace", MFD_CLOEXEC);
    g_assert_cmpint(trace->file, >=, 0);
}

static char *trace_path(const Trace *trace)
{
    return g_strdup_printf("/proc/%d/fd/%d", getpid(), trace->file);
}

static Trace *trace_new_items(const char *items)
{
    Trace *trace = g_new0(Trace, 1);
    g_autofree char *path = NULL;

    trace_open(trace);
    path = trace_path(trace);
    trace->mhp = mhp_new_with_args(
        (const char *const[]){"-d", items, "-D", path, NULL});
    trace->next = trace->text;
    return trace;
}

static Trace *trace_new(void)
{
    return trace_new_items(trace_items());
}

static void trace_free(Trace *trace)
{
    mhp_free(trace->mhp);
    close(trace->file);
    g_free(trace);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Trace, trace_free)

static void trace_read(Trace *trace)
{
    ssize_t size = pread(trace->file, trace->text, TRACE_MAX - 1, 0);

    g_assert_cmpint(size, >=, 0);
    trace->text[size] = '\0';
}

/* What is logged from here on is asked for */
static void trace_skip(Trace *trace)
{
    trace_read(trace);
    trace->next = trace->text + strlen(trace->text);
}

/* Asserts that the line comes, after those that were asked for before */
static void G_GNUC_PRINTF(2, 3)
    trace_expect(Trace *trace, const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;
    char *found;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    line = g_strconcat(text, "\n", NULL);
    trace_read(trace);
    found = strstr(trace->next, line);
    while (found && found != trace->text && found[-1] != '\n') {
        found = strstr(found + 1, line);
    }
    if (!found) {
        g_test_message("not in: %s", trace->next);
        g_assert_cmpstr(text, ==, "a line that was logged");
    }
    trace->next = found + strlen(line);
}

static uint64_t trace_block(Trace *trace, unsigned block)
{
    return mhp_block_addr(trace->mhp, block);
}

static void trace_expect_response(Trace *trace, unsigned request, unsigned type)
{
    trace_expect(trace,
                 "virtio_mhp_response region=0x%" PRIx64 " request=%u type=%u",
                 trace->mhp->addr, request, type);
}

static void test_plug(void)
{
    g_autoptr(Trace) trace = trace_new();
    const uint64_t region = trace->mhp->addr;

    trace_skip(trace);
    mhp_expect(mhp_plug(trace->mhp, 2, 4), ACK);
    trace_expect(trace,
                 "virtio_mhp_plug_request addr=0x%" PRIx64 " nb_blocks=4",
                 trace_block(trace, 2));
    trace_expect(trace,
                 "virtio_mhp_job_start region=0x%" PRIx64
                 " nb_parts=1 addr=0x%" PRIx64 " discards=1 populates_all=0",
                 region, trace_block(trace, 2));
    for (unsigned i = 2; i < 6; i++) {
        trace_expect(trace,
                     "virtio_mhp_job_discard addr=0x%" PRIx64
                     " size=0x200000 ret=0",
                     trace_block(trace, i));
    }
    trace_expect(
        trace, "virtio_mhp_plugged addr=0x%" PRIx64 " nb_blocks=4 nb_plugged=4",
        trace_block(trace, 2));
    trace_expect_response(trace, VIRTIO_MHP_REQ_PLUG, VIRTIO_MHP_RESP_ACK);
    trace_expect(trace,
                 "virtio_mhp_job_end region=0x%" PRIx64
                 " result=0 discarded=0x800000 backed=0x0",
                 region);
}

static void test_unplug(void)
{
    g_autoptr(Trace) trace = trace_new();
    const uint64_t region = trace->mhp->addr;

    mhp_expect(mhp_plug(trace->mhp, 0, 4), ACK);
    trace_skip(trace);
    mhp_expect(mhp_unplug(trace->mhp, 1, 1), ACK);
    trace_expect(trace,
                 "virtio_mhp_unplug_request addr=0x%" PRIx64 " nb_blocks=1",
                 trace_block(trace, 1));
    trace_expect(
        trace, "virtio_mhp_job_discard addr=0x%" PRIx64 " size=0x200000 ret=0",
        trace_block(trace, 1));
    trace_expect(trace,
                 "virtio_mhp_unplugged addr=0x%" PRIx64
                 " nb_blocks=1 nb_plugged=3",
                 trace_block(trace, 1));
    trace_expect_response(trace, VIRTIO_MHP_REQ_UNPLUG, VIRTIO_MHP_RESP_ACK);
    mhp_expect(mhp_unplug_all(trace->mhp), ACK);
    trace_expect(trace, "virtio_mhp_unplug_all_request region=0x%" PRIx64,
                 region);
    trace_expect(trace,
                 "virtio_mhp_unplugged addr=0x%" PRIx64
                 " nb_blocks=64 nb_plugged=0",
                 region);
}

static void test_refused(void)
{
    g_autoptr(Trace) trace = trace_new();
    const uint64_t region = trace->mhp->addr;

    trace_skip(trace);
    mhp_expect(mhp_plug(trace->mhp, 0, 40), NACK);
    trace_expect(trace,
                 "virtio_mhp_plug_request addr=0x%" PRIx64 " nb_blocks=40",
                 region);
    trace_expect(trace,
                 "virtio_mhp_refused region=0x%" PRIx64 " why=2 nb_blocks=40",
                 region);
    trace_expect_response(trace, VIRTIO_MHP_REQ_PLUG, VIRTIO_MHP_RESP_NACK);
    /* As the driver sent it, outside the region */
    mhp_expect(mhp_unplug(trace->mhp, 64, 1), ERROR);
    trace_expect(trace,
                 "virtio_mhp_unplug_request addr=0x%" PRIx64 " nb_blocks=1",
                 trace_block(trace, 64));
    trace_expect(trace,
                 "virtio_mhp_refused region=0x%" PRIx64 " why=0 nb_blocks=1",
                 region);
    trace_expect_response(trace, VIRTIO_MHP_REQ_UNPLUG, VIRTIO_MHP_RESP_ERROR);
    trace_read(trace);
    g_assert_null(strstr(trace->text, "virtio_mhp_plugged"));
}

static void test_other_requests(void)
{
    const struct virtio_mhp_req unknown = {.type = GUINT16_TO_LE(77)};
    struct virtio_mhp_resp resp;
    g_autoptr(Trace) trace = trace_new();
    Mhp *mhp = trace->mhp;

    g_assert_cmpstr(mhp_state_name(mhp, 3, 2), ==, "UNPLUGGED");
    trace_expect(trace,
                 "virtio_mhp_state_request addr=0x%" PRIx64 " nb_blocks=2",
                 trace_block(trace, 3));
    trace_expect(trace,
                 "virtio_mhp_state_response region=0x%" PRIx64 " state=%u",
                 mhp->addr, VIRTIO_MHP_STATE_UNPLUGGED);
    mhp_expect(mhp_status(mhp, 5, 6, VIRTIO_MHP_REASON_BUSY), ACK);
    trace_expect(trace,
                 "virtio_mhp_status_request addr=0x%" PRIx64
                 " nb_blocks=6 reason=%u",
                 trace_block(trace, 5), VIRTIO_MHP_REASON_BUSY);
    mhp_expect(mhp_send(mhp, &unknown, &resp), ERROR);
    trace_expect(trace,
                 "virtio_mhp_unknown_request region=0x%" PRIx64 " type=77",
                 mhp->addr);
    mhp_restart_driver(mhp, MHP_FEATURES);
    trace_expect(trace, "virtio_mhp_reset region=0x%" PRIx64, mhp->addr);
}

/* Backing memory is the worker's */
static void test_worker(void)
{
    g_autoptr(Trace) trace = trace_new();
    Mhp *mhp = trace->mhp;

    mhp_expect(mhp_memmap(mhp, MHP_BLOCK_SIZE, 0x8000), ACK);
    trace_expect(trace,
                 "virtio_mhp_memmap_request region=0x%" PRIx64
                 " unit_size=0x200000 memmap_size=0x8000",
                 mhp->addr);
    mhp_expect(mhp_plug(mhp, 0, 1), ACK);
    trace_expect(trace, "virtio_mhp_worker_start region=0x%" PRIx64, mhp->addr);
    trace_expect(trace,
                 "virtio_mhp_job_back addr=0x%" PRIx64 " size=0x8000 err=0",
                 mhp->addr);
    trace_expect(trace, "virtio_mhp_worker_end region=0x%" PRIx64 " result=0",
                 mhp->addr);
    trace_expect(
        trace, "virtio_mhp_plugged addr=0x%" PRIx64 " nb_blocks=1 nb_plugged=1",
        mhp->addr);
    trace_expect(trace,
                 "virtio_mhp_job_end region=0x%" PRIx64
                 " result=0 discarded=0x200000 backed=0x8000",
                 mhp->addr);
}

static void test_operator(void)
{
    g_autoptr(Trace) trace = trace_new();
    Mhp *mhp = trace->mhp;

    trace_expect(trace,
                 "virtio_mhp_discard_all region=0x%" PRIx64
                 " size=0x8000000 ret=0",
                 mhp->addr);
    trace_expect(trace,
                 "virtio_mhp_realize region=0x%" PRIx64
                 " size=0x8000000 block_size=0x200000",
                 mhp->addr);
    mhp_set_requested_size(mhp, 3 * MHP_BLOCK_SIZE);
    trace_expect(trace,
                 "virtio_mhp_requested_size region=0x%" PRIx64
                 " old_size=0x4000000 new_size=0x600000",
                 mhp->addr);
    mhp_expect(mhp_plug(mhp, 4, 2), ACK);
    mhp_system_reset(mhp);
    trace_expect(trace,
                 "virtio_mhp_system_reset region=0x%" PRIx64 " is_busy=0",
                 mhp->addr);
    trace_expect(trace,
                 "virtio_mhp_unplugged addr=0x%" PRIx64
                 " nb_blocks=64 nb_plugged=0",
                 mhp->addr);
    trace_expect(trace,
                 "virtio_mhp_pending_add addr=0x%" PRIx64 " nb_blocks=64",
                 mhp->addr);
    trace_expect(trace,
                 "virtio_mhp_pending_done addr=0x%" PRIx64 " nb_blocks=64",
                 mhp->addr);
}

static void test_migration(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Trace) source = trace_new();
        g_autoptr(Mhp) target = migrate_new_target(source->mhp, uri);
        const uint64_t region = source->mhp->addr;

        migrate_prepare(source->mhp);
        trace_skip(source);
        migrate(source->mhp, target, uri);
        trace_expect(source,
                     "virtio_mhp_early_pre_save region=0x%" PRIx64
                     " nb_plugged=%u ok=1",
                     region, MIGRATE_NB_PLUGGED);
        mhp_system_reset(source->mhp);
        trace_expect(source,
                     "virtio_mhp_system_reset region=0x%" PRIx64 " is_busy=1",
                     region);
    }
    migrate_free_uri(uri);
}

static bool is_over(void *opaque, GError **error)
{
    Trace *trace = opaque;

    (void)error;
    trace_read(trace);
    return strstr(trace->next, "virtio_mhp_busy_over ");
}

static void test_busy(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(GError) error = NULL;
        g_autoptr(Trace) source = trace_new();
        g_autoptr(Mhp) target = migrate_new_target(source->mhp, uri);
        const uint64_t region = source->mhp->addr;

        migrate_prepare(source->mhp);
        migration_set(source->mhp->vm, "max-bandwidth", SLOW_BANDWIDTH);
        migration_start(source->mhp->vm, uri);
        migration_wait(source->mhp->vm, "active");
        trace_skip(source);
        mhp_expect(mhp_plug(source->mhp, 10, 1), BUSY);
        trace_expect(source,
                     "virtio_mhp_busy region=0x%" PRIx64
                     ": a migration or a snapshot goes on",
                     region);
        trace_expect(
            source, "virtio_mhp_refused region=0x%" PRIx64 " why=3 nb_blocks=1",
            region);
        migration_cancel(source->mhp->vm);
        migration_wait(source->mhp->vm, "cancelled");
        wait_until(is_over, source, 5000, "the end in the log", &error);
        g_assert_no_error(error);
        /* The cancelled destination ends with an error of its own */
        mhp_abandon(g_steal_pointer(&target));
    }
    migrate_free_uri(uri);
}

static void test_migration_target(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new();
        g_autofree Trace *trace = g_new0(Trace, 1);
        g_autofree char *path = NULL;
        g_autoptr(Mhp) target = NULL;

        trace_open(trace);
        path = trace_path(trace);
        trace->next = trace->text;
        target = mhp_new_incoming(
            source,
            (const char *const[]){"-d", trace_items(), "-D", path, NULL});
        migration_listen(target->vm, uri);
        migrate_prepare(source);
        migrate(source, target, uri);
        trace_expect(trace,
                     "virtio_mhp_common_post_load region=0x%" PRIx64 " ret=0",
                     source->addr);
        trace_expect(trace,
                     "virtio_mhp_early_back region=0x%" PRIx64
                     " is_postcopy=0 ok=1",
                     source->addr);
        trace_expect(trace,
                     "virtio_mhp_early_post_load region=0x%" PRIx64
                     " nb_plugged=%u is_ignored=0 ok=1",
                     source->addr, MIGRATE_NB_PLUGGED);
        trace_expect(trace,
                     "virtio_mhp_late_post_load region=0x%" PRIx64
                     " requested_size=0x%" PRIx64 " nb_plugged=%u",
                     source->addr, (uint64_t)mhp_config(target).requested_size,
                     MIGRATE_NB_PLUGGED);
        close(trace->file);
    }
    migrate_free_uri(uri);
}

/* Who has not asked for it is not shown it */
static void test_not_asked(void)
{
    g_autoptr(Trace) trace = trace_new_items("guest_errors");

    mhp_expect(mhp_plug(trace->mhp, 0, 4), ACK);
    mhp_expect(mhp_plug(trace->mhp, 0, 4), ERROR);
    trace_expect(trace,
                 "virtio-mhp: the driver sent a wrong request of type %u",
                 VIRTIO_MHP_REQ_PLUG);
    g_assert_null(strstr(trace->text, "virtio_mhp_"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/trace/plug", test_plug);
    g_test_add_func("/trace/unplug", test_unplug);
    g_test_add_func("/trace/refused", test_refused);
    g_test_add_func("/trace/other-requests", test_other_requests);
    g_test_add_func("/trace/worker", test_worker);
    g_test_add_func("/trace/operator", test_operator);
    g_test_add_func("/trace/migration", test_migration);
    g_test_add_func("/trace/busy", test_busy);
    g_test_add_func("/trace/migration-target", test_migration_target);
    g_test_add_func("/trace/not-asked", test_not_asked);
    return g_test_run();
}
