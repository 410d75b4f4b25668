/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the source of a migration does to memory that the destination may use
 * already: nothing, whatever it was doing when the guest left, and whatever is
 * asked of it afterwards. What it had no time to discard the other side does,
 * or it does it itself if the guest stays.
 *
 * The region's memory is a file that both sides have. hold.c is preloaded into
 * the source, whose host takes a time to discard memory, more than two seconds
 * for all of it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "hold.h"
#include "migrate.h"
#include "picture.h"
#include "wait.h"

/* Some time for the source to do what it should not */
#define WATCH_US (300 * 1000)

#define NB_KEPT 8u
#define KEPT 0x33

#define LEFT                                                           \
    "property 'requested-size' cannot be changed after the guest has " \
    "left for the migration's destination"

#define STUCK "got no end of it on backend"

static const char *const no_args[] = {NULL};

static Hold *hold;

/* For the QEMU that is started next */
static void make_hold(void)
{
    static int fd = -1;
    g_autofree char *path = NULL;

    if (fd < 0) {
        fd = memfd_create("hold", MFD_CLOEXEC);
        g_assert_cmpint(fd, >=, 0);
        g_assert_no_errno(ftruncate(fd, sizeof(*hold)));
        hold = mmap(NULL, sizeof(*hold), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                    0);
        g_assert_true(hold != MAP_FAILED);
    }
    path = g_strdup_printf("/proc/%d/fd/%d", getpid(), fd);
    g_assert_no_errno(setenv(HOLD_ENV, path, 1));
}

static void set_mode(uint32_t mode)
{
    __atomic_store_n(&hold->kinds[HOLD_DISCARDS].mode, mode, __ATOMIC_SEQ_CST);
}

/* Of the source: by nobody else is the memory discarded unnoticed */
static unsigned nb_discards(void)
{
    return __atomic_load_n(&hold->kinds[HOLD_DISCARDS].nb_calls,
                           __ATOMIC_SEQ_CST);
}

static void qmp(Mhp *mhp, const char *command)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode)
        result = qmp_executef(vm_qmp(mhp->vm), &error, command, NULL);

    g_assert_no_error(error);
}

/* The machine alone, whose driver is not there to see it */
static void system_reset(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) event = NULL;

    qmp(mhp, "system_reset");
    event = qmp_wait_event(vm_qmp(mhp->vm), "RESET", 10000, &error);
    g_assert_no_error(error);
}

/* Send a request and do not wait for the response */
static void submit(Mhp *mhp, uint16_t type, unsigned block, uint16_t nb_blocks)
{
    const struct virtio_mhp_req req = {
        .type = GUINT16_TO_LE(type),
        .u.plug.addr = GUINT64_TO_LE(mhp_block_addr(mhp, block)),
        .u.plug.nb_blocks = GUINT16_TO_LE(nb_blocks),
    };
    const struct vring_desc descs[] = {
        {MHP_REQ_ADDR, sizeof(req), VRING_DESC_F_NEXT, 1},
        {MHP_RESP_ADDR, sizeof(struct virtio_mhp_resp), VRING_DESC_F_WRITE, 0},
    };

    qtest_write(mhp->qtest, MHP_REQ_ADDR, &req, sizeof(req));
    virtio_pci_submit(mhp->pci, descs, G_N_ELEMENTS(descs));
}

/* What the source was doing when the guest left */

static void work_system_reset(Mhp *mhp)
{
    system_reset(mhp);
    virtio_pci_map(mhp->pci);
    mhp_restart_driver(mhp, MHP_FEATURES);
}

static void work_unplug_all(Mhp *mhp)
{
    submit(mhp, VIRTIO_MHP_REQ_UNPLUG_ALL, 0, 0);
}

static void work_unplug(Mhp *mhp)
{
    submit(mhp, VIRTIO_MHP_REQ_UNPLUG, NB_KEPT, MHP_NB_BLOCKS - NB_KEPT);
}

/* What is there is discarded first */
static void work_plug(Mhp *mhp)
{
    submit(mhp, VIRTIO_MHP_REQ_PLUG, NB_KEPT, MHP_NB_BLOCKS - NB_KEPT);
}

typedef struct Work {
    void (*begin)(Mhp *mhp);
    unsigned nb_plugged; /* blocks before it */
    unsigned nb_kept;    /* and those that stay plugged */
} Work;

