/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU in a control group with a limit, of either version: Linux would end QEMU
 * at the limit, so the driver is refused before that.
 */
#include <string.h>

#include "group.h"
#include "mhp.h"

#define RAM "memory-backend-ram"
#define PREALLOC ",prealloc=on"

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

#define PREFIX "/virtio-mhp/cgroups/"
#define ADD(test) g_test_add_func(PREFIX #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(limit);
    ADD(limit_and_memmaps);
    return g_test_run();
}
