/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's pool of huge pages: see pool.h.
 */
#include "pool.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define NR_HUGEPAGES POOL "nr_hugepages"
#define FREE_HUGEPAGES POOL "free_hugepages"

static bool pool_write(const char *path, uint64_t value)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 &&
                write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0) {
        close(fd);
    }
    return done;
}

static uint64_t pool_read(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return g_ascii_strtoull(text, NULL, 10);
}

unsigned pool_free(void)
{
    return (unsigned)pool_read(FREE_HUGEPAGES);
}

static bool pool_try_free(unsigned nb_free)
{
    const uint64_t nb_used = pool_read(NR_HUGEPAGES) - pool_free();

    return pool_write(NR_HUGEPAGES, nb_used + nb_free) &&
           pool_free() == nb_free;
}

bool pool_take(unsigned nb_free, uint64_t *old)
{
    *old = pool_read(NR_HUGEPAGES);
    if (!pool_try_free(nb_free)) {
        g_test_skip("there is no pool of huge pages to be had (not root?)");
        return false;
    }
    return true;
}

void pool_set_free(unsigned nb_free)
{
    g_assert_true(pool_try_free(nb_free));
}

void pool_return(uint64_t old)
{
    g_assert_true(pool_write(NR_HUGEPAGES, old));
}
