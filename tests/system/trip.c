/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The trip: see trip.h.
 */
#include "trip.h"

static void trip_look(TripView *view, Guest *guest)
{
    g_autoptr(GError) error = NULL;
    /* First, before looking at anything else takes memory */
    g_autoptr(GArray) zones = guest_zones(guest, &error);

    g_assert_no_error(error);
    view->boot_free = zoneinfo_boot_free(zones);
    view->movable_present = zoneinfo_present(zones, "Movable");
    view->movable_managed = zoneinfo_managed(zones, "Movable");
    view->size = system_size(guest);
    view->plugged_size = system_attr(guest, "plugged_size");
    view->online_size = system_attr(guest, "online_size");
    view->memmap_on_block_size = system_attr(guest, "memmap_on_block_size");
    view->blocks = system_blocks(guest);
}

static Guest *trip_boot(const Trip *trip)
{
    g_autofree char *cmdline = g_strdup_printf(
        SYSTEM_MEMMAP_ON " memhp_default_state=%s", trip->policy);
    Guest *guest = system_boot(TRIP_GROWTH, cmdline);

    system_load_driver(guest, "");
    return guest;
}

static void trip_make(Trip *trip)
{
    Guest *guest = trip_boot(trip);
    g_autoptr(GError) error = NULL;

    trip_look(&trip->start, guest);
    system_resize(guest, TRIP_GROWTH);
    trip_look(&trip->top, guest);
    trip->driver_blocks = system_attr_text(guest, "blocks");
    system_resize(guest, 0);
    trip_look(&trip->end, guest);
    trip->klog = guest_klog(guest, &error);
    g_assert_no_error(error);
    guest_free(guest);
    trip->is_made = true;
}

const Trip *trip_made(const Trip *trip)
{
    if (!trip->is_made) {
        trip_make((Trip *)trip);
    }
    return trip;
}
