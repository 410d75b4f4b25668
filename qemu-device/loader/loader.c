/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plugin that stays when QEMU is replaced. The device fits one QEMU only,
 * as it is built with its inner headers; this file uses of QEMU what has been
 * the same in every version with plugins. It asks the QEMU that loads it who
 * it is, and loads the build for that one from the folder beside itself:
 * nothing that names the plugin has to change with QEMU.
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <string.h>

#include "qemu.h"

#define EXPORT __attribute__((visibility("default")))

/* A build is NAME.so, with @NAME from QEMU's version and package */
#define NAME_CHARACTERS G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS ".+~-"
#define SUFFIX ".so"

/*
 * Of QEMU's plugin interface, for QEMU to compare before it calls anything: the
 * last version that QEMU 10.0 knows, or the first that QEMU 11.1 still knows.
 * Of either this file uses what has not changed.
 */
EXPORT int qemu_plugin_version = 4;
#define PLUGIN_VERSION_11_1 7
EXPORT PluginInstall qemu_plugin_install;

/* Before QEMU looks */
static void __attribute__((constructor)) choose_plugin_version(void)
{
    VersionInfo *info = qmp_query_version(NULL);

    if (info->qemu->major > 11 ||
        (info->qemu->major == 11 && info->qemu->minor >= 1)) {
        qemu_plugin_version = PLUGIN_VERSION_11_1;
    }
    qapi_free_VersionInfo(info);
}

/* As prepare-headers names it: 10.0.2-Debian_1_10.0.2+ds-2+deb13u1 */
static char *build_name(void)
{
    VersionInfo *info = qmp_query_version(NULL);
    char *name = g_strdup_printf("%" PRId64 ".%" PRId64 ".%" PRId64 "%s%s",
                                 info->qemu->major, info->qemu->minor,
                                 info->qemu->micro, *info->package ? "-" : "",
                                 info->package);

    qapi_free_VersionInfo(info);
    return g_strcanon(name, NAME_CHARACTERS, '_');
}

/* mhp-vmemmap-mem.d, where this file is mhp-vmemmap-mem.so */
static char *builds_folder(void)
{
    g_autofree char *stem = NULL;
    Dl_info self = {};

    dladdr(&qemu_plugin_version, &self);
    stem = g_strdup(self.dli_fname ?: "");
    if (g_str_has_suffix(stem, SUFFIX)) {
        stem[strlen(stem) - strlen(SUFFIX)] = '\0';
    }
    return g_strconcat(stem, ".d", NULL);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What there is instead: "those for A, B", or "none" */
static char *list_builds(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *list = NULL;
    const char *file;

    while (dir && (file = g_dir_read_name(dir))) {
        if (g_str_has_suffix(file, SUFFIX)) {
            g_ptr_array_add(names,
                            g_strndup(file, strlen(file) - strlen(SUFFIX)));
        }
    }
    if (!names->len) {
        return g_strdup("none");
    }
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    list = g_strjoinv(", ", (char **)names->pdata);
    return g_strconcat("those for ", list, NULL);
}

/* The build stays loaded until QEMU ends, as QEMU knows this file alone */
static PluginInstall *load_build(const char *path)
{
    void *build = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    PluginInstall *install = build ? dlsym(build, "qemu_plugin_install") : NULL;

    if (!install) {
        error_report(
            "mhp-vmemmap-mem.so cannot load its build for this QEMU: %s",
            dlerror());
    }
    return install;
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    g_autofree char *name = build_name();
    g_autofree char *folder = builds_folder();
    g_autofree char *path = g_strdup_printf("%s/%s" SUFFIX, folder, name);
    PluginInstall *install;

    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_autofree char *builds = list_builds(folder);

        error_report(
            "mhp-vmemmap-mem.so wants a build for this QEMU, %s, got %s: 'mhp-qemu-build' makes it (%s)",
            name, builds, path);
        return -1;
    }
    install = load_build(path);
    return install ? install(id, info, argc, argv) : -1;
}
