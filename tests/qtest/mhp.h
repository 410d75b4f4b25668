/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests in this folder share: a machine with one device under test,
 * the requests that its driver can send, and looks at it from host and guest.
 *
 * Blocks are counted from the region's start. The region's memory is a memory
 * file that the test holds, too, so that it can see which parts are backed.
 */
#ifndef MHP_MHP_H
#define MHP_MHP_H

#include <uapi/linux/virtio_mhp.h>

#include "virtio-pci.h"

#define MHP_MIB (UINT64_C(1) << 20)
#define MHP_BLOCK_SIZE (2 * MHP_MIB)
#define MHP_NB_BLOCKS 64u
#define MHP_REGION_SIZE (MHP_NB_BLOCKS * MHP_BLOCK_SIZE)
/* Half of the region, until a test sets it */
#define MHP_REQUESTED_SIZE (MHP_REGION_SIZE / 2)

#define MHP_QOM_PATH "/machine/peripheral/mhp0"

/* Where requests and responses lie in guest memory */
#define MHP_REQ_ADDR VIRTIO_PCI_RAM_END
#define MHP_RESP_ADDR (VIRTIO_PCI_RAM_END + 0x1000)

/* What a good driver accepts */
#define MHP_FEATURES                                                          \
    (UINT64_C(1) << VIRTIO_F_VERSION_1 |                                      \
     UINT64_C(1) << VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE |                     \
     UINT64_C(1) << VIRTIO_MHP_F_MEMMAP_ON_BLOCK |                            \
     UINT64_C(1) << VIRTIO_MHP_F_STATUS | UINT64_C(1) << VIRTIO_MHP_F_STATS | \
     UINT64_C(1) << VIRTIO_MHP_F_REPORTING |                                  \
     UINT64_C(1) << VIRTIO_MHP_F_PRESSURE)

typedef struct Mhp {
    Vm *vm;
    Qtest *qtest;
    VirtioPci *pci;
    int memory;    /* file that holds the region's memory */
    uint64_t addr; /* of the region */
} Mhp;

/*
 * For a machine that can run: firmware whose vCPU sleeps. The file is to be
 * closed by the caller, after QEMU has started.
 */
int mhp_bios_file(void);

/* A machine whose device's driver runs */
Mhp *mhp_new(void);

/* The same with more arguments for QEMU; the list ends with NULL */
Mhp *mhp_new_with_args(const char *const *args);

/* The same, of memory that no file holds: what costs the host is in its RSS */
Mhp *mhp_new_anonymous(void);

/* The same with other than MHP_NB_BLOCKS, of up to 3 GiB together */
Mhp *mhp_new_of_blocks(unsigned nb_blocks);
Mhp *mhp_new_of_blocks_with_args(unsigned nb_blocks, const char *const *args);

/*
 * The same with another backend, such as "memory-backend-ram", and more
 * properties of the device (",prealloc=on"). All of it is requested. @args may
 * be NULL.
 */
Mhp *mhp_new_with_backend(const char *backend, const char *properties,
                          const char *const *args);

/*
 * A machine of type pc, whose guest can eject the device by itself;
 * @properties begins with a comma, or is empty
 */
#define MHP_PC_SLOT 8
Mhp *mhp_new_pc(const char *properties);
void mhp_eject(Mhp *mhp);

/*
 * A machine that waits for @source to be migrated to it, which mhp_arrived()
 * ends; more arguments as above
 */
Mhp *mhp_new_incoming(Mhp *source, const char *const *args);
void mhp_arrived(Mhp *mhp, const Mhp *source);

/* The same as mhp_new_with_backend() */
Mhp *mhp_new_incoming_with_backend(Mhp *source, const char *backend,
                                   const char *properties);

/* The driver runs there now, although memory is still missing */
void mhp_moved(Mhp *mhp, const Mhp *source);

/* The same with one file for the region's memory on both sides */
Mhp *mhp_new_incoming_shared(Mhp *source);

