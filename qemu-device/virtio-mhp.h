/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio device behind mhp-vmemmap-mem: its types, its properties and the
 * verbs that its files offer to each other. A file uses those before it in this
 * list and no others; tests/static/layers.sh reads it.
 *
 *   virtio-mhp-block.c       which blocks are plugged, which are stuck; memmaps
 *   virtio-mhp-cgroup-dir.c  where QEMU's control groups are
 *   virtio-mhp-cgroup.c      room in QEMU's control group
 *   virtio-mhp-counters.c    counting
 *   plugin-ids.c             the virtio device's ID
 *   virtio-mhp-check.c       whether a property is right
 *   virtio-mhp-busy.c        migrations forbid changes; who hears of their end
 *   virtio-mhp-size.c        how much the guest may plug, and telling it
 *   virtio-mhp-job.c         discarding and backing memory, piece by piece
 *   virtio-mhp-worker.c      the thread that does it
 *   virtio-mhp-rdm.c         who else on the host uses the guest's memory
 *   virtio-mhp-memslots.c    how much of the region the machine maps
 *   virtio-mhp-op.c          one operation on the memory at a time
 *   virtio-mhp-pending.c     what is done in the background
 *   virtio-mhp-memory.c      plugging and unplugging
 *   virtio-mhp-reclaim.c     discarding memory that stays the guest's
 *   virtio-mhp-queue.c       the request queue: take, check the shape, answer
 *   virtio-mhp-request.c     what each request means
 *   virtio-mhp-stats.c       figures of the guest's memory
 *   virtio-mhp-report.c      free page reporting
 *   virtio-mhp-reset.c       the system reset
 *   virtio-mhp-common.c      what both sides of a migration have in common
 *   virtio-mhp-vmstate.c     migration and snapshots
 *   virtio-mhp-balloon.c     QMP's balloon commands
 *   virtio-mhp-event.c       which event tells of a change
 *   virtio-mhp-show.c        counters, for programs and for people
 *   virtio-mhp-properties.c  what the operator reads and changes
 *   virtio-mhp.c             the device, from realize to unrealize
 *   virtio-mhp-pci.c         the PCI device that the user adds
 *   virtio-mhp-no-balloon.c  stands for a balloon, and is none
 *   module.c                 the plugin
 *
 * What goes the other way are callbacks and notifiers. Everything runs under
 * the big QEMU lock, so there is no lock here but the worker's;
 * virtio-mhp-rdm.c says why it may answer the threads of a migration without
 * it.
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
#include "virtio-mhp-memory.h"
#include "virtio-mhp-queue.h"
#include "virtio-mhp-report.h"
#include "virtio-mhp-stats.h"

#include <uapi/linux/virtio_mhp.h>

/* What the user names; the others are inner types */
#define TYPE_MHP_VMEMMAP_MEM "mhp-vmemmap-mem"

#define TYPE_VIRTIO_MHP "virtio-mhp"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOMHP, VIRTIO_MHP)

#define TYPE_VIRTIO_MHP_SYSTEM_RESET "virtio-mhp-system-reset"

/* What libvirt's memballoon is overridden with */
#define TYPE_MHP_NO_BALLOON "mhp-no-balloon"

