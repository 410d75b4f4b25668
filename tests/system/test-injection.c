/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On the debug kernel: each allocation, of slab memory and of pages, that the
 * worker makes to plug and to unplug, and the probing or removing task to start
 * and to end, fails once. After each failure the next request is fulfilled,
 * sizes and blocks agree, and the kernel has nothing to complain of but that
 * there was no memory.
 *
 * What the kernel itself does not survive is kept from failing by mhp_trouble,
 * which names it.
 *
 * The kernel's fail-nth of a task makes its n-th allocation from then on fail
 * and reads 0 when that has happened: n goes up until it does not any more.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define GROWTH (2 * MEMORY_BLOCK_SIZE)
/* More than any of the paths makes: a sweep that gets there never ends */
#define NTH_MAX 5000
/* A look for leaks takes seconds */
#define NTH_PER_SCAN 25

static Guest *guest;

static const char functions[] =
    "drv=/sys/bus/virtio/drivers/mhp_vmemmap_mem;"
    "dev=$(cat /tmp/device); worker=$(cat /tmp/worker);"
    "count() {"
    " set -- /sys/devices/system/memory/memory*; blocks=$#; };"
    "reached() {"
    " read -r online <$drv/$dev/online_size;"
    " read -r plugged <$drv/$dev/plugged_size;"
    " [ $online$plugged = $1$1 ]; };"
    /* The worker sleeps, and the size is reached or the fault was met */
    "settled() {"
    " read -r nth </proc/$worker/fail-nth;"
    " read -r pid name state rest </proc/$worker/stat;"
    " read -r online <$drv/$dev/online_size;"
    " [ $nth = 0 ] || [ $state$online = S$1 ]; };";

static void run(const char *script)
{
    g_free(system_run(guest, "%s %s", functions, script));
}

static void note_worker(void)
{
    g_free(system_run(guest, "for p in /proc/[0-9]*; do"
                             " read -r name <$p/comm; case $name in"
                             " mhp-virtio*) echo ${p#/proc/};; esac;"
                             "done 2>/dev/null >/tmp/worker;"
                             "[ -s /tmp/worker ]"));
}

/* Faults are silent, and also hit allocations that could wait for memory */
static void set_up_faults(void)
{
    g_free(system_run(guest,
                      "cd /sys/kernel/debug;"
                      "for f in failslab fail_page_alloc; do"
                      " echo 0 >$f/verbose; echo N >$f/ignore-gfp-wait; done;"
                      "echo N >fail_page_alloc/ignore-gfp-highmem;"
                      "echo 0 >fail_page_alloc/min-order;"
                      "basename /sys/bus/virtio/drivers/mhp_vmemmap_mem/virtio*"
                      " >/tmp/device"));
    note_worker();
    run("count; echo $blocks >/tmp/blocks");
}

/*
 * That an allocation failed is said with a backtrace, in places: from the line
 * that tells its flags to the end of that.
 */
static char *without_failures(const char *log)
{
    g_autoptr(GRegex) said = g_regex_new(
        "[^\n]*, mode:0x[^\n]*\n(?:[^\n]*\n)*?[^\n]*</TASK>[^\n]*\n",
        G_REGEX_OPTIMIZE, 0, NULL);

    return g_regex_replace_literal(said, log, -1, 0, "", 0, NULL);
}

static void check_klog(unsigned nth)
{
    g_autofree char *log = system_run(guest, "dmesg -c");
    g_autofree char *rest = without_failures(log);
    g_autofree char *trouble = klog_trouble(rest);

    if (trouble) {
        g_printerr("%s\n", log);
    }
    g_assert_cmpstr(trouble, ==, NULL);
    if (nth % NTH_PER_SCAN == 0) {
        system_check_klog(guest);
    }
}

/*
 * The request is fulfilled; host, driver and kernel agree on what is there. One
 * script, because each takes its time on such a kernel.
 */
static void resize(uint64_t size)
{
    system_request(guest, size);
    g_free(system_run(guest,
                      "%s until reached %" PRIu64 "; do sleep 0.05; done;"
                      "count; [ $blocks = $(($(cat /tmp/blocks) + %u)) ]",
                      functions, size, (unsigned)(size / MEMORY_BLOCK_SIZE)));
    g_assert_cmpuint(system_size(guest), ==, size);
}

/* Of fail-nth, @left is what it was after, if it was not the shell's own */
static bool was_met(const char *left, unsigned nth)
{
    if (atoi(left) > 0) {
        g_test_message("%u allocations", nth - (unsigned)atoi(left));
    }
    return atoi(left) <= 0;
}

