/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker never wedges: each call that it makes into the kernel and each
 * request that it sends to the device fails once, and for as long as it is
 * wanted; afterwards requests are fulfilled as ever, and sizes and blocks
 * agree. Trouble in the kernel is made by the module mhp_trouble, that of the
 * device by fault-plugin.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "faulty.h"
#include "told.h"

#define GROWTH (4 * MEMORY_BLOCK_SIZE)
#define REGION_SIZE (GROWTH + MEMORY_BLOCK_SIZE)
#define ALWAYS 1000000

static Guest *guest;
static Fault *fault;

static bool is_last_error(void *opaque, GError **error)
{
    g_autofree char *text = memdev_attr(guest, "last_error", error);

    return text && strstr(text, opaque);
}

static void wait_last_error(const char *text)
{
    g_autoptr(GError) error = NULL;

    wait_until(is_last_error, (void *)text, SYSTEM_STALL_MS, text, &error);
    g_assert_no_error(error);
}

/* A block that is just being tried is in no zone */
static bool are_blocks(void *opaque, GError **error)
{
    const uint64_t *size = opaque;
    g_autoptr(GArray) blocks = memdev_blocks(guest, error);

    return blocks && blocks->len == *size / MEMORY_BLOCK_SIZE &&
           memdev_count_zone(blocks, "Movable") == blocks->len;
}

/* The host, the driver and the kernel say the same */
static void check_size(uint64_t size)
{
    g_autoptr(GError) error = NULL;

    system_wait_size(guest, size);
    system_wait_attr(guest, "online_size", size);
    system_wait_attr(guest, "plugged_size", size);
    wait_until(are_blocks, &size, SYSTEM_STALL_MS, "the blocks of this size",
               &error);
    g_assert_no_error(error);
}

static void resize(uint64_t size)
{
    system_request(guest, size);
    check_size(size);
}

/* After whatever was before, requests are fulfilled again */
static void check_goes_on(void)
{
    faulty_be_honest(fault);
    resize(GROWTH);
    resize(MEMORY_BLOCK_SIZE);
    resize(0);
    system_check_klog(guest);
}

/* Have mhp_trouble make trouble of a kind @nb times */
static void trouble(const char *kind, int error, unsigned nb)
{
    g_free(system_run(guest,
                      "cd /sys/module/mhp_trouble/parameters &&"
                      "echo %d >error && echo %u >%s",
                      error, nb, kind));
}

static void trouble_at(const char *kind, uint64_t addr)
{
    g_free(system_run(
        guest, "echo 0x%" PRIx64 " >/sys/module/mhp_trouble/parameters/%s",
        addr, kind));
}

static void assert_no_trouble_left(const char *kind)
{
    g_autofree char *left = system_run(
        guest, "cat /sys/module/mhp_trouble/parameters/%s", kind);

    g_assert_cmpstr(left, ==, "0");
}

/* A call on the way up that fails, and the word for it in last_error */
typedef struct Call {
    const char *what;
    const char *kind;
    int error;
    const char *word;
} Call;

static const Call calls_up[] = {
    {"no memory to add a block with", "add", ENOMEM, "not-added -12"},
    {"a block is there already", "add", EEXIST, "not-added -17"},
    {"no block may be added", "add", EINVAL, "not-added -22"},
    {"adding a block is interrupted", "add", EINTR, "not-added -4"},
    {"onlining is vetoed", "online", EBUSY, "not-online -16"},
    {"no memory to online a block with", "online", ENOMEM, "not-online -12"},
    {"onlining is interrupted", "online", EINTR, "not-online -4"},
};

static const Call calls_down[] = {
    {"offlining is vetoed", "offline", EBUSY, "-16"},
    {"no memory to offline a block with", "offline", ENOMEM, "-12"},
    {"removing finds the block busy", "remove", EBUSY, "-16"},
    {"no memory to remove a block with", "remove", ENOMEM, "-12"},
    {"removing is refused", "remove", EINVAL, "-22"},
};

