/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the harness reads out of a guest's texts. A search that never finds
 * trouble would pass every test, so it is tested itself.
 */
#include "klog.h"
#include "zoneinfo.h"

static void test_clean_log(void)
{
    g_assert_null(klog_trouble("[    0.0] Linux version 6.12\n"
                               "[    4.8] mhp_vmemmap_mem: loading out-of-tree"
                               " module taints kernel.\n"
                               "[    0.1] kasan: KernelAddressSanitizer"
                               " initialized (generic)\n"
                               "[    0.2] kmemleak: Kernel memory leak detector"
                               " initialized (mem pool available: 15000)\n"));
}

static void test_trouble_is_found(void)
{
    static const char *const lines[] = {
        "[    1.0] BUG: kernel NULL pointer dereference, address: 8",
        "[    1.0] WARNING: CPU: 0 PID: 60 at mm/memory_hotplug.c:986 f+0x9",
        "[    1.0] WARNING: possible circular locking dependency detected",
        "[    1.0] kworker/0:2: vmemmap alloc failure: order:9, mode:0x4cc0",
        "[    1.0] sh: page allocation failure: order:0",
        "[    1.0] sh invoked oom-killer: gfp_mask=0x1",
        "[    1.0] INFO: task mhp:9 blocked for more than 120 seconds.",
        "[    1.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "[    1.0] BUG: KASAN: slab-use-after-free in f+0x9",
        "[    1.0] kernel BUG at mm/page_alloc.c:1!",
        "[    1.0] kmemleak: 2 new suspected memory leaks (see /sys/kernel/…",
        "[    1.0] kmemleak: Kernel memory leak detector disabled",
        "[    1.0] INFO: trying to register non-static key.",
        "[    1.0] turning off the locking correctness validator.",
        "[    1.0] list_add corruption. next->prev should be prev",
        "[    1.0] page dumped because: VM_BUG_ON_PAGE(PageTail(page))",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *log = g_strdup_printf("[    0.0] all is well\n%s\n",
                                               lines[i]);
        g_autofree char *found = klog_trouble(log);

        g_assert_cmpstr(found, ==, lines[i]);
    }
}

#define CIRCLE                                                           \
    "[    1.0] WARNING: possible circular locking dependency detected\n" \
    "[    1.0] a/45 is trying to acquire lock:\n"                        \
    "[    1.1] Call Trace:\n"                                            \
    "[    1.1]  <TASK>\n"
#define CIRCLE_END "[    1.2]  </TASK>\n"

static void test_a_known_circle_is_dropped(void)
{
    static const char *const known[] = {"possible circular", "a/45",
                                        "to acquire", NULL};
    static const char *const other[] = {"possible circular", "a/45", "b/46",
                                        NULL};
    static const char *const logs[] = {
        CIRCLE CIRCLE_END,
        "[    0.9] before\n" CIRCLE CIRCLE_END "[    1.3] after\n",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(logs); i++) {
        g_autofree char *without = klog_without_report(logs[i], known);
        g_autofree char *with = klog_without_report(logs[i], other);

        g_assert_null(klog_trouble(without));
        g_assert_cmpuint(klog_count(without, "before"), ==,
                         klog_count(logs[i], "before"));
        g_assert_cmpuint(klog_count(without, "after"), ==,
                         klog_count(logs[i], "after"));
        g_assert_cmpstr(with, ==, logs[i]);
    }
}

static void test_a_known_warning_is_dropped(void)
{
    static const char *const known[] = {"at a.c:", "f+0x1", NULL};
    static const char log[] =
        "[    0.9] before\n[    1.0] WARNING: CPU: 0 PID: 1 at a.c:7 g+0x1\n"
        "[    1.0] Call Trace:\n[    1.0]  <TASK>\n[    1.0]  f+0x1/0x2\n"
        "[    1.0]  </TASK>\n[    1.1] after\n";
    g_autofree char *without = klog_without_report(log, known);

    g_assert_null(klog_trouble(without));
    g_assert_cmpuint(klog_count(without, "before"), ==, 1);
    g_assert_cmpuint(klog_count(without, "after"), ==, 1);
}

