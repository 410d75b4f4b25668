/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The statsq: what the guest tells of its memory, how the host is shown it,
 * when the guest is asked for more, and what a guest that does it wrong breaks.
 */
#include <string.h>
#include <unistd.h>

#include "migrate.h"
#include "wait.h"

#define STATSQ 1
#define BUFFER MHP_REQ_ADDR
#define STAT_SIZE sizeof(struct virtio_mhp_stat)
#define NOT_KNOWN UINT64_MAX
#define WAIT_MS 30000

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE

static JsonNode *execute(Mhp *mhp, const char *command)
{
    g_autoptr(GError) error = NULL;
    JsonNode *result = qmp_executef(vm_qmp(mhp->vm), &error, command, NULL);

    g_assert_no_error(error);
    return result;
}

static void cont(Mhp *mhp)
{
    g_autoptr(JsonNode) result = execute(mhp, "cont");

    g_assert_nonnull(result);
}

/* A machine whose clock can run: its firmware sleeps */
static Mhp *new_with(const char *option, const char *value)
{
    int bios = mhp_bios_file();
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", getpid(), bios);
    const char *const args[] = {"-bios", path, option, value, NULL};
    Mhp *mhp = mhp_new_with_args(args);

    close(bios);
    return mhp;
}

static Mhp *new_running(void)
{
    Mhp *mhp = new_with(NULL, NULL);

    cont(mhp);
    return mhp;
}

static JsonNode *get_of(Mhp *mhp, const char *path, const char *property)
{
    g_autoptr(GError) error = NULL;
    JsonNode *result = qmp_executef(vm_qmp(mhp->vm), &error, "qom-get",
                                    "{'path': '%s', 'property': '%s'}", path,
                                    property);

    g_assert_no_error(error);
    return result;
}

/* A figure, or when they came */
static uint64_t stat_of(Mhp *mhp, const char *name)
{
    g_autoptr(JsonNode) node = get_of(mhp, MHP_QOM_PATH, "guest-stats");
    JsonObject *stats = json_object_get_object_member(
        json_node_get_object(node), "stats");

    g_assert_true(json_object_has_member(stats, name));
    return (uint64_t)json_object_get_int_member(stats, name);
}

static int64_t last_update(Mhp *mhp)
{
    g_autoptr(JsonNode) node = get_of(mhp, MHP_QOM_PATH, "guest-stats");

    return json_object_get_int_member(json_node_get_object(node),
                                      "last-update");
}

static int64_t counter(Mhp *mhp, const char *name)
{
    g_autoptr(JsonNode) node = get_of(mhp, MHP_QOM_PATH, "counters");

    g_assert_true(json_object_has_member(json_node_get_object(node), name));
    return json_object_get_int_member(json_node_get_object(node), name);
}

/* NULL if it was set, else why it was not */
static char *set_interval(Mhp *mhp, const char *path, int64_t seconds)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = qmp_executef(
        vm_qmp(mhp->vm), &error, "qom-set",
        "{'path': '%s', 'property': 'guest-stats-polling-interval', 'value': %" G_GINT64_FORMAT
        "}",
        path, seconds);

    return result ? NULL : g_strdup(error->message);
}

static void ask_every(Mhp *mhp, int64_t seconds)
{
    g_assert_null(set_interval(mhp, MHP_QOM_PATH, seconds));
}

static void write_stats(Mhp *mhp, const struct virtio_mhp_stat *stats,
                        unsigned nb)
{
    struct virtio_mhp_stat wire[VIRTIO_MHP_STATS_MAX + 1];

    for (unsigned i = 0; i < nb; i++) {
        wire[i] = (struct virtio_mhp_stat){
            .tag = GUINT16_TO_LE(stats[i].tag),
            /* DEV-STATS-2 */
            .padding = {0xffff, 0xffff, 0xffff},
            .value = GUINT64_TO_LE(stats[i].value),
        };
    }
    qtest_write(mhp->qtest, BUFFER, wire, nb * sizeof(wire[0]));
}

