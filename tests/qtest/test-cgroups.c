/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU in a control group with a limit, of either version: Linux would end QEMU
 * at the limit, so the driver is refused before that, but not because of memory
 * that Linux gives up at once; QEMU says if it cannot know; and QEMU's monitor
 * answers whatever the group is like.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "group.h"
#include "latency.h"
#include "mhp.h"

#define RAM "memory-backend-ram"
#define PREALLOC ",prealloc=on"

#define ROUNDS 32

static void assert_says(Mhp *mhp, const char *words, unsigned times)
{
    g_autofree char *log = vm_stderr(mhp->vm);
    const char *at = log;

    for (; times > 0; times--) {
        at = strstr(at, words);
        g_assert_nonnull(at);
        at += strlen(words);
    }
    g_assert_null(strstr(at, words));
}

#define HAS_ROOM "QEMU's control group has room for"
#define UNSEEN "wants to see the control groups that may limit QEMU's memory"

static Mhp *start_in(Group *group, const char *backend, const char *properties)
{
    Mhp *mhp = mhp_new_with_backend(backend, properties, NULL);

    group_add(group, vm_pid(mhp->vm));
    return mhp;
}

static void be_limited(Group *group)
{
    g_autoptr(Mhp) mhp = start_in(group, RAM, PREALLOC);

    group_set_limit(group, 112 * MHP_MIB);
    mhp_expect(mhp_plug(mhp, 0, 16), ACK);
    mhp_expect(mhp_plug(mhp, 16, 48), NACK);
    g_assert_cmpuint(mhp_size(mhp), ==, 16 * MHP_BLOCK_SIZE);
    assert_says(mhp, HAS_ROOM, 1);
    assert_says(mhp, UNSEEN, 0);
    /* What it has is its own, and what is given back can be had again */
    for (unsigned i = 0; i < 16; i++) {
        mhp_fill(mhp, i, 0x11);
    }
    mhp_expect(mhp_unplug(mhp, 0, 16), ACK);
    mhp_expect(mhp_plug(mhp, 16, 16), ACK);
    g_assert_true(mhp_block_holds(mhp, 16, 0));
}

/* DEV-PLUG-4, DEV-REQ-5: Linux would end QEMU at the limit */
static void test_limit(void)
{
    g_autoptr(Group) group = group_new();

    if (group) {
        be_limited(group);
    }
}

static void be_limited_to_memmaps(Group *group)
{
    g_autoptr(Mhp) mhp = start_in(group, "memory-backend-memfd", "");

    group_set_limit(group, 48 * MHP_MIB);
    mhp_expect(mhp_memmap(mhp, 2 * MHP_BLOCK_SIZE, MHP_BLOCK_SIZE), ACK);
    mhp_expect(mhp_plug(mhp, 0, 16), ACK);
    mhp_expect(mhp_plug(mhp, 16, 32), NACK);
    g_assert_cmpuint(mhp_size(mhp), ==, 16 * MHP_BLOCK_SIZE);
}

/* DEV-PLUG-4 */
static void test_limit_and_memmaps(void)
{
    g_autoptr(Group) group = group_new();

    if (group) {
        be_limited_to_memmaps(group);
    }
}

/* Neither /proc nor control groups are in sight there */
static void be_limited_in_chroot(Group *group, const char *folder)
{
    g_autofree char *option = g_strdup_printf("chroot=%s", folder);
    const char *const args[] = {"-run-with", option, NULL};
    g_autoptr(Mhp) mhp = mhp_new_with_backend(RAM, PREALLOC, args);

    group_add(group, vm_pid(mhp->vm));
    group_set_limit(group, 112 * MHP_MIB);
    mhp_expect(mhp_plug(mhp, 0, 16), ACK);
    mhp_expect(mhp_plug(mhp, 16, 48), NACK);
    assert_says(mhp, HAS_ROOM, 1);
}

