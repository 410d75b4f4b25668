/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines that must be refused: each row is what is wrong and the one
 * sentence that QEMU must end with, exit status 1. '*' stands for what differs
 * between hosts.
 */
#include <glib/gstdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vm.h"

#define RUN_MS 20000

/* What a row leaves out */
#define MACHINE "q35"
#define MEMORY "64M,maxmem=1G"
#define BACKEND "memory-backend-ram,id=mem0,size=128M"

/* Put before a row's "device", which has no id= and no block-size= by itself */
#define DEVICE "mhp-vmemmap-mem,memdev=mem0,block-size=2M"

struct row {
    const char *device; /* value of -device */
    const char *message;
    const char *extra[4]; /* further arguments */
    const char *machine;
    const char *memory;
    const char *backend;
};

static void add_args(Vm *vm, const struct row *row)
{
    vm_add_args(vm, "-S", "-accel", "tcg", "-M",
                row->machine ? row->machine : MACHINE, "-m",
                row->memory ? row->memory : MEMORY, "-object",
                row->backend ? row->backend : BACKEND, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(row->extra) && row->extra[i]; i++) {
        vm_add_args(vm, row->extra[i], NULL);
    }
    vm_add_args(vm, "-device", row->device, NULL);
}

static unsigned nb_lines(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    return g_strv_length(lines);
}

/* @message and no more: what follows from an error is not told */
static void assert_refused(Vm *vm, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *said = NULL;
    g_autofree char *wanted = g_strconcat("*: ", message, NULL);
    int status;

    vm_run(vm, RUN_MS, &status, &error);
    g_assert_no_error(error);
    said = g_strchomp(vm_stderr(vm));
    if (!g_pattern_match_simple(wanted, said)) {
        g_assert_cmpstr(said, ==, message);
    }
    g_assert_cmpuint(nb_lines(said), ==, nb_lines(message));
    g_assert_cmpint(status, ==, 1);
}

static void run_rows(const struct row *rows, unsigned nb_rows)
{
    for (unsigned i = 0; i < nb_rows; i++) {
        g_autoptr(Vm) vm = vm_new();

        g_test_message("-device %s", rows[i].device);
        vm_add_plugin(vm);
        add_args(vm, &rows[i]);
        assert_refused(vm, rows[i].message);
    }
}

/* Without this all others could pass for a reason of their own */
static void test_right_command_line(void)
{
    static const struct row row = {.device = DEVICE ",requested-size=64M"};
    g_autoptr(GError) error = NULL;
    g_autoptr(Vm) vm = vm_new();
    g_autofree char *said = NULL;

    vm_add_plugin(vm);
    add_args(vm, &row);
    vm_start(vm, &error);
    g_assert_no_error(error);
    said = vm_stderr(vm);
    g_assert_cmpstr(said, ==, "");
}

static void test_memdev(void)
{
    static const struct row rows[] = {
        {
            .device = "mhp-vmemmap-mem,block-size=2M",
            .message =
                "property 'memdev' wants the id of a memory backend, got none",
        },
        {
            .device = "mhp-vmemmap-mem,memdev=nothing",
            .message = "Device 'nothing' not found",
        },
        {
            .device = DEVICE,
            .message =
                "property 'memdev' wants a memory backend of its own, got 'mem0', which is in use",
            .extra = {"-device", DEVICE},
        },
        {
            .device = DEVICE,
            .message =
                "property 'memdev' wants a memory backend of its own, got 'mem0', which is in use",
            .memory = "128M,maxmem=1G",
            .extra = {"-numa", "node,memdev=mem0"},
        },
        {
            .device = DEVICE,
            .message =
                "property 'memdev' wants a memory backend with prealloc=off, got 'mem0' with prealloc=on",
            .backend = BACKEND ",prealloc=on",
        },
        {
            .device = DEVICE,
            .message =
                "property 'memdev' wants a backend whose size is a multiple of 2 MiB ('block-size'), got 'mem0' with 129 MiB",
            .backend = "memory-backend-ram,id=mem0,size=129M",
        },
        {
            .device = "mhp-vmemmap-mem,memdev=mem0",
            .message =
                "property 'memdev' wants a backend whose size is a multiple of 128 MiB ('block-size'), got 'mem0' with 64 MiB",
            .backend = "memory-backend-ram,id=mem0,size=64M",
        },
    };

    run_rows(rows, G_N_ELEMENTS(rows));
}