/* Neither within it nor behind it is other trouble lost. */
static void test_only_the_circle_is_dropped(void)
{
    static const char *const known[] = {"possible circular", "a/45", NULL};
    static const char *const logs[] = {
        CIRCLE "[    1.1] BUG: KASAN: use-after-free in f\n" CIRCLE_END,
        CIRCLE CIRCLE_END "[    1.3] WARNING: CPU: 0 PID: 60 at mm/m.c:9 f\n",
        CIRCLE CIRCLE_END CIRCLE CIRCLE_END,
        CIRCLE,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(logs); i++) {
        g_autofree char *without = klog_without_report(logs[i], known);
        g_autofree char *trouble = klog_trouble(without);

        g_assert_nonnull(trouble);
    }
}

static void test_find_gives_the_line(void)
{
    g_autofree char *line = klog_find("one\ntwo words\nthree\n", "wor");

    g_assert_cmpstr(line, ==, "two words");
    g_assert_null(klog_find("one\n", "two"));
}

static void test_count_counts_lines(void)
{
    g_assert_cmpuint(klog_count("a a\nb\na\n", "a"), ==, 2);
}

static const char zones_text[] = "Node 0, zone      DMA\n"
                                 "  per-node stats\n"
                                 "      nr_inactive_anon 289\n"
                                 "  pages free     3\n"
                                 "        boost    0\n"
                                 "        present  10\n"
                                 "        managed  9\n"
                                 "  pagesets\n"
                                 "    cpu: 0\n"
                                 "              count:    1\n"
                                 "              high:     109\n"
                                 "    cpu: 1\n"
                                 "              count:    2\n"
                                 "Node 0, zone  Movable\n"
                                 "  pages free     5\n"
                                 "        present  32768\n"
                                 "        managed  32256\n"
                                 "Node 1, zone  Movable\n"
                                 "  pages free     7\n"
                                 "        present  32768\n"
                                 "        managed  32256\n";

static void test_zones_are_summed(void)
{
    g_autoptr(GArray) zones = zoneinfo_parse(zones_text);

    g_assert_cmpuint(zones->len, ==, 3);
    g_assert_cmpuint(zoneinfo_present(zones, "Movable"), ==, 65536 * 4096);
    g_assert_cmpuint(zoneinfo_managed(zones, "Movable"), ==, 64512 * 4096);
    g_assert_cmpuint(zoneinfo_present(zones, "Normal"), ==, 0);
}

static void test_boot_memory_counts_per_cpu_lists(void)
{
    g_autoptr(GArray) zones = zoneinfo_parse(zones_text);

    g_assert_cmpuint(zoneinfo_boot_free(zones), ==, 6 * 4096);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mhp/harness/a clean log is clean", test_clean_log);
    g_test_add_func("/virtio-mhp/harness/trouble in a log is found",
                    test_trouble_is_found);
    g_test_add_func("/virtio-mhp/harness/a circle that is known is dropped",
                    test_a_known_circle_is_dropped);
    g_test_add_func("/virtio-mhp/harness/a warning that is known is dropped",
                    test_a_known_warning_is_dropped);
    g_test_add_func("/virtio-mhp/harness/nothing but the circle is dropped",
                    test_only_the_circle_is_dropped);
    g_test_add_func("/virtio-mhp/harness/a text is found with its line",
                    test_find_gives_the_line);
    g_test_add_func("/virtio-mhp/harness/lines with a text are counted",
                    test_count_counts_lines);
    g_test_add_func("/virtio-mhp/harness/zones of all nodes are summed",
                    test_zones_are_summed);
    g_test_add_func("/virtio-mhp/harness/free boot memory includes per-CPU "
                    "lists",
                    test_boot_memory_counts_per_cpu_lists);
    return g_test_run();
}
