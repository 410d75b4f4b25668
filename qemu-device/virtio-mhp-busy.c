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
#include "trace.h"
#include "virtio-mhp.h"

/* How soon the driver hears of the end of a migration that made it wait */
#define VIRTIO_MHP_BUSY_POLL_MS 20

/* QEMU calls a machine that was reset after that one that has not started. */
static bool virtio_mhp_busy_reset_since_left;

static bool virtio_mhp_busy_has_left(void)
{
    return runstate_check(RUN_STATE_POSTMIGRATE) ||
           virtio_mhp_busy_reset_since_left;
}

/* What is still here may be in use by the destination: shared memory is. */
bool virtio_mhp_is_busy(void)
{
    return migration_is_running() || migration_in_incoming_postcopy() ||
           runstate_check(RUN_STATE_INMIGRATE) ||
           runstate_check(RUN_STATE_RESTORE_VM) ||
           runstate_check(RUN_STATE_FINISH_MIGRATE) ||
           virtio_mhp_busy_has_left();
}

/*
 * Neither side has one event for all ends of all kinds of migration, failure
 * and postcopy included. So look, but only while somebody waits for it.
 */
void virtio_mhp_busy_watch(VirtIOMHP *vmhp)
{
    vmhp->busy.is_awaited = true;
    timer_mod(vmhp->busy.timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + VIRTIO_MHP_BUSY_POLL_MS);
}

static void virtio_mhp_busy_look(void *opaque)
{
    VirtIOMHP *vmhp = opaque;

    /* It comes back, if at all, when the machine runs. */
    if (virtio_mhp_busy_has_left()) {
        return;
    }
    if (virtio_mhp_is_busy()) {
        virtio_mhp_busy_watch(vmhp);
        return;
    }
    vmhp->busy.is_awaited = false;
    trace_virtio_mhp_busy_over(vmhp->addr);
    virtio_notify_config(VIRTIO_DEVICE(vmhp));
    notifier_list_notify(&vmhp->busy.over_notifiers, vmhp);
}

static void virtio_mhp_busy_vm_state(void *opaque, bool running, RunState state)
{
    VirtIOMHP *vmhp = opaque;

    if (!running) {
        return;
    }
    virtio_mhp_busy_reset_since_left = false;
    if (vmhp->busy.is_awaited) {
        virtio_mhp_busy_watch(vmhp);
    }
}

bool virtio_mhp_busy_for_driver(VirtIOMHP *vmhp)
{
    if (!virtio_mhp_is_busy()) {
        return false;
    }
    trace_virtio_mhp_busy(vmhp->addr);
    virtio_mhp_busy_watch(vmhp);
    return true;
}

bool virtio_mhp_busy_for_reset(void)
{
    virtio_mhp_busy_reset_since_left = virtio_mhp_busy_has_left();
    return virtio_mhp_is_busy();
}

bool virtio_mhp_busy_check_not_left(const char *property, Error **errp)
{
    if (runstate_check(RUN_STATE_FINISH_MIGRATE) ||
        virtio_mhp_busy_has_left()) {
        error_setg(
            errp,
            "property '%s' cannot be changed after the guest has left for the migration's destination",
            property);
        return false;
    }
    return true;
}

void virtio_mhp_busy_init(VirtIOMHP *vmhp)
{
    notifier_list_init(&vmhp->busy.over_notifiers);
    vmhp->busy.timer = timer_new_ms(QEMU_CLOCK_REALTIME, virtio_mhp_busy_look,
                                    vmhp);
    vmhp->busy.vm_state = qemu_add_vm_change_state_handler(
        virtio_mhp_busy_vm_state, vmhp);
}

void virtio_mhp_busy_cleanup(VirtIOMHP *vmhp)
{
    qemu_del_vm_change_state_handler(vmhp->busy.vm_state);
    timer_free(vmhp->busy.timer);
}