static void test_free_page_reporting(void)
{
    static const struct row rows[] = {
        {
            .device = DEVICE ",free-page-reporting=on,prealloc=on",
            .message =
                "property 'free-page-reporting' wants memory that can be discarded while it is in use, got property 'prealloc' with on",
        },
        {
            .device = DEVICE ",free-page-reporting=on,compat=virtio-mem",
            .message =
                "property 'free-page-reporting' wants memory that can be discarded while it is in use, got a virtio-mem (property 'compat')",
        },
        {
            .device = DEVICE ",free-page-reporting=on",
            .message =
                "property 'free-page-reporting' wants memory that can be discarded while it is in use, got a machine that forbids to discard it (one with VFIO does, for example)",
            .extra = {"-object", "memory-backend-ram,id=mem1,size=128M",
                      "-device",
                      "mhp-vmemmap-mem,memdev=mem1,block-size=2M,prealloc=on"},
        },
        {
            .device = DEVICE ",free-page-reporting=on",
            .message =
                "property 'free-page-reporting' wants memory that can be discarded while it is in use, got a file that is on a disk, or that is not shared",
            .backend = "memory-backend-memfd,id=mem0,size=128M,share=off",
        },
    };

    run_rows(rows, G_N_ELEMENTS(rows));
}

static void test_block_size(void)
{
    static const struct row rows[] = {
        {
            .device = "mhp-vmemmap-mem,memdev=mem0,block-size=3M",
            .message = "property 'block-size' wants a power of two, got 3 MiB",
        },
        {
            .device = "mhp-vmemmap-mem,memdev=mem0,block-size=0",
            .message =
                "property 'block-size' wants a power of two, got 0 bytes",
        },
        {
            .device = "mhp-vmemmap-mem,memdev=mem0,block-size=1023K",
            .message =
                "property 'block-size' wants a power of two, got 1023 KiB",
        },
        /* Below a page of the host, and below its huge pages */
        {
            .device = "mhp-vmemmap-mem,memdev=mem0,block-size=1K",
            .message = "property 'block-size' wants at least * (*), got 1 KiB",
        },
        {
            .device = "mhp-vmemmap-mem,memdev=mem0,block-size=512K",
            .message =
                "property 'block-size' wants at least * (*), got 512 KiB",
        },
        {
            .device = "mhp-vmemmap-mem,memdev=mem0,block-size=256M",
            .message =
                "property 'memdev' wants a backend whose size is a multiple of 256 MiB ('block-size'), got 'mem0' with 128 MiB",
        },
    };

    run_rows(rows, G_N_ELEMENTS(rows));
}

static void test_requested_size(void)
{
    static const struct row rows[] = {
        {
            .device = DEVICE ",requested-size=3M",
            .message =
                "property 'requested-size' wants a multiple of 2 MiB ('block-size'), got 3 MiB",
        },
        {
            .device = DEVICE ",requested-size=1",
            .message =
                "property 'requested-size' wants a multiple of 2 MiB ('block-size'), got 1 bytes",
        },
        {
            .device = DEVICE ",requested-size=130M",
            .message =
                "property 'requested-size' wants at most 128 MiB (the size of backend 'mem0'), got 130 MiB",
        },
        {
            .device = DEVICE ",requested-size=8E",
            .message =
                "property 'requested-size' wants at most 128 MiB (the size of backend 'mem0'), got 8388608 TiB",
        },
    };

    run_rows(rows, G_N_ELEMENTS(rows));
}

