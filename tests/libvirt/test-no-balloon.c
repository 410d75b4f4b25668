/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain whose memballoon is replaced: the guest has no virtio-balloon, and
 * virsh resizes it and shows its statistics all the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "domain.h"
#include "events.h"
#include "keeper.h"
#include "wait.h"

#define WAIT_MS 60000

static Daemon *daemon_a;
static Domain *domain;
static Events *events;

/* A line of "virsh dommemstat", in KiB; false if it is not there */
static bool get_stat(const char *text, const char *name, uint64_t *value)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", 2);

        if (words[0] && words[1] && g_str_equal(words[0], name)) {
            return sscanf(words[1], "%" SCNu64, value) == 1;
        }
    }
    return false;
}

/* What it shows once the guest's own total is told, which takes some time */
static bool is_told(void *opaque, GError **error)
{
    char **text = opaque;
    uint64_t available = 0;

    (void)error;
    g_free(*text);
    *text = daemon_virsh(daemon_a, "dommemstat d");
    return get_stat(*text, "available", &available) &&
           available * KiB == domain_mem_total(domain);
}

static char *wait_told(void)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    if (!wait_until(is_told, &text, WAIT_MS, "dommemstat", &error)) {
        g_error("%s, got: %s", error->message, text);
    }
    return text;
}

static uint64_t need_stat(const char *text, const char *name)
{
    uint64_t value = 0;

    if (!get_stat(text, name, &value)) {
        g_error("wanted '%s', got: %s", name, text);
    }
    return value;
}

static uint64_t get_interval(void)
{
    g_autofree char *text = daemon_virsh(
        daemon_a, "qemu-monitor-command d --hmp "
                  "'qom-get " DOMAIN_MEMDEV " guest-stats-polling-interval'");

    return g_ascii_strtoull(text, NULL, 10);
}

/* virtio's ID of a balloon is 5 */
static void test_guest(void)
{
    g_autofree char *ids = domain_run(domain,
                                      "cd /sys/bus/virtio/devices;"
                                      "for d in *; do cat $d/device; done");

    g_assert_nonnull(strstr(ids, "0x003f"));
    g_assert_null(strstr(ids, "0x0005"));
}

static void test_statistics(void)
{
    static const char *const names[] = {
        "swap_in", "swap_out",        "major_fault",    "minor_fault", "unused",
        "usable",  "hugetlb_pgalloc", "hugetlb_pgfail", "disk_caches",
    };
    g_autofree char *text = NULL;
    uint64_t actual, available;

    domain_setmem(domain, 2048);
    text = wait_told();
    actual = need_stat(text, "actual");
    available = need_stat(text, "available");
    g_assert_cmpuint(actual, ==, 2 * GiB / KiB);
    g_assert_cmpuint(available, <, actual);
    g_assert_cmpuint(need_stat(text, "usable"), <, available);
    g_assert_cmpuint(need_stat(text, "unused"), <, available);
    g_assert_cmpuint(need_stat(text, "last_update"), >, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        need_stat(text, names[i]);
    }
    domain_setmem(domain, 1024);
}

/* QEMU's, as the host's kernel says, which a guest that idles changes little */
static void test_rss(void)
{
    const uint64_t wanted = domain_rss(domain);
    g_autofree char *text = daemon_virsh(daemon_a, "dommemstat d");
    const uint64_t got = need_stat(text, "rss") * KiB;

    g_test_message("rss of %" PRIu64 " MiB, about %" PRIu64 " wanted",
                   got / MiB, wanted / MiB);
    g_assert_cmpuint(got, >, wanted / 2);
    g_assert_cmpuint(got, <, wanted * 2);
}

static void test_period(void)
{
    static const unsigned periods[] = {3, 0, 1};

    /* The domain's own, <stats period='2'/> */
    g_assert_cmpuint(get_interval(), ==, 2);
    for (unsigned i = 0; i < G_N_ELEMENTS(periods); i++) {
        g_free(daemon_virsh(daemon_a, "dommemstat d --period %u --live",
                            periods[i]));
        g_assert_cmpuint(get_interval(), ==, periods[i]);
    }
}

