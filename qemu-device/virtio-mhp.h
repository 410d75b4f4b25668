/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio device behind mhp-vmemmap-mem: its types, its properties and the
 * verbs that its files offer to each other, in this order only:
 *
 *   pci ▸ device ▸ request ▸ memory ▸ job ▸ block
 *
 * The end of work that took time travels the other way: a job tells memory,
 * memory tells request. Everything runs under the big QEMU lock, so there is
 * no lock here; what a job does in a thread is its own affair.
 */
#ifndef VIRTIO_MHP_H
#define VIRTIO_MHP_H

#include "exec/memory.h"
#include "hw/virtio/virtio.h"
#include "qemu/queue.h"
#include "qom/object.h"
#include "system/hostmem.h"
#include "virtio-mhp-block.h"
#include "virtio-mhp-counters.h"

#include <uapi/linux/virtio_mhp.h>

/* What the user names; the others are inner types */
#define TYPE_MHP_VMEMMAP_MEM "mhp-vmemmap-mem"

#define TYPE_VIRTIO_MHP "virtio-mhp"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMHP, VIRTIO_MHP)

#define TYPE_VIRTIO_MHP_SYSTEM_RESET "virtio-mhp-system-reset"

#define VIRTIO_MHP_MEMDEV_PROP "memdev"
#define VIRTIO_MHP_NODE_PROP "node"
#define VIRTIO_MHP_SLOT_PROP "slot"
#define VIRTIO_MHP_ADDR_PROP "memaddr"
#define VIRTIO_MHP_BLOCK_SIZE_PROP "block-size"
#define VIRTIO_MHP_REQUESTED_SIZE_PROP "requested-size"
#define VIRTIO_MHP_SIZE_PROP "size"
#define VIRTIO_MHP_PREALLOC_PROP "prealloc"
#define VIRTIO_MHP_COMPAT_PROP "compat"
#define VIRTIO_MHP_BALLOON_PROP "balloon"
#define VIRTIO_MHP_DYNAMIC_MEMSLOTS_PROP "dynamic-memslots"
#define VIRTIO_MHP_STUCK_SIZE_PROP "stuck-size"
#define VIRTIO_MHP_STUCK_BLOCKS_PROP "stuck-blocks"
#define VIRTIO_MHP_COUNTERS_PROP "counters"
#define VIRTIO_MHP_SUMMARY_PROP "summary"

/* virtio-mhp-job.c: work on the host's memory that takes time */

typedef struct VirtIOMHPJob VirtIOMHPJob;

/**
 * struct VirtIOMHPWork - part of the region, and what is done with it
 * @offset: where it starts in the region
 * @size: in bytes
 * @populate_all: after it was discarded, back all of it with memory
 * @memmap: or only the memmaps in it, none if this is all zeros
 */
typedef struct VirtIOMHPWork {
    uint64_t offset;
    uint64_t size;
    bool populate_all;
    VirtIOMHPMemmap memmap;
} VirtIOMHPWork;

typedef enum VirtIOMHPJobResult {
    VIRTIO_MHP_JOB_DONE,
    VIRTIO_MHP_JOB_CANNOT_DISCARD,
    VIRTIO_MHP_JOB_CANNOT_POPULATE,
    VIRTIO_MHP_JOB_CANCELLED,
} VirtIOMHPJobResult;

/**
 * enum VirtIOMHPOpKind - what the memory of some blocks goes through
 * @VIRTIO_MHP_OP_NONE: nothing
 * @VIRTIO_MHP_OP_PLUG: it is made ready to be plugged
 * @VIRTIO_MHP_OP_UNPLUG: it is discarded to be unplugged
 * @VIRTIO_MHP_OP_DISCARD: it is discarded after a reset or a failed PLUG
 */
typedef enum VirtIOMHPOpKind {
    VIRTIO_MHP_OP_NONE,
    VIRTIO_MHP_OP_PLUG,
    VIRTIO_MHP_OP_UNPLUG,
    VIRTIO_MHP_OP_DISCARD,
} VirtIOMHPOpKind;

/**
 * struct VirtIOMHPOp - what goes on with the memory
 * @kind: VIRTIO_MHP_OP_*
 * @range: which blocks it is about
 * @is_requested: a request waits for its end
 * @answer: response to that request at the end of a DISCARD
 */