/* Make @nb figures available */
static void tell(Mhp *mhp, const struct virtio_mhp_stat *stats, unsigned nb)
{
    const struct vring_desc desc = {BUFFER, (uint32_t)(nb * STAT_SIZE), 0, 0};

    write_stats(mhp, stats, nb);
    virtio_pci_select(mhp->pci, STATSQ);
    virtio_pci_submit(mhp->pci, &desc, 1);
}

static void tell_one(Mhp *mhp, uint16_t tag, uint64_t value)
{
    const struct virtio_mhp_stat stat = {.tag = tag, .value = value};

    tell(mhp, &stat, 1);
}

static void wait_asked(Mhp *mhp)
{
    uint32_t len = 1;

    virtio_pci_select(mhp->pci, STATSQ);
    g_assert_cmpint(virtio_pci_wait(mhp->pci, &len), ==, VIRTIO_PCI_USED);
    g_assert_cmpuint(len, ==, 0); /* DEV-STATS-4 */
}

/* Requests are served, whatever is in the statsq (DEV-STATS-6) */
static void check_requests(Mhp *mhp)
{
    virtio_pci_select(mhp->pci, 0);
    mhp_expect(mhp_plug(mhp, 0, 1), ACK);
    mhp_expect(mhp_unplug(mhp, 0, 1), ACK);
}

/* DEV-STATS-2, DEV-STATS-3 */
static void test_figures_are_shown(void)
{
    static const struct virtio_mhp_stat first[] = {
        {.tag = VIRTIO_MHP_STAT_MEMFREE, .value = 1},
        {.tag = 77, .value = 2},
        {.tag = VIRTIO_MHP_STAT_PSI_FULL_TOTAL, .value = INT64_MAX},
        {.tag = 0xffff, .value = 4},
        {.tag = VIRTIO_MHP_STAT_SWAP_IN, .value = 0},
        {.tag = VIRTIO_MHP_STAT_MEMFREE, .value = 5},
    };
    g_autoptr(Mhp) mhp = mhp_new();
    int64_t now = g_get_real_time() / G_USEC_PER_SEC;

    g_assert_cmpint(last_update(mhp), ==, 0);
    g_assert_cmpuint(stat_of(mhp, "stat-free-memory"), ==, NOT_KNOWN);
    tell(mhp, first, G_N_ELEMENTS(first));
    g_assert_cmpuint(stat_of(mhp, "stat-free-memory"), ==, 5);
    g_assert_cmpuint(stat_of(mhp, "stat-swap-in"), ==, 0);
    g_assert_cmpuint(stat_of(mhp, "stat-psi-full-total"), ==, INT64_MAX);
    g_assert_cmpuint(stat_of(mhp, "stat-total-memory"), ==, NOT_KNOWN);
    g_assert_cmpint(last_update(mhp), >=, now);
    g_assert_cmpint(counter(mhp, "stats-read"), ==, 1);
    check_requests(mhp);
}

/* Every tag of the header has a name */
static void test_each_figure_has_a_name(void)
{
    static const char *const balloons[] = {
        "swap-in",      "swap-out",     "major-faults",     "minor-faults",
        "free-memory",  "total-memory", "available-memory", "disk-caches",
        "htlb-pgalloc", "htlb-pgfail",  "oom-kills",        "alloc-stalls",
        "async-scans",  "direct-scans", "async-reclaims",   "direct-reclaims",
    };
    static const char *const ours[] = {
        "refault-anon",   "refault-file",   "movable-free",   "movable-total",
        "kernel-free",    "kernel-total",   "memmap",         "plugged",
        "online",         "stuck",          "psi-some-avg10", "psi-some-total",
        "psi-full-avg10", "psi-full-total", "pressure",
    };
    struct virtio_mhp_stat stats[G_N_ELEMENTS(balloons) + G_N_ELEMENTS(ours)];
    g_autoptr(Mhp) mhp = mhp_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(stats); i++) {
        unsigned tag = i < G_N_ELEMENTS(balloons)
                           ? i
                           : 0x100 + i - (unsigned)G_N_ELEMENTS(balloons);

        stats[i] = (struct virtio_mhp_stat){.tag = (uint16_t)tag,
                                            .value = 1000 + i};
    }
    tell(mhp, stats, G_N_ELEMENTS(stats));
    for (unsigned i = 0; i < G_N_ELEMENTS(stats); i++) {
        g_autofree char *name = g_strdup_printf(
            "stat-%s", i < G_N_ELEMENTS(balloons)
                           ? balloons[i]
                           : ours[i - G_N_ELEMENTS(balloons)]);

        g_test_message("%s", name);
        g_assert_cmpuint(stat_of(mhp, name), ==, 1000 + i);
    }
}