static void test_limit_in_chroot(void)
{
    g_autoptr(Group) group = group_new();
    g_autofree char *folder = g_dir_make_tmp("mhp-XXXXXX", NULL);

    if (group) {
        be_limited_in_chroot(group, folder);
    }
    g_assert_no_errno(rmdir(folder));
}

static void be_beside_cache(Group *group, NeighbourKind kind)
{
    g_autoptr(Mhp) mhp = start_in(group, RAM, PREALLOC);
    g_autoptr(Neighbour) neighbour = NULL;

    group_set_limit(group, 272 * MHP_MIB);
    neighbour = neighbour_new(group, kind, 256 * MHP_MIB);
    g_assert_cmpuint(group_cache(group), >=, 200 * MHP_MIB);
    mhp_expect(mhp_plug(mhp, 0, 48), ACK);
    assert_says(mhp, HAS_ROOM, 0);
}

/* Files that somebody uses fill the group: Linux gives up what QEMU wants */
static void test_cache_is_room(const void *kind)
{
    g_autoptr(Group) group = group_new();

    if (group) {
        be_beside_cache(group, GPOINTER_TO_UINT(kind));
    }
}

static void be_without_room(Group *group, NeighbourKind kind)
{
    g_autoptr(Mhp) mhp = start_in(group, RAM, PREALLOC);
    Neighbour *neighbour;

    group_set_limit(group, 320 * MHP_MIB);
    neighbour = neighbour_new(group, kind, 256 * MHP_MIB);
    mhp_expect(mhp_plug(mhp, 0, 48), NACK);
    assert_says(mhp, HAS_ROOM, 1);
    neighbour_free(neighbour);
    mhp_expect(mhp_plug(mhp, 0, 48), ACK);
}

/* DEV-PLUG-4, DEV-REQ-5 */
static void test_no_room(const void *kind)
{
    g_autoptr(Group) group = group_new();

    if (group) {
        be_without_room(group, GPOINTER_TO_UINT(kind));
    }
}

static void set_namespace(int fd)
{
    g_assert_no_errno(setns(fd, CLONE_NEWCGROUP));
}

/* QEMU, with the group as root of its namespace: nothing above is in sight */
static Mhp *start_unseen(Group *group, const char *const *args)
{
    g_autoptr(Neighbour)
        neighbour = neighbour_new(group, NEIGHBOUR_HAS_NAMESPACE, 0);
    g_autofree char *path = g_strdup_printf("/proc/%d/ns/cgroup",
                                            neighbour_pid(neighbour));
    int theirs = open(path, O_RDONLY | O_CLOEXEC);
    int ours = open("/proc/self/ns/cgroup", O_RDONLY | O_CLOEXEC);
    Mhp *mhp;

    set_namespace(theirs);
    mhp = mhp_new_with_backend(RAM, "", args);
    set_namespace(ours);
    close(theirs);
    close(ours);
    group_add(group, vm_pid(mhp->vm));
    return mhp;
}

static void warn_of_memmaps(Group *group)
{
    g_autoptr(Mhp) mhp = start_unseen(group, NULL);

    mhp_expect(mhp_plug(mhp, 0, 1), ACK);
    mhp_expect(mhp_memmap(mhp, 2 * MHP_BLOCK_SIZE, MHP_BLOCK_SIZE), ACK);
    assert_says(mhp, UNSEEN, 0);
    mhp_expect(mhp_plug(mhp, 2, 16), ACK);
    assert_says(mhp, UNSEEN, 1);
    mhp_expect(mhp_plug(mhp, 18, 16), ACK);
    assert_says(mhp, UNSEEN, 1);
}

static void test_unseen_limit_and_memmaps(void)
{
    g_autoptr(Group) group = group_new();

    if (group) {
        warn_of_memmaps(group);
    }
}

static void add_device(Mhp *mhp, const char *id, const char *port)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(vm_qmp(mhp->vm), &error, "device_add",
                          "{'driver': 'mhp-vmemmap-mem', 'id': '%s', "
                          "'memdev': 'mem%s', 'bus': '%s', 'prealloc': true}",
                          id, id, port);
    g_assert_no_error(error);
    g_assert_nonnull(result);
}

