/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balloon handler: who asks QEMU for a balloon size gets memory plugged or
 * unplugged. QEMU has room for one handler, so that one device has it at most.
 *
 * The order of devices is that in which they were realized; one with
 * balloon=on goes before those with balloon=auto. The first one has the
 * handler; the list below is the only place where that is decided. What a
 * virtio-balloon had registered is put back when the last device goes.
 *
 * A virtio-balloon that holds memory keeps the handler: nobody else could ask
 * it for that memory, and giving it back is not for this device to decide.
 */
#include "qemu/osdep.h"
#include "hw/boards.h"
#include "hw/qdev-core.h"
#include "hw/virtio/virtio-balloon.h"
#include "qapi/error.h"
#include "qapi/qapi-events-machine.h"
#include "qapi/qapi-types-machine.h"
#include "qemu/error-report.h"
#include "system/balloon.h"
#include "system/system.h"
#include "virtio-mhp.h"

#define VIRTIO_BALLOON_PAGE_SIZE 4096

/* Devices that may have the handler, the first one first */
static GSList *virtio_mhp_balloons;
/* Which of them has it */
static VirtIOMHP *virtio_mhp_balloon_owner;
/* A virtio-balloon had it before, and will have it again */
static bool virtio_mhp_balloon_is_taken;

bool virtio_mhp_balloon_is_owner(const VirtIOMHP *vmhp)
{
    return vmhp == virtio_mhp_balloon_owner;
}

/*
 * With balloon=auto and no virtio-balloon nobody need know that there is a
 * balloon: whoever follows memory devices hears of this one as of any other.
 */
bool virtio_mhp_balloon_is_only_event(const VirtIOMHP *vmhp)
{
    return virtio_mhp_balloon_is_owner(vmhp) &&
           (vmhp->balloon == ON_OFF_AUTO_ON || virtio_mhp_balloon_is_taken);
}

/* Without this device, as virtio-balloon counts it */
static uint64_t virtio_mhp_balloon_boot_size(void)
{
    const MachineState *ms = MACHINE(qdev_get_machine());

    return ms->ram_size +
           (ms->device_memory ? ms->device_memory->dimm_size : 0);
}

static uint64_t virtio_mhp_balloon_actual(const VirtIOMHP *vmhp)
{
    return virtio_mhp_balloon_boot_size() +
           virtio_mhp_blocks_plugged_size(&vmhp->blocks);
}

static VirtIOBalloon *virtio_mhp_balloon_find_other(void)
{
    Object *obj = object_resolve_path_type("", TYPE_VIRTIO_BALLOON, NULL);

    return obj ? VIRTIO_BALLOON(obj) : NULL;
}

static void virtio_mhp_balloon_other_stat(void *opaque, BalloonInfo *info)
{
    const VirtIOBalloon *other = opaque;

    info->actual = virtio_mhp_balloon_boot_size() -
                   (uint64_t)other->actual * VIRTIO_BALLOON_PAGE_SIZE;
}

static void virtio_mhp_balloon_other_to_target(void *opaque, ram_addr_t target)
{
    VirtIOBalloon *other = opaque;
    const uint64_t size = virtio_mhp_balloon_boot_size();

    other->num_pages = (size - MIN(target, size)) / VIRTIO_BALLOON_PAGE_SIZE;
    virtio_notify_config(VIRTIO_DEVICE(other));
}

/* What the guest has put into it may be less, or not have come out yet. */
static bool virtio_mhp_balloon_check_other(const VirtIOBalloon *other,
                                           Error **errp)
{
    const uint64_t pages = MAX(other->num_pages, other->actual);

    if (pages) {
        g_autofree char *got = virtio_mhp_size_text(pages *
                                                    VIRTIO_BALLOON_PAGE_SIZE);

        error_setg(
            errp,
            "property 'balloon' wants a virtio-balloon that holds no memory, got one that holds %s",
            got);
        return false;
    }
    return true;
}

