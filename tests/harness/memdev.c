/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory device of a guest: see memdev.h.
 */
#include "memdev.h"

#include <inttypes.h>
#include <stdio.h>

#include "wait.h"

void memdev_add(Guest *guest, const char *type, uint64_t region_size)
{
    memdev_add_requested(guest, type, region_size, 0);
}

void memdev_add_requested(Guest *guest, const char *type, uint64_t region_size,
                          uint64_t size)
{
    Vm *vm = guest_vm(guest);

    if (g_str_has_prefix(type, MEMDEV_DEFAULT)) {
        vm_add_plugin(vm);
    }
    /* Without a reservation: the host has less than the guest may grow to */
    vm_add_opt(vm, "object",
               "memory-backend-ram,id=hpmem,size=%" PRIu64 ",reserve=off",
               region_size);
    vm_add_opt(vm, "device", "%s,id=hp0,memdev=hpmem,requested-size=%" PRIu64,
               type, size);
}

bool memdev_load_driver(Guest *guest, const char *parameters, GError **error)
{
    return guest_load(guest, "mhp_vmemmap_mem", parameters, error);
}

bool memdev_request(Guest *guest, uint64_t size, GError **error)
{
    return qmp_set_uint(guest_qmp(guest), MEMDEV_PATH, "requested-size", size,
                        error);
}

bool memdev_size(Guest *guest, uint64_t *size, GError **error)
{
    return qmp_get_uint(guest_qmp(guest), MEMDEV_PATH, "size", size, error);
}

typedef struct MemdevWait {
    Guest *guest;
    uint64_t size;
    uint64_t wanted;
    uint64_t distance; /* the smallest so far */
    MemdevProgress progress;
    void *opaque;
} MemdevWait;

/* Ends the waiting when the size is reached, and when it is closer */
static bool memdev_comes_closer(void *opaque, GError **error)
{
    MemdevWait *wait = opaque;
    uint64_t distance;

    if (!memdev_size(wait->guest, &wait->size, error)) {
        return false;
    }
    if (wait->progress) {
        wait->progress(wait->size, wait->opaque);
    }
    distance = MAX(wait->size, wait->wanted) - MIN(wait->size, wait->wanted);
    if (distance && distance >= wait->distance) {
        return false;
    }
    wait->distance = distance;
    return true;
}

bool memdev_wait(Guest *guest, uint64_t size, unsigned stall_ms,
                 MemdevProgress progress, void *opaque, GError **error)
{
    MemdevWait wait = {
        .guest = guest,
        .wanted = size,
        .distance = UINT64_MAX,
        .progress = progress,
        .opaque = opaque,
    };

    while (wait.distance) {
        if (!wait_until(memdev_comes_closer, &wait, stall_ms,
                        "the next step of the resize", error)) {
            g_prefix_error(error,
                           "want %" PRIu64 " MiB plugged, got %" PRIu64 ": ",
                           size / MiB, wait.size / MiB);
            return false;
        }
        g_usleep(1000);
    }
    return true;
}

bool memdev_resize(Guest *guest, uint64_t size, unsigned stall_ms,
                   GError **error)
{
    return memdev_request(guest, size, error) &&
           memdev_wait(guest, size, stall_ms, NULL, NULL, error);
}

bool memdev_region(Guest *guest, uint64_t *addr, uint64_t *size, GError **error)
{
    g_autoptr(JsonNode) list = NULL;
    JsonObject *device, *data;

    list = qmp_executef(guest_qmp(guest), error, "query-memory-devices", NULL);
    if (!list) {
        return false;
    }
    if (json_array_get_length(json_node_get_array(list)) != 1) {
        g_set_error_literal(error, QMP_ERROR, QMP_ERROR_PROTOCOL,
                            "the guest has not just one memory device");
        return false;
    }
    device = json_array_get_object_element(json_node_get_array(list), 0);
    data = json_object_get_object_member(device, "data");
    *addr = json_object_get_int_member(data, "memaddr");
    *size = json_object_get_int_member(data, "max-size");
    return true;
}

