/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest's udevd does of a resize: the same way with udevd running and
 * stopped, in turns, in one guest.
 */
#include "bench.h"

#define UDEV_BOOT_SIZE (4 * GiB)
#define UDEV_SIZE (32 * GiB)
#define UDEV_QUICK_SIZE (8 * GiB)
#define UDEV_LIMIT_MS 60000

static const Metric udev_grow = {"grow", "s", false};
static const Metric udev_shrink = {"shrink", "s", false};

typedef struct UdevState {
    const char *name;
    const char *script;
} UdevState;

/* Its sockets would start it again. What it has to do yet is none of ours */
static const UdevState udev_states[] = {
    {"udevd running", "systemctl start systemd-udevd-control.socket"
                      " systemd-udevd-kernel.socket systemd-udevd.service;"
                      "udevadm settle"},
    {"udevd stopped", "udevadm settle; systemctl stop systemd-udevd.service"
                      " systemd-udevd-control.socket"
                      " systemd-udevd-kernel.socket"},
};

static bool udev_there_and_back(Bench *bench, unsigned peer, PeerGuest *pg,
                                const UdevState *state, GError **error)
{
    uint64_t size = bench->is_quick ? UDEV_QUICK_SIZE : UDEV_SIZE;
    g_autofree char *output = guest_runf(pg->guest, error, "%s", state->script);
    g_autofree char *settled = NULL;
    const char *name = bench->peers[peer]->name;
    unsigned gib = (unsigned)(size / GiB);
    Measured m;

    if (!output || !measure_resize(pg, size, UDEV_LIMIT_MS, &m, error)) {
        return false;
    }
    bench_note_limit(bench, "udev", peer, &m);
    results_add(bench->results, "udev", state->name, gib, &udev_grow, name,
                measured_seconds(&m));
    /* What is run because of the growth is no part of the shrink */
    settled = guest_runf(pg->guest, error, "udevadm settle");
    if (!settled || !measure_resize(pg, 0, UDEV_LIMIT_MS, &m, error)) {
        return false;
    }
    bench_note_limit(bench, "udev", peer, &m);
    results_add(bench->results, "udev", state->name, gib, &udev_shrink, name,
                measured_seconds(&m));
    return true;
}

static bool udev_one(Bench *bench, unsigned peer, GError **error)
{
    g_autoptr(PeerGuest)
        pg = bench_boot(bench, peer, UDEV_BOOT_SIZE, UDEV_SIZE + GiB, 0, error);

    if (!pg) {
        return false;
    }
    for (unsigned i = 0; i < bench->repetitions; i++) {
        for (unsigned s = 0; s < G_N_ELEMENTS(udev_states); s++) {
            bench_step(bench, "%s, %s", bench->peers[peer]->name,
                       udev_states[s].name);
            if (!udev_there_and_back(bench, peer, pg, &udev_states[s], error)) {
                return false;
            }
        }
    }
    return true;
}

static bool udev_run(Bench *bench, GError **error)
{
    bench_plan(bench, &scenario_udev,
               bench->repetitions * G_N_ELEMENTS(udev_states) *
                   bench->nb_peers);
    for (unsigned peer = 0; peer < bench->nb_peers; peer++) {
        /* The others take minutes, and are not what this is about */
        if (!bench->peers[peer]->is_stock && !udev_one(bench, peer, error)) {
            return false;
        }
    }
    return true;
}

const Scenario scenario_udev = {
    .name = "udev",
    .what = "what a guest's udevd does of a resize: running and stopped",
    .wants_debian = true,
    .run = udev_run,
};