/* A call fails once: the request is fulfilled all the same */
static void test_call_fails_once(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(calls_up); i++) {
        g_test_message("%s", calls_up[i].what);
        trouble(calls_up[i].kind, calls_up[i].error, 1);
        resize(2 * MEMORY_BLOCK_SIZE);
        assert_no_trouble_left(calls_up[i].kind);
        resize(0);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(calls_down); i++) {
        g_test_message("%s", calls_down[i].what);
        resize(2 * MEMORY_BLOCK_SIZE);
        trouble(calls_down[i].kind, calls_down[i].error, 1);
        resize(0);
        assert_no_trouble_left(calls_down[i].kind);
    }
    check_goes_on();
}

/* While adding or onlining fails, nothing is plugged, and the reason is told */
static void test_growing_fails(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(calls_up); i++) {
        g_test_message("%s", calls_up[i].what);
        resize(MEMORY_BLOCK_SIZE);
        trouble(calls_up[i].kind, calls_up[i].error, ALWAYS);
        system_request(guest, GROWTH);
        wait_last_error(calls_up[i].word);
        check_size(MEMORY_BLOCK_SIZE);
        trouble(calls_up[i].kind, calls_up[i].error, 0);
        resize(GROWTH - MEMORY_BLOCK_SIZE);
        resize(0);
    }
    check_goes_on();
}

/*
 * The next block is plugged while one is added. Where adding fails for lack of
 * memory both are given back, so the second try makes it four.
 */
static void test_adding_fails_with_one_ahead(void)
{
    const int64_t nb_plugs = system_acks(guest, "plug");
    const int64_t nb_unplugs = system_acks(guest, "unplug");

    trouble("add", ENOMEM, 1);
    resize(2 * MEMORY_BLOCK_SIZE);
    g_assert_cmpint(system_acks(guest, "plug") - nb_plugs, ==, 4);
    g_assert_cmpint(system_acks(guest, "unplug") - nb_unplugs, ==, 2);
    check_goes_on();
}

/* While offlining fails, all stays; the worker goes on by itself afterwards */
static void test_shrinking_fails(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(calls_down); i++) {
        g_test_message("%s", calls_down[i].what);
        resize(2 * MEMORY_BLOCK_SIZE);
        trouble(calls_down[i].kind, calls_down[i].error, ALWAYS);
        system_request(guest, 0);
        wait_last_error(calls_down[i].word);
        check_size(2 * MEMORY_BLOCK_SIZE);
        trouble(calls_down[i].kind, calls_down[i].error, 0);
        check_size(0);
    }
    check_goes_on();
}

/* What the kernel says of it, and says nothing else */
static void check_take_out_warning(void)
{
    g_autofree char *log = system_run(guest,
                                      "dmesg -c >/tmp/log; cat /tmp/log");
    g_autofree char *warning = klog_find(log, "WARNING:");
    g_autofree char *rest = system_run(
        guest, "sed '/cut here/,/end trace/d' /tmp/log");
    g_autofree char *trouble = klog_trouble(rest);

    if (warning) {
        g_assert_nonnull(strstr(warning, "offline_and_remove_memory_ranges"));
    }
    g_assert_cmpuint(klog_count(log, "WARNING:"), <=, 1);
    g_assert_cmpstr(trouble, ==, NULL);
}

/*
 * Earlier kernels roll back and say so. Linux 7.3 warns, leaves the block
 * offline, and reports success.
 */
static void test_taking_out_fails(void)
{
    resize(2 * MEMORY_BLOCK_SIZE);
    trouble("take_out", EBUSY, ALWAYS);
    system_request(guest, 0);
    wait_last_error("-16");
    g_assert_cmpuint(system_size(guest), ==, 2 * MEMORY_BLOCK_SIZE);
    trouble("take_out", EBUSY, 0);
    check_size(0);
    check_take_out_warning();
    check_goes_on();
}