#define VIRTIO_MHP_MEMDEV_PROP "memdev"
#define VIRTIO_MHP_NODE_PROP "node"
#define VIRTIO_MHP_SLOT_PROP "slot"
#define VIRTIO_MHP_ADDR_PROP "memaddr"
#define VIRTIO_MHP_BLOCK_SIZE_PROP "block-size"
#define VIRTIO_MHP_REQUESTED_SIZE_PROP "requested-size"
#define VIRTIO_MHP_SIZE_PROP "size"
#define VIRTIO_MHP_PENDING_DISCARD_SIZE_PROP "pending-discard-size"
#define VIRTIO_MHP_PREALLOC_PROP "prealloc"
#define VIRTIO_MHP_COMPAT_PROP "compat"
#define VIRTIO_MHP_BALLOON_PROP "balloon"
#define VIRTIO_MHP_DYNAMIC_MEMSLOTS_PROP "dynamic-memslots"
#define VIRTIO_MHP_MEMMAP_ON_BLOCK_PROP "memmap-on-block"
#define VIRTIO_MHP_STATUS_PROP "status"
#define VIRTIO_MHP_STATS_PROP "stats"
#define VIRTIO_MHP_REPORTING_PROP "free-page-reporting"
#define VIRTIO_MHP_PRESSURE_PROP "pressure"
#define VIRTIO_MHP_PRESSURE_SIZE_PROP "pressure-size"
#define VIRTIO_MHP_PRESSURE_PLUGGED_PROP "pressure-plugged"
#define VIRTIO_MHP_UNIT_SIZE_PROP "unit-size"
#define VIRTIO_MHP_STUCK_SIZE_PROP "stuck-size"
#define VIRTIO_MHP_STUCK_BLOCKS_PROP "stuck-blocks"
#define VIRTIO_MHP_COUNTERS_PROP "counters"
#define VIRTIO_MHP_SUMMARY_PROP "summary"
/* virtio-balloon's names */
#define VIRTIO_MHP_GUEST_STATS_PROP "guest-stats"
#define VIRTIO_MHP_STATS_INTERVAL_PROP "guest-stats-polling-interval"
/* A link to the device itself, of the type that libvirt looks for */
#define VIRTIO_MHP_BALLOON_STATS_PROP "balloon-stats"

/**
 * struct VirtIOMHPMemslots - what the machine maps; see virtio-mhp-memslots.c
 * @container: what the slots are mapped into, NULL without dynamic-memslots
 * @slots: parts of the region
 * @nb_slots: how many there are
 * @slot_size: of all but the last, in bytes
 */
typedef struct VirtIOMHPMemslots {
    MemoryRegion *container;
    MemoryRegion *slots;
    unsigned int nb_slots;
    uint64_t slot_size;
} VirtIOMHPMemslots;

/**
 * struct VirtIOMHP - the device
 * @parent_obj: the virtio device
 * @memdev: backend whose memory is the region
 * @node: NUMA node of the region
 * @slot: a DIMM's property, for libvirt, which takes us for one
 * @addr: guest-physical address of the region, 0 before it has one
 * @block_size: in bytes, 0 before it is set or chosen
 * @requested_size: how much the driver shall plug, in bytes
 * @pressure_size: how much more it may, in bytes
 * @compat: name of the device that the guest is shown instead, or NULL
 * @balloon: whether it may have QEMU's balloon handler
 * @free_page_reporting: whether what the guest has no use for is discarded
 * @prealloc: blocks are backed with memory before they are plugged
 * @dynamic_memslots: only slots with plugged blocks are mapped
 * @features: of its own, bits of all that are not turned off
 * @blocks: state of each block, from realize to unrealize
 * @memmap: the driver's last MEMMAP request, zeros if there was none
 * @counters: what the operator is shown
 * @rdm_listeners: who is told what becomes plugged and unplugged
 * @memslots: what the machine maps
 * @op: what goes on with the memory
 * @pending: what is to be done in the background
 * @memory: plugging and unplugging
 * @queue: the request queue
 * @stats: what the guest tells of its memory
 * @report: what it has no use for
 * @busy.timer: looks for the end of a migration
 * @busy.is_awaited: somebody waits for it
 * @busy.over_notifiers: told of it, after the driver
 * @busy.vm_state: tells when the machine runs
 * @vmstate.bitmap: which blocks are plugged, in the form that is sent
 * @vmstate.bitmap_size: of that, in bytes
 * @vmstate.nb_blocks: number of blocks of the region
 * @vmstate.memmap: what @memmap was when the bitmap was sent
 * @event.bh: sends events about the plugged size, from the main loop
 * @event.size_changed: tells of its change
 */