#define BALLOON_PATH "/machine/peripheral/other"

/* What reads a virtio-balloon's statistics can read these */
static void test_as_virtio_balloon_shows_them(void)
{
    static const int64_t intervals[] = {-1, INT64_C(1) << 32, UINT32_MAX, 1, 0};
    g_autoptr(Mhp)
        mhp = new_with("-device", "virtio-balloon-pci,id=other,addr=0x10");
    g_autoptr(JsonNode) theirs = get_of(mhp, BALLOON_PATH, "guest-stats");
    JsonObject *object = json_node_get_object(theirs);
    g_autoptr(GList) names = json_object_get_members(
        json_object_get_object_member(object, "stats"));

    g_assert_cmpuint(json_object_get_size(object), ==, 2);
    g_assert_cmpuint(g_list_length(names), >=, 16);
    for (GList *name = names; name; name = name->next) {
        g_test_message("%s", (const char *)name->data);
        g_assert_cmpuint(stat_of(mhp, name->data), ==, NOT_KNOWN);
    }
    g_assert_cmpint(last_update(mhp), ==,
                    json_object_get_int_member(object, "last-update"));
    for (unsigned i = 0; i < G_N_ELEMENTS(intervals); i++) {
        g_autofree char *wanted = set_interval(mhp, BALLOON_PATH, intervals[i]);
        g_autofree char *got = set_interval(mhp, MHP_QOM_PATH, intervals[i]);
        g_autoptr(JsonNode)
            value = get_of(mhp, MHP_QOM_PATH, "guest-stats-polling-interval");

        g_assert_cmpstr(got, ==, wanted);
        g_assert_cmpint(json_node_get_int(value), ==, got ? 0 : intervals[i]);
    }
}

/* The path below @path, "" included, of a property of type @type, or NULL */
static char *find_property(Mhp *mhp, const char *path, const char *type)
{
    g_autoptr(GError) error = NULL;
    /* Names of memory regions have backslashes */
    g_autofree char *quoted = g_strescape(*path ? path : "/", NULL);
    g_autoptr(JsonNode) list = qmp_executef(vm_qmp(mhp->vm), &error, "qom-list",
                                            "{'path': '%s'}", quoted);
    JsonArray *properties;
    char *found = NULL;

    g_assert_no_error(error);
    properties = json_node_get_array(list);
    for (guint i = 0; !found && i < json_array_get_length(properties); i++) {
        JsonObject *property = json_array_get_object_element(properties, i);
        const char *got = json_object_get_string_member(property, "type");
        g_autofree char *below = g_strdup_printf(
            "%s/%s", path, json_object_get_string_member(property, "name"));

        if (g_str_equal(got, type)) {
            found = g_steal_pointer(&below);
        } else if (g_str_has_prefix(got, "child<")) {
            found = find_property(mhp, below, type);
        }
    }
    return found;
}

/* As libvirt looks for a virtio-balloon's in a domain that has none */
static void test_found_as_a_balloon(void)
{
    static const struct {
        const char *option;
        const char *value;
        bool is_found;
    } rows[] = {
        {"-device", "mhp-no-balloon,id=other", true},
        {"-set", "device.mhp0.stats=off", false},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Mhp) mhp = new_with(rows[i].option, rows[i].value);
        g_autofree char *path = find_property(mhp, "",
                                              "link<virtio-balloon-pci>");

        g_test_message("%s %s", rows[i].option, rows[i].value);
        g_assert_cmpint(path != NULL, ==, rows[i].is_found);
        if (path) {
            g_autoptr(JsonNode) stats = NULL;

            tell_one(mhp, VIRTIO_MHP_STAT_MEMFREE, 1);
            stats = get_of(mhp, path, "guest-stats");
            g_assert_cmpint(json_object_get_int_member(
                                json_object_get_object_member(
                                    json_node_get_object(stats), "stats"),
                                "stat-free-memory"),
                            ==, 1);
            g_assert_null(set_interval(mhp, path, 7));
            g_assert_null(set_interval(mhp, MHP_QOM_PATH, 0));
        }
    }
}

