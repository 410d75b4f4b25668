/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Results: see results.h.
 */
#include "results.h"

#include <stdlib.h>
#include <string.h>

static void series_free(gpointer data)
{
    Series *series = data;

    g_free(series->scenario);
    g_free(series->variant);
    g_free(series->peer);
    g_array_unref(series->values);
    g_free(series);
}

Results *results_new(void)
{
    Results *results = g_new0(Results, 1);

    results->series = g_ptr_array_new_with_free_func(series_free);
    results->remarks = g_ptr_array_new_with_free_func(g_free);
    results->about = json_object_new();
    return results;
}

void results_free(Results *results)
{
    if (!results) {
        return;
    }
    g_ptr_array_unref(results->series);
    g_ptr_array_unref(results->remarks);
    json_object_unref(results->about);
    g_free(results);
}

const Series *results_find(const Results *results, const char *scenario,
                           const char *variant, const char *metric,
                           const char *peer)
{
    for (guint i = 0; i < results->series->len; i++) {
        const Series *series = g_ptr_array_index(results->series, i);

        if (g_str_equal(series->scenario, scenario) &&
            g_str_equal(series->variant, variant) &&
            g_str_equal(series->metric.name, metric) &&
            g_str_equal(series->peer, peer)) {
            return series;
        }
    }
    return NULL;
}

void results_add(Results *results, const char *scenario, const char *variant,
                 double x, const Metric *metric, const char *peer, double value)
{
    const Series *found = results_find(results, scenario, variant, metric->name,
                                       peer);
    Series *series;

    if (!found) {
        series = g_new0(Series, 1);
        series->scenario = g_strdup(scenario);
        series->variant = g_strdup(variant);
        series->x = x;
        series->metric = (Metric){g_intern_string(metric->name),
                                  g_intern_string(metric->unit),
                                  metric->more_is_better};
        series->peer = g_strdup(peer);
        series->values = g_array_new(FALSE, FALSE, sizeof(double));
        g_ptr_array_add(results->series, series);
        found = series;
    }
    g_array_append_val(found->values, value);
}

void results_remark(Results *results, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    g_ptr_array_add(results->remarks, g_strdup_vprintf(format, ap));
    va_end(ap);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Of @nb values, at least one, which are sorted here */
static double median(double *values, guint nb)
{
    qsort(values, nb, sizeof(*values), compare_doubles);
    return nb % 2 ? values[nb / 2] : (values[nb / 2 - 1] + values[nb / 2]) / 2;
}

Summary series_summary(const Series *series)
{
    guint nb = series->values->len;
    g_autofree double *sorted = g_memdup2(series->values->data,
                                          nb * sizeof(double));
    Summary summary = {.median = median(sorted, nb)};

    summary.min = sorted[0];
    summary.max = sorted[nb - 1];
    return summary;
}

double series_ratio(const Series *a, const Series *b)
{
    guint nb = a && b ? MIN(a->values->len, b->values->len) : 0;
    g_autoptr(GArray) ratios = g_array_new(FALSE, FALSE, sizeof(double));

    for (guint i = 0; i < nb; i++) {
        double divisor = g_array_index(b->values, double, i);
        double ratio = g_array_index(a->values, double, i);

        if (!divisor) {
            return 0;
        }
        ratio /= divisor;
        g_array_append_val(ratios, ratio);
    }
    return nb ? median((double *)ratios->data, nb) : 0;
}

static JsonObject *series_to_json(const Series *series)
{
    JsonObject *object = json_object_new();
    JsonArray *values = json_array_new();

    json_object_set_string_member(object, "scenario", series->scenario);
    json_object_set_string_member(object, "variant", series->variant);
    json_object_set_double_member(object, "x", series->x);
    json_object_set_string_member(object, "metric", series->metric.name);
    json_object_set_string_member(object, "unit", series->metric.unit);
    json_object_set_string_member(
        object, "better", series->metric.more_is_better ? "more" : "less");
    json_object_set_string_member(object, "peer", series->peer);
    for (guint i = 0; i < series->values->len; i++) {
        json_array_add_double_element(values,
                                      g_array_index(series->values, double, i));
    }
    json_object_set_array_member(object, "values", values);
    return object;
}

bool results_write(const Results *results, const char *path, GError **error)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    g_autoptr(JsonGenerator) generator = json_generator_new();
    JsonObject *object = json_object_new();
    JsonArray *series = json_array_new();
    JsonArray *remarks = json_array_new();

    for (guint i = 0; i < results->series->len; i++) {
        json_array_add_object_element(
            series, series_to_json(g_ptr_array_index(results->series, i)));
    }
    for (guint i = 0; i < results->remarks->len; i++) {
        json_array_add_string_element(remarks,
                                      g_ptr_array_index(results->remarks, i));
    }
    json_object_set_object_member(object, "about",
                                  json_object_ref(results->about));
    json_object_set_array_member(object, "series", series);
    json_object_set_array_member(object, "remarks", remarks);
    json_node_take_object(root, object);
    json_generator_set_pretty(generator, TRUE);
    json_generator_set_root(generator, root);
    return json_generator_to_file(generator, path, error);
}

static void results_add_json(Results *results, JsonObject *object)
{
    const Metric metric = {
        json_object_get_string_member(object, "metric"),
        json_object_get_string_member(object, "unit"),
        g_str_equal(json_object_get_string_member(object, "better"), "more"),
    };
    JsonArray *values = json_object_get_array_member(object, "values");

    for (guint i = 0; i < json_array_get_length(values); i++) {
        results_add(results, json_object_get_string_member(object, "scenario"),
                    json_object_get_string_member(object, "variant"),
                    json_object_get_double_member(object, "x"), &metric,
                    json_object_get_string_member(object, "peer"),
                    json_array_get_double_element(values, i));
    }
}

static bool is_series(JsonNode *node)
{
    static const char *const strings[] = {"scenario", "variant", "metric",
                                          "unit",     "better",  "peer"};
    JsonObject *object;

    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        return false;
    }
    object = json_node_get_object(node);
    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++) {
        JsonNode *member = json_object_get_member(object, strings[i]);

        if (!member || json_node_get_value_type(member) != G_TYPE_STRING) {
            return false;
        }
    }
    return json_object_has_member(object, "x") &&
           json_object_has_member(object, "values") &&
           JSON_NODE_HOLDS_ARRAY(json_object_get_member(object, "values"));
}

static bool results_add_array(Results *results, JsonArray *array,
                              const char *path, GError **error)
{
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);

        if (!is_series(node)) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                        "%s: entry %u is no series of values", path, i);
            return false;
        }
        results_add_json(results, json_node_get_object(node));
    }
    return true;
}

Results *results_read(const char *path, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *root, *series = NULL;
    Results *results;

    if (!json_parser_load_from_file(parser, path, error)) {
        return NULL;
    }
    root = json_parser_get_root(parser);
    if (root && JSON_NODE_HOLDS_OBJECT(root)) {
        series = json_object_get_member(json_node_get_object(root), "series");
    }
    if (!series || !JSON_NODE_HOLDS_ARRAY(series)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "%s: want results of ./mhp bench, got other JSON", path);
        return NULL;
    }
    results = results_new();
    if (!results_add_array(results, json_node_get_array(series), path, error)) {
        g_clear_pointer(&results, results_free);
    }
    return results;
}