struct VirtIOMHP {
    VirtIODevice parent_obj;

    HostMemoryBackend *memdev;
    uint32_t node;
    int32_t slot;
    uint64_t addr;
    uint64_t block_size;
    uint64_t requested_size;
    uint64_t pressure_size;
    char *compat;
    OnOffAuto balloon;
    OnOffAuto free_page_reporting;
    bool prealloc;
    bool dynamic_memslots;
    uint64_t features;

    VirtIOMHPBlocks blocks;
    VirtIOMHPMemmap memmap;
    VirtIOMHPCounters counters;
    QLIST_HEAD(, RamDiscardListener) rdm_listeners;
    VirtIOMHPMemslots memslots;
    VirtIOMHPOp op;
    VirtIOMHPPending pending;
    VirtIOMHPMemory memory;
    VirtIOMHPQueue queue;
    VirtIOMHPStats stats;
    VirtIOMHPReport report;
    struct {
        QEMUTimer *timer;
        bool is_awaited;
        NotifierList over_notifiers;
        VMChangeStateEntry *vm_state;
    } busy;
    struct {
        uint8_t *bitmap;
        uint32_t bitmap_size;
        uint32_t nb_blocks;
        VirtIOMHPMemmap memmap;
    } vmstate;
    struct {
        QEMUBH *bh;
        Notifier size_changed;
    } event;
};

/* plugin-ids.c: in place of what QEMU's own tables would hold */

void virtio_mhp_init_vdev(VirtIODevice *vdev, size_t config_size);
void virtio_mhp_set_pci_device_id(DeviceState *proxy, bool is_virtio_mem);

/* virtio-mhp-check.c: properties, before anything is registered */

/* Exact, in the largest unit that divides it */
char *virtio_mhp_size_text(uint64_t size);
const char *virtio_mhp_memdev_id(const VirtIOMHP *vmhp);
/* The block size that is set, or else the one that fits the backend */
uint64_t virtio_mhp_block_size(const VirtIOMHP *vmhp);
bool virtio_mhp_check_properties(const VirtIOMHP *vmhp, Error **errp);
bool virtio_mhp_check_block_size(uint64_t value, Error **errp);
/* Whether the guest is shown a virtio-mem; after the check of properties */
bool virtio_mhp_is_virtio_mem(const VirtIOMHP *vmhp);
bool virtio_mhp_check_machine(DeviceState *proxy, Error **errp);
bool virtio_mhp_has_numa_nodes(void);

/* virtio-mhp-busy.c: while the guest is being moved or saved */

/* Whether it is, on either side */
bool virtio_mhp_is_busy(void);
/*
 * Tell the driver and busy.over_notifiers when it is over and the guest is on
 * this side; soon, if it is
 */
void virtio_mhp_busy_watch(VirtIOMHP *vmhp);
/* Whether the driver must hear BUSY; it is told when that is over */
bool virtio_mhp_busy_for_driver(VirtIOMHP *vmhp);
/* Whether a system reset, which begins, must leave the memory alone */
bool virtio_mhp_busy_for_reset(void);
/* Whether a change of a property here would reach the guest, true if so */
bool virtio_mhp_busy_check_not_left(const char *property, Error **errp);
void virtio_mhp_busy_init(VirtIOMHP *vmhp);
void virtio_mhp_busy_cleanup(VirtIOMHP *vmhp);

/* virtio-mhp-size.c: how much the guest may plug */

/* What a PLUG may bring the plugged size to at most, in bytes */
uint64_t virtio_mhp_size_limit(const VirtIOMHP *vmhp);
/* What is plugged beyond what is requested, and within that limit */
uint64_t virtio_mhp_size_on_pressure(const VirtIOMHP *vmhp);
/* After the check of properties */
bool virtio_mhp_pressure_is_offered(const VirtIOMHP *vmhp);
bool virtio_mhp_size_check(const VirtIOMHP *vmhp, Error **errp);
/* Change a size and tell the driver (DEV-CFG-3); false on an error */
bool virtio_mhp_size_change(VirtIOMHP *vmhp, uint64_t value, Error **errp);
bool virtio_mhp_size_change_pressure(VirtIOMHP *vmhp, uint64_t value,
                                     Error **errp);

