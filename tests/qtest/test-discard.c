/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who else on the host uses the guest's memory: listeners hear of exactly what
 * is plugged and unplugged, can refuse, and can ask. The listeners are those
 * of listener.c, each for one part of the region.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mhp.h"

/* A machine with listeners l0, l1, … that start to listen, up to NULL */
static Mhp *new_with_listeners(const char *first, ...)
{
    g_autofree char *plugin = g_strdup(g_getenv("MHP_TEST_LISTENER"));
    g_autoptr(GPtrArray) args = g_ptr_array_new_with_free_func(g_free);
    unsigned count = 0;
    const char *options;
    va_list ap;
    Mhp *mhp;

    g_assert_nonnull(plugin);
    g_ptr_array_add(args, g_strdup("-plugin"));
    g_ptr_array_add(args, g_steal_pointer(&plugin));
    va_start(ap, first);
    for (options = first; options; options = va_arg(ap, const char *)) {
        g_ptr_array_add(args, g_strdup("-device"));
        g_ptr_array_add(
            args, g_strdup_printf("mhp-test-listener,id=l%u,memdev=mem0%s",
                                  count++, options));
    }
    va_end(ap);
    g_ptr_array_add(args, NULL);
    mhp = mhp_new_with_args((const char *const *)args->pdata);
    return mhp;
}

static void set(Mhp *mhp, const char *id, const char *property,
                const char *value)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(vm_qmp(mhp->vm), &error, "qom-set",
                          "{'path': '/machine/peripheral/%s',"
                          " 'property': '%s', 'value': %s}",
                          id, property, value);
    g_assert_no_error(error);
}

static JsonNode *get(Mhp *mhp, const char *id, const char *property)
{
    g_autoptr(GError) error = NULL;
    JsonNode *result;

    result = qmp_executef(
        vm_qmp(mhp->vm), &error, "qom-get",
        "{'path': '/machine/peripheral/%s', 'property': '%s'}", id, property);
    g_assert_no_error(error);
    return result;
}

static void assert_text(Mhp *mhp, const char *id, const char *property,
                        const char *wanted)
{
    g_autoptr(JsonNode) got = get(mhp, id, property);

    g_assert_cmpstr(json_node_get_string(got), ==, wanted);
}

#define assert_heard(mhp, id, wanted) assert_text(mhp, id, "heard", wanted)

static void listen(Mhp *mhp, const char *id)
{
    set(mhp, id, "listening", "true");
    assert_heard(mhp, id, "");
}

static void test_hears_each_change(void)
{
    g_autoptr(Mhp) mhp = new_with_listeners("", NULL);

    listen(mhp, "l0");
    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    mhp_expect(mhp_plug(mhp, 4, 1), ACK);
    assert_heard(mhp, "l0", "+0x0-0x400000 +0x800000-0xa00000");
    mhp_expect(mhp_unplug(mhp, 1, 1), ACK);
    assert_heard(mhp, "l0", "-0x200000-0x400000");
    mhp_expect(mhp_unplug_all(mhp), ACK);
    assert_heard(mhp, "l0", "-0x0-0x200000 -0x800000-0xa00000");
    mhp_expect(mhp_unplug_all(mhp), ACK);
    assert_heard(mhp, "l0", "");
}

/* What is refused changes nothing and is no news */
static void test_hears_nothing_of_refused_requests(void)
{
    g_autoptr(Mhp) mhp = new_with_listeners("", NULL);

    listen(mhp, "l0");
    mhp_expect(mhp_plug(mhp, 0, MHP_NB_BLOCKS / 2 + 1), NACK);
    mhp_expect(mhp_unplug(mhp, 0, 1), ERROR);
    mhp_expect(mhp_plug(mhp, MHP_NB_BLOCKS, 1), ERROR);
    assert_heard(mhp, "l0", "");
}

static void test_hears_of_resets(void)
{
    g_autoptr(Mhp) mhp = new_with_listeners("", NULL);

    listen(mhp, "l0");
    mhp_expect(mhp_plug(mhp, 3, 2), ACK);
    assert_heard(mhp, "l0", "+0x600000-0xa00000");
    mhp_restart_driver(mhp, MHP_FEATURES);
    assert_heard(mhp, "l0", "");
    mhp_system_reset(mhp);
    assert_heard(mhp, "l0", "-0x600000-0xa00000");
}

/* It learns what is plugged already, and at its end that it is not */
static void test_comes_and_goes(void)
{
    g_autoptr(Mhp) mhp = new_with_listeners("", NULL);

    mhp_expect(mhp_plug(mhp, 1, 2), ACK);
    mhp_expect(mhp_plug(mhp, MHP_NB_BLOCKS - 1, 1), ACK);
    set(mhp, "l0", "listening", "true");
    assert_heard(mhp, "l0", "+0x200000-0x600000 +0x7e00000-0x8000000");
    set(mhp, "l0", "listening", "false");
    assert_heard(mhp, "l0", "-0x200000-0x600000 -0x7e00000-0x8000000");
    mhp_expect(mhp_unplug_all(mhp), ACK);
    assert_heard(mhp, "l0", "");
}