/* Its functions are its own, so these do what they did. */
static void virtio_mhp_balloon_give_to_other(void)
{
    VirtIOBalloon *other = virtio_mhp_balloon_find_other();

    if (other && virtio_mhp_balloon_is_taken) {
        qemu_add_balloon_handler(virtio_mhp_balloon_other_to_target,
                                 virtio_mhp_balloon_other_stat, other);
    }
    virtio_mhp_balloon_is_taken = false;
}

static void virtio_mhp_balloon_warn_of_other(Error *err)
{
    warn_reportf_err(err,
                     "virtio-mhp: the balloon commands go to another device: ");
}

/*
 * It is this device's while the virtio-balloon is told to hold nothing, and
 * only a migration or a snapshot can have changed that. What the virtio-balloon
 * says that it has does not count: the guest could take the handler away by it.
 */
void virtio_mhp_balloon_look(void)
{
    /* Finding it takes time, and each change of size asks. */
    const VirtIOBalloon *other = virtio_mhp_balloon_is_taken
                                     ? virtio_mhp_balloon_find_other()
                                     : NULL;
    Error *err = NULL;

    if (other && other->num_pages) {
        virtio_mhp_balloon_check_other(other, &err);
        virtio_mhp_balloon_warn_of_other(err);
        qemu_remove_balloon_handler(virtio_mhp_balloon_owner);
        virtio_mhp_balloon_owner = NULL;
        virtio_mhp_balloon_give_to_other();
    }
}

void virtio_mhp_balloon_notify(const VirtIOMHP *vmhp)
{
    qapi_event_send_balloon_change(virtio_mhp_balloon_actual(vmhp));
}

static void virtio_mhp_balloon_stat(void *opaque, BalloonInfo *info)
{
    virtio_mhp_balloon_look();
    if (virtio_mhp_balloon_is_owner(opaque)) {
        info->actual = virtio_mhp_balloon_actual(opaque);
    } else {
        virtio_mhp_balloon_other_stat(virtio_mhp_balloon_find_other(), info);
    }
}

/* The handler cannot fail: what it takes another size for, it says. */
static uint64_t virtio_mhp_balloon_clamp(const VirtIOMHP *vmhp, uint64_t target)
{
    const uint64_t min = virtio_mhp_balloon_boot_size();
    const uint64_t max = min + memory_region_size(&vmhp->memdev->mr);
    uint64_t size = MAX(MIN(target, max), min);

    size = min + QEMU_ALIGN_DOWN(size - min, vmhp->block_size);
    if (size != target) {
        g_autofree char *block = virtio_mhp_size_text(vmhp->block_size);
        g_autofree char *from = virtio_mhp_size_text(min);
        g_autofree char *to = virtio_mhp_size_text(max);
        g_autofree char *got = virtio_mhp_size_text(target);
        g_autofree char *took = virtio_mhp_size_text(size);

        warn_report(
            "virtio-mhp: the balloon wants %s to %s by steps of %s, got %s, which is taken as %s",
            from, to, block, got, took);
    }
    return size - min;
}

static void virtio_mhp_balloon_to_target(void *opaque, ram_addr_t target)
{
    VirtIOMHP *vmhp = opaque;
    Error *err = NULL;

    virtio_mhp_balloon_look();
    if (!virtio_mhp_balloon_is_owner(vmhp)) {
        virtio_mhp_balloon_other_to_target(virtio_mhp_balloon_find_other(),
                                           target);
    } else if (!virtio_mhp_size_change(
                   vmhp, virtio_mhp_balloon_clamp(vmhp, target), &err)) {
        warn_reportf_err(err, "virtio-mhp: the balloon stays as it is: ");
    }
}

/* It lets go of the handler by its own address, as it would when it goes. */
static bool virtio_mhp_balloon_take_from_other(Error **errp)
{
    VirtIOBalloon *other = virtio_mhp_balloon_find_other();

    if (other && !virtio_mhp_balloon_check_other(other, errp)) {
        return false;
    }
    if (other) {
        qemu_remove_balloon_handler(other);
        virtio_mhp_balloon_is_taken = true;
    }
    return true;
}

