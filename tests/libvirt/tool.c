/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-virt-xml and its golden files, see tool.h. One option a case.
 */
#include "tool.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm.h"

const Golden goldens[] = {
    {"max", "in/q35", "--max 8G", true},
    {"max-again", "max", "--max 16384M", true},
    {"max-unchanged", "max", "", true},
    {"form-virtio-mem", "in/q35", "--max 8G --form virtio-mem", true},
    {"form-virtio-mem-again", "form-virtio-mem", "--max 4G", true},
    {"by-hand", "in/by-hand", "--max 4G", false},
    {"form-dimm", "form-virtio-mem", "--form dimm", true},
    {"boot", "in/q35", "--max 8G --boot 512M", true},
    {"boot-again", "max", "--boot 2GiB", true},
    {"current", "in/q35", "--max 8G --current 2G", true},
    {"current-virtio-mem", "in/q35", "--max 8G --current 2G --form virtio-mem",
     true},
    {"node", "in/numa", "--max 64G --node 1", true},
    {"block-size", "in/q35", "--max 8G --block-size 1G", true},
    {"block-size-virtio-mem", "in/q35",
     "--max 8G --block-size 256M --form virtio-mem", true},
    {"step", "in/q35", "--max 128G --boot 64G --step 128M", false},
    {"hugepages", "in/q35", "--max 8G --hugepages", true},
    {"hugepages-of-1g", "in/q35", "--max 8G --hugepages=1G", true},
    {"hugepages-again", "hugepages-of-1g", "--max 16G", true},
    {"hugepages-virtio-mem", "in/q35",
     "--max 8G --hugepages=2M --memfd --form virtio-mem", true},
    {"hugepages-of-boot", "in/hugepages", "--max 8G", false},
    {"prealloc", "in/q35", "--max 8G --prealloc", true},
    {"memfd", "in/q35", "--max 512G --memfd", true},
    {"no-balloon", "in/q35", "--max 8G --memballoon replace", true},
    {"no-balloon-again", "no-balloon", "--max 16G", true},
    {"no-balloon-keep", "no-balloon", "--memballoon keep", true},
    {"no-balloon-remove", "no-balloon", "--remove", true},
    {"no-balloon-of-user", "in/balloon", "--max 8G --memballoon replace", true},
    {"stats-period", "in/q35", "--max 8G --stats-period 2", true},
    {"stats-period-virtio-mem", "form-virtio-mem", "--stats-period 2", true},
    {"stats-period-no-balloon", "no-balloon-of-user", "--stats-period 10",
     true},
    {"stats-period-none", "stats-period", "--stats-period 0", true},
    {"stats-period-new", "in/i440fx", "--max 9728M --stats-period 3", true},
    {"reporting", "in/q35", "--max 8G --free-page-reporting on", true},
    {"reporting-again", "reporting", "--max 16G", true},
    {"reporting-off", "form-virtio-mem", "--free-page-reporting off", true},
    {"reporting-auto", "reporting", "--free-page-reporting auto", true},
    {"pressure", "in/q35", "--max 8G --pressure 1G", true},
    {"pressure-again", "pressure", "--max 16G", true},
    {"pressure-virtio-mem", "form-virtio-mem", "--pressure 256M", true},
    {"pressure-none", "pressure", "--pressure 0", true},
    {"alias", "in/q35", "--max 8G --alias ua-grow_1", true},
    {"plugin", "in/q35", "--max 8G --plugin /opt/mhp/mhp-vmemmap-mem.so", true},
    {"i440fx", "in/i440fx", "--max 9728M", true},
    {"i440fx-again", "i440fx", "--max 17920M", true},
    {"i440fx-remove", "i440fx", "--remove", true},
    {"arm", "in/arm", "--max 8G", false},
    {"kubevirt", "in/kubevirt", "--max 64G", true},
    {"remove", "max", "--remove", true},
    {"remove-hugepages", "hugepages", "--remove", true},
    {"remove-with-dimm", "node", "--remove", true},
};
const unsigned n_goldens = G_N_ELEMENTS(goldens);

static char *tool_text(GBytes *bytes)
{
    gsize size = 0;
    const char *text = bytes ? g_bytes_get_data(bytes, &size) : NULL;

    return size ? g_strndup(text, size) : g_strdup("");
}

/* A file, because the tool may end before it has read all of it. */
static int tool_input(const char *input, gssize length)
{
    const gsize size = length < 0 ? strlen(input) : (gsize)length;
    int fd = memfd_create("input", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, input, size), ==, size);
    g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
    return fd;
}

int tool_run(const char *input, gssize length, const char *options, char **out,
             char **err)
{
    g_autofree char *program = vm_build_path("meson/libvirt/mhp-virt-xml");
    g_autofree char *line = g_strdup_printf("%s %s", program, options);
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
        G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr(GBytes) out_bytes = NULL;
    g_autoptr(GBytes) err_bytes = NULL;
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) argv = NULL;

    g_shell_parse_argv(line, NULL, &argv, &error);
    g_assert_no_error(error);
    g_subprocess_launcher_take_stdin_fd(launcher, tool_input(input, length));
    process = g_subprocess_launcher_spawnv(launcher, (const char *const *)argv,
                                           &error);
    g_assert_no_error(error);
    g_subprocess_communicate(process, NULL, NULL, &out_bytes, &err_bytes,
                             &error);
    g_assert_no_error(error);
    *out = tool_text(out_bytes);
    *err = tool_text(err_bytes);
    g_assert_true(g_subprocess_get_if_exited(process));
    return g_subprocess_get_exit_status(process);
}

char *golden_path(const char *format, ...)
{
    const char *source = g_getenv("MHP_SOURCE");
    g_autofree char *name = NULL;
    va_list ap;

    g_assert_nonnull(source);
    va_start(ap, format);
    name = g_strdup_vprintf(format, ap);
    va_end(ap);
    return g_build_filename(source, "tests", "libvirt", "golden", name, NULL);
}

char *golden_read(const char *path)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

char *golden_input(const Golden *golden)
{
    g_autofree char *path = golden_path("%s.xml", golden->input);

    return golden_read(path);
}

static void golden_show_difference(const char *path, const char *text)
{
    g_autoptr(GSubprocess) diff = g_subprocess_new(
        G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL,
        "diff", "-u", path, "-", NULL);
    g_autofree char *out = NULL;

    if (diff &&
        g_subprocess_communicate_utf8(diff, text, NULL, &out, NULL, NULL)) {
        g_test_message("%s", out);
    }
}

void golden_compare(const char *path, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *wanted = NULL;

    if (g_getenv("MHP_REGENERATE")) {
        g_file_set_contents(path, text, -1, &error);
        g_assert_no_error(error);
        return;
    }
    wanted = golden_read(path);
    if (!g_str_equal(wanted, text)) {
        golden_show_difference(path, text);
        g_test_fail();
    }
}
