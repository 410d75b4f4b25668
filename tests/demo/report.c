/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Report of the demo: one row of the table is one function that turns a
 * journey into a cell.
 */
#include "report.h"

#include <stdio.h>

#define NOT_REACHED "-"

static char *report_device(const Journey *journey)
{
    return g_strdup(journey->type);
}

static char *report_kernel(const Journey *journey)
{
    return g_strdup_printf("%s, %s",
                           journey->release ? journey->release : NOT_REACHED,
                           journey->accel);
}

static char *report_size(const Journey *journey)
{
    double from = (double)GUEST_BOOT_SIZE / (double)GiB;
    double most = (double)journey->reached / (double)GiB;

    if (journey->shrink_seconds < 0) {
        return g_strdup_printf("%g GiB -> %.4g GiB of %.4g", from, most,
                               (double)journey->size / (double)GiB);
    }
    return g_strdup_printf("%g GiB -> %.4g GiB -> %g GiB", from, most,
                           (double)journey->left / (double)GiB);
}

static char *report_seconds(double seconds)
{
    if (seconds < 0) {
        return g_strdup(NOT_REACHED);
    }
    return g_strdup_printf("%.1f s", seconds);
}

static char *report_grow(const Journey *journey)
{
    return report_seconds(journey->grow_seconds);
}

static char *report_shrink(const Journey *journey)
{
    return report_seconds(journey->shrink_seconds);
}

static char *report_boot_memory(const Journey *journey)
{
    if (journey->boot_per_gib < 0) {
        return g_strdup(NOT_REACHED);
    }
    if (!journey->boot_per_gib) {
        return g_strdup("none that shows");
    }
    if (journey->boot_per_gib > (double)MiB) {
        return g_strdup_printf("%.1f MiB per GiB",
                               journey->boot_per_gib / (double)MiB);
    }
    return g_strdup_printf("%.1f KiB per GiB",
                           journey->boot_per_gib / (double)KiB);
}

static char *report_blocks(const Journey *journey)
{
    if (!journey->nb_movable && !journey->nb_other) {
        return g_strdup(NOT_REACHED);
    }
    return g_strdup_printf("%u Movable, %u other", journey->nb_movable,
                           journey->nb_other);
}

static char *report_memmap(const Journey *journey)
{
    unsigned nb = journey->nb_movable + journey->nb_other;

    if (nb && journey->nb_self_hosted == nb) {
        return g_strdup_printf("on each block (%u of %u pages)",
                               (unsigned)MEMMAP_PAGES,
                               (unsigned)(MEMORY_BLOCK_SIZE / 4096));
    }
    if (nb && journey->nb_self_hosted) {
        return g_strdup_printf("on %u of %u blocks", journey->nb_self_hosted,
                               nb);
    }
    return g_strdup(nb ? "in boot memory" : NOT_REACHED);
}

static char *report_outcome(const Journey *journey)
{
    if (journey->ok) {
        return g_strdup("there and back");
    }
    if (!journey->release) {
        return g_strdup("did not boot");
    }
    return g_strdup_printf("%s at %.4g GiB",
                           journey->is_dead ? "panicked" : "stuck",
                           (double)journey->reached / (double)GiB);
}

static const struct {
    const char *title;
    char *(*cell)(const Journey *journey);
} report_rows[] = {
    {"device", report_device},
    {"kernel", report_kernel},
    {"size", report_size},
    {"time to grow", report_grow},
    {"time to shrink", report_shrink},
    {"boot memory used", report_boot_memory},
    {"blocks by zone", report_blocks},
    {"memmap", report_memmap},
    {"outcome", report_outcome},
};

/* As the guest's user would see it, with nothing of ours in it */
static void report_print_free(const Journey *journey)
{
    const struct {
        const char *when;
        const char *text;
    } looks[] = {
        {"before", journey->free_before},
        {"at its full size", journey->free_full},
        {"after the shrink", journey->free_after},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(looks); i++) {
        if (looks[i].text) {
            printf("\nfree -h in the guest with %s, %s:\n%s", journey->type,
                   looks[i].when, looks[i].text);
        }
    }
}

void report_print(const Journey *journeys, unsigned nb)
{
    for (unsigned i = 0; i < nb; i++) {
        report_print_free(&journeys[i]);
    }
    putchar('\n');
    for (size_t row = 0; row < G_N_ELEMENTS(report_rows); row++) {
        printf("%-18s", report_rows[row].title);
        for (unsigned i = 0; i < nb; i++) {
            g_autofree char *cell = report_rows[row].cell(&journeys[i]);

            printf(i + 1 < nb ? "%-36s" : "%s", cell);
        }
        putchar('\n');
    }
    for (unsigned i = 0; i < nb; i++) {
        if (journeys[i].failure) {
            printf("\n%s: %s\n", journeys[i].type, journeys[i].failure);
        }
    }
}

static void report_add_figure(JsonObject *object, const char *name,
                              double value)
{
    if (value < 0) {
        json_object_set_null_member(object, name);
    } else {
        json_object_set_double_member(object, name, value);
    }
}

static JsonObject *report_json_run(const Journey *journey)
{
    JsonObject *run = json_object_new();
    JsonObject *blocks = json_object_new();

    json_object_set_string_member(run, "device", journey->type);
    json_object_set_int_member(run, "reached", (gint64)journey->reached);
    json_object_set_int_member(run, "left", (gint64)journey->left);
    report_add_figure(run, "grow_seconds", journey->grow_seconds);
    report_add_figure(run, "shrink_seconds", journey->shrink_seconds);
    report_add_figure(run, "boot_memory_per_gib", journey->boot_per_gib);
    report_add_figure(run, "boot_memory_lost", journey->boot_lost);
    json_object_set_int_member(blocks, "Movable", journey->nb_movable);
    json_object_set_int_member(blocks, "other", journey->nb_other);
    json_object_set_object_member(run, "blocks", blocks);
    json_object_set_int_member(run, "blocks_self_hosted",
                               journey->nb_self_hosted);
    json_object_set_boolean_member(run, "ok", journey->ok);
    json_object_set_string_member(run, "failure", journey->failure);
    return run;
}

bool report_write_json(const Journey *journeys, unsigned nb, const char *path,
                       GError **error)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    g_autoptr(JsonGenerator) generator = json_generator_new();
    JsonObject *object = json_object_new();
    JsonArray *runs = json_array_new();

    json_object_set_string_member(object, "guest", journeys[0].guest);
    json_object_set_string_member(object, "kernel", journeys[0].release);
    json_object_set_string_member(object, "accel", journeys[0].accel);
    json_object_set_int_member(object, "size", (gint64)journeys[0].size);
    json_object_set_int_member(object, "boot_size", (gint64)GUEST_BOOT_SIZE);
    for (unsigned i = 0; i < nb; i++) {
        json_array_add_object_element(runs, report_json_run(&journeys[i]));
    }
    json_object_set_array_member(object, "runs", runs);
    json_node_take_object(root, object);
    json_generator_set_pretty(generator, TRUE);
    json_generator_set_root(generator, root);
    return json_generator_to_file(generator, path, error);
}
