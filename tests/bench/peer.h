/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is compared: our device and what a user would pick instead, each with
 * the settings that its own documentation recommends, behind one interface. A
 * resize is always to a number of bytes beyond the boot size.
 */
#ifndef MHP_BENCH_PEER_H
#define MHP_BENCH_PEER_H

#include "counter.h"
#include "guest.h"

typedef struct PeerGuest PeerGuest;

typedef struct Peer {
    const char *name;     /* in options and results */
    const char *settings; /* what was set, for whoever doubts the result */
    const char *cmdline;  /* of the guest's kernel */
    const char *module;   /* to load in the guest, or NULL */
    const char *device;   /* -device, without backend and sizes, or NULL */
    const char *generous; /* its guest may grow by itself, NULL if it cannot */
    const char *keeping;  /* without free page reporting, NULL if it has none */
    bool is_stock;        /* a peer, not ours */
    bool starts_full;     /* boots with all it can have */
    bool (*request)(PeerGuest *pg, uint64_t size, GError **error);
    bool (*size)(PeerGuest *pg, uint64_t *size, GError **error);
} Peer;

struct PeerGuest {
    const Peer *peer;
    Guest *guest;
    uint64_t boot_size;
    uint64_t max;        /* most that can be plugged */
    uint64_t boot_total; /* MemTotal with nothing plugged, in bytes */
    uint64_t boot_free;  /* free boot memory then */
    uint64_t dimm_size;  /* largest DIMM to make, 0: any */
    GArray *dimms;       /* uint64_t: size of each DIMM, 0 if it is gone */
};

typedef struct PeerConfig {
    const char *kver;
    const char *accel;
    uint64_t boot_size;
    uint64_t max;
    uint64_t dimm_size;
    bool is_generous;  /* the guest may grow by itself, where it can */
    bool is_keeping;   /* it tells nothing of the pages that are free */
    Counter **counter; /* where one goes that counts this guest, or NULL */
} PeerConfig;

/* All there are, ours first */
extern const Peer peers[];
extern const unsigned nb_peers;

/* Boot a guest, nothing plugged unless it starts full; NULL if it does not */
PeerGuest *peer_guest_new(const Peer *peer, const PeerConfig *config,
                          GError **error);
void peer_guest_free(PeerGuest *pg);

/* Ask for a size and return at once */
bool peer_request(PeerGuest *pg, uint64_t size, GError **error);
/* What the host has given to the guest beyond the boot size */
bool peer_size(PeerGuest *pg, uint64_t *size, GError **error);
/*
 * Between these MemTotal is when the guest has got the size: memmaps that are
 * on their blocks do not count there.
 */
uint64_t peer_least_total(const PeerGuest *pg, uint64_t size);
uint64_t peer_most_total(const PeerGuest *pg, uint64_t size);

/* Resident memory of QEMU */
uint64_t peer_rss(const PeerGuest *pg);
/* CPU time that QEMU has used, and what of it in the host's kernel */
double peer_cpu_seconds(const PeerGuest *pg);
double peer_system_seconds(const PeerGuest *pg);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PeerGuest, peer_guest_free)

#endif /* MHP_BENCH_PEER_H */