/* virtio-mhp-rdm.c: who else on the host uses the guest's memory */

/* Before the blocks become plugged; false if one refused and none knows */
bool virtio_mhp_rdm_plug(VirtIOMHP *vmhp, const VirtIOMHPRange *range);
/* Before those blocks of the range that are plugged become unplugged */
void virtio_mhp_rdm_unplug(VirtIOMHP *vmhp, const VirtIOMHPRange *range);
/* From the one to the other, all may ask: the blocks must be there */
void virtio_mhp_rdm_publish(VirtIOMHP *vmhp);
void virtio_mhp_rdm_withdraw(VirtIOMHP *vmhp);
void virtio_mhp_rdm_class_init(ObjectClass *klass);

/* virtio-mhp-memslots.c: how much of the region the machine maps */

/* What the machine maps: the backend's region, or what the slots go into */
MemoryRegion *virtio_mhp_memslots_region(VirtIOMHP *vmhp);
void virtio_mhp_memslots_decide(VirtIOMHP *vmhp, unsigned int limit);
unsigned int virtio_mhp_memslots_count(const VirtIOMHP *vmhp);
void virtio_mhp_memslots_realize(VirtIOMHP *vmhp);
void virtio_mhp_memslots_unrealize(VirtIOMHP *vmhp);
void virtio_mhp_memslots_finalize(VirtIOMHP *vmhp);
/* Before blocks become plugged and listeners hear of it; after unplugging */
void virtio_mhp_memslots_map(VirtIOMHP *vmhp, const VirtIOMHPRange *range);
void virtio_mhp_memslots_unmap_unused(VirtIOMHP *vmhp,
                                      const VirtIOMHPRange *range);

/* virtio-mhp-reclaim.c: discarding memory that stays the guest's */

/* Why memory of this backend is always kept, NULL if it is not */
const char *virtio_mhp_reclaim_why_not(HostMemoryBackend *memdev);
/*
 * Discard the start of *@size bytes at guest-physical @addr, or keep it: false
 * then. *@size becomes how far that goes.
 */
bool virtio_mhp_reclaim(VirtIOMHP *vmhp, uint64_t addr, uint64_t *size);

/* virtio-mhp-request.c: what each request means */

extern const VirtIOMHPQueueHandlers virtio_mhp_request_handlers;
/* What the counters of a type are called; the last is for unknown types */
const char *virtio_mhp_request_name(unsigned int index);

/* virtio-mhp-stats.c: figures of the guest's memory */

/* After the check of properties */
bool virtio_mhp_stats_is_offered(const VirtIOMHP *vmhp);
void virtio_mhp_stats_init(VirtIOMHP *vmhp);
void virtio_mhp_stats_cleanup(VirtIOMHP *vmhp);
/* There is no driver any more */
void virtio_mhp_stats_forget(VirtIOMHP *vmhp);
/* The guest was moved here, or is another one than before */
void virtio_mhp_stats_go_on(VirtIOMHP *vmhp);
void virtio_mhp_get_stats(Object *obj, Visitor *v, const char *name,
                          void *opaque, Error **errp);
void virtio_mhp_get_stats_interval(Object *obj, Visitor *v, const char *name,
                                   void *opaque, Error **errp);
void virtio_mhp_set_stats_interval(Object *obj, Visitor *v, const char *name,
                                   void *opaque, Error **errp);

/* virtio-mhp-report.c: free page reporting */

