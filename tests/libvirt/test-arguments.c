/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libvirt makes for QEMU of the XML that mhp-virt-xml writes: each golden
 * XML is validated against libvirt's schema, defined, and translated. Only
 * arguments that have to do with memory are looked at.
 */
#include <string.h>

#include "daemon.h"
#include "keeper.h"
#include "tool.h"

static Daemon *daemon_a;

static bool argument_counts(const char *option, const char *value)
{
    static const char *const always[] = {"-m",       "-numa",       "-plugin",
                                         "-sandbox", "-overcommit", NULL};

    return g_strv_contains(always, option) ||
           (g_str_equal(option, "-object") && strstr(value, "memory-")) ||
           (g_str_equal(option, "-device") &&
            (strstr(value, "mhp-") || strstr(value, "dimm") ||
             strstr(value, "balloon")));
}

/* What all versions of libvirt make of it, or what this one does */
static char *arguments_path(const Golden *golden)
{
    g_autofree char *version = daemon_virsh(daemon_a, "--version");
    g_autofree char *own = NULL;

    *strrchr(version, '.') = '\0';
    own = golden_path("%s/%s.args", version, golden->name);
    return g_file_test(own, G_FILE_TEST_EXISTS)
               ? g_steal_pointer(&own)
               : golden_path("%s.args", golden->name);
}

/* One a line, options with their values, without the daemon's own paths */
static char *arguments_filter(const char *line)
{
    g_autoptr(GString) text = g_string_new("# SPDX-License-"
                                           "Identifier: GPL-2.0-or-later\n");
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) argv = NULL;

    g_shell_parse_argv(line, NULL, &argv, &error);
    g_assert_no_error(error);
    for (char **arg = argv; arg[0] && arg[1]; arg++) {
        if (argument_counts(arg[0], arg[1])) {
            g_string_append_printf(text, "%s %s\n", arg[0], arg[1]);
        }
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void test_arguments(gconstpointer opaque)
{
    const Golden *golden = opaque;
    g_autofree char *path = golden_path("%s.xml", golden->name);
    g_autofree char *wanted = arguments_path(golden);
    g_autofree char *xml = golden_read(path);
    g_autofree char *copy = daemon_write(daemon_a, "golden.xml", xml);
    g_autofree char *line = NULL;
    g_autofree char *arguments = NULL;

    g_free(daemon_virsh(daemon_a, "define --validate %s", copy));
    line = daemon_virsh(daemon_a, "domxml-to-native qemu-argv --domain golden");
    g_free(daemon_virsh(daemon_a, "undefine golden"));
    arguments = arguments_filter(line);
    golden_compare(wanted, arguments);
}

/* What libvirt has stored is as good as what it was given. */
static void test_again(gconstpointer opaque)
{
    const Golden *golden = opaque;
    g_autofree char *path = golden_path("%s.xml", golden->name);
    g_autofree char *xml = golden_read(path);
    g_autofree char *copy = daemon_write(daemon_a, "golden.xml", xml);
    g_autofree char *wanted = arguments_path(golden);
    g_autofree char *stored = NULL;
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    g_autofree char *again = NULL;
    g_autofree char *line = NULL;
    g_autofree char *arguments = NULL;

    g_free(daemon_virsh(daemon_a, "define %s", copy));
    stored = daemon_virsh(daemon_a, "dumpxml golden");
    g_assert_cmpint(tool_run(stored, -1, "", &out, &err), ==, 0);
    again = daemon_write(daemon_a, "again.xml", out);
    g_free(daemon_virsh(daemon_a, "define --validate %s", again));
    line = daemon_virsh(daemon_a, "domxml-to-native qemu-argv --domain golden");
    g_free(daemon_virsh(daemon_a, "undefine golden"));
    arguments = arguments_filter(line);
    if (!g_getenv("MHP_REGENERATE")) {
        golden_compare(wanted, arguments);
    }
}

static int run(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    daemon_a = daemon_new("a");
    for (unsigned i = 0; i < n_goldens; i++) {
        g_autofree char *path = g_strdup_printf("/libvirt/arguments/%s",
                                                goldens[i].name);
        g_autofree char *again = g_strdup_printf("/libvirt/again/%s",
                                                 goldens[i].name);

        if (goldens[i].has_args) {
            g_test_add_data_func(path, &goldens[i], test_arguments);
        }
        if (goldens[i].has_args && !strstr(goldens[i].options, "--remove")) {
            g_test_add_data_func(again, &goldens[i], test_again);
        }
    }
    status = g_test_run();
    daemon_free(daemon_a);
    return status;
}

int main(int argc, char **argv)
{
    return keeper_run(run, argc, argv);
}