typedef struct VirtIOMHPOp {
    VirtIOMHPOpKind kind;
    VirtIOMHPRange range;
    bool is_requested;
    uint16_t answer;
} VirtIOMHPOp;

/**
 * struct VirtIOMHPRequest - the request that is being carried out
 * @elem: its buffer, NULL if there is none
 * @type: VIRTIO_MHP_REQ_*, or what the driver sent in place of it
 * @start_ns: when it was taken from the queue
 */
typedef struct VirtIOMHPRequest {
    VirtQueueElement *elem;
    uint16_t type;
    int64_t start_ns;
} VirtIOMHPRequest;

/**
 * struct VirtIOMHP - the device
 * @parent_obj: the virtio device
 * @vq: the request queue
 * @memdev: backend whose memory is the region
 * @node: NUMA node of the region
 * @slot: a DIMM's property, for libvirt, which takes us for one
 * @addr: guest-physical address of the region, 0 before it has one
 * @block_size: in bytes, 0 before it is set or chosen
 * @requested_size: how much the driver shall plug, in bytes
 * @compat: name of the device that the guest is shown instead, or NULL
 * @balloon: whether it may have QEMU's balloon handler
 * @prealloc: blocks are backed with memory before they are plugged
 * @blocks: state of each block, from realize to unrealize
 * @memmap: the driver's last MEMMAP request, zeros if there was none
 * @dynamic_memslots: only slots with plugged blocks are mapped
 * @container: what the slots are mapped into, NULL without @dynamic_memslots
 * @memslots: parts of the region
 * @nb_memslots: how many there are
 * @memslot_size: of all but the last, in bytes
 * @listeners: who is told what becomes plugged and unplugged
 * @migration_timer: looks for the end of a migration, for the driver
 * @migration_bitmap: which blocks are plugged, in the form that is sent
 * @migration_bitmap_size: of @migration_bitmap, in bytes
 * @migration_nb_blocks: number of blocks of the region
 * @counters: what the operator is shown
 * @request: what the driver waits for
 * @requests_bh: goes on with the queue, in the main loop
 * @notify_bh: sends events about the plugged size, from the main loop
 * @vm_state: tells when the machine stops and runs
 * @deadline: when the work at hand must let the main loop go on, 0 outside it
 * @is_suspended: the machine is stopped, no request is taken from the queue
 * @op: what goes on with the memory
 * @job: the thread's part of that, NULL if there is none
 * @must_discard_all: a reset waits for the end of @job
 */
struct VirtIOMHP {
    VirtIODevice parent_obj;

    VirtQueue *vq;
    HostMemoryBackend *memdev;
    uint32_t node;
    int32_t slot;
    uint64_t addr;
    uint64_t block_size;
    uint64_t requested_size;
    char *compat;
    OnOffAuto balloon;
    bool prealloc;
    VirtIOMHPBlocks blocks;
    VirtIOMHPMemmap memmap;
    bool dynamic_memslots;
    MemoryRegion *container;
    MemoryRegion *memslots;
    unsigned int nb_memslots;
    uint64_t memslot_size;
    QLIST_HEAD(, RamDiscardListener) listeners;
    QEMUTimer *migration_timer;
    uint8_t *migration_bitmap;
    uint32_t migration_bitmap_size;
    uint32_t migration_nb_blocks;

    VirtIOMHPCounters counters;

    VirtIOMHPRequest request;
    QEMUBH *requests_bh;
    QEMUBH *notify_bh;
    VMChangeStateEntry *vm_state;
    int64_t deadline;
    bool is_suspended;

    VirtIOMHPOp op;
    VirtIOMHPJob *job;
    bool must_discard_all;
};

/* virtio-mhp-check.c: properties, before anything is registered */

/* Exact, in the largest unit that divides it */
char *virtio_mhp_size_text(uint64_t size);
/* The block size that is set, or else the one that fits the backend */
uint64_t virtio_mhp_block_size(const VirtIOMHP *vmhp);
bool virtio_mhp_check_properties(const VirtIOMHP *vmhp, Error **errp);
bool virtio_mhp_check_block_size(uint64_t value, Error **errp);
bool virtio_mhp_check_requested_size(const VirtIOMHP *vmhp, uint64_t value,
                                     Error **errp);
