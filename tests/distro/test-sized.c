/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is sized at boot, by what the guest then has: sized-at-boot.md of the
 * package lists it. A guest that grew is compared with one that booted with as
 * much, and the package's unit has to adjust what the page says that it does.
 */
#include <string.h>

#include "debian.h"

#define GROWTH (4 * GiB)
/* Of two figures that should be the same, or are of different sizes of guest */
#define SAME 1.25
#define DIFFERENT 1.8
/* As many were found: with fewer, the comparison would be wrong */
#define LEAST 20

/* A line for each: a name and a number */
static const char figures[] =
    "{ sysctl -a 2>/dev/null | sed -n 's/^\\([^ ]*\\) = \\(.*\\)/\\1 \\2/p';"
    " df --output=target,size -t tmpfs | sed 's|^/|tmpfs:/|';"
    " echo ulimit-processes $(ulimit -u);"
    " echo DefaultTasksMax $(systemctl show -P DefaultTasksMax); } |"
    " awk '{ for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+$/)"
    " print (NF > 2 ? $1 \"#\" i - 1 : $1), $i }'";

/* name: double * */
static GHashTable *look(Guest *guest)
{
    g_autofree char *text = system_run(guest, "%s", figures);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                              g_free);

    for (char **line = lines; *line; line++) {
        char *space = strchr(*line, ' ');
        double value = g_ascii_strtod(space, NULL);

        g_hash_table_insert(table, g_strndup(*line, space - *line),
                            g_memdup2(&value, sizeof(value)));
    }
    return table;
}

/* In a guest before and after it grew, and in one that booted with as much */
typedef struct Sizes {
    GHashTable *before;
    GHashTable *grown;
    GHashTable *adjusted; /* after that, with the package's unit enabled */
    GHashTable *booted;
} Sizes;

static void sizes_clear(Sizes *sizes)
{
    g_hash_table_unref(sizes->before);
    g_hash_table_unref(sizes->grown);
    g_hash_table_unref(sizes->adjusted);
    g_hash_table_unref(sizes->booted);
}

/* 1 where one of them has no such figure */
static double ratio(GHashTable *a, GHashTable *b, const char *name)
{
    const double *x = g_hash_table_lookup(a, name);
    const double *y = g_hash_table_lookup(b, name);

    return x && y && *x > 0 && *y > 0 ? MAX(*x / *y, *y / *x) : 1;
}

/* The name as it stands on the page: "tcp_mem#2" is one of tcp_mem's */
static bool is_on_page(const char *page, const char *name)
{
    g_autofree char *base = g_strndup(name, strcspn(name, "#"));
    g_autofree char *quoted = g_strdup_printf("`%s`", base);

    return strstr(page, quoted) != NULL;
}

/* Is it another in a guest that booted with as much as this one grew to? */
static bool is_sized_at_boot(const Sizes *sizes, const char *name)
{
    return ratio(sizes->before, sizes->booted, name) >= DIFFERENT &&
           ratio(sizes->before, sizes->grown, name) <= SAME;
}

static void check_page(const Sizes *sizes, const char *page)
{
    g_autoptr(GList) names = g_hash_table_get_keys(sizes->booted);
    unsigned count = 0;

    for (GList *name = names; name; name = name->next) {
        if (is_sized_at_boot(sizes, name->data)) {
            g_test_message("%s is sized at boot", (char *)name->data);
            g_assert_true(is_on_page(page, name->data));
            count++;
        }
    }
    g_assert_cmpuint(count, >=, LEAST);
}

/* What the page says that the unit adjusts, as in the guest that booted */
static void check_adjusted(const Sizes *sizes)
{
    static const char *const names[] = {"tmpfs:/dev/shm", "tmpfs:/run",
                                        "tmpfs:/tmp"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_assert_cmpfloat(ratio(sizes->adjusted, sizes->booted, names[i]), <=,
                          SAME);
    }
}

/* The unit is run by the event of the resize: nobody else starts it */
static GHashTable *adjust(Guest *guest)
{
    g_free(system_run(guest, "systemctl enable mhp-adjust.service"));
    system_resize(guest, 0);
    system_resize(guest, GROWTH);
    g_free(system_run(
        guest, "for i in $(seq 600); do"
               " s=$(df --output=size /run | tail -n 1);"
               " [ $s -ge 400000 ] && exit 0; sleep 0.1; done; df;"
               "systemctl status mhp-adjust mhp-resized.target; exit 1"));
    return look(guest);
}

static void test_page(void)
{
    Sizes sizes = {};
    Guest *guest = debian_boot(GROWTH, SYSTEM_MEMMAP_ON);
    g_autofree char *page = system_run(
        guest, "cat /usr/share/doc/mhp-vmemmap-mem-dkms/sized-at-boot.md");

    sizes.before = look(guest);
    system_resize(guest, GROWTH);
    sizes.grown = look(guest);
    sizes.adjusted = adjust(guest);
    debian_end(guest);
    guest = system_new_sized(GUEST_BOOT_SIZE + GROWTH, 0, SYSTEM_MEMMAP_ON);
    debian_start(guest);
    sizes.booted = look(guest);
    debian_end(guest);
    check_page(&sizes, page);
    check_adjusted(&sizes);
    sizes_clear(&sizes);
}

int main(int argc, char **argv)
{
    system_init(&argc, &argv);
    g_test_add_func("/virtio-mhp/distro/sized/all that is sized at boot is on "
                    "the page, and adjusted as it says",
                    test_page);
    return g_test_run();
}