/* DEV-STATS-4 */
static void test_asked_once_an_interval(void)
{
    g_autoptr(Mhp) mhp = new_running();
    int64_t start;

    tell_one(mhp, VIRTIO_MHP_STAT_MEMFREE, 1);
    check_requests(mhp);
    g_assert_cmpint(counter(mhp, "stats-asked"), ==, 0);
    ask_every(mhp, 1);
    wait_asked(mhp);
    start = g_get_monotonic_time();
    tell_one(mhp, VIRTIO_MHP_STAT_MEMFREE, 2);
    g_assert_cmpuint(stat_of(mhp, "stat-free-memory"), ==, 2);
    wait_asked(mhp);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, G_USEC_PER_SEC / 2);
    g_assert_cmpint(counter(mhp, "stats-asked"), ==, 2);
    ask_every(mhp, 0);
    tell_one(mhp, VIRTIO_MHP_STAT_MEMFREE, 3);
    check_requests(mhp);
    g_assert_cmpint(counter(mhp, "stats-asked"), ==, 2);
}

/* An interval that is set before there is a driver, or while it keeps still */
static void test_asked_when_there_is_a_driver(void)
{
    g_autoptr(Mhp) mhp = new_running();

    ask_every(mhp, 1);
    check_requests(mhp);
    tell_one(mhp, VIRTIO_MHP_STAT_MEMFREE, 1);
    wait_asked(mhp);
    mhp_restart_driver(mhp, MHP_FEATURES);
    tell_one(mhp, VIRTIO_MHP_STAT_MEMFREE, 2);
    wait_asked(mhp);
}

/* DEV-STATS-5 */
static void test_reset_forgets(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    tell_one(mhp, VIRTIO_MHP_STAT_MEMFREE, 1);
    g_assert_cmpuint(stat_of(mhp, "stat-free-memory"), ==, 1);
    mhp_restart_driver(mhp, MHP_FEATURES);
    g_assert_cmpuint(stat_of(mhp, "stat-free-memory"), ==, NOT_KNOWN);
    g_assert_cmpint(last_update(mhp), ==, 0);
}

typedef struct Shape {
    const char *what;
    unsigned nb_descs;
    struct vring_desc descs[3];
} Shape;

/* DEV-STATS-1 */
static void test_right_shapes(void)
{
    static const Shape rows[] = {
        {"one figure", 1, {{BUFFER, STAT_SIZE, 0, 0}}},
        {"all that there can be",
         1,
         {{BUFFER, VIRTIO_MHP_STATS_MAX * STAT_SIZE, 0, 0}}},
        {"in three parts",
         3,
         {{BUFFER, 1, NEXT, 1},
          {BUFFER + 1, STAT_SIZE, NEXT, 2},
          {BUFFER + 1 + STAT_SIZE, STAT_SIZE - 1, 0, 0}}},
    };
    const struct virtio_mhp_stat stats[VIRTIO_MHP_STATS_MAX] = {
        {.tag = VIRTIO_MHP_STAT_MEMTOT, .value = 42},
        {.tag = 99},
    };
    g_autoptr(Mhp) mhp = mhp_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].what);
        mhp_restart_driver(mhp, MHP_FEATURES);
        write_stats(mhp, stats, G_N_ELEMENTS(stats));
        virtio_pci_select(mhp->pci, STATSQ);
        virtio_pci_submit(mhp->pci, rows[i].descs, rows[i].nb_descs);
        g_assert_cmpuint(stat_of(mhp, "stat-total-memory"), ==, 42);
        check_requests(mhp);
    }
    g_assert_cmpint(counter(mhp, "malformed"), ==, 0);
}