/* After the check of properties */
bool virtio_mhp_report_is_offered(const VirtIOMHP *vmhp);
/* Of that property, after the others: whether it can be as it must */
bool virtio_mhp_report_check(const VirtIOMHP *vmhp, Error **errp);
void virtio_mhp_report_init(VirtIOMHP *vmhp);
void virtio_mhp_report_cleanup(VirtIOMHP *vmhp);
/* The driver has forgotten its report */
void virtio_mhp_report_forget(VirtIOMHP *vmhp);
/* The same if it was in this queue */
void virtio_mhp_report_reset_queue(VirtIOMHP *vmhp, uint32_t index);

/* virtio-mhp-reset.c: the system reset */

/* From the one to the other, system resets unplug the device's memory */
void virtio_mhp_system_reset_add(VirtIOMHP *vmhp);
void virtio_mhp_system_reset_remove(VirtIOMHP *vmhp);
void virtio_mhp_system_reset_register_type(void);

/* virtio-mhp-common.c: what both sides of a migration have in common */

/**
 * struct VirtIOMHPCommon - what both sides of a migration have in common
 * @parent: the device
 * @addr: guest-physical address of the region
 * @region_size: size of the region
 * @block_size: size of a block
 * @node: NUMA node of the region
 * @device_id: virtio's ID of the device that the guest sees
 * @features: features that the device offers
 */
typedef struct VirtIOMHPCommon {
    VirtIOMHP *parent;
    uint64_t addr;
    uint64_t region_size;
    uint64_t block_size;
    uint32_t node;
    uint32_t device_id;
    uint64_t features;
} VirtIOMHPCommon;

/* Made for the moment from what the device is, and compared with it */
extern const VMStateDescription virtio_mhp_vmstate_common;

/* virtio-mhp-vmstate.c: migration and snapshots */

/* From the one to the other, the device can be migrated */
void virtio_mhp_vmstate_add(VirtIOMHP *vmhp);
void virtio_mhp_vmstate_remove(VirtIOMHP *vmhp);
void virtio_mhp_vmstate_class_init(ObjectClass *klass);

/* virtio-mhp-balloon.c: QMP's balloon commands */

bool virtio_mhp_balloon_check(const VirtIOMHP *vmhp, Error **errp);
/* From the one to the other, the device may have the balloon handler */
void virtio_mhp_balloon_add(VirtIOMHP *vmhp);
void virtio_mhp_balloon_remove(VirtIOMHP *vmhp);
/*
 * Give the handler up if a migration or a snapshot has brought a virtio-balloon
 * that holds memory. Before anything that depends on whose it is.
 */
void virtio_mhp_balloon_look(void);
bool virtio_mhp_balloon_is_owner(const VirtIOMHP *vmhp);
/* Whether a change is told by the balloon's event and by no other */
bool virtio_mhp_balloon_is_only_event(const VirtIOMHP *vmhp);
/* Send the event */
void virtio_mhp_balloon_notify(const VirtIOMHP *vmhp);

/* virtio-mhp-event.c: which event tells of a change */

void virtio_mhp_event_init(VirtIOMHP *vmhp);
void virtio_mhp_event_cleanup(VirtIOMHP *vmhp);

/* virtio-mhp-show.c: read-only properties that show the counters */

void virtio_mhp_get_counters(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp);
void virtio_mhp_get_summary(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp);

/* virtio-mhp-properties.c: what the operator reads and changes */

void virtio_mhp_add_properties(ObjectClass *klass);

/* virtio-mhp.c: the device */

/* All that can be said before anything is taken */
bool virtio_mhp_check(const VirtIOMHP *vmhp, Error **errp);
void virtio_mhp_check_unplug_request(const VirtIOMHP *vmhp, Error **errp);
void virtio_mhp_fill_device_info(const VirtIOMHP *vmhp,
                                 VirtioMEMDeviceInfo *info);
void virtio_mhp_register_type(void);

/* virtio-mhp-pci.c: the PCI device that the user adds */

void virtio_mhp_pci_register_types(void);

/* virtio-mhp-no-balloon.c: stands for a balloon, and is none */

void virtio_mhp_no_balloon_register_type(void);

#endif
