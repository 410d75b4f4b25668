/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's way to its full size and back, step by step: see journey.h. Each
 * step returns false with an error when the guest cannot go on.
 */
#include "journey.h"

#include <string.h>

#include "klog.h"
#include "progress.h"

/* A guest that comes no closer to its size for so long has stopped */
#define JOURNEY_STALL_MS 12000
#define JOURNEY_EXIT_MS 3000
/*
 * Boot memory is back when no more than this is missing; a Debian's services
 * take and leave some themselves
 */
#define JOURNEY_LOST_MAX (1 * MiB)
#define JOURNEY_DEBIAN_LOST_MAX (32 * MiB)
/*
 * A stock guest may not live to be measured at its full size, so it is
 * measured on the way, too
 */
#define JOURNEY_STOCK_STOP (8 * GiB)

typedef struct Traveller {
    Journey *journey;
    Guest *guest;
    uint64_t boot_free; /* before anything was plugged */
    Progress progress;
} Traveller;

static bool journey_is_stock(const Journey *journey)
{
    return g_str_equal(journey->type, MEMDEV_STOCK);
}

static bool journey_fail(GError **error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

static bool journey_fail(GError **error, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_propagate_error(
        error, g_error_new_valist(G_IO_ERROR, G_IO_ERROR_FAILED, format, ap));
    va_end(ap);
    return false;
}

/* Ours spares one block (the moat), so its region is one block larger */
static Guest *journey_new_guest(const Journey *journey)
{
    uint64_t region = journey->size - GUEST_BOOT_SIZE + MEMORY_BLOCK_SIZE;
    GuestConfig config = {
        .kver = journey->kver,
        .accel = journey->accel,
        .hotplug_max = region,
        .cmdline = journey_is_stock(journey)
                       ? "memhp_default_state=online_movable"
                       : "memory_hotplug.memmap_on_memory=1",
    };
    Guest *guest = guest_new(&config);

    memdev_add(guest, journey->type, region);
    return guest;
}

/* For people: a figure that programs read is taken elsewhere */
static bool journey_free(Traveller *t, char **text, GError **error)
{
    *text = guest_runf(t->guest, error, "free -h");
    return *text != NULL;
}

static bool journey_boot(Traveller *t, GError **error)
{
    if (!guest_boot(t->guest, error) || !guest_prepare(t->guest, error)) {
        return false;
    }
    t->journey->release = g_strdup(guest_release(t->guest));
    return guest_load(t->guest,
                      journey_is_stock(t->journey) ? "virtio_mem"
                                                   : "mhp_vmemmap_mem",
                      "", error) &&
           guest_boot_free(t->guest, &t->boot_free, error) &&
           journey_free(t, &t->journey->free_before, error);
}

static void journey_progress(uint64_t size, void *opaque)
{
    Traveller *t = opaque;

    t->journey->left = GUEST_BOOT_SIZE + size;
    t->journey->reached = MAX(t->journey->reached, t->journey->left);
    progress_update(GUEST_BOOT_SIZE + size, &t->progress);
}

/* Resize to @size in all */
static bool journey_resize(Traveller *t, uint64_t size, double *seconds,
                           GError **error)
{
    int64_t start = g_get_monotonic_time();
    uint64_t plugged = size - GUEST_BOOT_SIZE;

    if (!memdev_request(t->guest, plugged, error) ||
        !memdev_wait(t->guest, plugged, JOURNEY_STALL_MS, journey_progress, t,
                     error)) {
        return false;
    }
    *seconds += (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
    return true;
}

/* What the memory plugged so far costs in boot memory */
static bool journey_measure(Traveller *t, GError **error)
{
    double plugged = (double)(t->journey->left - GUEST_BOOT_SIZE), used;
    uint64_t boot_free;

    if (!guest_boot_free(t->guest, &boot_free, error)) {
        return false;
    }
    /* What services have meanwhile moved out of it may be more */
    used = MAX((double)t->boot_free - (double)boot_free, 0);
    t->journey->boot_per_gib = used / plugged * (double)GiB;
    return true;
}

static bool journey_grow(Traveller *t, GError **error)
{
    Journey *journey = t->journey;
    uint64_t stop = GUEST_BOOT_SIZE + JOURNEY_STOCK_STOP;
    double seconds = 0;

    progress_start(&t->progress, "grow", GUEST_BOOT_SIZE, journey->size);
    if (journey_is_stock(journey) && stop < journey->size &&
        (!journey_resize(t, stop, &seconds, error) ||
         !journey_measure(t, error))) {
        return false;
    }
    if (!journey_resize(t, journey->size, &seconds, error)) {
        return false;
    }
    progress_end(&t->progress);
    journey->grow_seconds = seconds;
    return true;
}

/* Where the blocks and their memmaps are; what is left offline is a failure */
static bool journey_look(Traveller *t, GError **error)
{
    g_autoptr(GArray) blocks = memdev_blocks(t->guest, error);
    Journey *journey = t->journey;

    if (!blocks) {
        return false;
    }
    journey->nb_movable = memdev_count_zone(blocks, "Movable");
    journey->nb_other = blocks->len - journey->nb_movable;
    journey->nb_self_hosted = memdev_count_self_hosted(blocks);
    if (!journey_is_stock(journey) &&
        (journey->nb_other || journey->nb_self_hosted != blocks->len)) {
        return journey_fail(
            error,
            "want all %u blocks in ZONE_MOVABLE with their own memmap, got %u and %u",
            blocks->len, journey->nb_movable, journey->nb_self_hosted);
    }
    return true;
}

static bool journey_shrink(Traveller *t, GError **error)
{
    double seconds = 0;
    uint64_t boot_free;

    progress_start(&t->progress, "shrink", t->journey->size, GUEST_BOOT_SIZE);
    if (!journey_resize(t, GUEST_BOOT_SIZE, &seconds, error)) {
        return false;
    }
    progress_end(&t->progress);
    t->journey->shrink_seconds = seconds;
    if (!guest_boot_free(t->guest, &boot_free, error)) {
        return false;
    }
    t->journey->boot_lost = MAX((double)t->boot_free - (double)boot_free, 0);
    return true;
}

static bool journey_check_end(Traveller *t, GError **error)
{
    double lost_max = guest_has_disk(t->journey->kver)
                          ? (double)JOURNEY_DEBIAN_LOST_MAX
                          : (double)JOURNEY_LOST_MAX;
    g_autofree char *klog = guest_klog(t->guest, error);
    g_autofree char *trouble = klog ? klog_trouble(klog) : NULL;

    if (!klog) {
        return false;
    }
    if (trouble) {
        return journey_fail(error, "the guest's kernel reports: %s", trouble);
    }
    if (t->journey->boot_lost > lost_max) {
        return journey_fail(
            error, "want all boot memory back, got %.0f KiB less than before",
            t->journey->boot_lost / (double)KiB);
    }
    return true;
}

/* The last words of a guest's kernel say more than what the host noticed */
static char *journey_explain(Traveller *t, const GError *error)
{
    static const char *const words[] = {
        "Kernel panic - ",
        "Out of memory",
        "alloc failure",
        "BUG:",
    };
    g_autofree char *console = guest_console(t->guest);

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autofree char *line = klog_find(console, words[i]);

        if (line) {
            return g_strdup_printf("the guest's kernel says '%s'",
                                   g_strchomp(line));
        }
    }
    return g_strchomp(g_strdup(error->message));
}

/*
 * A guest that stopped, but lives, can still tell how its memory stands. Where
 * boot memory has run out, running a script is what kills it.
 */
static void journey_look_back(Traveller *t)
{
    if (t->journey->left > GUEST_BOOT_SIZE) {
        journey_measure(t, NULL);
        journey_look(t, NULL);
    }
}

/* A panic ends QEMU, though not before the connections to the guest */
static bool journey_has_panicked(Traveller *t)
{
    int status;

    return vm_wait_exit(guest_vm(t->guest), JOURNEY_EXIT_MS, &status, NULL);
}

static void journey_announce(const Journey *journey)
{
    g_autofree char *guest = guest_describe(journey->kver);
    g_autofree char *text = g_strdup_printf(
        "booting a guest with 1 GiB and %s (%s, %s)", journey->type, guest,
        journey->accel);

    progress_say(text);
}

void journey_run(Journey *journey)
{
    Traveller t = {.journey = journey};
    g_autoptr(GError) error = NULL;

    journey->reached = journey->left = GUEST_BOOT_SIZE;
    journey->grow_seconds = journey->shrink_seconds = JOURNEY_UNKNOWN;
    journey->boot_per_gib = journey->boot_lost = JOURNEY_UNKNOWN;
    t.guest = journey_new_guest(journey);
    journey_announce(journey);

    journey->ok = journey_boot(&t, &error) && journey_grow(&t, &error) &&
                  journey_measure(&t, &error) && journey_look(&t, &error) &&
                  journey_free(&t, &journey->free_full, &error) &&
                  journey_shrink(&t, &error) &&
                  journey_free(&t, &journey->free_after, &error) &&
                  journey_check_end(&t, &error);
    if (!journey->ok) {
        progress_end(&t.progress);
        journey_look_back(&t);
        journey->is_dead = journey_has_panicked(&t);
        journey->failure = journey_explain(&t, error);
        progress_say(journey->failure);
    }
    guest_free(t.guest);
}

void journey_clear(Journey *journey)
{
    g_free(journey->release);
    g_free(journey->free_before);
    g_free(journey->free_full);
    g_free(journey->free_after);
    g_free(journey->failure);
}
