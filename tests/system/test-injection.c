/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On the debug kernel: each allocation, of slab memory and of pages, that the
 * worker makes to plug and to unplug, and the probing or removing task to start
 * and to end, fails once. After each failure the next request is fulfilled,
 * sizes and blocks agree, and the kernel has nothing to complain of but that
 * there was no memory.
 *
 * What the kernel itself does not survive is kept from failing by mhp_trouble,
 * which names it. What the sanitizers allocate for themselves does not fail
 * either: they can do without, and are no part of the driver's way.
 *
 * The kernel's fail-nth of a task makes its n-th allocation from then on fail
 * and reads 0 when that has happened: n goes up until it does not any more.
 * Operations that undo each other are swept in step, so that each is the way
 * back of the other.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define GROWTH (2 * MEMORY_BLOCK_SIZE)
/* More than any of the paths makes: a sweep that gets there never ends */
#define NTH_MAX 5000

static Guest *guest;

/* An operation, and which of its allocations fails next */
typedef struct Sweep {
    const char *name;
    unsigned nth;
    bool is_done;
} Sweep;

/* As few processes as can be: on such a kernel, each takes its time. */
static const char functions[] =
    "drv=/sys/bus/virtio/drivers/mhp_vmemmap_mem;"
    "read -r dev </tmp/device; read -r worker </tmp/worker;"
    "count() {"
    " set -- /sys/devices/system/memory/memory*; blocks=$#; };"
    "pause() { read -r -t 0.1 nothing <>/tmp/nothing; };"
    "reached() {"
    " read -r online <$drv/$dev/online_size;"
    " read -r plugged <$drv/$dev/plugged_size;"
    " [ $online$plugged = $1$1 ]; };"
    /* The worker sleeps, and the size is reached or the fault was met */
    "settled() {"
    " read -r nth </proc/$worker/fail-nth;"
    " read -r pid name state rest </proc/$worker/stat;"
    " read -r online <$drv/$dev/online_size;"
    " [ $nth = 0 ] || [ $state$online = S$1 ]; };"
    "is_bound() { [ -e $drv/$dev ]; };"
    "note_worker() {"
    " for p in /proc/[0-9]*; do"
    "  read -r name <$p/comm;"
    "  case $name in mhp-virtio*) echo ${p#/proc/};; esac;"
    " done 2>/dev/null >/tmp/worker; [ -s /tmp/worker ]; };";

static void run(const char *script)
{
    g_free(system_run(guest, "%s %s", functions, script));
}

/*
 * Faults are silent, and also hit allocations that could wait for memory, but
 * not those of kmemleak and of debugobjects.
 */
static void set_up_faults(void)
{
    g_free(system_run(guest,
                      "cd /sys/kernel/debug;"
                      "for f in failslab fail_page_alloc; do"
                      " echo 0 >$f/verbose; echo N >$f/ignore-gfp-wait; done;"
                      "echo N >fail_page_alloc/ignore-gfp-highmem;"
                      "echo 0 >fail_page_alloc/min-order;"
                      "echo Y >failslab/cache-filter;"
                      "cd /sys/kernel/slab;"
                      "for cache in *; do case $cache in"
                      " kmemleak_*|debug_objects*) ;;"
                      " *) echo 1 >$cache/failslab;; esac; done;"
                      "mkfifo /tmp/nothing; echo none >/tmp/worker;"
                      "basename /sys/bus/virtio/drivers/mhp_vmemmap_mem/virtio*"
                      " >/tmp/device"));
    run("note_worker; count; echo $blocks >/tmp/blocks");
}

/*
 * That an allocation failed is said with a backtrace, in places: from the line
 * that tells its flags to the end of that. And x86's add_pages() once warns of
 * whatever error it returns, whoever adds the memory (WARN_ON_ONCE(ret)).
 */
static const char *const said[] = {
    "[^\n]*, mode:0x[^\n]*\n(?:[^\n]*\n)*?[^\n]*</TASK>[^\n]*\n",
    "[^\n]*cut here[^\n]*\n[^\n]*WARNING: [^\n]* add_pages[+][^\n]*\n"
    "(?:[^\n]*\n)*?[^\n]*end trace[^\n]*\n",
};

static char *without_failures(const char *log)
{
    g_autofree char *rest = g_strdup(log);

    for (size_t i = 0; i < G_N_ELEMENTS(said); i++) {
        g_autoptr(GRegex) regex = g_regex_new(said[i], 0, 0, NULL);
        char *less = g_regex_replace_literal(regex, rest, -1, 0, "", 0, NULL);

        g_free(rest);
        rest = less;
    }
    return g_steal_pointer(&rest);
}

static void check_klog(void)
{
    g_autofree char *log = system_run(guest, "dmesg -c");
    g_autofree char *rest = without_failures(log);
    g_autofree char *trouble = klog_trouble(rest);

    if (trouble) {
        g_printerr("%s\n", log);
    }
    g_assert_cmpstr(trouble, ==, NULL);
}

