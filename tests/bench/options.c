/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options: see options.h.
 */
#include "options.h"

#include <stdio.h>

#define OPTIONS_REPETITIONS 3
#define OPTIONS_REPETITIONS_MAX 100

static const char options_summary[] =
    "Measure our device and what a user would pick instead on the same guest,\n"
    "host and run, in turns. Ends with a table; the raw data and pictures go to\n"
    "the folder that --output names. All of it takes an hour on two cores,\n"
    "and longer with --guest debian.";

static const Scenario *const all_scenarios[] = {
    &scenario_resize, &scenario_reach,   &scenario_used,
    &scenario_spread, &scenario_worker,  &scenario_service,
    &scenario_burst,  &scenario_idle,    &scenario_udev,
    &scenario_step,   &scenario_profile, &scenario_instructions,
};

/* For a first look: one of each kind */
static const char *const quick_peers[] = {
    "mhp-vmemmap-mem", "virtio-mem", "pc-dimm", "virtio-balloon", NULL,
};

static const char *const quick_scenarios[] = {
    "resize", "reach", "used", "worker", "service", "step", "profile", NULL,
};

/* What is right by itself may be wrong here, or not said */
static bool options_complete(Options *options, GError **error)
{
    if (options->repetitions < 1 ||
        options->repetitions > OPTIONS_REPETITIONS_MAX) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--repetitions wants 1 to %d, got %d",
                    OPTIONS_REPETITIONS_MAX, options->repetitions);
        return false;
    }
    if (!options->output) {
        options->output = vm_build_path("bench");
    }
    if (options->is_list) {
        return true;
    }
    options->kver = guest_find(options->guest, options->version, error);
    return options->kver != NULL;
}

bool options_parse(Options *options, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"quick", 0, 0, G_OPTION_ARG_NONE, &options->is_quick,
         "a first look within 5 minutes, 25 in a Debian: fewer and smaller sizes,"
         " fewer peers, no instructions unless they are named",
         NULL},
        {"scenario", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->scenarios,
         "only this one; can be given several times (--list names them)",
         "NAME"},
        {"peer", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->peers,
         "only this one; can be given several times (--list names them)",
         "NAME"},
        {"list", 0, 0, G_OPTION_ARG_NONE, &options->is_list,
         "name the scenarios and peers, and measure nothing", NULL},
        {"repetitions", 0, 0, G_OPTION_ARG_INT, &options->repetitions,
         "measure each thing that does not take long N times (default 3)", "N"},
        {"guest", 0, 0, G_OPTION_ARG_STRING, &options->guest,
         "busybox, or debian: a whole Debian 12 or 13, whichever has that "
         "kernel (default " GUEST_DEFAULT_KIND ")",
         "KIND"},
        {"kernel", 0, 0, G_OPTION_ARG_STRING, &options->version,
         "the guest's kernel: 6.1 or 6.12 (default " GUEST_DEFAULT_VERSION ")",
         "VERSION"},
        {"accel", 0, 0, G_OPTION_ARG_STRING, &options->accel,
         "tcg, kvm, or auto: kvm if a trial boot works (default tcg)", "NAME"},
        {"output", 0, 0, G_OPTION_ARG_FILENAME, &options->output,
         "where the data and pictures go (default build/bench)", "FOLDER"},
        {"compare", 0, 0, G_OPTION_ARG_FILENAME, &options->compare,
         "say what got slower than in FILE, the results.json of an earlier run",
         "FILE"},
        {},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    options->repetitions = OPTIONS_REPETITIONS;
    options->guest = g_strdup(GUEST_DEFAULT_KIND);
    options->version = g_strdup(GUEST_DEFAULT_VERSION);
    options->accel = g_strdup("tcg");
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(context, options_summary);
    if (!g_option_context_parse(context, argc, argv, error)) {
        return false;
    }
    if (*argc > 1) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "want options only, got '%s'", (*argv)[1]);
        return false;
    }
    return options_complete(options, error);
}

void options_clear(Options *options)
{
    g_free(options->guest);
    g_free(options->version);
    g_free(options->kver);
    g_free(options->accel);
    g_free(options->output);
    g_free(options->compare);
    g_strfreev(options->scenarios);
    g_strfreev(options->peers);
}

static bool is_wanted(const char *const *wanted, const char *name)
{
    return !wanted || g_strv_contains(wanted, name);
}

/* A name that is none of ours would otherwise just be ignored */
static bool check_names(char **wanted, const char *what,
                        const char *(*name_of)(unsigned), unsigned nb,
                        GError **error)
{
    for (char **name = wanted; name && *name; name++) {
        bool is_known = false;

        for (unsigned i = 0; i < nb; i++) {
            is_known |= g_str_equal(*name, name_of(i));
        }
        if (!is_known) {
            g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                        "--%s wants a name that --list prints, got '%s'", what,
                        *name);
            return false;
        }
    }
    return true;
}

static const char *peer_name(unsigned i)
{
    return peers[i].name;
}

static const char *scenario_name(unsigned i)
{
    return all_scenarios[i]->name;
}

const Peer **options_peers(const Options *options, unsigned *nb, GError **error)
{
    const char *const *wanted = (const char *const *)options->peers;
    const Peer **chosen;

    if (!check_names(options->peers, "peer", peer_name, nb_peers, error)) {
        return NULL;
    }
    if (!wanted && options->is_quick) {
        wanted = quick_peers;
    }
    chosen = g_new0(const Peer *, nb_peers);
    *nb = 0;
    for (unsigned i = 0; i < nb_peers; i++) {
        if (is_wanted(wanted, peers[i].name)) {
            chosen[(*nb)++] = &peers[i];
        }
    }
    return chosen;
}

/* Left out unless it was asked for by name */
static bool lacks_services(const Options *options, const Scenario *scenario,
                           GError **error)
{
    if (!scenario->wants_debian || guest_has_disk(options->kver)) {
        return false;
    }
    if (options->scenarios) {
        g_set_error(
            error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
            "--scenario %s wants a database in the guest, which --guest debian has",
            scenario->name);
    }
    return true;
}

const Scenario **options_scenarios(const Options *options, unsigned *nb,
                                   GError **error)
{
    const char *const *wanted = (const char *const *)options->scenarios;
    g_autoptr(GError) local = NULL;
    const Scenario **chosen;

    if (!check_names(options->scenarios, "scenario", scenario_name,
                     G_N_ELEMENTS(all_scenarios), error)) {
        return NULL;
    }
    if (!wanted && options->is_quick) {
        wanted = quick_scenarios;
    }
    chosen = g_new0(const Scenario *, G_N_ELEMENTS(all_scenarios));
    *nb = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(all_scenarios); i++) {
        const Scenario *scenario = all_scenarios[i];

        if (is_wanted(wanted, scenario->name) &&
            !lacks_services(options, scenario, &local)) {
            chosen[(*nb)++] = scenario;
        }
    }
    if (local) {
        g_propagate_error(error, g_steal_pointer(&local));
        g_clear_pointer(&chosen, g_free);
    }
    return chosen;
}

void options_list(void)
{
    puts("scenarios:");
    for (size_t i = 0; i < G_N_ELEMENTS(all_scenarios); i++) {
        printf("  %-16s %s%s\n", all_scenarios[i]->name, all_scenarios[i]->what,
               all_scenarios[i]->wants_debian ? " (--guest debian)" : "");
    }
    puts("peers:");
    for (unsigned i = 0; i < nb_peers; i++) {
        printf("  %-16s %s\n", peers[i].name, peers[i].settings);
    }
}