/* Neither a shrink nor a grow that failed is in the way of the other */
static void test_change_of_mind(void)
{
    resize(2 * MEMORY_BLOCK_SIZE);
    trouble("offline", EBUSY, ALWAYS);
    system_request(guest, 0);
    wait_last_error("-16");
    resize(GROWTH);
    trouble("offline", EBUSY, 0);
    trouble("add", ENOMEM, ALWAYS);
    resize(MEMORY_BLOCK_SIZE);
    system_request(guest, GROWTH);
    wait_last_error("not-added -12");
    resize(0);
    trouble("add", ENOMEM, 0);
    check_goes_on();
}

/* The first block's addresses are taken by @kind of trouble: others are used */
static void check_taken(const char *kind)
{
    const uint64_t addr = system_addr(guest);

    trouble_at(kind, addr);
    system_request(guest, REGION_SIZE);
    system_wait_size(guest, GROWTH);
    wait_last_error("not-added -17");
    system_wait_attr(guest, "online_size", GROWTH);
    trouble_at(kind, 0);
    check_size(REGION_SIZE);
    check_goes_on();
}

static void test_addresses_are_taken(void)
{
    check_taken("take");
}

static void test_block_is_taken(void)
{
    check_taken("have");
}

/* Probe fails, and the next one finds nothing in its way */
static void test_no_memory_group(void)
{
    system_unload_driver(guest);
    trouble("group", ENOMEM, 1);
    g_free(system_run(guest, "insmod /lib/modules/mhp_vmemmap_mem.ko;"
                             "! ls -d /sys/bus/virtio/drivers/mhp_vmemmap_mem/"
                             "virtio*; rmmod mhp_vmemmap_mem;"
                             "dmesg | grep 'no group for memory on node 0: "
                             "-12'"));
    assert_no_trouble_left("group");
    system_load_driver(guest, "");
    check_goes_on();
}

/* An answer that the device gives once, or for as long as it lasts */
typedef struct Answer {
    const char *what;
    uint16_t request;
    uint16_t type;
    const char *word; /* in last_error */
} Answer;

static const Answer answers[] = {
    {"PLUG is not granted", VIRTIO_MHP_REQ_PLUG, VIRTIO_MHP_RESP_NACK,
     "plug-nack -11"},
    {"PLUG finds the device busy", VIRTIO_MHP_REQ_PLUG, VIRTIO_MHP_RESP_BUSY,
     "plug-busy -16"},
    {"PLUG is called wrong", VIRTIO_MHP_REQ_PLUG, VIRTIO_MHP_RESP_ERROR,
     "plug-error -22"},
    {"UNPLUG is not granted", VIRTIO_MHP_REQ_UNPLUG, VIRTIO_MHP_RESP_NACK,
     "unplug-nack -11"},
    {"UNPLUG finds the device busy", VIRTIO_MHP_REQ_UNPLUG,
     VIRTIO_MHP_RESP_BUSY, "unplug-busy -16"},
    {"UNPLUG is called wrong", VIRTIO_MHP_REQ_UNPLUG, VIRTIO_MHP_RESP_ERROR,
     "unplug-error -22"},
};

/* It happens once: the driver comes back to it without being asked */
static void test_request_fails_once(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_test_message("%s", answers[i].what);
        faulty_answer(fault, answers[i].request, 1, answers[i].type,
                      sizeof(struct virtio_mhp_resp));
        resize(2 * MEMORY_BLOCK_SIZE);
        resize(0);
        g_assert_cmpuint(faulty_hits(fault), ==, 1);
    }
    check_goes_on();
}

/* It happens until another request is wanted */
static void test_request_fails(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        bool is_plug = answers[i].request == VIRTIO_MHP_REQ_PLUG;

        g_test_message("%s", answers[i].what);
        resize(MEMORY_BLOCK_SIZE);
        faulty_answer(fault, answers[i].request, ALWAYS, answers[i].type,
                      sizeof(struct virtio_mhp_resp));
        system_request(guest, is_plug ? GROWTH : 0);
        wait_last_error(answers[i].word);
        g_assert_cmpuint(system_size(guest), ==, MEMORY_BLOCK_SIZE);
        faulty_be_honest(fault);
        resize(2 * MEMORY_BLOCK_SIZE);
    }
    check_goes_on();
}

/*
 * DRV-PLUG-4, DRV-REQ-4: the driver waits a second at first and longer each
 * time; without that there would be thousands
 */