static void test_place(void)
{
    static const struct row rows[] = {
        {
            .device = DEVICE ",node=1",
            .message =
                "property 'node' wants less than 1 (the number of NUMA nodes), got 1",
        },
        {
            .device = DEVICE ",node=4294967295",
            .message =
                "property 'node' wants less than 1 (the number of NUMA nodes), got 4294967295",
        },
        {
            .device = DEVICE ",memaddr=0x100000001",
            .message =
                "property 'memaddr' wants a multiple of 2 MiB, got 0x100000001",
        },
        {
            .device = DEVICE ",memaddr=0x100100000",
            .message =
                "property 'memaddr' wants a multiple of 2 MiB, got 0x100100000",
        },
        {
            .device = DEVICE ",memaddr=0x200000",
            .message =
                "can't add memory device [0x200000:0x8000000], usable range for memory devices [*]",
        },
        {
            .device = DEVICE,
            .message =
                "the configuration is not prepared for memory devices*maxmem*",
            .memory = "64M",
        },
    };

    run_rows(rows, G_N_ELEMENTS(rows));
}

static void test_packed_rings(void)
{
    static const struct row rows[] = {
        {
            .device = DEVICE ",packed=on",
            .message =
                "property 'packed' wants off (QEMU cannot put a request back into a packed ring), got on",
        },
    };

    run_rows(rows, G_N_ELEMENTS(rows));
}

static void test_machine(void)
{
    static const struct row rows[] = {
        {
            .device = DEVICE,
            .message =
                "mhp-vmemmap-mem wants a machine that maps memory devices (such as pc or q35), got 'microvm'",
            .machine = "microvm,pcie=on",
        },
        {
            .device = DEVICE,
            .message = "No 'PCI' bus found for device 'mhp-vmemmap-mem'",
            .machine = "microvm",
        },
        {
            /* The part that is no memory device; microvm has a bus for it */
            .device = "virtio-mhp,memdev=mem0,block-size=2M",
            .message = "Parameter 'driver' expects a pluggable device type",
            .machine = "microvm",
        },
    };

    run_rows(rows, G_N_ELEMENTS(rows));
}

/* QEMU locks memory, if it may, before it looks at devices */
static void test_locked_memory(void)
{
    static const struct row rows[] = {
        {
            .device = DEVICE,
            .message =
                "mhp-vmemmap-mem wants unplugged memory to take no memory of the host, got -overcommit mem-lock",
            .extra = {"-overcommit", "mem-lock=on-fault"},
        },
    };
    struct rlimit limit;

    g_assert_no_errno(getrlimit(RLIMIT_MEMLOCK, &limit));
    if (geteuid() != 0 && limit.rlim_cur != RLIM_INFINITY) {
        g_test_skip("locking memory is not allowed, ulimit -l shows the limit");
        return;
    }
    run_rows(rows, G_N_ELEMENTS(rows));
}

/*
 * A plugin that was built for another QEMU, or in a wrong way: the build of the
 * device makes both in the folder $MHP_MISFITS. The second line is QEMU's.
 */
static void test_plugin_that_does_not_fit(void)
{
    static const struct {
        const char *file;
        const char *message;
    } rows[] = {
        {
            .file = "mhp-other-version.so",
            .message =
                "this mhp-vmemmap-mem.so is built for QEMU 9.9.9 (Other 1:9.9.9) and not for this QEMU *.*.*\n*: Could not load plugin *",
        },
        {
            .file = "mhp-other-layout.so",
            .message =
                "mhp-vmemmap-mem.so wants the type '*' to have sizes * and * (class, instance), got * and *\n*: Could not load plugin *",
        },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_build_filename(g_getenv("MHP_MISFITS"),
                                                 rows[i].file, NULL);
        g_autoptr(Vm) vm = vm_new();

        g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
        vm_add_args(vm, "-S", "-accel", "tcg", "-plugin", path, NULL);
        assert_refused(vm, rows[i].message);
    }
}

/*
 * The plugin that is installed, $MHP_LOADER, in a folder of the test's own, and
 * beside it what it is to find: @file is $MHP_LOADER_BUILD's or another name,
 * @build what that file is, NULL if there is no such.
 */
typedef struct Installed {
    char *folder;
    char *plugin;
    char *builds;
    char *build;
} Installed;

