/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * While the guest is being moved or saved nothing is plugged or unplugged. A
 * driver that wanted a change meanwhile hears BUSY, and is told when it can try
 * again, on whichever side the guest runs then (DEV-CFG-7).
 */
#include "qemu/osdep.h"
#include "migration/misc.h"
#include "qapi/error.h"
#include "qemu/timer.h"
#include "system/runstate.h"
#include "virtio-mhp.h"

/* How soon the driver hears of the end of a migration that made it wait */
#define VIRTIO_MHP_BUSY_POLL_MS 20

bool virtio_mhp_is_busy(void)
{
    return migration_is_running() || migration_in_incoming_postcopy() ||
           runstate_check(RUN_STATE_INMIGRATE) ||
           runstate_check(RUN_STATE_RESTORE_VM);
}

/*
 * Neither side has one event for all ends of all kinds of migration, failure
 * and postcopy included. So look, but only while somebody waits for it.
 */
void virtio_mhp_busy_watch(VirtIOMHP *vmhp)
{
    timer_mod(vmhp->busy.timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + VIRTIO_MHP_BUSY_POLL_MS);
}

static void virtio_mhp_busy_look(void *opaque)
{
    VirtIOMHP *vmhp = opaque;

    if (virtio_mhp_is_busy()) {
        virtio_mhp_busy_watch(vmhp);
    } else {
        virtio_notify_config(VIRTIO_DEVICE(vmhp));
        notifier_list_notify(&vmhp->busy.over_notifiers, vmhp);
    }
}

bool virtio_mhp_busy_for_driver(VirtIOMHP *vmhp)
{
    if (!virtio_mhp_is_busy()) {
        return false;
    }
    virtio_mhp_busy_watch(vmhp);
    return true;
}

bool virtio_mhp_busy_check_not_left(Error **errp)
{
    if (runstate_check(RUN_STATE_FINISH_MIGRATE)) {
        error_setg(
            errp,
            "property 'requested-size' cannot be changed after the guest has left for the migration's destination");
        return false;
    }
    return true;
}

void virtio_mhp_busy_init(VirtIOMHP *vmhp)
{
    notifier_list_init(&vmhp->busy.over_notifiers);
    vmhp->busy.timer = timer_new_ms(QEMU_CLOCK_REALTIME, virtio_mhp_busy_look,
                                    vmhp);
}

void virtio_mhp_busy_cleanup(VirtIOMHP *vmhp)
{
    timer_free(vmhp->busy.timer);
}