/* One of 4 MiB from 3 MiB on, which is one and two halves of blocks */
static void test_hears_of_its_section_only(void)
{
    g_autoptr(Mhp) mhp = new_with_listeners(",offset=3M,size=4M", NULL);

    listen(mhp, "l0");
    mhp_expect(mhp_plug(mhp, 0, 1), ACK);
    mhp_expect(mhp_plug(mhp, 4, 4), ACK);
    assert_heard(mhp, "l0", "");
    mhp_expect(mhp_plug(mhp, 1, 3), ACK);
    assert_heard(mhp, "l0", "+0x300000-0x700000");
    mhp_expect(mhp_unplug(mhp, 3, 2), ACK);
    assert_heard(mhp, "l0", "-0x600000-0x700000");
    assert_text(mhp, "l0", "replay", "+0x300000-0x600000 -0x600000-0x700000");
    mhp_expect(mhp_unplug_all(mhp), ACK);
    assert_heard(mhp, "l0", "-0x300000-0x600000");
}

/* DEV-PLUG-8, DEV-REQ-5: those that had agreed are told that it is not so */
static void test_roll_back_when_one_refuses(void)
{
    g_autoptr(Mhp) mhp = new_with_listeners("", "", "", NULL);

    listen(mhp, "l0");
    listen(mhp, "l1");
    listen(mhp, "l2");
    set(mhp, "l1", "refuse-from", "4194304");
    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    assert_heard(mhp, "l0", "+0x0-0x400000");
    assert_heard(mhp, "l1", "+0x0-0x400000");
    assert_heard(mhp, "l2", "+0x0-0x400000");
    mhp_expect(mhp_plug(mhp, 2, 1), BUSY);
    /* The last to come is asked first */
    assert_heard(mhp, "l2", "+0x400000-0x600000 -0x400000-0x600000");
    assert_heard(mhp, "l1", "!0x400000-0x600000");
    assert_heard(mhp, "l0", "");
    g_assert_cmpuint(mhp_size(mhp), ==, 2 * MHP_BLOCK_SIZE);
    g_assert_cmpstr(mhp_state_name(mhp, 2, 1), ==, "UNPLUGGED");
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
    set(mhp, "l1", "refuse-from", "1073741824");
    mhp_expect(mhp_plug(mhp, 2, 1), ACK);
    assert_heard(mhp, "l0", "+0x400000-0x600000");
}

/* DEV-PLUG-8, DEV-PLUG-4: the memmap that was backed for it is given back */
static void test_refused_memmap_is_given_back(void)
{
    g_autoptr(Mhp) mhp = new_with_listeners("", NULL);

    listen(mhp, "l0");
    set(mhp, "l0", "refuse-from", "0");
    mhp_expect(mhp_memmap(mhp, MHP_BLOCK_SIZE, 0x8000), ACK);
    mhp_expect(mhp_plug(mhp, 0, 2), BUSY);
    mhp_wait_discarded(mhp);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

static void test_answers_questions(void)
{
    g_autoptr(Mhp) mhp = new_with_listeners("", ",offset=2M,size=4M",
                                            ",offset=2M,size=6M", NULL);
    g_autoptr(JsonNode) part = NULL, more = NULL;

    assert_text(mhp, "l0", "granularity", "2097152");
    assert_text(mhp, "l0", "replay", "-0x0-0x8000000");
    mhp_expect(mhp_plug(mhp, 1, 2), ACK);
    assert_text(mhp, "l0", "replay",
                "+0x200000-0x600000 -0x0-0x200000 -0x600000-0x8000000");
    assert_text(mhp, "l1", "replay", "+0x200000-0x600000");
    part = get(mhp, "l1", "populated");
    g_assert_true(json_node_get_boolean(part));
    more = get(mhp, "l2", "populated");
    g_assert_false(json_node_get_boolean(more));
}

/* Size of the dump of a guest's memory, with MHP_BLOCK_SIZE as its unit */
static unsigned dump_blocks(Mhp *mhp)
{
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;
    int fd = g_file_open_tmp("dump-XXXXXX", &path, &error);
    struct stat st;

    g_assert_no_error(error);
    result = qmp_executef(vm_qmp(mhp->vm), &error, "dump-guest-memory",
                          "{'paging': false, 'protocol': 'file:%s'}", path);
    g_unlink(path);
    g_assert_no_error(error);
    g_assert_no_errno(fstat(fd, &st));
    close(fd);
    return (unsigned)(st.st_size / MHP_BLOCK_SIZE);
}

/* Neither in the file, nor backed because it was read */
static void test_dump_has_what_is_plugged(void)
{
    g_autoptr(Mhp) mhp = mhp_new();
    unsigned empty = dump_blocks(mhp);

    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
    mhp_expect(mhp_plug(mhp, 3, 5), ACK);
    mhp_fill(mhp, 3, 0x33);
    g_assert_cmpuint(dump_blocks(mhp), ==, empty + 5);
    mhp_expect(mhp_unplug_all(mhp), ACK);
    g_assert_cmpuint(dump_blocks(mhp), ==, empty);
    g_assert_cmpuint(mhp_backed_size(mhp), ==, 0);
}

#define ADD(test) g_test_add_func("/virtio-mhp/discard/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(hears_each_change);
    ADD(hears_nothing_of_refused_requests);
    ADD(hears_of_resets);
    ADD(comes_and_goes);
    ADD(hears_of_its_section_only);
    ADD(roll_back_when_one_refuses);
    ADD(refused_memmap_is_given_back);
    ADD(answers_questions);
    ADD(dump_has_what_is_plugged);
    return g_test_run();
}