/* Whether the guest is shown a virtio-mem; after the check of properties */
bool virtio_mhp_is_virtio_mem(const VirtIOMHP *vmhp);
bool virtio_mhp_check_machine(DeviceState *proxy, Error **errp);
bool virtio_mhp_has_numa_nodes(void);

/* virtio-mhp-job.c: work on the host's memory that takes time */

/* @err says why the result is VIRTIO_MHP_JOB_CANNOT_POPULATE */
typedef void VirtIOMHPJobEnded(VirtIOMHP *vmhp, VirtIOMHPJobResult result,
                               const Error *err);

/*
 * Work until @deadline (of QEMU_CLOCK_REALTIME) and let a thread do the rest.
 * True if there is none: @ended was called. If there is, it is called later,
 * and the device has a @job until then.
 */
bool virtio_mhp_job_start(VirtIOMHP *vmhp, const VirtIOMHPWork *work,
                          int64_t deadline, VirtIOMHPJobEnded *ended);
/* End it soon, maybe with VIRTIO_MHP_JOB_CANCELLED; does not wait */
void virtio_mhp_job_cancel(VirtIOMHPJob *job);
/* End the device's job, if there is one, and wait; nobody is told */
void virtio_mhp_job_drop(VirtIOMHP *vmhp);

/* virtio-mhp-memory.c: what is done with the memory of the host */

bool virtio_mhp_memory_discard_all(VirtIOMHP *vmhp, Error **errp);
/* Each ends with virtio_mhp_request_done(), before or after it returns */
void virtio_mhp_memory_plug(VirtIOMHP *vmhp, const VirtIOMHPRange *range);
void virtio_mhp_memory_unplug(VirtIOMHP *vmhp, const VirtIOMHPRange *range);
void virtio_mhp_memory_unplug_all(VirtIOMHP *vmhp);
/* Tell the operator; after each change of how much is plugged */
void virtio_mhp_memory_notify_size(VirtIOMHP *vmhp);
void virtio_mhp_memory_notify_init(VirtIOMHP *vmhp);
void virtio_mhp_memory_notify_cleanup(VirtIOMHP *vmhp);
/* Unplug all at once and without being asked; the request must be gone */
void virtio_mhp_memory_reset(VirtIOMHP *vmhp);
/* The same before other contents are loaded; discards nothing */
void virtio_mhp_memory_drop(VirtIOMHP *vmhp);
/*
 * Nobody waits for the end of the request any more. Blocks that were being
 * unplugged are unplugged from now on, blocks that were being plugged are not.
 */
void virtio_mhp_memory_abandon(VirtIOMHP *vmhp);

/* virtio-mhp-discard.c: who else on the host uses the guest's memory */

/* Before the blocks become plugged; false if one refused and none knows */
bool virtio_mhp_listeners_plug(VirtIOMHP *vmhp, const VirtIOMHPRange *range);
/* Before those blocks of the range that are plugged become unplugged */
void virtio_mhp_listeners_unplug(VirtIOMHP *vmhp, const VirtIOMHPRange *range);
/* After all of @blocks has been replaced */
bool virtio_mhp_listeners_plug_again(VirtIOMHP *vmhp);
void virtio_mhp_listeners_class_init(ObjectClass *klass);

/* virtio-mhp-memslots.c: how much of the region the machine maps */

/* What the machine maps: the backend's region, or what the slots go into */
MemoryRegion *virtio_mhp_memslots_region(VirtIOMHP *vmhp);
void virtio_mhp_memslots_decide(VirtIOMHP *vmhp, unsigned int limit);
unsigned int virtio_mhp_memslots_count(const VirtIOMHP *vmhp);
void virtio_mhp_memslots_realize(VirtIOMHP *vmhp);
void virtio_mhp_memslots_finalize(VirtIOMHP *vmhp);
/* Before blocks become plugged, after they became unplugged, after loading */
void virtio_mhp_memslots_map(VirtIOMHP *vmhp, const VirtIOMHPRange *range);
void virtio_mhp_memslots_unmap_unused(VirtIOMHP *vmhp,
                                      const VirtIOMHPRange *range);
