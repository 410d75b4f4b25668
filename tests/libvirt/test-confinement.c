/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How libvirt confines QEMU by default, and that the device works in there:
 * seccomp, an unprivileged user, AppArmor's profile. And what libvirt says of
 * a domain that the tool has changed.
 */
#include <stdio.h>
#include <string.h>

#include "domain.h"
#include "keeper.h"
#include "tool.h"

/* What Debian's libvirt lets every QEMU read, part of each domain's profile */
#define APPARMOR_ABSTRACTION "/etc/apparmor.d/abstractions/libvirt-qemu"

static Daemon *daemon_a;
static Domain *domain;

static char *proc_status(const char *field)
{
    g_autofree char *pid_path = daemon_path(daemon_a,
                                            "run/libvirt/qemu/run/d.pid");
    g_autofree char *pid = golden_read(pid_path);
    g_autofree char *path = g_strdup_printf("/proc/%s/status", g_strchomp(pid));
    g_autofree char *text = golden_read(path);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(*line, field) && (*line)[strlen(field)] == ':') {
            return g_strdup(g_strstrip(*line + strlen(field) + 1));
        }
    }
    g_error("no %s in %s", field, path);
}

static void test_sandbox(void)
{
    g_autofree char *seccomp = proc_status("Seccomp");
    g_autofree char *privileges = proc_status("NoNewPrivs");

    /* 2 is a filter. */
    g_assert_cmpstr(seccomp, ==, "2");
    g_assert_cmpstr(privileges, ==, "1");
    domain_setmem(domain, 3072);
    domain_setmem(domain, 1024);
}

static void test_user(void)
{
    g_autofree char *uid = proc_status("Uid");
    g_autofree char *capabilities = proc_status("CapEff");

    g_assert_cmpuint(g_ascii_strtoull(uid, NULL, 10), ==, keeper_uid());
    g_assert_cmpuint(keeper_uid(), !=, 0);
    g_assert_cmpstr(capabilities, ==, "0000000000000000");
}

static void test_taints(void)
{
    g_autofree char *said = daemon_virsh(daemon_a, "dominfo d");
    const char *messages = strstr(said, "Messages:");

    g_assert_nonnull(messages);
    g_assert_cmpstr(
        messages, ==,
        "Messages:       tainted: custom configuration parameters specified\n"
        "                tainted: custom device configuration");
}

/* A rule, which is a path and permissions, as a pattern for the path */
static char *apparmor_pattern(const char *line)
{
    g_autofree char *rule = g_strstrip(g_strdup(line));
    char *permissions = strrchr(rule, ' ');
    g_auto(GStrv) parts = NULL;

    if (*rule != '/' || !permissions || !strchr(permissions, 'm') ||
        !strchr(permissions, 'r')) {
        return NULL;
    }
    *permissions = '\0';
    parts = g_strsplit(rule, "@{multiarch}", -1);
    return g_strjoinv("*-linux-gnu*", parts);
}

/* The path that the tool takes where no option says another */
static char *default_plugin(void)
{
    g_autofree char *path = golden_path("in/q35.xml");
    g_autofree char *input = golden_read(path);
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    g_auto(GStrv) parts = NULL;

    g_assert_cmpint(tool_run(input, -1, "--max 8G", &out, &err), ==, 0);
    parts = g_strsplit(out, "\"-plugin\"/>", 2);
    g_assert_nonnull(parts[1]);
    g_clear_pointer(&out, g_free);
    out = g_strdup(strchr(parts[1], '"') + 1);
    *strchr(out, '"') = '\0';
    return g_steal_pointer(&out);
}

/* Before 10.6 it is in a package that tests do not install */
static bool has_profile(void)
{
    g_autofree char *version = daemon_virsh(daemon_a, "--version");
    unsigned major, minor;

    g_assert_cmpint(sscanf(version, "%u.%u", &major, &minor), ==, 2);
    return major > 10 || (major == 10 && minor >= 6);
}

/* Do the rules in a file allow QEMU to read and map this one */
static bool is_allowed(const char *rules, const char *path)
{
    g_autofree char *text = golden_read(rules);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_autofree char *pattern = apparmor_pattern(*line);

        if (pattern && g_pattern_match_simple(pattern, path)) {
            g_test_message("%s is allowed by: %s", path, *line);
            return true;
        }
    }
    return false;
}

static void test_apparmor(void)
{
    g_autofree char *plugin = default_plugin();
    g_autofree char *text = NULL;
    g_autofree char *rules = NULL;
    g_autofree char *build = NULL;

    if (!has_profile()) {
        g_test_skip("libvirt's profile comes with a system's daemon");
        return;
    }
    g_assert_true(is_allowed(APPARMOR_ABSTRACTION, plugin));

    /* What it loads, for which a rule is installed where the profile looks */
    text = golden_read(APPARMOR_ABSTRACTION);
    g_assert_nonnull(strstr(text, "<abstractions/libvirt-qemu.d>"));
    rules = g_build_filename(g_getenv("MHP_SOURCE"), "qemu-device", "loader",
                             "apparmor", NULL);
    build = g_strdup_printf("%.*s.d/10.0.2-Debian_1_10.0.2+ds-2.so",
                            (int)strlen(plugin) - (int)strlen(".so"), plugin);
    g_assert_true(is_allowed(rules, build));
}

static int body(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mhp/libvirt/confinement/grows and shrinks in "
                    "libvirt's seccomp filter",
                    test_sandbox);
    g_test_add_func("/virtio-mhp/libvirt/confinement/runs as a user without "
                    "capabilities",
                    test_user);
    g_test_add_func("/virtio-mhp/libvirt/confinement/taints", test_taints);
    g_test_add_func("/virtio-mhp/libvirt/confinement/AppArmor lets QEMU read "
                    "the plugin and its builds where they are installed",
                    test_apparmor);
    daemon_a = daemon_new("a");
    domain = domain_new(daemon_a, "d", "--form dimm");
    domain_start(domain);
    status = g_test_run();
    domain_check_klog(domain);
    domain_free(domain);
    daemon_free(daemon_a);
    return status;
}

int main(int argc, char **argv)
{
    return keeper_run(body, argc, argv);
}