/* Let the first device have the handler, or say why it cannot. */
static bool virtio_mhp_balloon_update(Error **errp)
{
    VirtIOMHP *first = virtio_mhp_balloons ? virtio_mhp_balloons->data : NULL;
    const bool had_owner = virtio_mhp_balloon_owner;

    if (first == virtio_mhp_balloon_owner) {
        return true;
    }
    if (had_owner) {
        qemu_remove_balloon_handler(virtio_mhp_balloon_owner);
    } else if (!virtio_mhp_balloon_take_from_other(errp)) {
        return false;
    }
    virtio_mhp_balloon_owner = NULL;
    if (!first) {
        virtio_mhp_balloon_give_to_other();
        return true;
    }
    if (qemu_add_balloon_handler(virtio_mhp_balloon_to_target,
                                 virtio_mhp_balloon_stat, first)) {
        error_setg(
            errp,
            "property 'balloon' wants QEMU's balloon handler, got none, because a device of another kind has it");
        return false;
    }
    virtio_mhp_balloon_owner = first;
    if (had_owner) {
        virtio_mhp_balloon_notify(first);
    }
    return true;
}

/* When all devices of the command line are there, a virtio-balloon included */
static void virtio_mhp_balloon_machine_done(Notifier *notifier, void *data)
{
    Error *err = NULL;

    if (!virtio_mhp_balloon_update(&err)) {
        /* Too late to refuse the device, or not worth it */
        virtio_mhp_balloon_warn_of_other(err);
    }
}

static gint virtio_mhp_balloon_compare(gconstpointer a, gconstpointer b)
{
    const bool a_is_on = ((const VirtIOMHP *)a)->balloon == ON_OFF_AUTO_ON;
    const bool b_is_on = ((const VirtIOMHP *)b)->balloon == ON_OFF_AUTO_ON;

    /* Never 0 for what comes later, so that the first stays the first. */
    return a_is_on && !b_is_on ? -1 : 1;
}

bool virtio_mhp_balloon_check(const VirtIOMHP *vmhp, Error **errp)
{
    const VirtIOMHP *first = virtio_mhp_balloons ? virtio_mhp_balloons->data
                                                 : NULL;
    const VirtIOBalloon *other = virtio_mhp_balloon_owner
                                     ? NULL
                                     : virtio_mhp_balloon_find_other();

    if (vmhp->balloon != ON_OFF_AUTO_ON) {
        return true;
    }
    if (first && first->balloon == ON_OFF_AUTO_ON) {
        error_setg(
            errp,
            "property 'balloon' wants to be 'on' for one device, got it for a second one");
        return false;
    }
    return !other || virtio_mhp_balloon_check_other(other, errp);
}

void virtio_mhp_balloon_add(VirtIOMHP *vmhp)
{
    static Notifier notifier = {.notify = virtio_mhp_balloon_machine_done};
    static bool has_notifier;

    if (vmhp->balloon == ON_OFF_AUTO_OFF) {
        return;
    }
    virtio_mhp_balloons = g_slist_insert_sorted(virtio_mhp_balloons, vmhp,
                                                virtio_mhp_balloon_compare);
    if (!has_notifier) {
        /* It is called at once where the machine is done. */
        has_notifier = true;
        qemu_add_machine_init_done_notifier(&notifier);
    } else if (phase_check(PHASE_MACHINE_READY)) {
        virtio_mhp_balloon_machine_done(&notifier, NULL);
    }
}

void virtio_mhp_balloon_remove(VirtIOMHP *vmhp)
{
    virtio_mhp_balloons = g_slist_remove(virtio_mhp_balloons, vmhp);
    if (virtio_mhp_balloon_is_owner(vmhp)) {
        virtio_mhp_balloon_update(NULL);
    }
}