/* DEV-STATS-1, DEV-RESET-3 */
static void test_wrong_shapes(void)
{
    static const Shape rows[] = {
        {"half a figure", 1, {{BUFFER, STAT_SIZE / 2, 0, 0}}},
        {"a byte more", 1, {{BUFFER, STAT_SIZE + 1, 0, 0}}},
        {"one too many",
         1,
         {{BUFFER, (VIRTIO_MHP_STATS_MAX + 1) * STAT_SIZE, 0, 0}}},
        {"as long as can be", 1, {{BUFFER, 0x1000000, 0, 0}}},
        {"nothing to read", 1, {{BUFFER, STAT_SIZE, WRITE, 0}}},
        {"something to write",
         2,
         {{BUFFER, STAT_SIZE, NEXT, 1}, {BUFFER, STAT_SIZE, WRITE, 0}}},
    };
    const struct virtio_mhp_stat stats[VIRTIO_MHP_STATS_MAX + 1] = {
        {.tag = VIRTIO_MHP_STAT_MEMTOT, .value = 42},
    };
    g_autoptr(Mhp) mhp = mhp_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].what);
        write_stats(mhp, stats, G_N_ELEMENTS(stats));
        virtio_pci_select(mhp->pci, STATSQ);
        virtio_pci_submit(mhp->pci, rows[i].descs, rows[i].nb_descs);
        g_assert_cmpint(virtio_pci_wait(mhp->pci, NULL), ==, VIRTIO_PCI_BROKEN);
        g_assert_cmpuint(stat_of(mhp, "stat-total-memory"), ==, NOT_KNOWN);
        g_assert_cmpint(counter(mhp, "malformed"), ==, i + 1);
        mhp_restart_driver(mhp, MHP_FEATURES);
        check_requests(mhp);
    }
}

/* DEV-STATS-1: at once, and one after the other */
static void test_several_buffers(void)
{
    static const struct vring_desc descs[] = {
        {BUFFER, STAT_SIZE, 0, 0},
        {BUFFER, STAT_SIZE, 0, 0},
    };
    static const uint16_t heads[] = {0, 1};
    g_autoptr(Mhp) mhp = mhp_new();

    virtio_pci_select(mhp->pci, STATSQ);
    virtio_pci_submit_heads(mhp->pci, descs, 2, heads, 2);
    g_assert_cmpint(virtio_pci_wait(mhp->pci, NULL), ==, VIRTIO_PCI_BROKEN);
    mhp_restart_driver(mhp, MHP_FEATURES);
    virtio_pci_select(mhp->pci, STATSQ);
    virtio_pci_submit_heads(mhp->pci, descs, 2, heads, 1);
    check_requests(mhp);
    virtio_pci_select(mhp->pci, STATSQ);
    virtio_pci_submit_heads(mhp->pci, descs, 2, heads + 1, 1);
    g_assert_cmpint(virtio_pci_wait(mhp->pci, NULL), ==, VIRTIO_PCI_BROKEN);
    mhp_restart_driver(mhp, MHP_FEATURES);
    check_requests(mhp);
}

/* DEV-STATS-1 */
static void test_without_the_feature(void)
{
    g_autoptr(Mhp) mhp = mhp_new();

    mhp_restart_driver(mhp,
                       MHP_FEATURES & ~(UINT64_C(1) << VIRTIO_MHP_F_STATS));
    check_requests(mhp);
    tell_one(mhp, VIRTIO_MHP_STAT_MEMTOT, 42);
    g_assert_cmpint(virtio_pci_wait(mhp->pci, NULL), ==, VIRTIO_PCI_BROKEN);
    g_assert_cmpuint(stat_of(mhp, "stat-total-memory"), ==, NOT_KNOWN);
}

/* A machine that is stopped is left as it is; then nothing is forgotten. */
static void test_told_while_the_machine_is_stopped(void)
{
    g_autoptr(Mhp) mhp = new_running();
    g_autoptr(JsonNode) result = execute(mhp, "stop");

    ask_every(mhp, 1);
    tell_one(mhp, VIRTIO_MHP_STAT_MEMTOT, 42);
    g_assert_cmpuint(stat_of(mhp, "stat-total-memory"), ==, NOT_KNOWN);
    cont(mhp);
    wait_asked(mhp);
}