static void test_refused_request_is_not_repeated_at_once(void)
{
    static const uint16_t types[] = {VIRTIO_MHP_RESP_NACK,
                                     VIRTIO_MHP_RESP_BUSY};
    static const char *const words[] = {"plug-nack -11", "plug-busy -16"};

    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        unsigned nb_hits;

        faulty_answer(fault, VIRTIO_MHP_REQ_PLUG, ALWAYS, types[i],
                      sizeof(struct virtio_mhp_resp));
        system_request(guest, GROWTH);
        wait_last_error(words[i]);
        nb_hits = faulty_hits(fault);
        g_free(system_run(guest, "sleep 5"));
        g_assert_cmpuint(faulty_hits(fault) - nb_hits, <=, 20);
        faulty_be_honest(fault);
        resize(2 * MEMORY_BLOCK_SIZE);
        resize(0);
    }
    check_goes_on();
}

/* MEMMAP is the first request of a driver, STATUS goes with a failure */
static void test_memmap_and_status_fail(void)
{
    static const uint16_t types[] = {VIRTIO_MHP_RESP_NACK, VIRTIO_MHP_RESP_BUSY,
                                     VIRTIO_MHP_RESP_ERROR};

    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        system_unload_driver(guest);
        faulty_answer(fault, VIRTIO_MHP_REQ_MEMMAP, 1, types[i],
                      sizeof(struct virtio_mhp_resp));
        system_request(guest, MEMORY_BLOCK_SIZE);
        system_load_driver(guest, "");
        faulty_wait_hit(fault);
        resize(2 * MEMORY_BLOCK_SIZE);

        faulty_answer(fault, VIRTIO_MHP_REQ_STATUS, 1, types[i],
                      sizeof(struct virtio_mhp_resp));
        trouble("offline", EBUSY, 1);
        resize(0);
        g_assert_cmpuint(faulty_hits(fault), ==, 1);
    }
    check_goes_on();
}

/* The host would not hear it at first: it is told when the block fails again */
static void test_report_is_repeated(void)
{
    resize(MEMORY_BLOCK_SIZE);
    faulty_answer(fault, VIRTIO_MHP_REQ_STATUS, 1, VIRTIO_MHP_RESP_BUSY,
                  sizeof(struct virtio_mhp_resp));
    trouble("offline", EBUSY, ALWAYS);
    system_request(guest, 0);
    faulty_wait_hit(fault);
    told_wait_stuck(guest, "busy", true);
    trouble("offline", EBUSY, 0);
    check_size(0);
    told_wait_stuck(guest, "busy", false);
    check_goes_on();
}

/* Values that cannot be, in the middle of everything */
static void test_absurd_configuration(void)
{
    static const uint64_t values[] = {1, 64 * MiB,
                                      REGION_SIZE + MEMORY_BLOCK_SIZE,
                                      -MEMORY_BLOCK_SIZE, UINT64_MAX};
    static const size_t fields[] = {
        offsetof(struct virtio_mhp_config, requested_size),
        offsetof(struct virtio_mhp_config, plugged_size),
        offsetof(struct virtio_mhp_config, usable_region_size)};

    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(values); j++) {
            g_test_message("%" PRIx64 " at %zu", values[j], fields[i]);
            resize(2 * MEMORY_BLOCK_SIZE);
            faulty_lie(fault, fields[i], values[j]);
            system_request(guest, 0);
            g_free(system_run(guest, "until dmesg -c | grep 'not a multiple';"
                                     "do sleep 0.1; done"));
            g_assert_cmpuint(system_size(guest), ==, 2 * MEMORY_BLOCK_SIZE);
            faulty_be_honest(fault);
            resize(3 * MEMORY_BLOCK_SIZE);
        }
    }
    check_goes_on();
}