/*
 * The same for a QEMU that takes over from @source's by the socket @cpr, and
 * has no monitor before that: mhp_taken_over() connects to it
 */
Mhp *mhp_new_incoming_cpr(Mhp *source, const char *const *args,
                          const char *cpr);
void mhp_taken_over(Mhp *mhp);

/* Load a snapshot of the machine, whose driver goes on from there */
void mhp_load_snapshot(Mhp *mhp, const char *tag);

/* Asserts that QEMU is still alive */
void mhp_free(Mhp *mhp);

/* The same without the assertion: for the side that a migration failed on */
void mhp_abandon(Mhp *mhp);

/* Reset the device and let a driver that accepts @features run */
void mhp_restart_driver(Mhp *mhp, uint64_t features);

/* Restart the machine as a whole, wait for its memory, and let a driver run */
void mhp_system_reset(Mhp *mhp);

/* In host order */
struct virtio_mhp_config mhp_config(Mhp *mhp);

/*
 * Requests: the type of the response. All that every response must fulfil is
 * asserted. The first takes a request that is in wire order.
 */
uint16_t mhp_send(Mhp *mhp, const struct virtio_mhp_req *req,
                  struct virtio_mhp_resp *resp);
uint16_t mhp_plug(Mhp *mhp, unsigned block, uint16_t nb_blocks);
uint16_t mhp_unplug(Mhp *mhp, unsigned block, uint16_t nb_blocks);
uint16_t mhp_unplug_all(Mhp *mhp);
uint16_t mhp_state(Mhp *mhp, unsigned block, uint16_t nb_blocks,
                   uint16_t *state);
uint16_t mhp_memmap(Mhp *mhp, uint64_t unit_size, uint64_t memmap_size);
uint16_t mhp_status(Mhp *mhp, unsigned block, uint16_t nb_blocks,
                    uint16_t reason);

/*
 * The same without waiting for the response: send a request about the first
 * blocks; whether its response is still to come; and wait for that.
 */
void mhp_submit(Mhp *mhp, uint16_t type, uint16_t nb_blocks);
bool mhp_is_pending(Mhp *mhp);
uint16_t mhp_finish(Mhp *mhp);

/* mhp_expect(mhp_plug(mhp, 0, 1), ACK) */
const char *mhp_response_name(uint16_t type);
#define mhp_expect(type, wanted) \
    g_assert_cmpstr(mhp_response_name(type), ==, #wanted)

/* "PLUGGED", "UNPLUGGED" or "MIXED", by a STATE request */
const char *mhp_state_name(Mhp *mhp, unsigned block, uint16_t nb_blocks);

/* The host's view */
void mhp_set_requested_size(Mhp *mhp, uint64_t size);
void mhp_set_pressure_size(Mhp *mhp, uint64_t size);
uint64_t mhp_size(Mhp *mhp);
uint64_t mhp_pressure_plugged(Mhp *mhp);
/* What is unplugged and the host may still hold; wait until that is nothing */
uint64_t mhp_pending_discard_size(Mhp *mhp);
void mhp_wait_discarded(Mhp *mhp);

/*
 * Asserts what the host is shown of the driver's reports: for how many blocks
 * there is one, and the lines about them
 */
void mhp_assert_reports(Mhp *mhp, unsigned nb_blocks, const char *lines);

/* What the monitor for people answers */
char *mhp_hmp(Mhp *mhp, const char *command_line);

/* Bytes of the region that cost the host memory; whether all of a part does */
uint64_t mhp_backed_size(Mhp *mhp);
bool mhp_is_backed(Mhp *mhp, uint64_t offset, uint64_t size);

/* Contents of a block, as the guest sees them */
uint64_t mhp_block_addr(Mhp *mhp, unsigned block);
void mhp_fill(Mhp *mhp, unsigned block, uint8_t value);
bool mhp_block_holds(Mhp *mhp, unsigned block, uint8_t value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Mhp, mhp_free)

#endif /* MHP_MHP_H */
