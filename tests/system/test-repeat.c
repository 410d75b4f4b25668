/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host that says what it wants again and again, the same or ever less, as a
 * controller does: each time is no reason to begin anew.
 */
#include "support.h"

#define GROWTH (6 * GiB)
#define TARGET (5 * GiB)
#define RAMP_END (5 * GiB / 2)
/* Each block of what is plugged has data in it, and there is room for that */
#define FILES 640
#define FILE_MIB 8

#define EVERY_MS 30
#define TIMES 1000
#define STEP_EVERY_MS 100

static Guest *guest;

static void fill(void)
{
    system_resize(guest, GROWTH);
    g_free(system_run(guest,
                      "mkdir -p /tmp/data &&"
                      " mount -t tmpfs -o size=6g none /tmp/data &&"
                      " for i in $(seq %d); do"
                      " fallocate -l %dM /tmp/data/$i || exit; done;"
                      " for i in $(seq 1 2 %d); do rm /tmp/data/$i; done",
                      FILES, FILE_MIB, FILES));
}

static void tear_down(void)
{
    g_free(system_run(guest, "umount /tmp/data"));
    system_resize(guest, 0);
}

/* The host's clock: the next word comes when it is due, and none is left out */
static void pause_until(gint64 start, unsigned nb, unsigned every_ms)
{
    gint64 left = start + (gint64)nb * every_ms * 1000 - g_get_monotonic_time();

    if (left > 0) {
        g_usleep(left);
    }
}

static void test_same(void)
{
    unsigned nb = 0;
    gint64 start;

    start = g_get_monotonic_time();
    while (nb < TIMES && (nb == 0 || system_size(guest) > TARGET)) {
        system_request(guest, TARGET);
        pause_until(start, ++nb, EVERY_MS);
    }
    g_test_message("%" G_GUINT64_FORMAT " MiB after %.1f s and %u requests",
                   system_size(guest) / MiB,
                   (double)(g_get_monotonic_time() - start) / 1e6, nb);
    g_assert_cmpuint(system_size(guest), ==, TARGET);
}

/* It follows at some distance, and does not wait for the end */
static void test_ramp(void)
{
    unsigned nb = 0, nb_moves = 0;
    uint64_t size = system_size(guest);
    gint64 start;

    start = g_get_monotonic_time();
    for (uint64_t wanted = size; wanted > RAMP_END;) {
        wanted -= MEMORY_BLOCK_SIZE;
        system_request(guest, wanted);
        pause_until(start, ++nb, STEP_EVERY_MS);
        nb_moves += system_size(guest) < size;
        size = system_size(guest);
    }
    g_test_message("%" G_GUINT64_FORMAT " MiB at the end of %u steps, %u moves",
                   size / MiB, nb, nb_moves);
    g_assert_cmpuint(nb_moves, >=, 1);
}

#define ADD(name, test) g_test_add_func("/virtio-mhp/system/repeat/" name, test)

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    ADD("the same size every 30 ms is reached", test_same);
    ADD("a ramp is followed", test_ramp);
    guest = system_boot(GROWTH, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    fill();
    status = g_test_run();
    tear_down();
    system_end(guest);
    return status;
}