static const Work reset_work = {work_system_reset, MHP_NB_BLOCKS, 0};
static const Work unplug_all_work = {work_unplug_all, MHP_NB_BLOCKS, 0};
static const Work unplug_work = {work_unplug, MHP_NB_BLOCKS, NB_KEPT};
static const Work plug_work = {work_plug, NB_KEPT, NB_KEPT};

/* A vCPU that sleeps, for a machine that runs: cli; hlt; jmp */
static int bios_file(void)
{
    static const uint8_t code[] = {0xfa, 0xf4, 0xeb, 0xfc};
    int fd = memfd_create("bios", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_no_errno(ftruncate(fd, 0x10000));
    g_assert_cmpint(pwrite(fd, code, sizeof(code), 0xfff0), ==, sizeof(code));
    return fd;
}

/* All blocks are backed, plugged or not, and some have contents */
static Mhp *start(unsigned nb_plugged, const char *const *args)
{
    Mhp *mhp;

    make_hold();
    set_mode(HOLD_PASS);
    mhp = mhp_new_with_args(args);
    g_assert_no_errno(unsetenv(HOLD_ENV));

    mhp_set_requested_size(mhp, MHP_REGION_SIZE);
    mhp_expect(mhp_plug(mhp, 0, (uint16_t)nb_plugged), ACK);
    g_assert_no_errno(fallocate(mhp->memory, 0, 0, MHP_REGION_SIZE));
    mhp_fill(mhp, 0, KEPT);
    mhp_fill(mhp, NB_KEPT, KEPT);
    return mhp;
}

static bool is_at_work(G_GNUC_UNUSED void *opaque, G_GNUC_UNUSED GError **error)
{
    return __atomic_load_n(&hold->kinds[HOLD_DISCARDS].nb_waiting,
                           __ATOMIC_SEQ_CST) > 0;
}

static void begin_and(Mhp *mhp, const Work *work, uint32_t mode)
{
    g_autoptr(GError) error = NULL;

    set_mode(mode);
    work->begin(mhp);
    wait_until(is_at_work, NULL, 10000, "work on the memory", &error);
    g_assert_no_error(error);
}

static void begin(Mhp *mhp, const Work *work)
{
    begin_and(mhp, work, HOLD_SLOW);
}

static void assert_resize_is_refused(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(qmp_set_uint(vm_qmp(mhp->vm), MHP_QOM_PATH, "requested-size",
                                MHP_BLOCK_SIZE, &error));
    g_assert_cmpstr(error->message, ==, LEFT);
}

/* All that an operator can do to a machine whose guest has left */
static void provoke(Mhp *mhp)
{
    assert_resize_is_refused(mhp);
    system_reset(mhp);
    /* QEMU calls this a machine that was never started */
    assert_resize_is_refused(mhp);
    system_reset(mhp);
    set_mode(HOLD_PASS);
    g_usleep(WATCH_US);
}

/* Takes a moment if the destination has something to discard */
static bool is_clean(void *opaque, GError **error)
{
    Mhp *mhp = opaque;

    (void)error;
    return mhp_backed_size(mhp) <= mhp_size(mhp);
}

static void wait_clean(Mhp *mhp)
{
    g_autoptr(GError) error = NULL;

    wait_until(is_clean, mhp, 10000, "a region without unplugged memory",
               &error);
    g_assert_no_error(error);
}

/* The guest has all that it had, and goes on as it likes */
static void check_arrived(Mhp *mhp, unsigned nb_kept)
{
    g_assert_cmpuint(mhp_size(mhp), ==, nb_kept * MHP_BLOCK_SIZE);
    if (nb_kept) {
        g_assert_true(mhp_block_holds(mhp, 0, KEPT));
    }
    wait_clean(mhp);
    mhp_restart_driver(mhp, MHP_FEATURES);
    mhp_expect(mhp_unplug_all(mhp), ACK);
    mhp_expect(mhp_plug(mhp, 0, MHP_NB_BLOCKS), ACK);
    g_assert_true(mhp_block_holds(mhp, 0, 0));
    g_assert_true(mhp_block_holds(mhp, NB_KEPT, 0));
}

/*
 * Nobody but the source has the memory while it is watched: its guest is in a
 * file, and comes from there afterwards.
 */
static void check_leaving(Mhp *source, Mhp *target, const Work *work,
                          const char *capability)
{
    char *uri = migrate_new_uri("file");
    g_autofree char *before = NULL, *after = NULL;
    unsigned nb_before;

    migration_enable(source->vm, capability);
    migration_enable(target->vm, capability);
    begin(source, work);
    migration_start(source->vm, uri);
    migration_wait(source->vm, "completed");
    before = picture_of(source->memory);
    mhp_expect(mhp_plug(source, MHP_NB_BLOCKS - 1, 1), BUSY);
    nb_before = nb_discards();
    provoke(source);
    g_assert_cmpuint(nb_discards(), ==, nb_before);
    after = picture_of(source->memory);
    g_assert_cmpstr(after, ==, before);
    migration_listen(target->vm, uri);
    mhp_arrived(target, source);
    check_arrived(target, work->nb_kept);
    migrate_free_uri(uri);
}

static void test_ignore_shared(const void *data)
{
    const Work *work = data;
    g_autoptr(Mhp) source = start(work->nb_plugged, no_args);
    g_autoptr(Mhp) target = mhp_new_incoming_shared(source);

    check_leaving(source, target, work, "x-ignore-shared");
}

static void test_mapped_ram(void)
{
    g_autoptr(Mhp) source = start(MHP_NB_BLOCKS, no_args);
    g_autoptr(Mhp) target = mhp_new_incoming(source, no_args);

    check_leaving(source, target, &unplug_work, "mapped-ram");
}

/* A socket beside that of @uri */
static char *cpr_path(const char *uri)
{
    g_autofree char *folder = g_path_get_dirname(strchr(uri, ':') + 1);

    return g_build_filename(folder, "cpr", NULL);
}

/* The new QEMU has the old one's memory, which no stream carries */
static void check_transfer(const Work *work)
{
    const char *const args[] = {
        "-object",  "memory-backend-memfd,id=boot,size=64M,share=on",
        "-machine", "memory-backend=boot,aux-ram-share=on",
        NULL,
    };
    char *uri = migrate_new_uri("unix");
    g_autofree char *cpr = cpr_path(uri);
    {
        g_autoptr(Mhp) source = start(work->nb_plugged, args);
        g_autoptr(Mhp) target = mhp_new_incoming_cpr(source, args, cpr);
        unsigned nb_before;

        begin(source, work);
        migration_start_cpr(source->vm, uri, cpr);
        mhp_taken_over(target);
        migration_listen(target->vm, uri);
        migration_wait(source->vm, "completed");
        nb_before = nb_discards();
        provoke(source);
        g_assert_cmpuint(nb_discards(), ==, nb_before);
        mhp_arrived(target, source);
        check_arrived(target, work->nb_kept);
    }
    g_unlink(cpr);
    migrate_free_uri(uri);
}

static void test_cpr_transfer(const void *data)
{
    check_transfer(data);
}

/* QEMU ends, and the next one finds the guest in a file and in its memory */
static void test_cpr_reboot(void)
{
    char *uri = migrate_new_uri("file");
    {
        g_autoptr(Mhp) source = start(NB_KEPT, no_args);
        g_autoptr(Mhp) target = mhp_new_incoming_shared(source);

        migration_enable(source->vm, "x-ignore-shared");
        migration_enable(target->vm, "x-ignore-shared");
        migration_set_mode(source->vm, "cpr-reboot");
        migration_set_mode(target->vm, "cpr-reboot");
        begin(source, &plug_work);
        migration_start(source->vm, uri);
        migration_wait(source->vm, "completed");
        provoke(source);
        migration_listen(target->vm, uri);
        mhp_arrived(target, source);
        check_arrived(target, NB_KEPT);
    }
    migrate_free_uri(uri);
}

/* A migration that is not over before the test says so */
static void start_slowly(Mhp *mhp, const char *uri)
{
    migration_set(mhp->vm, "max-bandwidth", 4096);
    migration_start(mhp->vm, uri);
    migration_wait(mhp->vm, "active");
}

/* Where the guest stays, so does the work */
static void test_work_goes_on_after_a_cancelled_migration(void)
{
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = start(MHP_NB_BLOCKS, no_args);
        g_autoptr(Mhp) target = migrate_new_target(source, uri);

        begin(source, &unplug_work);
        start_slowly(source, uri);
        g_assert_cmpuint(mhp_backed_size(source), >, mhp_size(source));
        set_mode(HOLD_PASS);
        migration_cancel(source->vm);
        migration_wait(source->vm, "cancelled");
        check_arrived(source, NB_KEPT);
        mhp_abandon(g_steal_pointer(&target));
    }
    migrate_free_uri(uri);
}