/* The queue is there if its feature is, and one interrupt more with it */
static void test_turned_off(void)
{
    static const struct {
        const char *property;
        unsigned nb_queues;
        unsigned vectors;
    } rows[] = {
        {"device.mhp0.stats=on", 3, 4},
        {"device.mhp0.stats=off", 2, 3},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Mhp) mhp = new_with("-set", rows[i].property);
        uint64_t vectors = 0;

        g_assert_cmpuint(virtio_pci_nb_queues(mhp->pci), ==, rows[i].nb_queues);
        g_assert_cmpuint(virtio_pci_features(mhp->pci) >> VIRTIO_MHP_F_STATS &
                             1,
                         ==, rows[i].nb_queues - 2);
        g_assert_true(qmp_get_uint(vm_qmp(mhp->vm), MHP_QOM_PATH, "vectors",
                                   &vectors, NULL));
        g_assert_cmpuint(vectors, ==, rows[i].vectors);
        g_assert_cmpuint(stat_of(mhp, "stat-total-memory"), ==, NOT_KNOWN);
        ask_every(mhp, 1);
        check_requests(mhp);
    }
}

/* The buffer goes along, and is returned where the guest is */
static void test_migration(void)
{
    int bios = mhp_bios_file();
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", getpid(), bios);
    const char *const args[] = {"-bios", path, NULL};
    char *uri = migrate_new_uri("unix");
    {
        g_autoptr(Mhp) source = mhp_new_with_args(args);
        g_autoptr(Mhp) target = mhp_new_incoming(source, args);

        migration_listen(target->vm, uri);
        cont(source);
        ask_every(source, 1);
        tell_one(source, VIRTIO_MHP_STAT_MEMFREE, 1);
        wait_asked(source);
        ask_every(source, 0);
        tell_one(source, VIRTIO_MHP_STAT_MEMFREE, 2);
        /* As libvirt does, before the guest is there */
        ask_every(target, 1);
        migrate(source, target, uri);
        cont(target);
        wait_asked(target);
        tell_one(target, VIRTIO_MHP_STAT_MEMFREE, 3);
        g_assert_cmpuint(stat_of(target, "stat-free-memory"), ==, 3);
        wait_asked(target);
        check_requests(target);
    }
    migrate_free_uri(uri);
    close(bios);
}

/* A snapshot has the buffer, too; what is told is as of its loading */
static void check_snapshot(const char *ioeventfd)
{
    char *uri = migrate_new_uri("file");
    {
        g_autoptr(Mhp) mhp = new_with("-set", ioeventfd);

        cont(mhp);
        migration_add_disk(mhp->vm, strchr(uri, ':') + 1);
        tell_one(mhp, VIRTIO_MHP_STAT_MEMFREE, 1);
        migration_save(mhp->vm, "one");
        ask_every(mhp, 1);
        wait_asked(mhp);
        tell_one(mhp, VIRTIO_MHP_STAT_MEMFREE, 2);
        mhp_load_snapshot(mhp, "one");
        wait_asked(mhp);
        tell_one(mhp, VIRTIO_MHP_STAT_MEMFREE, 3);
        g_assert_cmpuint(stat_of(mhp, "stat-free-memory"), ==, 3);
        wait_asked(mhp);
    }
    migrate_free_uri(uri);
}

/* With eventfds the machine tells of the buffer when it runs, else nobody */
static void test_snapshot(void)
{
    check_snapshot("device.mhp0.ioeventfd=on");
    check_snapshot("device.mhp0.ioeventfd=off");
}

#define ADD(test) g_test_add_func("/virtio-mhp/stats/" #test, test_##test)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(figures_are_shown);
    ADD(each_figure_has_a_name);
    ADD(as_virtio_balloon_shows_them);
    ADD(found_as_a_balloon);
    ADD(asked_once_an_interval);
    ADD(asked_when_there_is_a_driver);
    ADD(reset_forgets);
    ADD(right_shapes);
    ADD(wrong_shapes);
    ADD(several_buffers);
    ADD(without_the_feature);
    ADD(told_while_the_machine_is_stopped);
    ADD(turned_off);
    ADD(migration);
    ADD(snapshot);
    return g_test_run();
}