/* Lines "ADDRESS STATE ZONE…" of the memory blocks in the region */
static char *memdev_list_blocks(Guest *guest, GError **error)
{
    uint64_t addr, size;

    if (!memdev_region(guest, &addr, &size, error)) {
        return NULL;
    }
    return guest_runf(guest, error,
                      "cd /sys/devices/system/memory;"
                      "b=$((0x$(cat block_size_bytes)));"
                      "i=$(((%" PRIu64 " + b - 1) / b));"
                      "while [ $i -lt $((%" PRIu64 " / b)) ]; do"
                      " if read s <memory$i/state; then"
                      " read z <memory$i/valid_zones;"
                      " echo $((i * b)) $s $z; fi;"
                      " i=$((i + 1)); done 2>/dev/null",
                      addr, addr + size);
}

static GArray *memdev_parse_blocks(const char *text)
{
    GArray *blocks = g_array_new(FALSE, TRUE, sizeof(MemdevBlock));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        MemdevBlock block = {};
        char state[16];

        if (sscanf(*line, "%" SCNu64 " %15s %15s", &block.addr, state,
                   block.zone) < 2) {
            continue;
        }
        block.online = g_str_equal(state, "online");
        if (!block.online) {
            /* It names the zones that the block could go to */
            block.zone[0] = '\0';
        }
        g_array_append_val(blocks, block);
    }
    return blocks;
}

/* Ask the kernel's page flags, block by block */
static bool memdev_find_memmaps(Guest *guest, GArray *blocks, GError **error)
{
    g_autoptr(GString) script = g_string_new(NULL);
    g_autofree char *output = NULL;
    g_auto(GStrv) lines = NULL;

    g_string_assign(
        script,
        "mhp-memmap $(cat /sys/devices/system/memory/block_size_bytes)");
    for (unsigned i = 0; i < blocks->len; i++) {
        g_string_append_printf(script, " %" PRIx64,
                               g_array_index(blocks, MemdevBlock, i).addr);
    }
    output = guest_runf(guest, error, "%s", script->str);
    if (!output) {
        return false;
    }
    lines = g_strsplit(output, "\n", -1);
    for (unsigned i = 0; i < blocks->len && lines[i]; i++) {
        MemdevBlock *block = &g_array_index(blocks, MemdevBlock, i);

        sscanf(lines[i], "%*x %u", &block->memmap_pages);
    }
    return true;
}

GArray *memdev_blocks(Guest *guest, GError **error)
{
    g_autofree char *text = memdev_list_blocks(guest, error);
    g_autoptr(GArray) blocks = NULL;

    if (!text) {
        return NULL;
    }
    blocks = memdev_parse_blocks(text);
    if (!memdev_find_memmaps(guest, blocks, error)) {
        return NULL;
    }
    return g_steal_pointer(&blocks);
}

unsigned memdev_count_zone(GArray *blocks, const char *zone)
{
    unsigned count = 0;

    for (unsigned i = 0; i < blocks->len; i++) {
        count += g_str_equal(g_array_index(blocks, MemdevBlock, i).zone, zone);
    }
    return count;
}

unsigned memdev_count_self_hosted(GArray *blocks)
{
    unsigned count = 0;

    for (unsigned i = 0; i < blocks->len; i++) {
        count += g_array_index(blocks, MemdevBlock, i).memmap_pages ==
                 MEMMAP_PAGES;
    }
    return count;
}

/*
 * The virtio device's folder is found by its ID, bound to a driver or not: it
 * is ours, or virtio-mem's, which our driver can be told to drive
 */
char *memdev_attr(Guest *guest, const char *name, GError **error)
{
    char *text = guest_runf(guest, error,
                            "cd /sys/bus/virtio/devices; for d in *; do"
                            " read -r id <$d/device || continue;"
                            " case $id in 0x003f | 0x0018)"
                            " cat $d/%s;; esac; done",
                            name);

    return text ? g_strchomp(text) : NULL;
}

bool memdev_attr_uint(Guest *guest, const char *name, uint64_t *value,
                      GError **error)
{
    g_autofree char *text = memdev_attr(guest, name, error);

    return text &&
           g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX, value, error);
}