static void test_work_goes_on_after_a_snapshot(void)
{
    char *uri = migrate_new_uri("file");
    {
        g_autoptr(Mhp) mhp = start(MHP_NB_BLOCKS, no_args);

        migration_add_disk(mhp->vm, strchr(uri, ':') + 1);
        begin(mhp, &unplug_work);
        migration_save(mhp->vm, "one");
        set_mode(HOLD_PASS);
        wait_clean(mhp);
        mhp_fill(mhp, 0, 0);
        mhp_load_snapshot(mhp, "one");
        check_arrived(mhp, NB_KEPT);
    }
    migrate_free_uri(uri);
}

/* A host that hangs must not hang QEMU: the guest stays where it is */
static void test_work_that_cannot_be_ended(void)
{
    char *uri = migrate_new_uri("file");
    {
        g_autoptr(Mhp) source = start(MHP_NB_BLOCKS, no_args);
        g_autoptr(Mhp) target = mhp_new_incoming_shared(source);
        g_autofree char *said = NULL, *state = NULL;

        migration_enable(source->vm, "x-ignore-shared");
        migration_enable(target->vm, "x-ignore-shared");
        /* By the thread, and from the first piece on */
        begin_and(source, &reset_work, HOLD_WAIT);
        migration_start(source->vm, uri);
        migration_wait(source->vm, "failed");
        said = vm_stderr(source->vm);
        g_assert_nonnull(strstr(said, STUCK));
        state = migration_run_state(source->vm);
        g_assert_cmpstr(state, ==, "prelaunch");
        set_mode(HOLD_PASS);
        wait_clean(source);
        migration_start(source->vm, uri);
        migration_wait(source->vm, "completed");
        migration_listen(target->vm, uri);
        mhp_arrived(target, source);
        check_arrived(target, 0);
    }
    migrate_free_uri(uri);
}