static void warn_of_prealloc(Group *group)
{
    const char *const args[] = {
        "-object", RAM ",id=memone,size=128M",
        "-object", RAM ",id=memtwo,size=128M",
        "-device", "pcie-root-port,id=port1,slot=1",
        "-device", "pcie-root-port,id=port2,slot=2",
        NULL,
    };
    g_autoptr(Mhp) mhp = start_unseen(group, args);

    assert_says(mhp, UNSEEN, 0);
    add_device(mhp, "one", "port1");
    assert_says(mhp, UNSEEN, 1);
    add_device(mhp, "two", "port2");
    assert_says(mhp, UNSEEN, 1);
}

static void test_unseen_limit_and_prealloc(void)
{
    g_autoptr(Group) group = group_new();

    if (group) {
        warn_of_prealloc(group);
    }
}

static uint16_t ask_until_answered(Mhp *mhp, Latency *latency, uint16_t type)
{
    mhp_submit(mhp, type, MHP_NB_BLOCKS);
    do {
        latency_ask(latency);
    } while (mhp_is_pending(mhp));
    return mhp_finish(mhp);
}

/* Each time Linux takes pages from the neighbour, who fetches them again. */
static void ask_while_backing(Mhp *mhp)
{
    Latency *latency = latency_new(mhp);
    unsigned nb_acks = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        nb_acks += ask_until_answered(mhp, latency, VIRTIO_MHP_REQ_PLUG) ==
                   VIRTIO_MHP_RESP_ACK;
        mhp_expect(ask_until_answered(mhp, latency, VIRTIO_MHP_REQ_UNPLUG_ALL),
                   ACK);
    }
    g_test_message("%u of %u requests got their memory", nb_acks, ROUNDS);
    g_assert_cmpuint(nb_acks, >, 0);
    latency_finish(latency);
}

/* Memmaps take half of the region, and files in use all of the room. */
static void be_pressed(Group *group, bool is_high)
{
    g_autoptr(Mhp) mhp = start_in(group, RAM, "");
    g_autoptr(Neighbour) reader = NULL;
    const uint64_t limit = 256 * MHP_MIB;

    if (!is_high) {
        group_set_limit(group, limit);
    } else if (!group_set_high(group, limit)) {
        g_test_message("version 1 has no memory.high");
        return;
    }
    reader = neighbour_new(group, NEIGHBOUR_READS, 240 * MHP_MIB);
    mhp_expect(mhp_memmap(mhp, 2 * MHP_BLOCK_SIZE, MHP_BLOCK_SIZE), ACK);
    ask_while_backing(mhp);
}

static void test_monitor_answers(const void *is_high)
{
    g_autoptr(Group) group = group_new();

    if (group) {
        be_pressed(group, is_high);
    }
}

#define PREFIX "/virtio-mhp/cgroups/"
#define ADD(test) g_test_add_func(PREFIX #test, test_##test)
#define ADD_KIND(name, kind, test) \
    g_test_add_data_func(PREFIX name, GUINT_TO_POINTER(kind), test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(limit);
    ADD(limit_and_memmaps);
    ADD(limit_in_chroot);
    ADD_KIND("cache that was used is room", NEIGHBOUR_HAS_READ,
             test_cache_is_room);
    ADD_KIND("cache in use is room", NEIGHBOUR_READS, test_cache_is_room);
    ADD_KIND("locked cache is no room", NEIGHBOUR_HAS_LOCKED, test_no_room);
    ADD_KIND("another's memory is no room", NEIGHBOUR_HAS_MEMORY, test_no_room);
    ADD(unseen_limit_and_memmaps);
    ADD(unseen_limit_and_prealloc);
    ADD_KIND("the monitor answers at the limit", false, test_monitor_answers);
    ADD_KIND("the monitor answers at memory.high", true, test_monitor_answers);
    return g_test_run();
}
