/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pictures of memory files: see picture.h. Holes are not read, as that would
 * fill them.
 */
#include "picture.h"

#include <gio/gio.h>
#include <stdint.h>
#include <unistd.h>

#define PICTURE_CHUNK ((size_t)1 << 20)

/* FNV-1a, of words: no adversary here, but gigabytes */
static guint64 picture_add(guint64 sum, const guint64 *words, size_t nb_words)
{
    for (size_t i = 0; i < nb_words; i++) {
        sum = (sum ^ words[i]) * UINT64_C(0x100000001b3);
    }
    return sum;
}

static guint64 picture_sum(int fd, off_t at, off_t end)
{
    guint64 *data = g_malloc(PICTURE_CHUNK);
    guint64 sum = UINT64_C(0xcbf29ce484222325);

    while (at < end) {
        const size_t size = MIN((size_t)(end - at), PICTURE_CHUNK);

        g_assert_cmpint(pread(fd, data, size, at), ==, size);
        sum = picture_add(sum, data, size / sizeof(*data));
        at += (off_t)size;
    }
    g_free(data);
    return sum;
}

char *picture_of(int fd)
{
    GString *text = g_string_new(NULL);
    off_t start, end = 0;

    /* Whole pages, so whole words */
    while ((start = lseek(fd, end, SEEK_DATA)) >= 0) {
        end = lseek(fd, start, SEEK_HOLE);
        g_string_append_printf(
            text,
            "0x%" G_GINT64_MODIFIER "x-0x%" G_GINT64_MODIFIER "x: "
            "%016" G_GINT64_MODIFIER "x\n",
            (guint64)start, (guint64)end, picture_sum(fd, start, end));
    }
    return g_string_free(text, FALSE);
}