/* The operator takes the guest back, whose memory nobody else has used */
static void test_guest_is_taken_back(void)
{
    char *uri = migrate_new_uri("file");
    int bios = bios_file();
    g_autofree char *bios_path = g_strdup_printf("/proc/%d/fd/%d", getpid(),
                                                 bios);
    {
        const char *const args[] = {"-bios", bios_path, NULL};
        g_autoptr(Mhp) source = start(MHP_NB_BLOCKS, args);

        qmp(source, "cont");
        migration_enable(source->vm, "x-ignore-shared");
        begin(source, &unplug_work);
        migration_start(source->vm, uri);
        migration_wait(source->vm, "completed");
        assert_resize_is_refused(source);
        g_assert_cmpuint(mhp_backed_size(source), >, mhp_size(source));
        set_mode(HOLD_PASS);
        qmp(source, "cont");
        wait_clean(source);
        mhp_set_requested_size(source, MHP_REGION_SIZE);
        check_arrived(source, NB_KEPT);
        mhp_system_reset(source);
        g_assert_cmpuint(mhp_size(source), ==, 0);
        wait_clean(source);
    }
    close(bios);
    migrate_free_uri(uri);
}

#define ADD_ROW(name, data, test) \
    g_test_add_data_func("/virtio-mhp/migration-source/" name, data, test)
#define ADD(test) \
    g_test_add_func("/virtio-mhp/migration-source/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_ROW("ignore-shared/reset", &reset_work, test_ignore_shared);
    ADD_ROW("ignore-shared/unplug-all", &unplug_all_work, test_ignore_shared);
    ADD_ROW("ignore-shared/unplug", &unplug_work, test_ignore_shared);
    ADD_ROW("ignore-shared/plug", &plug_work, test_ignore_shared);
    ADD_ROW("cpr-transfer/reset", &reset_work, test_cpr_transfer);
    ADD_ROW("cpr-transfer/unplug", &unplug_work, test_cpr_transfer);
    ADD(mapped_ram);
    ADD(cpr_reboot);
    ADD(work_goes_on_after_a_cancelled_migration);
    ADD(work_goes_on_after_a_snapshot);
    ADD(work_that_cannot_be_ended);
    ADD(guest_is_taken_back);
    return g_test_run();
}
