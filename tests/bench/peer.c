/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Peers: see peer.h. Each kind of device is a way to ask for a size and a way
 * to see what came of it.
 */
#include "peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memdev.h"

/* Devices with a requested size: ours and virtio-mem */

static bool peer_request_device(PeerGuest *pg, uint64_t size, GError **error)
{
    return memdev_request(pg->guest, size, error);
}

static bool peer_size_device(PeerGuest *pg, uint64_t *size, GError **error)
{
    return memdev_size(pg->guest, size, error);
}

/*
 * DIMMs come and go as wholes; their backends stay. QEMU's TCG runs what it
 * translated of a deleted backend again for the next one, which takes its place
 * among the RAM addresses: programs of the guest die there.
 */

/*
 * A DIMM's slot is its number modulo their count, so that the slot of one that
 * is just gone stays empty: Linux, having ejected a DIMM, looks whether its
 * slot is empty now, and takes a new one in it for the old one ("Eject
 * incomplete").
 */
static unsigned peer_next_dimm(PeerGuest *pg)
{
    uint64_t none = 0;
    GArray *dimms = pg->dimms;

    while (dimms->len >= GUEST_DIMM_SLOTS &&
           g_array_index(dimms, uint64_t, dimms->len - GUEST_DIMM_SLOTS)) {
        g_array_append_val(dimms, none);
    }
    return dimms->len;
}

static bool peer_add_dimm(PeerGuest *pg, uint64_t size, GError **error)
{
    unsigned nb = peer_next_dimm(pg);
    g_autoptr(JsonNode) backend = NULL;
    g_autoptr(JsonNode) dimm = NULL;

    backend = qmp_executef(guest_qmp(pg->guest), error, "object-add",
                           "{'qom-type': 'memory-backend-ram', 'id': 'm%u',"
                           " 'size': %" PRIu64 ", 'reserve': false}",
                           nb, size);
    if (!backend) {
        return false;
    }
    dimm = qmp_executef(guest_qmp(pg->guest), error, "device_add",
                        "{'driver': 'pc-dimm', 'id': 'd%u', 'memdev': 'm%u',"
                        " 'slot': %u}",
                        nb, nb, nb % GUEST_DIMM_SLOTS);
    if (dimm) {
        g_array_append_val(pg->dimms, size);
    }
    return dimm != NULL;
}

static bool peer_del_dimm(PeerGuest *pg, unsigned i, GError **error)
{
    g_autoptr(JsonNode) deleted = NULL;

    deleted = qmp_executef(guest_qmp(pg->guest), error, "device_del",
                           "{'id': 'd%u'}", i);
    return deleted != NULL;
}

static bool peer_has_dimm(JsonArray *devices, unsigned i)
{
    g_autofree char *wanted = g_strdup_printf("d%u", i);

    for (guint n = 0; n < json_array_get_length(devices); n++) {
        JsonObject *device = json_array_get_object_element(devices, n);
        JsonObject *data = json_object_get_object_member(device, "data");

        if (g_str_equal(json_object_get_string_member(data, "id"), wanted)) {
            return true;
        }
    }
    return false;
}

static bool peer_size_dimms(PeerGuest *pg, uint64_t *size, GError **error)
{
    g_autoptr(JsonNode) list = NULL;

    list = qmp_executef(guest_qmp(pg->guest), error, "query-memory-devices",
                        NULL);
    if (!list) {
        return false;
    }
    *size = 0;
    for (unsigned i = 0; i < pg->dimms->len; i++) {
        uint64_t dimm = g_array_index(pg->dimms, uint64_t, i);

        if (dimm && !peer_has_dimm(json_node_get_array(list), i)) {
            g_array_index(pg->dimms, uint64_t, i) = 0;
            dimm = 0;
        }
        *size += dimm;
    }
    return true;
}

/* Growing makes new DIMMs; shrinking asks for the latest ones back */
static bool peer_request_dimms(PeerGuest *pg, uint64_t size, GError **error)
{
    uint64_t now, step;

    if (!peer_size_dimms(pg, &now, error)) {
        return false;
    }
    while (now < size) {
        step = pg->dimm_size ? MIN(pg->dimm_size, size - now) : size - now;
        if (!peer_add_dimm(pg, step, error)) {
            return false;
        }
        now += step;
    }
    for (unsigned i = pg->dimms->len; i-- && now > size;) {
        step = g_array_index(pg->dimms, uint64_t, i);
        if (step && !peer_del_dimm(pg, i, error)) {
            return false;
        }
        now -= step;
    }
    return true;
}

