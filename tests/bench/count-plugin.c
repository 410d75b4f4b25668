/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plugin that counts the guest's instructions, for a guest with one CPU:
 * "-plugin count-plugin.so,count=PATH", a file of 8 bytes that holds the count
 * at any time. A block of instructions that an exception ends counts whole.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/error-report.h"
#include "qemu/qemu-plugin.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static uint64_t *count;

static void on_exec(unsigned int cpu, void *nb_insns)
{
    qatomic_set(count, *count + GPOINTER_TO_SIZE(nb_insns));
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    qemu_plugin_register_vcpu_tb_exec_cb(
        tb, on_exec, QEMU_PLUGIN_CB_NO_REGS,
        GSIZE_TO_POINTER(qemu_plugin_tb_n_insns(tb)));
}

static bool map_count(const char *path)
{
    int fd = open(path, O_RDWR);

    if (fd < 0) {
        return false;
    }
    count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                 0);
    close(fd);
    return count != MAP_FAILED;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
                                           const qemu_info_t *info, int argc,
                                           char **argv)
{
    if (argc != 1 || !g_str_has_prefix(argv[0], "count=") ||
        !map_count(argv[0] + strlen("count="))) {
        error_report("count-plugin.so wants count=PATH");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    return 0;
}
