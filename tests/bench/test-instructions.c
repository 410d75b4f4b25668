/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our resizes take no more instructions than a file says, "KERNEL WAY MILLION
 * RELEASE" a line, and a twentieth more; half as much more on another release
 * of that kernel, whose own doing that may be. Whoever means to make them
 * dearer changes the file.
 */
#include <stdio.h>

#include "instructions.h"

#define SIZE (16 * GiB)
#define LIMIT_MS 60000
#define MORE_MAX 1.05
#define OTHER_RELEASE_MAX 1.5

typedef struct Wanted {
    char kver[16];
    char way[16];
    double million;
    char release[64];
} Wanted;

/* What the file says of it, which must say something */
static Wanted wanted_of(const char *path, const char *kver, const char *way)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    Wanted wanted;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (sscanf(*line, "%15s %15s %lf %63s", wanted.kver, wanted.way,
                   &wanted.million, wanted.release) == 4 &&
            g_str_equal(wanted.kver, kver) && g_str_equal(wanted.way, way)) {
            return wanted;
        }
    }
    g_error("want a line '%s %s MILLION RELEASE' in %s, got none", kver, way,
            path);
}

static bool is_within(const char *path, PeerGuest *pg, const char *way,
                      double million)
{
    const char *release = guest_release(pg->guest);
    const Wanted wanted = wanted_of(path, g_getenv("MHP_KVER"), way);
    const double max = g_str_equal(release, wanted.release) ? MORE_MAX
                                                            : OTHER_RELEASE_MAX;

    printf("%s %s %.1f (%s says %.1f for %s)\n", release, way, million, path,
           wanted.million, wanted.release);
    if (million <= wanted.million * max) {
        return true;
    }
    fprintf(
        stderr,
        "to %s a GiB on %s takes %.1f million instructions of the guest, want at most %g times the %.1f of %s: if that is meant, write the new figure into %s\n",
        way, release, million, max, wanted.million, wanted.release, path);
    return false;
}

static double go(PeerGuest *pg, const Counter *counter, uint64_t size)
{
    g_autoptr(GError) error = NULL;
    Instructions result;

    instructions_resize(pg, counter, size, LIMIT_MS, &result, &error);
    g_assert_no_error(error);
    g_assert_true(result.is_done);
    return result.per_gib / 1e6;
}

int main(int argc, char **argv)
{
    Counter *counter = NULL;
    const PeerConfig config = {
        .kver = g_getenv("MHP_KVER"),
        .boot_size = 1 * GiB,
        .max = SIZE + MEMORY_BLOCK_SIZE,
        /* That goes by the clock. */
        .is_keeping = true,
        .counter = &counter,
    };
    g_autoptr(PeerGuest) pg = NULL;
    g_autoptr(GError) error = NULL;
    double grow, shrink;
    bool ok;

    if (argc != 2) {
        fprintf(stderr, "usage: test-instructions FILE\n");
        return 2;
    }
    pg = peer_guest_new(&peers[0], &config, &error);
    g_assert_no_error(error);
    /* What comes but once is left out */
    go(pg, counter, SIZE);
    go(pg, counter, 0);
    grow = go(pg, counter, SIZE);
    shrink = go(pg, counter, 0);
    ok = is_within(argv[1], pg, "grow", grow);
    ok &= is_within(argv[1], pg, "shrink", shrink);
    counter_free(counter);
    return !ok;
}
