/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options: parsed by GOption, and checked as far as that needs no domain.
 */
#include "options.h"

#include <string.h>

#include "sizes.h"

static const char options_summary[] =
    "Make a libvirt domain resizable: read its XML from standard input, or from\n"
    "libvirt with --domain, and write it with a mhp-vmemmap-mem to standard\n"
    "output. What is not said by an option stays as the XML has it.";

static const char options_description[] =
    "Example:\n"
    "  virsh dumpxml vm | mhp-virt-xml --max 64G | virsh define /dev/stdin\n"
    "\n"
    "A SIZE is " SIZE_WANTED ".\n"
    "Exit status: 0 if all is well, 1 if the domain cannot be changed (nothing is\n"
    "written then), 2 if an option is wrong. See mhp-virt-xml(1).";

/* The texts, before they are checked */
typedef struct {
    char *form;
    char *balloon;
    char *stats_period;
    char *pressure;
    char *max;
    char *boot;
    char *current;
    char *block;
    char *step;
    char *hugepages;
} OptionTexts;

static bool options_fail(GError **error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

static bool options_fail(GError **error, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_propagate_error(error,
                      g_error_new_valist(G_OPTION_ERROR,
                                         G_OPTION_ERROR_BAD_VALUE, format, ap));
    va_end(ap);
    return false;
}

const char *form_name(Form form)
{
    static const char *const names[] = {NULL, "dimm", "virtio-mem"};

    return names[form];
}

Form form_from_name(const char *name)
{
    for (Form form = FORM_DIMM; form <= FORM_VIRTIO_MEM; form++) {
        if (!g_strcmp0(name, form_name(form))) {
            return form;
        }
    }
    return FORM_UNSET;
}

static bool options_size(const char *option, const char *text, uint64_t *size,
                         GError **error)
{
    if (text && (!size_parse(text, size) || !*size)) {
        return options_fail(error, "%s wants " SIZE_WANTED ", got '%s'", option,
                            text);
    }
    return true;
}

/* What stands where a page size and a block size may stand */
static bool options_power(const char *option, uint64_t size, uint64_t min,
                          uint64_t max, GError **error)
{
    g_autofree char *got = size_text(size);
    g_autofree char *from = size_text(min);
    g_autofree char *to = size_text(max);

    if (size && (!size_is_power_of_two(size) || size < min || size > max)) {
        return options_fail(error,
                            "%s wants a power of two from %s to %s, got %s",
                            option, from, to, got);
    }
    return true;
}

/* libvirt keeps an alias over a restart only if it starts with ua-. */
static bool options_check_alias(const char *alias, GError **error)
{
    static const char letters[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-";

    if (alias && (!g_str_has_prefix(alias, "ua-") || !alias[3] ||
                  alias[strspn(alias, letters)])) {
        return options_fail(
            error,
            "--alias wants ua- and then letters, digits, - and _, got '%s'",
            alias);
    }
    return true;
}

/* QEMU's -plugin has options after a comma, and two commas for a comma. */
static bool options_check_plugin(const char *plugin, GError **error)
{
    if (plugin && (!g_path_is_absolute(plugin) || strchr(plugin, ','))) {
        return options_fail(
            error, "--plugin wants an absolute path without a comma, got '%s'",
            plugin);
    }
    return true;
}

static bool options_check_form(Options *options, const char *text,
                               GError **error)
{
    options->form = form_from_name(text);
    return !text || options->form ||
           options_fail(error, "--form wants dimm or virtio-mem, got '%s'",
                        text);
}

static bool options_check_balloon(Options *options, const char *text,
                                  GError **error)
{
    if (!g_strcmp0(text, "keep")) {
        options->balloon = BALLOON_KEEP;
    } else if (!g_strcmp0(text, "replace")) {
        options->balloon = BALLOON_REPLACE;
    } else if (text) {
        return options_fail(
            error, "--memballoon wants keep or replace, got '%s'", text);
    }
    return true;
}

/* What libvirt keeps it in is an int */
static bool options_check_period(Options *options, const char *text,
                                 GError **error)
{
    guint64 period;

    if (text &&
        !g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT, &period, NULL)) {
        return options_fail(error,
                            "--stats-period wants 0 to %d seconds, got '%s'",
                            G_MAXINT, text);
    }
    if (text) {
        options->stats_period = (int)period;
    }
    return true;
}

static bool options_check_reporting(const char *text, GError **error)
{
    static const char *const values[] = {"on", "off", "auto", NULL};

    return !text || g_strv_contains(values, text) ||
           options_fail(error,
                        "--free-page-reporting wants on, off or auto, got '%s'",
                        text);
}

static bool options_check_pressure(Options *options, const char *text,
                                   GError **error)
{
    options->pressure = text ? 0 : PRESSURE_UNSET;
    if (text && strcmp(text, "0") != 0 &&
        !size_parse(text, &options->pressure)) {
        return options_fail(
            error, "--pressure wants 0 or " SIZE_WANTED ", got '%s'", text);
    }
    return true;
}

static bool options_check_sizes(Options *options, const OptionTexts *texts,
                                GError **error)
{
    return options_size("--max", texts->max, &options->max, error) &&
           options_size("--boot", texts->boot, &options->boot, error) &&
           options_size("--current", texts->current, &options->current,
                        error) &&
           options_size("--block-size", texts->block, &options->block, error) &&
           options_size("--step", texts->step, &options->step, error) &&
           options_size("--hugepages", texts->hugepages, &options->page_size,
                        error) &&
           options_power("--block-size", options->block, 2 * MiB, 64 * GiB,
                         error) &&
           options_power("--step", options->step, 128 * MiB, 2 * GiB, error) &&
           options_power("--hugepages", options->page_size, 64 * KiB, 16 * GiB,
                         error);
}

static bool options_check_together(const Options *options, GError **error)
{
    if (options->connect && !options->domain) {
        return options_fail(error, "--connect wants --domain beside it");
    }
    if (options->remove && (options->max || options->check)) {
        return options_fail(error, "--remove wants no %s beside it",
                            options->max ? "--max" : "--check");
    }
    return true;
}

static gboolean options_take_hugepages(const gchar *name, const gchar *value,
                                       gpointer data, GError **error)
{
    OptionTexts *texts = data;

    (void)name;
    (void)error;
    g_free(texts->hugepages);
    texts->hugepages = g_strdup(value ? value : "2M");
    return TRUE;
}

static void option_texts_clear(OptionTexts *texts)
{
    g_free(texts->form);
    g_free(texts->balloon);
    g_free(texts->stats_period);
    g_free(texts->pressure);
    g_free(texts->max);
    g_free(texts->boot);
    g_free(texts->current);
    g_free(texts->block);
    g_free(texts->step);
    g_free(texts->hugepages);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(OptionTexts, option_texts_clear)

/* Parsed into options and texts, with nothing left over */
static bool options_read(Options *options, OptionTexts *texts, int *argc,
                         char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"max", 0, 0, G_OPTION_ARG_STRING, &texts->max,
         "the guest may grow to SIZE in all", "SIZE"},
        {"boot", 0, 0, G_OPTION_ARG_STRING, &texts->boot,
         "it boots with SIZE and never has less", "SIZE"},
        {"current", 0, 0, G_OPTION_ARG_STRING, &texts->current,
         "it grows to SIZE as soon as it is up (default: boot size)", "SIZE"},
        {"node", 0, 0, G_OPTION_ARG_INT, &options->node,
         "NUMA cell of the memory (default 0)", "N"},
        {"form", 0, 0, G_OPTION_ARG_STRING, &texts->form,
         "dimm, for virsh setmem (default), or virtio-mem, for virsh update-memory-device",
         "FORM"},
        {"memballoon", 0, 0, G_OPTION_ARG_STRING, &texts->balloon,
         "keep, or replace: the guest has no virtio-balloon, and virsh dommemstat shows what this device's driver tells",
         "HOW"},
        {"stats-period", 0, 0, G_OPTION_ARG_STRING, &texts->stats_period,
         "virsh dommemstat shows figures that are no older than SECONDS, 0: as old as they are",
         "SECONDS"},
        {"free-page-reporting", 0, 0, G_OPTION_ARG_STRING, &options->reporting,
         "what is free in the guest goes back to the host: on, off, or auto, where nothing forbids it (default)",
         "WHEN"},
        {"pressure", 0, 0, G_OPTION_ARG_STRING, &texts->pressure,
         "the guest may take SIZE more by itself while it is short of memory (default 0)",
         "SIZE"},
        {"hugepages", 0, G_OPTION_FLAG_OPTIONAL_ARG, G_OPTION_ARG_CALLBACK,
         (gpointer)options_take_hugepages,
         "take the memory from the host's huge pages (2M by default)", "SIZE"},
        {"prealloc", 0, 0, G_OPTION_ARG_NONE, &options->prealloc,
         "a block has all of its host memory before the guest may use it",
         NULL},
        {"memfd", 0, 0, G_OPTION_ARG_NONE, &options->memfd,
         "back the guest by memfd, for a SIZE above the host's memory", NULL},
        {"block-size", 0, 0, G_OPTION_ARG_STRING, &texts->block,
         "plug by blocks of SIZE (default 128M)", "SIZE"},
        {"step", 0, 0, G_OPTION_ARG_STRING, &texts->step,
         "give it boot memory with which it is resized by steps of SIZE, from 128M",
         "SIZE"},
        {"plugin", 0, 0, G_OPTION_ARG_FILENAME, &options->plugin,
         "the plugin's file (default " MHP_PLUGIN ")", "PATH"},
        {"alias", 0, 0, G_OPTION_ARG_STRING, &options->alias,
         "the device's name (default ua-mhp)", "NAME"},
        {"domain", 0, 0, G_OPTION_ARG_STRING, &options->domain,
         "read the XML of this domain from libvirt", "NAME"},
        {"connect", 0, 0, G_OPTION_ARG_STRING, &options->connect,
         "of the libvirt at URI", "URI"},
        {"check", 0, 0, G_OPTION_ARG_NONE, &options->check,
         "write what stands in the way instead of the XML", NULL},
        {"remove", 0, 0, G_OPTION_ARG_NONE, &options->remove,
         "take the device out of the XML again", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version,
         "show the version", NULL},
        {},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GOptionGroup)
        group = g_option_group_new("main", "", "", texts, NULL);

    g_option_group_add_entries(group, entries);
    g_option_context_set_main_group(context, g_steal_pointer(&group));
    g_option_context_set_summary(context, options_summary);
    g_option_context_set_description(context, options_description);
    if (!g_option_context_parse(context, argc, argv, error)) {
        return false;
    }
    if (*argc > 1) {
        return options_fail(error, "want options only, got '%s'", (*argv)[1]);
    }
    return true;
}

bool options_parse(Options *options, int *argc, char ***argv, GError **error)
{
    g_auto(OptionTexts) texts = {};

    *options = (Options){.node = -1, .stats_period = -1};
    return options_read(options, &texts, argc, argv, error) &&
           options_check_form(options, texts.form, error) &&
           options_check_balloon(options, texts.balloon, error) &&
           options_check_period(options, texts.stats_period, error) &&
           options_check_reporting(options->reporting, error) &&
           options_check_pressure(options, texts.pressure, error) &&
           options_check_sizes(options, &texts, error) &&
           options_check_alias(options->alias, error) &&
           options_check_plugin(options->plugin, error) &&
           options_check_together(options, error);
}

void options_clear(Options *options)
{
    g_free(options->connect);
    g_free(options->domain);
    g_free(options->plugin);
    g_free(options->alias);
    g_free(options->reporting);
}
