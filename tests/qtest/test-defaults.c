/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the device chooses by itself starts on hosts of all kinds. host.c, which
 * is preloaded into QEMU, lets the host have huge pages of another size.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mhp.h"

static void set_thp_size(int file, const char *text)
{
    g_assert_no_errno(ftruncate(file, 0));
    g_assert_cmpint(pwrite(file, text, strlen(text), 0), ==, strlen(text));
}

/* The block size that the device chose on this host */
static uint64_t block_size(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Vm) vm = vm_new();
    uint64_t size = 0;

    vm_add_plugin(vm);
    vm_add_args(vm, "-S", "-accel", "tcg", "-M", "q35", "-m", "64M,maxmem=8G",
                "-object", "memory-backend-ram,id=mem0,size=1G,reserve=off",
                "-device", "mhp-vmemmap-mem,id=mhp0,memdev=mem0", NULL);
    vm_start(vm, &error);
    g_assert_no_error(error);
    qmp_get_uint(vm_qmp(vm), MHP_QOM_PATH, "block-size", &size, &error);
    g_assert_no_error(error);
    return size;
}

static void test_block_size(void)
{
    static const struct {
        const char *thp_size;
        uint64_t block_size;
    } rows[] = {
        {"2097152\n", 128 * MHP_MIB},
        {"33554432\n", 128 * MHP_MIB},  /* Arm with pages of 16 KiB */
        {"536870912\n", 512 * MHP_MIB}, /* of 64 KiB */
        {"not a number\n", 128 * MHP_MIB},
    };
    int file = memfd_create("thp-size", MFD_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", getpid(), file);

    g_assert_cmpint(file, >=, 0);
    g_setenv("MHP_THP_SIZE_FILE", path, true);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        set_thp_size(file, rows[i].thp_size);
        g_assert_cmpuint(block_size(), ==, rows[i].block_size);
    }
    close(file);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mhp/defaults/block-size", test_block_size);
    return g_test_run();
}
