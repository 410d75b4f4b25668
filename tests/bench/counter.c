/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting instructions: see counter.h.
 */
#include "counter.h"

#include <sys/mman.h>
#include <unistd.h>

/* 2 ns each */
#define COUNTER_CLOCK "shift=1"
#define COUNTER_PLUGIN "meson/tests/bench/count-plugin.so"

struct Counter {
    uint64_t *count;
    int fd;
};

Counter *counter_new(Vm *vm)
{
    Counter *counter = g_new0(Counter, 1);
    g_autofree char *plugin = vm_build_path(COUNTER_PLUGIN);

    counter->fd = memfd_create("count", MFD_CLOEXEC);
    if (counter->fd < 0 ||
        ftruncate(counter->fd, sizeof(*counter->count)) < 0) {
        g_error("no memory for a count: %s", g_strerror(errno));
    }
    counter->count = mmap(NULL, sizeof(*counter->count), PROT_READ, MAP_SHARED,
                          counter->fd, 0);
    if (counter->count == MAP_FAILED) {
        g_error("cannot map a count: %s", g_strerror(errno));
    }
    vm_add_opt(vm, "smp", "1");
    vm_add_opt(vm, "icount", COUNTER_CLOCK);
    vm_add_opt(vm, "plugin", "%s,count=/proc/%d/fd/%d", plugin, getpid(),
               counter->fd);
    return counter;
}

void counter_free(Counter *counter)
{
    if (!counter) {
        return;
    }
    munmap(counter->count, sizeof(*counter->count));
    close(counter->fd);
    g_free(counter);
}

uint64_t counter_read(const Counter *counter)
{
    return __atomic_load_n(counter->count, __ATOMIC_RELAXED);
}