static void install_plugin(Installed *in, const char *file, const char *build)
{
    g_autoptr(GError) error = NULL;

    in->folder = g_dir_make_tmp("mhp-XXXXXX", &error);
    g_assert_no_error(error);
    in->plugin = g_build_filename(in->folder, "mhp-vmemmap-mem.so", NULL);
    in->builds = g_build_filename(in->folder, "mhp-vmemmap-mem.d", NULL);
    in->build = g_build_filename(in->builds, file, NULL);
    g_assert_no_errno(symlink(g_getenv("MHP_LOADER"), in->plugin));
    g_assert_no_errno(g_mkdir(in->builds, 0700));
    g_assert_no_errno(build ? symlink(build, in->build) : 0);
}

static void uninstall_plugin(Installed *in)
{
    g_unlink(in->build);
    g_assert_no_errno(g_rmdir(in->builds));
    g_assert_no_errno(g_unlink(in->plugin));
    g_assert_no_errno(g_rmdir(in->folder));
    g_free(in->build);
    g_free(in->builds);
    g_free(in->plugin);
    g_free(in->folder);
}

/* What the installed plugin makes of what is there */
static void refuse_installed(const char *file, const char *build,
                             const char *message)
{
    g_autoptr(Vm) vm = vm_new();
    Installed in;

    install_plugin(&in, file, build);
    vm_add_args(vm, "-S", "-accel", "tcg", "-plugin", in.plugin, NULL);
    assert_refused(vm, message);
    uninstall_plugin(&in);
}

static void test_installed_plugin(void)
{
    static const struct row row = {.device = DEVICE ",requested-size=64M"};
    const char *build = g_getenv("MHP_LOADER_BUILD");
    g_autofree char *file = g_path_get_basename(build);
    g_autofree char *other = g_build_filename(g_getenv("MHP_MISFITS"),
                                              "mhp-other-version.so", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(Vm) vm = vm_new();
    Installed in;

    install_plugin(&in, file, build);
    vm_add_args(vm, "-plugin", in.plugin, NULL);
    add_args(vm, &row);
    vm_start(vm, &error);
    g_assert_no_error(error);
    uninstall_plugin(&in);

    refuse_installed(
        file, NULL,
        "mhp-vmemmap-mem.so wants a build for this QEMU, *, got none: 'mhp-qemu-build' makes it (*mhp-vmemmap-mem.d?*.so)\n*: Could not load plugin *");
    refuse_installed(
        "9.9.9-Other.so", build,
        "mhp-vmemmap-mem.so wants a build for this QEMU, *, got those for 9.9.9-Other: 'mhp-qemu-build' makes it (*)\n*: Could not load plugin *");
    /* A build looks for itself, too */
    refuse_installed(
        file, other,
        "this mhp-vmemmap-mem.so is built for QEMU 9.9.9 (Other 1:9.9.9) and not for this QEMU *.*.*\n*: Could not load plugin *");
    refuse_installed(
        file, "/dev/null",
        "mhp-vmemmap-mem.so cannot load its build for this QEMU: *\n*: Could not load plugin *");
}

/* Operators ask a running guest's device which one it is */
static void test_version(void)
{
    static const struct row row = {.device = DEVICE ",id=mhp0"};
    g_autoptr(GError) error = NULL;
    g_autoptr(Vm) vm = vm_new();
    g_autoptr(JsonNode) version = NULL;

    vm_add_plugin(vm);
    add_args(vm, &row);
    vm_start(vm, &error);
    g_assert_no_error(error);
    version = qmp_executef(vm_qmp(vm), &error, "qom-get",
                           "{'path': '%s', 'property': 'version'}",
                           "/machine/peripheral/mhp0");
    g_assert_no_error(error);
    g_assert_cmpstr(json_node_get_string(version), ==, g_getenv("MHP_VERSION"));
}

#define ADD(test) \
    g_test_add_func("/virtio-mhp/command-line/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(right_command_line);
    ADD(memdev);
    ADD(block_size);
    ADD(free_page_reporting);
    ADD(requested_size);
    ADD(place);
    ADD(packed_rings);
    ADD(machine);
    ADD(locked_memory);
    if (vm_needs_plugin()) {
        ADD(plugin_that_does_not_fit);
        ADD(installed_plugin);
        ADD(version);
    }
    return g_test_run();
}