/* Values that can be but are not true: what is plugged, what is usable */
static void test_false_configuration(void)
{
    static const uint64_t values[] = {0, MEMORY_BLOCK_SIZE, REGION_SIZE};
    static const size_t fields[] = {
        offsetof(struct virtio_mhp_config, plugged_size),
        offsetof(struct virtio_mhp_config, usable_region_size)};

    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(values); j++) {
            g_test_message("%" PRIx64 " at %zu", values[j], fields[i]);
            resize(2 * MEMORY_BLOCK_SIZE);
            faulty_lie(fault, fields[i], values[j]);
            system_request(guest, GROWTH);
            system_wait_attr(guest, "requested_size", GROWTH);
            system_request(guest, MEMORY_BLOCK_SIZE);
            system_wait_attr(guest, "requested_size", MEMORY_BLOCK_SIZE);
            faulty_be_honest(fault);
            resize(3 * MEMORY_BLOCK_SIZE);
        }
    }
    check_goes_on();
}

/* A request that is answered late is waited for; meanwhile all can be read */
static void test_late_answer(void)
{
    faulty_mishandle(fault, FAULT_SILENCE, VIRTIO_MHP_REQ_PLUG, 1);
    system_request(guest, GROWTH);
    faulty_wait_hit(fault);
    system_request(guest, 2 * MEMORY_BLOCK_SIZE);
    g_free(system_run(guest,
                      "cd /sys/bus/virtio/drivers/mhp_vmemmap_mem/virtio*;"
                      "cat *_size blocks last_error; sleep 3"));
    g_assert_cmpuint(system_size(guest), ==, 0);
    faulty_be_honest(fault);
    check_size(2 * MEMORY_BLOCK_SIZE);
    check_goes_on();
}

/* What the driver takes for a broken device */
typedef struct Breakage {
    const char *what;
    FaultKind kind;
    uint16_t type;
    uint32_t size;
} Breakage;

static const Breakage breakages[] = {
    {"it wants to be reset", FAULT_BREAK, 0, 0},
    {"a response of no known type", FAULT_ANSWER, 0x7777,
     sizeof(struct virtio_mhp_resp)},
    {"no response", FAULT_ANSWER, VIRTIO_MHP_RESP_ACK, 0},
    {"a response without its payload", FAULT_ANSWER, VIRTIO_MHP_RESP_ACK, 2},
    {"a response without its last byte", FAULT_ANSWER, VIRTIO_MHP_RESP_ACK,
     sizeof(struct virtio_mhp_resp) - 1},
};

static void break_device(const Breakage *breakage, uint16_t request,
                         unsigned nb)
{
    fault->type = breakage->type;
    fault->size = breakage->size;
    faulty_mishandle(fault, breakage->kind, request, nb);
}

/* DEV-RESET-1: it breaks in the middle, is reset, and nothing is lost */
static void test_device_breaks(void)
{
    g_autofree char *log = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(breakages); i++) {
        g_test_message("%s", breakages[i].what);
        resize(MEMORY_BLOCK_SIZE);
        break_device(&breakages[i], VIRTIO_MHP_REQ_PLUG, 1);
        resize(3 * MEMORY_BLOCK_SIZE);
        break_device(&breakages[i], VIRTIO_MHP_REQ_UNPLUG, 1);
        resize(MEMORY_BLOCK_SIZE);
        g_assert_cmpuint(faulty_hits(fault), ==, 1);
    }
    log = system_run(guest, "dmesg");
    g_assert_cmpuint(klog_count(log, "the device has been reset"), ==,
                     2 * G_N_ELEMENTS(breakages));
    check_goes_on();
}

static void rebind(void)
{
    g_free(system_run(guest, "cd /sys/bus/virtio/drivers/mhp_vmemmap_mem;"
                             "echo virtio* >/tmp/device;"
                             "cat /tmp/device >unbind;"
                             "cat /tmp/device >bind"));
}

/* It breaks again and again: it is left alone until it is bound anew */
static void test_device_stays_broken(void)
{
    g_autofree char *text = NULL;

    resize(MEMORY_BLOCK_SIZE);
    break_device(&breakages[0], FAULT_ALL_REQUESTS, ALWAYS);
    system_request(guest, 3 * MEMORY_BLOCK_SIZE);
    g_free(system_run(guest, "until dmesg | grep 'the device stays broken';"
                             "do sleep 0.1; done"));
    text = system_attr_text(guest, "last_error");
    g_assert_cmpstr(text, ==, "device broken");
    faulty_be_honest(fault);
    g_assert_cmpuint(system_attr(guest, "online_size"), ==, MEMORY_BLOCK_SIZE);
    rebind();
    check_size(3 * MEMORY_BLOCK_SIZE);
    check_goes_on();
}

