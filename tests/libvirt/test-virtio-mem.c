/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second form: libvirt takes the device for a virtio-mem, and it is resized
 * by "virsh update-memory-device". The balloon stays virtio-balloon's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "domain.h"
#include "events.h"
#include "keeper.h"
#include "wait.h"

#define RESIZE_MS 180000

static Daemon *daemon_a;
static Domain *domain;
static Events *events;

/* What the live XML says in <requested> and <current>, in bytes */
static uint64_t live_size(const char *element)
{
    g_autofree char *xml = daemon_virsh(daemon_a, "dumpxml d");
    g_autofree char *tag = g_strdup_printf("<%s unit='KiB'>", element);
    const char *place = strstr(xml, tag);
    uint64_t kib = 0;

    g_assert_nonnull(place);
    g_assert_cmpint(sscanf(place + strlen(tag), "%" SCNu64, &kib), ==, 1);
    return kib * KiB;
}

static bool has_current(void *opaque, GError **error)
{
    const uint64_t *size = opaque;

    (void)error;
    return live_size("current") == *size;
}

static void wait_current(uint64_t size)
{
    g_autoptr(GError) error = NULL;

    wait_until(has_current, &size, RESIZE_MS, "the size in the live XML",
               &error);
    g_assert_no_error(error);
}

static void resize(uint64_t size)
{
    /* The last of the event's lines, and virsh says KiB as libvirt gives it */
    g_autofree char *pattern = g_strdup_printf("size: %" PRIu64, size / KiB);

    g_free(daemon_virsh(daemon_a,
                        "update-memory-device d --alias " DOMAIN_MEMDEV
                        " --requested-size %" PRIu64 "MiB",
                        size / MiB));
    g_assert_cmpuint(live_size("requested"), ==, size);
    events_wait(events, pattern);
    wait_current(size);
    g_assert_cmpuint(domain_mem_total(domain), ==,
                     domain_wanted_mem_total(domain, DOMAIN_BOOT_SIZE + size));
}

static void test_there_and_back(void)
{
    resize(DOMAIN_MAX_SIZE - DOMAIN_BOOT_SIZE);
    resize(0);
    domain_check_klog(domain);
}

/* dominfo counts what is plugged; the balloon has no part in it. */
static void test_used(void)
{
    resize(1 * GiB);
    g_assert_cmpuint(domain_used(domain), ==, DOMAIN_BOOT_SIZE + 1 * GiB);
    g_assert_false(events_has(events, "event 'balloon-change'*"));
    resize(0);
    g_assert_cmpuint(domain_used(domain), ==, DOMAIN_BOOT_SIZE);
}

static void test_balloon(void)
{
    g_free(daemon_virsh(daemon_a, "setmem d 896M"));
    events_wait(events, "event 'balloon-change' for domain *: 917504KiB");
    g_free(daemon_virsh(daemon_a, "setmem d 1G"));
    events_wait(events, "event 'balloon-change' for domain *: 1048576KiB");
}

static void test_refused(void)
{
    static const struct {
        const char *size;
        const char *message;
    } rows[] = {
        {"100MiB",
         "error: *requested size must be an integer multiple of block size"},
        {"8GiB",
         "error: *requested size must be smaller than or equal to @size (7340032KiB)"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *said = daemon_virsh_fails(
            daemon_a,
            "update-memory-device d --alias " DOMAIN_MEMDEV
            " --requested-size %s",
            rows[i].size);

        g_assert_true(g_pattern_match_simple(rows[i].message, said));
    }
    g_assert_cmpuint(live_size("requested"), ==, 0);
}

/* What was asked for is in the live XML, and goes with the guest. */
static void test_save(void)
{
    g_autofree char *path = daemon_path(daemon_a, "saved");

    resize(2 * GiB);
    g_free(daemon_virsh(daemon_a, "save d %s", path));
    g_free(daemon_virsh(daemon_a, "restore %s", path));
    domain_connect(domain);
    wait_current(2 * GiB);
    resize(1 * GiB);
    domain_check_klog(domain);
}

static void test_reset(void)
{
    g_free(daemon_virsh(daemon_a, "reset d"));
    domain_wait_boot(domain);
    wait_current(1 * GiB);
    resize(0);
}

static int body(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mhp/libvirt/virtio-mem/the guest grows and "
                    "shrinks",
                    test_there_and_back);
    g_test_add_func("/virtio-mhp/libvirt/virtio-mem/dominfo tells it",
                    test_used);
    g_test_add_func("/virtio-mhp/libvirt/virtio-mem/setmem is the balloon's",
                    test_balloon);
    g_test_add_func("/virtio-mhp/libvirt/virtio-mem/what cannot be is refused",
                    test_refused);
    g_test_add_func("/virtio-mhp/libvirt/virtio-mem/save and restore",
                    test_save);
    g_test_add_func("/virtio-mhp/libvirt/virtio-mem/reset", test_reset);

    daemon_a = daemon_new("a");
    domain = domain_new(daemon_a, "d", "--form virtio-mem");
    domain_start(domain);
    events = events_new(daemon_a, "d");
    status = g_test_run();
    events_free(events);
    domain_check_klog(domain);
    domain_free(domain);
    daemon_free(daemon_a);
    return status;
}

int main(int argc, char **argv)
{
    return keeper_run(body, argc, argv);
}
