/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of the demo: parsed by GOption, checked here.
 */
#include "options.h"

#include <inttypes.h>
#include <string.h>

#include "guest.h"

#define DEMO_DEFAULT_SIZE "96G"
/* What a guest's physical addresses and a host's memory for memmaps allow */
#define DEMO_MIN_SIZE (GUEST_BOOT_SIZE + MEMORY_BLOCK_SIZE)
#define DEMO_MAX_SIZE (512 * GiB)

static const char demo_summary[] =
    "Boot a Linux guest with 1 GiB of memory, grow it to SIZE and shrink it\n"
    "back, with the memmap on each memory block. Ends with a table; the exit\n"
    "status is 0 only if the guest really got there and back, 1 if it did not\n"
    "and 2 if an option is wrong.";

static const char demo_description[] =
    "--json writes an object with \"guest\", \"kernel\", \"accel\", \"size\" (bytes in\n"
    "all), \"boot_size\" and an array \"runs\" with an object for each device:\n"
    "  device                    mhp-vmemmap-mem or virtio-mem-pci\n"
    "  reached, left             bytes the guest had at most, and at the end\n"
    "  grow_seconds, shrink_seconds\n"
    "  boot_memory_per_gib       bytes of boot memory used for a GiB\n"
    "  boot_memory_lost          bytes of it not back after the shrink\n"
    "  blocks                    memory blocks by zone at the largest size\n"
    "  blocks_self_hosted        how many of them hold their own memmap\n"
    "  ok                        whether it got there and back\n"
    "  failure                   what went wrong, or null\n"
    "A figure that was not reached is null.";

static bool demo_fail(GError **error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

static bool demo_fail(GError **error, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_propagate_error(error,
                      g_error_new_valist(G_OPTION_ERROR,
                                         G_OPTION_ERROR_BAD_VALUE, format, ap));
    va_end(ap);
    return false;
}

/* A number with a unit, M, G or T */
static bool demo_parse_size(const char *text, uint64_t *size)
{
    static const char units[] = "MGT";
    char *end;
    uint64_t value = g_ascii_strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, g_ascii_toupper(*end)) : NULL;
    unsigned shift = unit ? 20 + 10 * (unsigned)(unit - units) : 0;

    if (!g_ascii_isdigit(*text) || !unit || end[1] ||
        value > UINT64_MAX >> shift) {
        return false;
    }
    *size = value << shift;
    return true;
}

static bool demo_check_size(DemoOptions *options, const char *text,
                            GError **error)
{
    if (!demo_parse_size(text, &options->size)) {
        return demo_fail(
            error, "--size wants a number with M, G or T after it, got '%s'",
            text);
    }
    if (options->size < DEMO_MIN_SIZE || options->size > DEMO_MAX_SIZE) {
        return demo_fail(error,
                         "--size wants %" PRIu64 "M to %" PRIu64 "G, got '%s'",
                         DEMO_MIN_SIZE / MiB, DEMO_MAX_SIZE / GiB, text);
    }
    if (options->size % MEMORY_BLOCK_SIZE) {
        return demo_fail(error,
                         "--size wants a multiple of %" PRIu64 "M, got '%s'",
                         MEMORY_BLOCK_SIZE / MiB, text);
    }
    return true;
}

static bool demo_check_accel(DemoOptions *options, GError **error)
{
    static const char *const known[] = {"tcg", "kvm", "auto", NULL};

    return g_strv_contains(known, options->accel) ||
           demo_fail(error, "--accel wants tcg, kvm or auto, got '%s'",
                     options->accel);
}

bool demo_options_parse(DemoOptions *options, int *argc, char ***argv,
                        GError **error)
{
    g_autofree char *size = g_strdup(DEMO_DEFAULT_SIZE);
    g_autofree char *version = g_strdup(GUEST_DEFAULT_VERSION);
    gboolean compare = FALSE;
    const GOptionEntry entries[] = {
        {"size", 0, 0, G_OPTION_ARG_STRING, &size,
         "grow to SIZE in all, such as 96G (default " DEMO_DEFAULT_SIZE ")",
         "SIZE"},
        {"guest", 0, 0, G_OPTION_ARG_STRING, &options->guest,
         "busybox, or debian: a whole Debian 12 or 13, whichever has that "
         "kernel (default " GUEST_DEFAULT_KIND ")",
         "KIND"},
        {"kernel", 0, 0, G_OPTION_ARG_STRING, &version,
         "the guest's kernel: 6.1 or 6.12 (default " GUEST_DEFAULT_VERSION ")",
         "VERSION"},
        {"accel", 0, 0, G_OPTION_ARG_STRING, &options->accel,
         "tcg, kvm, or auto: kvm if a trial boot works (default tcg)", "NAME"},
        {"compare", 0, 0, G_OPTION_ARG_NONE, &compare,
         "do the same with stock virtio-mem and show both", NULL},
        {"json", 0, 0, G_OPTION_ARG_FILENAME, &options->json,
         "also write the results to FILE", "FILE"},
        {},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    options->guest = g_strdup(GUEST_DEFAULT_KIND);
    options->accel = g_strdup("tcg");
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(context, demo_summary);
    g_option_context_set_description(context, demo_description);
    if (!g_option_context_parse(context, argc, argv, error)) {
        return false;
    }
    options->compare = compare;
    if (*argc > 1) {
        return demo_fail(error, "want options only, got '%s'", (*argv)[1]);
    }
    if (!demo_check_size(options, size, error) ||
        !demo_check_accel(options, error)) {
        return false;
    }
    options->kver = guest_find(options->guest, version, error);
    return options->kver != NULL;
}

void demo_options_clear(DemoOptions *options)
{
    g_free(options->guest);
    g_free(options->kver);
    g_free(options->accel);
    g_free(options->json);
}