/* The balloon counts what the guest has in all */

static bool peer_request_balloon(PeerGuest *pg, uint64_t size, GError **error)
{
    g_autoptr(JsonNode) result = NULL;

    result = qmp_executef(guest_qmp(pg->guest), error, "balloon",
                          "{'value': %" PRIu64 "}", pg->boot_size + size);
    return result != NULL;
}

static bool peer_size_balloon(PeerGuest *pg, uint64_t *size, GError **error)
{
    g_autoptr(JsonNode) info = NULL;

    info = qmp_executef(guest_qmp(pg->guest), error, "query-balloon", NULL);
    if (!info) {
        return false;
    }
    *size = json_object_get_int_member(json_node_get_object(info), "actual") -
            pg->boot_size;
    return true;
}

#define MOVABLE "memhp_default_state=online_movable"
#define MEMMAP_ON_MEMORY "memory_hotplug.memmap_on_memory=1"

const Peer peers[] = {
    {
        .name = "mhp-vmemmap-mem",
        .settings = MEMMAP_ON_MEMORY,
        .cmdline = MEMMAP_ON_MEMORY,
        .module = "mhp_vmemmap_mem",
        .device = MEMDEV_DEFAULT,
        .generous = ",pressure-size=4G",
        .keeping = ",free-page-reporting=off",
        .request = peer_request_device,
        .size = peer_size_device,
    },
    {
        .name = "virtio-mem",
        .settings = "block-size=2M, " MOVABLE,
        .cmdline = MOVABLE,
        .module = "virtio_mem",
        .device = MEMDEV_STOCK ",block-size=2M",
        .is_stock = true,
        .request = peer_request_device,
        .size = peer_size_device,
    },
    {
        .name = "virtio-mem-128M",
        .settings = "block-size=128M, " MOVABLE,
        .cmdline = MOVABLE,
        .module = "virtio_mem",
        .device = MEMDEV_STOCK ",block-size=128M",
        .is_stock = true,
        .request = peer_request_device,
        .size = peer_size_device,
    },
    {
        .name = "virtio-mem-auto",
        .settings = "block-size=2M, memhp_default_state=online "
                    "memory_hotplug.online_policy=auto-movable",
        .cmdline = "memhp_default_state=online "
                   "memory_hotplug.online_policy=auto-movable",
        .module = "virtio_mem",
        .device = MEMDEV_STOCK ",block-size=2M",
        .is_stock = true,
        .request = peer_request_device,
        .size = peer_size_device,
    },
    {
        .name = "pc-dimm",
        .settings = "a DIMM for each growth, " MEMMAP_ON_MEMORY " " MOVABLE,
        .cmdline = MEMMAP_ON_MEMORY " " MOVABLE,
        .is_stock = true,
        .request = peer_request_dimms,
        .size = peer_size_dimms,
    },
    {
        .name = "virtio-balloon",
        .settings = "free-page-reporting=on, booted with all of its memory",
        .cmdline = "",
        .module = "virtio_balloon",
        .is_stock = true,
        .starts_full = true,
        .device = "virtio-balloon-pci,free-page-reporting=on",
        .generous = ",deflate-on-oom=on",
        .keeping = ",free-page-reporting=off",
        .request = peer_request_balloon,
        .size = peer_size_balloon,
    },
};
const unsigned nb_peers = G_N_ELEMENTS(peers);

/* Of a property that is given twice, QEMU takes the last */
static char *peer_device(const Peer *peer, const PeerConfig *config)
{
    const char *generous = config->is_generous ? peer->generous : NULL;
    const char *keeping = config->is_keeping ? peer->keeping : NULL;

    return g_strconcat(peer->device, generous ? generous : "",
                       keeping ? keeping : "", NULL);
}

static void peer_add_memory(PeerGuest *pg, const PeerConfig *config)
{
    g_autofree char *device = NULL;

    if (!pg->peer->device) {
        return;
    }
    device = peer_device(pg->peer, config);
    if (pg->peer->starts_full) {
        vm_add_args(guest_vm(pg->guest), "-device", device, NULL);
    } else {
        memdev_add(pg->guest, device, pg->max);
    }
}