void virtio_mhp_memslots_map_plugged(VirtIOMHP *vmhp);

/* virtio-mhp-migration.c: migration and snapshots */

/* Whether one is under way, on either side */
bool virtio_mhp_migration_is_on(void);
/* The same, when the driver wants a change; tells the driver when it is over */
bool virtio_mhp_migration_forbids_change(VirtIOMHP *vmhp);
/* Whether what is asked of this side would not reach the guest */
bool virtio_mhp_migration_guest_left(Error **errp);
bool virtio_mhp_migration_guest_awaited(Error **errp);
/* From the one to the other, the device can be migrated */
void virtio_mhp_migration_add(VirtIOMHP *vmhp);
void virtio_mhp_migration_remove(VirtIOMHP *vmhp);
void virtio_mhp_migration_class_init(ObjectClass *klass);

/* virtio-mhp-request.c: the virtqueue */

void virtio_mhp_handle_requests(VirtIODevice *vdev, VirtQueue *vq);
/* Answer the request that virtio-mhp-memory.c was given */
void virtio_mhp_request_done(VirtIOMHP *vmhp, uint16_t type);
/* Go on with the queue if nothing is going on */
void virtio_mhp_requests_continue(VirtIOMHP *vmhp);
/* The driver has forgotten its requests */
void virtio_mhp_requests_forget(VirtIOMHP *vmhp);
/*
 * Leave no request half done: an UNPLUG is answered, a PLUG goes back into
 * the queue. For whoever is about to look at all of the device's state.
 */
void virtio_mhp_requests_settle(VirtIOMHP *vmhp);
void virtio_mhp_requests_init(VirtIOMHP *vmhp);
void virtio_mhp_requests_cleanup(VirtIOMHP *vmhp);

/* virtio-mhp-reset.c: the system reset */

/* From the one to the other, system resets unplug the device's memory */
void virtio_mhp_system_reset_add(VirtIOMHP *vmhp);
void virtio_mhp_system_reset_remove(VirtIOMHP *vmhp);
void virtio_mhp_system_reset_register_type(void);

/* virtio-mhp-properties.c: what the operator reads and changes */

void virtio_mhp_add_properties(ObjectClass *klass);
/* Check it and tell the driver (DEV-CFG-3) */
void virtio_mhp_change_requested_size(VirtIOMHP *vmhp, uint64_t value,
                                      Error **errp);

/* virtio-mhp-counters.c: what happened so far */

/* Read-only properties: a struct of numbers, and lines for people */
void virtio_mhp_get_counters(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp);
void virtio_mhp_get_summary(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp);

/* virtio-mhp-balloon.c: QMP's balloon commands */

bool virtio_mhp_balloon_check(const VirtIOMHP *vmhp, Error **errp);
/* From the one to the other, the device may have the balloon handler */
void virtio_mhp_balloon_add(VirtIOMHP *vmhp);
void virtio_mhp_balloon_remove(VirtIOMHP *vmhp);
bool virtio_mhp_balloon_is_owner(const VirtIOMHP *vmhp);
/* Whether a change is told by the balloon's event and by no other */
bool virtio_mhp_balloon_is_only_event(const VirtIOMHP *vmhp);
/* Send the event */
void virtio_mhp_balloon_notify(const VirtIOMHP *vmhp);

/* virtio-mhp.c: the device */

/* All that can be said before anything is taken */
bool virtio_mhp_check(const VirtIOMHP *vmhp, Error **errp);
void virtio_mhp_check_unplug_request(const VirtIOMHP *vmhp, Error **errp);
void virtio_mhp_fill_device_info(const VirtIOMHP *vmhp,
                                 VirtioMEMDeviceInfo *info);
void virtio_mhp_register_type(void);

/* virtio-mhp-pci.c: the PCI device that the user adds */

void virtio_mhp_pci_register_types(void);

/* plugin-ids.c: in place of what QEMU's own tables would hold */

void virtio_mhp_init_vdev(VirtIODevice *vdev);
void virtio_mhp_set_pci_device_id(DeviceState *proxy, bool is_virtio_mem);

#endif
