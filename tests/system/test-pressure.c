/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing and shrinking a small guest whose memory is full all the time: a hog
 * takes what there is (harness/guest/hog.c) and tells on the console. Nobody
 * may be killed for it, and no allocation may fail. Scripts would need memory,
 * so while the hog is there the guest is only watched from outside.
 */
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define BOOT_SIZE (256 * MiB)
#define REGION_SIZE (64 * GiB + MEMORY_BLOCK_SIZE)
#define HOG_MAX_MIB 2048
/* What it leaves at first: next to nothing, or the page tables of a GiB */
#define HOG_KEEP_NOTHING_KIB 2048
#define HOG_KEEP_TABLES_KIB 8192
/* More than could go elsewhere */
#define HOG_MANY_MIB 512
#define HOG_MS 120000

static Guest *guest;

/* How much of the console there was before the hog */
static size_t console_size;

/* The hog's latest line on the console, or NULL */
static char *hog_line(void)
{
    g_autofree char *console = guest_console(guest);
    char *line = g_strrstr(console + console_size, "hog ");

    /* Not if it is still being written */
    return line && strchr(line, '\n') ? g_strndup(line, strcspn(line, "\r\n"))
                                      : NULL;
}

static bool hog_has(void *opaque, GError **error)
{
    g_autofree char *console = guest_console(guest);
    g_autofree char *trouble = klog_trouble(console);
    g_autofree char *line = hog_line();

    if (trouble) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, trouble);
    }
    return line && strtoull(line + 4, NULL, 10) >= *(uint64_t *)opaque;
}

static void wait_hog(uint64_t mib)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *line = NULL;

    wait_until(hog_has, &mib, HOG_MS, "the hog's growth", &error);
    g_assert_no_error(error);
    line = hog_line();
    g_test_message("%s", line);
}

static void start_hog(unsigned keep_kib)
{
    g_autofree char *console = guest_console(guest);
    g_autofree char *script = g_strdup_printf(
        "cd /sys/bus/virtio/drivers/mhp_vmemmap_mem/virtio*/ &&"
        " exec mhp-hog %u %u requested_size >/dev/ttyS0 2>&1",
        keep_kib, HOG_MAX_MIB);
    g_autoptr(GError) error = NULL;

    console_size = strlen(console);
    agent_start(guest_agent(guest), script, &error);
    g_assert_no_error(error);
    wait_hog(1);
}

/* By the host's word alone: the agent runs the hog */
static void resize_beside_hog(uint64_t size)
{
    g_autoptr(GError) error = NULL;

    memdev_resize(guest, size, SYSTEM_STALL_MS, &error);
    g_assert_no_error(error);
}

/* It ends by itself when nothing more is requested */
static void end_hog(void)
{
    g_autoptr(GError) error = NULL;
    int status = -1;

    system_request(guest, 0);
    g_free(agent_finish(guest_agent(guest), HOG_MS, &status, &error));
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
    system_wait_size(guest, 0);
    system_check_klog(guest);
}

static void check_console(void)
{
    g_autofree char *console = guest_console(guest);
    g_autofree char *trouble = klog_trouble(console);

    g_assert_cmpstr(trouble, ==, NULL);
}

/* The device's list of what is stuck, as one string */
static char *stuck_blocks(GError **error)
{
    g_autoptr(JsonNode) list = NULL;

    list = qmp_executef(guest_qmp(guest), error, "qom-get",
                        "{'path': '" MEMDEV_PATH "',"
                        " 'property': 'stuck-blocks'}");
    return list ? json_to_string(list, FALSE) : NULL;
}

static bool is_without_room(void *opaque, GError **error)
{
    g_autofree char *stuck = stuck_blocks(error);

    (void)opaque;
    return stuck && strstr(stuck, "no-room");
}

static void shrink_until_stuck(void)
{
    g_autoptr(GError) error = NULL;

    system_request(guest, MEMORY_BLOCK_SIZE);
    wait_until(is_without_room, NULL, SYSTEM_STALL_MS, "the report", &error);
    g_assert_no_error(error);
    g_test_message("%" G_GUINT64_FORMAT " MiB stay", system_size(guest) / MiB);
    g_assert_cmpuint(system_size(guest), >, MEMORY_BLOCK_SIZE);
}

static void test_grow(void)
{
    start_hog(HOG_KEEP_NOTHING_KIB);
    resize_beside_hog(64 * GiB);
    check_console();
    wait_hog(1);
    end_hog();
}

static void test_shrink(void)
{
    start_hog(HOG_KEEP_TABLES_KIB);
    resize_beside_hog(1 * GiB);
    wait_hog(HOG_MANY_MIB);
    shrink_until_stuck();
    check_console();
    end_hog();
}

int main(int argc, char **argv)
{
    int status;

    system_init(&argc, &argv);
    g_test_add_func("/virtio-mhp/system/pressure/a guest that is full grows to "
                    "64 GiB",
                    test_grow);
    g_test_add_func("/virtio-mhp/system/pressure/a guest that is full says why "
                    "it does not shrink",
                    test_shrink);

    guest = system_boot_sized(BOOT_SIZE, REGION_SIZE, SYSTEM_MEMMAP_ON);
    system_load_driver(guest, "");
    status = g_test_run();
    system_end(guest);
    return status;
}