/* The request is fulfilled; host, driver and kernel agree on what is there. */
static void resize(uint64_t size)
{
    system_resize(guest, size);
    g_free(system_run(guest,
                      "%s until reached %" PRIu64 "; do pause; done;"
                      "read -r before </tmp/blocks; count;"
                      "[ $blocks = $((before + %u)) ]",
                      functions, size, (unsigned)(size / MEMORY_BLOCK_SIZE)));
    g_assert_cmpuint(system_size(guest), ==, size);
}

static Sweep sweep_of(const char *name)
{
    const char *first = g_getenv("MHP_FIRST_NTH");

    return (Sweep){.name = name, .nth = first ? atoi(first) : 1};
}

/* fail-nth, which the last line of @output tells, is 0 if the fault was met */
static void sweep_advance(Sweep *sweep, const char *output)
{
    const char *last = strrchr(output, '\n');
    int left = atoi(last ? last + 1 : output);

    g_assert_cmpuint(sweep->nth, <, NTH_MAX);
    if (left > 0) {
        g_test_message("%s: %u allocations", sweep->name,
                       sweep->nth - (unsigned)left);
        sweep->is_done = true;
    }
    sweep->nth++;
}

/* An allocation of the worker's fails on its way to @size */
static void inject_resize(Sweep *sweep, uint64_t size)
{
    g_autofree char *output = NULL;

    if (sweep->is_done) {
        return;
    }
    g_test_message("%s: allocation %u", sweep->name, sweep->nth);
    g_free(system_run(guest, "%s echo %u >/proc/$worker/fail-nth", functions,
                      sweep->nth));
    system_request(guest, size);
    output = system_run(guest,
                        "%s until settled %" PRIu64 "; do pause; done;"
                        "read -r nth </proc/$worker/fail-nth;"
                        "echo 0 >/proc/$worker/fail-nth; echo $nth",
                        functions, size);
    sweep_advance(sweep, output);
}

static void test_resize(void)
{
    Sweep plug = sweep_of("plug"), unplug = sweep_of("unplug");

    while (!plug.is_done || !unplug.is_done) {
        inject_resize(&plug, MEMORY_BLOCK_SIZE);
        resize(GROWTH);
        inject_resize(&unplug, MEMORY_BLOCK_SIZE);
        resize(0);
        check_klog();
    }
    system_check_klog(guest);
}

/*
 * Write the device to the driver's file bind or unbind, while an allocation of
 * task @pid fails; if need be once more without. Its fail-nth is open before,
 * so that the shell, if it is that task, allocates as little as can be.
 */
static void inject_binding(Sweep *sweep, const char *pid, bool is_bind)
{
    const char *file = is_bind ? "bind" : "unbind";
    const char *wanted = is_bind ? "is_bound && note_worker" : "! is_bound";
    unsigned nth = sweep->is_done ? 0 : sweep->nth;
    g_autofree char *output = NULL;

    if (nth) {
        g_test_message("%s: allocation %u", sweep->name, nth);
    }
    output = system_run(guest,
                        "%s is_right() { %s; };"
                        "exec 9<>/proc/%s/fail-nth; echo %u >&9;"
                        "echo $dev >$drv/%s; read -r left <&9;"
                        "echo 0 >&9; exec 9>&-;"
                        "is_right || { echo $dev >$drv/%s; is_right; } &&"
                        "echo && echo $left",
                        functions, wanted, pid, nth, file, file);
    if (nth) {
        sweep_advance(sweep, output);
    }
}

/* The worker is made by another task than the one that probes, kthreadd. */
static void test_binding(void)
{
    Sweep probe = sweep_of("probe"), thread = sweep_of("thread"),
          remove = sweep_of("remove"), leave = sweep_of("leave");

    run("echo $dev >$drv/unbind; ! is_bound");
    while (!probe.is_done || !thread.is_done || !remove.is_done ||
           !leave.is_done) {
        inject_binding(&probe, "self", true);
        resize(MEMORY_BLOCK_SIZE);
        if (!leave.is_done || !thread.is_done) {
            /* The memory stays in use, and the next one goes on with it. */
            inject_binding(&leave, "self", false);
            inject_binding(&thread, "2", true);
        }
        resize(0);
        inject_binding(&remove, "self", false);
        check_klog();
    }
    run("echo $dev >$drv/bind; note_worker");
    system_check_klog(guest);
}

#define ADD(name, test) \
    g_test_add_func("/virtio-mhp/system/injection/" name, test)

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    ADD("each allocation to plug and unplug fails", test_resize);
    ADD("each allocation to probe and remove fails", test_binding);

    /* Caches of their own, so that one can be told from another. */
    guest = system_boot(GROWTH, SYSTEM_MEMMAP_ON " slab_nomerge");
    g_free(system_run(guest, "insmod /lib/modules/mhp_trouble.ko"));
    system_load_driver(guest, "");
    set_up_faults();
    status = g_test_run();
    system_end(guest);
    return status;
}
