/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The trip: see trip.h.
 */
#include "trip.h"

/* When the growing device passed a size, by the clock of vm_user_time() */
typedef struct TripMark {
    uint64_t size;
    int64_t time;
} TripMark;

typedef struct TripClock {
    Vm *vm;
    TripMark marks[4];
    unsigned nb;
} TripClock;

/* Marks at the start, after the first tenth, before the last, at the end */
static void trip_tick(uint64_t size, void *opaque)
{
    static const uint64_t tenths[] = {0, 1, 9, 10};
    TripClock *clock = opaque;

    while (clock->nb < G_N_ELEMENTS(tenths) &&
           size >= TRIP_GROWTH / 10 * tenths[clock->nb]) {
        clock->marks[clock->nb].size = size;
        clock->marks[clock->nb++].time = vm_user_time(clock->vm);
    }
}

/* No number (NaN) if the device was too fast for the marks to differ */
static double trip_seconds_per_block(const TripMark *from, const TripMark *to)
{
    double blocks = (double)(to->size - from->size) / MEMORY_BLOCK_SIZE;

    return (double)(to->time - from->time) / G_USEC_PER_SEC / blocks;
}

static void trip_grow(Trip *trip, Guest *guest)
{
    TripClock clock = {.vm = guest_vm(guest)};
    g_autoptr(GError) error = NULL;

    trip_tick(0, &clock);
    system_request(guest, TRIP_GROWTH);
    memdev_wait(guest, TRIP_GROWTH, SYSTEM_STALL_MS, trip_tick, &clock, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(clock.nb, ==, 4);
    trip->first_tenth = trip_seconds_per_block(&clock.marks[0],
                                               &clock.marks[1]);
    trip->last_tenth = trip_seconds_per_block(&clock.marks[2], &clock.marks[3]);
}

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
    trip_grow(trip, guest);
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

void trip_measure_again(const Trip *trip)
{
    Guest *guest = trip_boot(trip);

    trip_grow((Trip *)trip, guest);
    guest_free(guest);
}

double trip_slowdown(const Trip *trip)
{
    return trip->last_tenth / trip->first_tenth;
}