/* The last of all: the device is torn out while a request is under way */
static void test_device_vanishes(void)
{
    g_free(system_run(guest, "readlink -f /sys/bus/virtio/drivers/"
                             "mhp_vmemmap_mem/virtio*/.. >/tmp/device"));
    faulty_mishandle(fault, FAULT_VANISH, VIRTIO_MHP_REQ_PLUG, 1);
    system_request(guest, GROWTH);
    g_free(system_run(guest, "until dmesg | grep 'the device is broken';"
                             "do sleep 0.1; done;"
                             "echo 1 >$(cat /tmp/device)/remove"));
    g_free(system_run(guest, "rmmod mhp_vmemmap_mem"));
    system_check_klog(guest);
}

/* A driver that waits for an answer can leave the device, and return */
static void test_unbind_without_answer(void)
{
    system_unload_driver(guest);
    faulty_mishandle(fault, FAULT_SILENCE, VIRTIO_MHP_REQ_MEMMAP, 1);
    system_request(guest, MEMORY_BLOCK_SIZE);
    system_load_driver(guest, "");
    faulty_wait_hit(fault);
    g_free(system_run(guest, "cd /sys/bus/virtio/drivers/mhp_vmemmap_mem;"
                             "echo virtio* >/tmp/device;"
                             "cat /tmp/device >unbind"));
    faulty_be_honest(fault);
    g_free(system_run(
        guest,
        "cat /tmp/device >/sys/bus/virtio/drivers/mhp_vmemmap_mem/bind"));
    check_size(MEMORY_BLOCK_SIZE);
    check_goes_on();
}

static void boot(void)
{
    g_autoptr(GError) error = NULL;

    guest = system_new(REGION_SIZE, SYSTEM_MEMMAP_ON);
    memdev_add(guest, MEMDEV_OURS, REGION_SIZE);
    fault = faulty_load(guest);
    guest_boot(guest, &error);
    g_assert_no_error(error);
    g_free(system_run(guest, "insmod /lib/modules/mhp_trouble.ko"));
    system_load_driver(guest, "");
}

#define ADD(name, test) g_test_add_func("/virtio-mhp/system/wedge/" name, test)

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    boot();
    ADD("a call into the kernel fails once", test_call_fails_once);
    ADD("adding and onlining fail for a while", test_growing_fails);
    ADD("adding fails with the next block plugged ahead",
        test_adding_fails_with_one_ahead);
    ADD("offlining and removing fail for a while", test_shrinking_fails);
    ADD("what was offlined cannot be removed for a while",
        test_taking_out_fails);
    ADD("a change of mind after failures", test_change_of_mind);
    ADD("a block's addresses are taken", test_addresses_are_taken);
    ADD("a block has been added by somebody else", test_block_is_taken);
    ADD("there is no memory group", test_no_memory_group);
    ADD("a request fails once", test_request_fails_once);
    ADD("a request fails for a while", test_request_fails);
    ADD("a refused request is not repeated at once",
        test_refused_request_is_not_repeated_at_once);
    ADD("MEMMAP and STATUS fail once", test_memmap_and_status_fail);
    ADD("a report that was not taken is repeated", test_report_is_repeated);
    ADD("the configuration cannot be", test_absurd_configuration);
    ADD("the configuration is not true", test_false_configuration);
    ADD("an answer comes late", test_late_answer);
    ADD("the driver leaves without its answer", test_unbind_without_answer);
    ADD("the device breaks, and is reset", test_device_breaks);
    ADD("the device stays broken until it is bound anew",
        test_device_stays_broken);
    ADD("the device vanishes", test_device_vanishes);
    status = g_test_run();
    system_end(guest);
    return status;
}
