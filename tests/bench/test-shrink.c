/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast and how far we shrink, with bounds so wide that only a driver that
 * got it wrong fails them: 96 GiB of idle memory against stock virtio-mem on
 * the same guest and host, and memory of which half is used against what the
 * guest itself calls available. The figures are printed.
 */
#include <stdlib.h>

#include "measure.h"
#include "wait.h"

#define BOOT_SIZE (4 * GiB)
#define IDLE_SIZE (96 * GiB)
#define USED_SIZE (4 * GiB)
#define GROW_MS 600000
#define SHRINK_MS 120000
/* The aim, and how little of it is still no failure */
#define TIMES_AIM 50
#define TIMES_MIN 10
/* Blocks that what is available may miss by: it is spread over the zones */
#define SLACK_BLOCKS 4

static PeerGuest *boot(const Peer *peer, uint64_t size)
{
    const PeerConfig config = {
        .kver = g_getenv("MHP_KVER"),
        .accel = "tcg",
        .boot_size = BOOT_SIZE,
        .max = size + GiB,
    };
    g_autoptr(GError) error = NULL;
    PeerGuest *pg = peer_guest_new(peer, &config, &error);

    g_assert_no_error(error);
    return pg;
}

static Measured resize(PeerGuest *pg, uint64_t size, double limit_ms)
{
    g_autoptr(GError) error = NULL;
    Measured m;

    measure_resize(pg, size, (unsigned)limit_ms, &m, &error);
    g_assert_no_error(error);
    g_test_message("%s to %.1f GiB: %.2f s, %.1f GiB by then", pg->peer->name,
                   (double)size / GiB, measured_seconds(&m),
                   (double)m.reached / GiB);
    return m;
}

static bool is_empty(void *opaque, GError **error)
{
    uint64_t size;

    return peer_size(opaque, &size, error) && !size;
}

/*
 * Seconds that giving up all of it took, or the time limit. By the host's word
 * alone: a program that watches MemTotal would take its time from the guest.
 */
static double shrink_idle(const Peer *peer, double limit_ms)
{
    g_autoptr(PeerGuest) pg = boot(peer, IDLE_SIZE);
    g_autoptr(GError) error = NULL;
    int64_t start;
    double seconds;

    g_assert_true(resize(pg, IDLE_SIZE, GROW_MS).is_done);
    start = g_get_monotonic_time();
    peer_request(pg, 0, &error);
    g_assert_no_error(error);
    if (!wait_until(is_empty, pg, (unsigned)limit_ms, "the shrink", &error)) {
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
    }
    seconds = (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
    g_test_message("%s to nothing: %.2f s", peer->name, seconds);
    return seconds;
}

static void test_idle(void)
{
    double ours = shrink_idle(&peers[0], SHRINK_MS);
    double stock;

    g_assert_cmpfloat(ours * 1000, <, SHRINK_MS);
    /* If it takes longer, that is all we want to know */
    stock = shrink_idle(&peers[1], (TIMES_AIM + 5) * ours * 1000);
    g_test_message("at least %.1f times faster, the aim is %d", stock / ours,
                   TIMES_AIM);
    g_assert_cmpfloat(stock, >=, TIMES_MIN * ours);
}

static uint64_t available(PeerGuest *pg)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = guest_runf(pg->guest, &error,
                                       "awk '/^MemAvailable/ { print $2 }'"
                                       " /proc/meminfo");

    g_assert_no_error(error);
    return strtoull(text, NULL, 10) * KiB;
}

static void fill_half(PeerGuest *pg)
{
    g_autoptr(GError) error = NULL;

    g_free(guest_runf(pg->guest, &error,
                      "mkfifo /tmp/filled; mhp-fill pages %u >/tmp/filled &"
                      " read -r line </tmp/filled && echo $line",
                      (unsigned)(USED_SIZE / 2 / MiB)));
    g_assert_no_error(error);
}

static void test_half_used(void)
{
    g_autoptr(PeerGuest) pg = boot(&peers[0], USED_SIZE);
    uint64_t free_blocks, left_blocks;
    Measured m;

    resize(pg, USED_SIZE, GROW_MS);
    fill_half(pg);
    /* Boot memory has room for all of it; the free half alone must suffice */
    free_blocks = MIN(available(pg), USED_SIZE / 2) / MEMORY_BLOCK_SIZE;
    m = resize(pg, USED_SIZE - free_blocks * MEMORY_BLOCK_SIZE, SHRINK_MS);
    left_blocks = m.reached / MEMORY_BLOCK_SIZE;
    g_test_message("%u of %u blocks that could be vacated are",
                   (unsigned)(USED_SIZE / MEMORY_BLOCK_SIZE - left_blocks),
                   (unsigned)free_blocks);
    g_assert_cmpuint(left_blocks + free_blocks, <=,
                     USED_SIZE / MEMORY_BLOCK_SIZE + SLACK_BLOCKS);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mhp/bench/shrink/idle memory goes much faster "
                    "than virtio-mem's",
                    test_idle);
    g_test_add_func("/virtio-mhp/bench/shrink/of half-used memory all blocks "
                    "go that can be vacated",
                    test_half_used);
    return g_test_run();
}