/* The worker's @nth allocation fails on its way to @size; was there one? */
static bool inject(unsigned nth, uint64_t size)
{
    g_autofree char *left = NULL;

    g_free(system_run(guest, "%s echo %u >/proc/$worker/fail-nth", functions,
                      nth));
    system_request(guest, size);
    left = system_run(guest,
                      "%s until settled %" PRIu64 "; do sleep 0.05; done;"
                      "read -r nth </proc/$worker/fail-nth;"
                      "echo 0 >/proc/$worker/fail-nth; echo $nth",
                      functions, size);
    return was_met(left, nth);
}

static unsigned first_nth(void)
{
    const char *first = g_getenv("MHP_FIRST_NTH");

    return first ? atoi(first) : 1;
}

static void test_plug(void)
{
    unsigned nth = first_nth();

    while (inject(nth, MEMORY_BLOCK_SIZE)) {
        g_assert_cmpuint(nth, <, NTH_MAX);
        resize(GROWTH);
        resize(0);
        check_klog(nth++);
    }
    resize(GROWTH);
    resize(0);
    system_check_klog(guest);
}

static void test_unplug(void)
{
    unsigned nth = first_nth();

    resize(GROWTH);
    while (inject(nth, MEMORY_BLOCK_SIZE)) {
        g_assert_cmpuint(nth, <, NTH_MAX);
        resize(0);
        resize(GROWTH);
        check_klog(nth++);
    }
    resize(0);
    system_check_klog(guest);
}

/*
 * Write the device to the driver's file bind or unbind, while the @nth
 * allocation of task @pid fails. Was there one? It may have been the shell's.
 */
static bool inject_binding(const char *file, const char *pid, unsigned nth)
{
    g_autofree char *left = system_run(
        guest,
        "%s nth=; cd $drv; echo %u >/proc/%s/fail-nth;"
        "echo $dev >%s; read -r nth </proc/%s/fail-nth;"
        "echo 0 >/proc/%s/fail-nth; echo x; echo $nth",
        functions, nth, pid, file, pid, pid);
    const char *last = strrchr(left, '\n');

    return !last || was_met(last + 1, nth);
}

/* Bound, whatever was before, the driver does its work */
static void check_bound(void)
{
    run("cd $drv; [ -e $dev ] || echo $dev >bind; [ -e $dev ]");
    note_worker();
    resize(MEMORY_BLOCK_SIZE);
    resize(0);
}

static void unbind(void)
{
    run("cd $drv; [ ! -e $dev ] || echo $dev >unbind; [ ! -e $dev ]");
}

static void sweep_probe(const char *pid)
{
    unsigned nth = first_nth();

    unbind();
    while (inject_binding("bind", pid, nth)) {
        g_assert_cmpuint(nth, <, NTH_MAX);
        check_bound();
        unbind();
        check_klog(nth++);
    }
    check_bound();
    system_check_klog(guest);
}

static void test_probe(void)
{
    sweep_probe("self");
}

/* The worker is made by another task */
static void test_thread(void)
{
    sweep_probe("2");
}

static void sweep_remove(uint64_t plugged)
{
    unsigned nth = first_nth();

    resize(plugged);
    while (inject_binding("unbind", "self", nth)) {
        g_assert_cmpuint(nth, <, NTH_MAX);
        unbind();
        check_bound();
        resize(plugged);
        check_klog(nth++);
    }
    check_bound();
    system_check_klog(guest);
}

static void test_remove(void)
{
    sweep_remove(0);
}

static void test_remove_plugged(void)
{
    sweep_remove(MEMORY_BLOCK_SIZE);
}

#define ADD(name, test) \
    g_test_add_func("/virtio-mhp/system/injection/" name, test)

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    ADD("each allocation to plug fails", test_plug);
    ADD("each allocation to unplug fails", test_unplug);
    ADD("each allocation to probe fails", test_probe);
    ADD("each allocation to make the worker fails", test_thread);
    ADD("each allocation to remove fails", test_remove);
    ADD("each allocation to remove fails with memory plugged",
        test_remove_plugged);

    guest = system_boot(GROWTH, SYSTEM_MEMMAP_ON);
    g_free(system_run(guest, "insmod /lib/modules/mhp_trouble.ko"));
    system_load_driver(guest, "");
    set_up_faults();
    status = g_test_run();
    system_end(guest);
    return status;
}