static void test_period_of_config(void)
{
    const uint64_t interval = get_interval();
    g_autofree char *xml = NULL;

    g_free(daemon_virsh(daemon_a, "dommemstat d --period 4 --config"));
    xml = daemon_virsh(daemon_a, "dumpxml d --inactive");
    g_assert_nonnull(strstr(xml, "<stats period='4'/>"));
    g_assert_cmpuint(get_interval(), ==, interval);
}

/* The commands of the block "balloon" in host/balloon.md, for this domain */
static char **page_commands(void)
{
    g_autofree char *path = g_build_filename(g_getenv("MHP_SOURCE"), "host",
                                             "balloon.md", NULL);
    g_autofree char *page = NULL;
    g_autoptr(GError) error = NULL;
    char *start, *end;

    g_file_get_contents(path, &page, NULL, &error);
    g_assert_no_error(error);
    start = strstr(page, "\n```sh balloon\n");
    g_assert_nonnull(start);
    start += strlen("\n```sh balloon\n");
    end = strstr(start, "\n```\n");
    g_assert_nonnull(end);
    *end = '\0';
    return g_strsplit(start, "\n", -1);
}

static void test_page(void)
{
    g_auto(GStrv) commands = page_commands();
    g_autoptr(GRegex) name = g_regex_new("\\bvm\\b", 0, 0, NULL);

    for (char **command = commands; *command; command++) {
        g_autofree char *line = g_regex_replace(name, *command, -1, 0, "d", 0,
                                                NULL);
        g_autofree char *said = NULL;

        g_assert_true(g_str_has_prefix(line, "virsh "));
        said = daemon_virsh(daemon_a, "%s", line + strlen("virsh "));
        g_test_message("%s: %s", line, said);
        /* Of QEMU's monitor a mistake is only said */
        g_assert_null(strstr(said, "rror"));
    }
    domain_wait_size(domain, 4 * GiB);
    g_assert_cmpuint(get_interval(), ==, 2);
    domain_setmem(domain, 1024);
}

/* libvirt 9 would count what one change tells twice */
static void test_events(void)
{
    domain_setmem(domain, 3072);
    events_wait(events, "event 'balloon-change' for domain *: 3145728KiB");
    domain_setmem(domain, 1024);
    events_wait(events, "event 'balloon-change' for domain *: 1048576KiB");
    g_assert_false(events_has(events, "event 'memory-device-size-change'*"));
}

/* Saved, it is another QEMU that it is restored in. */
static void test_restore(void)
{
    domain_setmem(domain, 2048);
    events_wait(events, "event 'balloon-change' for domain *: 2097152KiB");
    g_free(daemon_virsh(daemon_a, "managedsave d"));
    g_free(daemon_virsh(daemon_a, "start d"));
    domain_connect(domain);
    g_free(wait_told());
    domain_setmem(domain, 1024);
}

/* A new libvirtd looks for it again. */
static void test_restart(void)
{
    daemon_stop(daemon_a);
    daemon_start(daemon_a);
    g_free(wait_told());
    g_free(daemon_virsh(daemon_a, "dommemstat d --period 2 --live"));
    g_assert_cmpuint(get_interval(), ==, 2);
}

static int body(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mhp/libvirt/no-balloon/the guest has none",
                    test_guest);
    g_test_add_func("/virtio-mhp/libvirt/no-balloon/dommemstat shows what the "
                    "device is told",
                    test_statistics);
    g_test_add_func("/virtio-mhp/libvirt/no-balloon/dommemstat shows QEMU's "
                    "memory",
                    test_rss);
    g_test_add_func("/virtio-mhp/libvirt/no-balloon/dommemstat sets the period",
                    test_period);
    g_test_add_func("/virtio-mhp/libvirt/no-balloon/dommemstat sets the period "
                    "for the next start",
                    test_period_of_config);
    g_test_add_func("/virtio-mhp/libvirt/no-balloon/one event tells of a "
                    "change",
                    test_events);
    g_test_add_func("/virtio-mhp/libvirt/no-balloon/the page's commands",
                    test_page);
    g_test_add_func("/virtio-mhp/libvirt/no-balloon/saving and restoring",
                    test_restore);
    g_test_add_func("/virtio-mhp/libvirt/no-balloon/a new libvirtd finds it "
                    "again",
                    test_restart);

    daemon_a = daemon_new("a");
    domain = domain_new(daemon_a, "d", "--memballoon replace --stats-period 2");
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