static bool peer_read_total(PeerGuest *pg, GError **error)
{
    g_autofree char *text = guest_runf(
        pg->guest, error,
        "sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' "
        "/proc/meminfo");

    if (!text) {
        return false;
    }
    pg->boot_total = g_ascii_strtoull(text, NULL, 10) * KiB;
    return true;
}

static bool peer_load(PeerGuest *pg, GError **error)
{
    return !pg->peer->module ||
           guest_load(pg->guest, pg->peer->module, "", error);
}

static bool peer_boot(PeerGuest *pg, GError **error)
{
    if (!guest_boot(pg->guest, error) || !guest_prepare(pg->guest, error) ||
        !peer_load(pg, error) || !peer_read_total(pg, error) ||
        !guest_boot_free(pg->guest, &pg->boot_free, error)) {
        return false;
    }
    /* It has all of it now: what counts is what it has beyond the boot size */
    if (pg->peer->starts_full) {
        pg->boot_total -= pg->max;
    }
    return true;
}

PeerGuest *peer_guest_new(const Peer *peer, const PeerConfig *config,
                          GError **error)
{
    PeerGuest *pg = g_new0(PeerGuest, 1);
    GuestConfig guest = {
        .kver = config->kver,
        .accel = config->accel,
        .cmdline = peer->cmdline,
        .boot_size = config->boot_size + (peer->starts_full ? config->max : 0),
        .hotplug_max = peer->starts_full ? 0 : config->max,
    };

    pg->peer = peer;
    pg->boot_size = config->boot_size;
    pg->max = config->max;
    pg->dimm_size = config->dimm_size;
    pg->dimms = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    pg->guest = guest_new(&guest);
    peer_add_memory(pg, config);
    if (config->counter) {
        *config->counter = counter_new(guest_vm(pg->guest));
    }
    if (!peer_boot(pg, error)) {
        g_prefix_error(error, "%s: ", peer->name);
        g_clear_pointer(&pg, peer_guest_free);
    }
    return pg;
}

void peer_guest_free(PeerGuest *pg)
{
    if (!pg) {
        return;
    }
    guest_free(pg->guest);
    g_array_unref(pg->dimms);
    g_free(pg);
}

bool peer_request(PeerGuest *pg, uint64_t size, GError **error)
{
    return pg->peer->request(pg, size, error);
}

bool peer_size(PeerGuest *pg, uint64_t *size, GError **error)
{
    return pg->peer->size(pg, size, error);
}

uint64_t peer_least_total(const PeerGuest *pg, uint64_t size)
{
    return pg->boot_total + size / 64 * 63;
}

/* A little more than nothing comes and goes by itself */
uint64_t peer_most_total(const PeerGuest *pg, uint64_t size)
{
    return pg->boot_total + size + 8 * MiB;
}

uint64_t peer_rss(const PeerGuest *pg)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status",
                                            vm_pid(guest_vm(pg->guest)));
    g_autofree char *text = NULL;
    const char *line;
    uint64_t kib = 0;

    if (g_file_get_contents(path, &text, NULL, NULL)) {
        line = strstr(text, "VmRSS:");
        if (!line || sscanf(line, "VmRSS: %" SCNu64, &kib) != 1) {
            kib = 0;
        }
    }
    return kib * KiB;
}

/* In user mode and in the host's kernel */
static bool peer_times(const PeerGuest *pg, uint64_t *user, uint64_t *system)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat",
                                            vm_pid(guest_vm(pg->guest)));
    g_autofree char *text = NULL;
    const char *rest;

    /* The name, in parentheses, may hold anything */
    return g_file_get_contents(path, &text, NULL, NULL) &&
           (rest = g_strrstr(text, ") ")) &&
           sscanf(rest,
                  ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64
                  " %" SCNu64,
                  user, system) == 2;
}

double peer_cpu_seconds(const PeerGuest *pg)
{
    uint64_t user = 0, system = 0;

    peer_times(pg, &user, &system);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

double peer_system_seconds(const PeerGuest *pg)
{
    uint64_t user = 0, system = 0;

    peer_times(pg, &user, &system);
    return (double)system / (double)sysconf(_SC_CLK_TCK);
}
