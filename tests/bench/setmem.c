/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libvirt adds to a resize: from the start of "virsh setmem" until the
 * guest's MemTotal is what was asked for, against the same by a QMP command on
 * the same guest, in turns. A tool in the guest looks every 2 ms.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "domain.h"
#include "keeper.h"

static gint option_rounds = 10;
static double option_limit;
static char *option_json;

static const GOptionEntry options[] = {
    {"rounds", 0, 0, G_OPTION_ARG_INT, &option_rounds,
     "measurements of each kind (default: 10)", "N"},
    {"limit", 0, 0, G_OPTION_ARG_DOUBLE, &option_limit,
     "fail if a ratio of medians is above X", "X"},
    {"json", 0, 0, G_OPTION_ARG_FILENAME, &option_json,
     "write all results to this file, too", "FILE"},
    {0},
};

enum way { BY_VIRSH, BY_QMP, NB_WAYS };
enum direction { GROW, SHRINK, NB_DIRECTIONS };

static const char *const direction_names[] = {"grow", "shrink"};
static const uint64_t sizes[] = {DOMAIN_MAX_SIZE, DOMAIN_BOOT_SIZE};

typedef struct Bench {
    Daemon *daemon;
    Domain *domain;
    Qmp *qmp;
    GArray *times[NB_DIRECTIONS][NB_WAYS]; /* double: ms */
} Bench;

/* A monitor of our own beside libvirt's; its path */
static char *bench_add_monitor(Bench *bench)
{
    char *path = daemon_path(bench->daemon, "qmp");
    g_autofree char *args = g_strdup_printf(
        "<qemu:arg value='-qmp'/>"
        "<qemu:arg value='unix:%s,server=on,wait=off'/></qemu:commandline>",
        path);
    g_autofree char *xml = daemon_virsh(bench->daemon, "dumpxml d");
    g_autoptr(GString) text = g_string_new(xml);
    g_autofree char *file = NULL;

    g_assert_cmpuint(g_string_replace(text, "</qemu:commandline>", args, 0), ==,
                     1);
    file = daemon_write(bench->daemon, "bench.xml", text->str);
    g_free(daemon_virsh(bench->daemon, "define %s", file));
    return path;
}

static Qmp *bench_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_autoptr(GError) error = NULL;
    Qmp *qmp;

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)),
                    ==, 0);
    qmp = qmp_new(channel_new(fd), &error);
    g_assert_no_error(error);
    return qmp;
}

static void bench_start(Bench *bench)
{
    g_autofree char *path = NULL;

    bench->daemon = daemon_new("a");
    bench->domain = domain_new(bench->daemon, "d", "--form dimm");
    path = bench_add_monitor(bench);
    domain_start(bench->domain);
    bench->qmp = bench_connect(path);
    for (unsigned i = 0; i < NB_DIRECTIONS; i++) {
        for (unsigned j = 0; j < NB_WAYS; j++) {
            bench->times[i][j] = g_array_new(FALSE, FALSE, sizeof(double));
        }
    }
}

static void bench_end(Bench *bench)
{
    for (unsigned i = 0; i < NB_DIRECTIONS; i++) {
        for (unsigned j = 0; j < NB_WAYS; j++) {
            g_array_unref(bench->times[i][j]);
        }
    }
    qmp_free(bench->qmp);
    domain_free(bench->domain);
    daemon_free(bench->daemon);
}

static void bench_request(Bench *bench, enum way way, uint64_t size)
{
    g_autoptr(GError) error = NULL;

    if (way == BY_VIRSH) {
        g_free(daemon_virsh(bench->daemon, "setmem d %" PRIu64, size / KiB));
        return;
    }
    json_node_unref(qmp_executef(bench->qmp, &error, "balloon",
                                 "{'value': %" PRIu64 "}", size));
    g_assert_no_error(error);
}

static void bench_measure(Bench *bench, enum way way, enum direction direction)
{
    const uint64_t size = sizes[direction];
    double time;
    gint64 start;

    domain_watch_mem_total(bench->domain, size);
    start = g_get_monotonic_time();
    bench_request(bench, way, size);
    domain_finish(bench->domain);
    time = (double)(g_get_monotonic_time() - start) / 1000;
    g_array_append_val(bench->times[direction][way], time);
    domain_wait_size(bench->domain, size);
}

static int compare_times(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* At 0 the smallest, at 1 the largest, at 0.5 the median */
static double bench_time(Bench *bench, enum direction direction, enum way way,
                         double place)
{
    GArray *times = bench->times[direction][way];

    g_array_sort(times, compare_times);
    return g_array_index(times, double, (unsigned)(place * (times->len - 1)));
}

static double bench_ratio(Bench *bench, enum direction direction)
{
    return bench_time(bench, direction, BY_VIRSH, 0.5) /
           bench_time(bench, direction, BY_QMP, 0.5);
}

static void bench_print(Bench *bench)
{
    static const char *const ways[] = {"virsh setmem", "QMP balloon"};

    printf("1 GiB to 8 GiB and back, until MemTotal says so, in ms\n");
    for (unsigned i = 0; i < NB_DIRECTIONS; i++) {
        for (unsigned j = 0; j < NB_WAYS; j++) {
            printf("%-6s  %-12s  median %6.0f  min %6.0f  max %6.0f\n",
                   direction_names[i], ways[j], bench_time(bench, i, j, 0.5),
                   bench_time(bench, i, j, 0), bench_time(bench, i, j, 1));
        }
        printf("%-6s  ratio of medians %.2f\n", direction_names[i],
               bench_ratio(bench, i));
    }
}

static void bench_write_json(Bench *bench)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = NULL;
    g_autoptr(GError) error = NULL;

    json_builder_begin_object(builder);
    for (unsigned i = 0; i < NB_DIRECTIONS; i++) {
        json_builder_set_member_name(builder, direction_names[i]);
        json_builder_begin_object(builder);
        json_builder_set_member_name(builder, "virsh_median_ms");
        json_builder_add_double_value(builder,
                                      bench_time(bench, i, BY_VIRSH, 0.5));
        json_builder_set_member_name(builder, "qmp_median_ms");
        json_builder_add_double_value(builder,
                                      bench_time(bench, i, BY_QMP, 0.5));
        json_builder_set_member_name(builder, "ratio");
        json_builder_add_double_value(builder, bench_ratio(bench, i));
        json_builder_end_object(builder);
    }
    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    json_generator_set_root(generator, root);
    json_generator_set_pretty(generator, TRUE);
    json_generator_to_file(generator, option_json, &error);
    g_assert_no_error(error);
}

static int body(int argc, char **argv)
{
    bool is_slow = false;
    Bench bench = {};

    (void)argc;
    (void)argv;
    bench_start(&bench);
    for (int round = 0; round < option_rounds; round++) {
        for (unsigned i = 0; i < NB_WAYS; i++) {
            enum way way = (round + i) % NB_WAYS;

            bench_measure(&bench, way, GROW);
            bench_measure(&bench, way, SHRINK);
        }
    }
    bench_print(&bench);
    if (option_json) {
        bench_write_json(&bench);
    }
    for (unsigned i = 0; i < NB_DIRECTIONS; i++) {
        is_slow = is_slow || bench_ratio(&bench, i) > option_limit;
    }
    bench_end(&bench);
    return option_limit > 0 && is_slow;
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext)
        context = g_option_context_new("- time virsh setmem against QMP");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) ||
        option_rounds < 1) {
        fprintf(stderr, "bench-setmem: %s\n",
                error ? error->message : "--rounds wants 1 or more");
        return 2;
    }
    return keeper_run(body, argc, argv);
}
