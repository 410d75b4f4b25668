/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balloon handler: who asks QEMU for a balloon size gets memory plugged or
 * unplugged. QEMU has room for one handler, so that one device has it at most.
 *
 * The order of devices is that in which they were realized; one with
 * balloon=on goes before those with balloon=auto. The first one has the
 * handler; the list below is the only place where that is decided. What a
 * virtio-balloon had registered is put back when the last device goes.
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

void virtio_mhp_balloon_notify(const VirtIOMHP *vmhp)
{
    qapi_event_send_balloon_change(virtio_mhp_balloon_actual(vmhp));
}

static void virtio_mhp_balloon_stat(void *opaque, BalloonInfo *info)
{
    info->actual = virtio_mhp_balloon_actual(opaque);
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
    const uint64_t size = virtio_mhp_balloon_clamp(vmhp, target);
    Error *err = NULL;

    if (!virtio_mhp_size_change(vmhp, size, &err)) {
        warn_reportf_err(err, "virtio-mhp: the balloon stays as it is: ");
    }
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

/*
 * A virtio-balloon lets go of the handler by its own address. It has to give
 * back what it holds, too: nobody could ask it for that later.
 */
static void virtio_mhp_balloon_take_from_other(void)
{
    VirtIOBalloon *other = virtio_mhp_balloon_find_other();

    if (other) {
        qemu_remove_balloon_handler(other);
        virtio_mhp_balloon_other_to_target(other, UINT64_MAX);
        virtio_mhp_balloon_is_taken = true;
    }
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

/* Let the first device have the handler, false if another kind has it. */
static bool virtio_mhp_balloon_update(void)
{
    VirtIOMHP *first = virtio_mhp_balloons ? virtio_mhp_balloons->data : NULL;
    const bool had_owner = virtio_mhp_balloon_owner;

    if (first == virtio_mhp_balloon_owner) {
        return true;
    }
    if (had_owner) {
        qemu_remove_balloon_handler(virtio_mhp_balloon_owner);
    } else {
        virtio_mhp_balloon_take_from_other();
    }
    virtio_mhp_balloon_owner = NULL;
    if (!first) {
        virtio_mhp_balloon_give_to_other();
        return true;
    }
    if (qemu_add_balloon_handler(virtio_mhp_balloon_to_target,
                                 virtio_mhp_balloon_stat, first)) {
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
    VirtIOMHP *first = virtio_mhp_balloons ? virtio_mhp_balloons->data : NULL;

    if (!virtio_mhp_balloon_update() && first->balloon == ON_OFF_AUTO_ON) {
        /* Too late to refuse the device */
        warn_report(
            "virtio-mhp: property 'balloon' wants QEMU's balloon handler, got none, because a device of another kind has it");
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

    if (vmhp->balloon == ON_OFF_AUTO_ON && first &&
        first->balloon == ON_OFF_AUTO_ON) {
        error_setg(
            errp,
            "property 'balloon' wants to be 'on' for one device, got it for a second one");
        return false;
    }
    return true;
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
        virtio_mhp_balloon_update();
    }
}
