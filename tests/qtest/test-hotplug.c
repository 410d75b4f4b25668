/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that come and go while QEMU runs: what is refused leaves nothing
 * behind, and nothing goes as long as it lends memory.
 */
#include "mhp.h"

/* Run a command that must succeed, or must fail with @message */
static void run(Mhp *mhp, const char *message, const char *command,
                const char *arguments)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;

    g_test_message("%s %s", command, arguments);
    result = qmp_executef(vm_qmp(mhp->vm), &error, command, "%s", arguments);
    if (message) {
        g_assert_null(result);
        g_assert_cmpstr(error->message, ==, message);
    } else {
        g_assert_no_error(error);
    }
}

static Mhp *new_pc(void)
{
    static const char *const args[] = {"-M", "pc", NULL};

    return mhp_new_with_args(args);
}

static void test_device_add(void)
{
    static const struct {
        const char *properties;
        const char *message;
    } rows[] = {
        {
            "",
            "property 'memdev' wants the id of a memory backend, got none",
        },
        {
            ", 'memdev': 'mem0'",
            "property 'memdev' wants a memory backend of its own, got 'mem0', which is in use",
        },
        {
            ", 'memdev': 'mem1', 'block-size': 3145728",
            "property 'block-size' wants a power of two, got 3 MiB",
        },
        {
            ", 'memdev': 'mem1', 'block-size': 2097152, 'requested-size': 1048576",
            "property 'requested-size' wants a multiple of 2 MiB ('block-size'), got 1 MiB",
        },
        {
            ", 'memdev': 'mem1', 'block-size': 2097152, 'requested-size': -4096",
            "property 'requested-size' wants a multiple of 2 MiB ('block-size'), got -4 KiB",
        },
        {
            ", 'memdev': 'mem1', 'block-size': 2097152, 'requested-size': -2097152",
            "property 'requested-size' wants at most 128 MiB (the size of backend 'mem1'), got -2 MiB",
        },
        {
            ", 'memdev': 'mem1', 'block-size': -1",
            "property 'block-size' wants a power of two, got -1 bytes",
        },
        {
            ", 'memdev': 'mem1', 'node': 1",
            "property 'node' wants less than 1 (the number of NUMA nodes), got 1",
        },
        {
            ", 'memdev': 'mem1'",
            NULL,
        },
    };
    g_autoptr(Mhp) mhp = new_pc();

    run(mhp, NULL, "object-add",
        "{'qom-type': 'memory-backend-ram', 'id': 'mem1', 'size': 134217728}");
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *arguments = g_strdup_printf(
            "{'driver': 'mhp-vmemmap-mem', 'id': 'mhp1'%s}",
            rows[i].properties);

        run(mhp, rows[i].message, "device_add", arguments);
    }
}

static void test_device_del(void)
{
    static const char device[] = "{'id': 'mhp0'}";
    g_autoptr(Mhp) mhp = new_pc();

    mhp_expect(mhp_plug(mhp, 0, 2), ACK);
    run(mhp,
        "mhp-vmemmap-mem can be removed when 'size', 'requested-size' and 'pressure-size' are 0, got 4 MiB, 64 MiB and 0 bytes",
        "device_del", device);
    mhp_set_requested_size(mhp, 0);
    run(mhp,
        "mhp-vmemmap-mem can be removed when 'size', 'requested-size' and 'pressure-size' are 0, got 4 MiB, 0 bytes and 0 bytes",
        "device_del", device);
    mhp_expect(mhp_unplug(mhp, 0, 2), ACK);
    run(mhp, NULL, "device_del", device);
}

#define ADD(test) g_test_add_func("/virtio-mhp/hotplug/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(device_add);
    ADD(device_del);
    return g_test_run();
}
