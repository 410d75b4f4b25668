/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Latency: see latency.h. */
#include "latency.h"

#include <string.h>

#define LATENCY_MAX_MS 200
#define ANSWERS_MIN 3

struct Latency {
    Mhp *mhp;
    char *main_thread;
    char *monitor_thread;
    int64_t start;
    int64_t last;
    int64_t worst;
    unsigned nb_answers;
};

/* How long a thread was ready to run and had no CPU, in microseconds */
static int64_t cpu_delay(const char *thread)
{
    g_autofree char *path = g_build_filename(thread, "schedstat", NULL);
    g_autofree char *text = NULL;
    const char *second = NULL;

    if (g_file_get_contents(path, &text, NULL, NULL)) {
        second = strchr(text, ' ');
    }
    return second ? g_ascii_strtoll(second, NULL, 10) / 1000 : 0;
}

/* The thread that reads the monitor's socket; the main loop does the rest */
static char *find_monitor_thread(Mhp *mhp)
{
    g_autofree char *folder = g_strdup_printf("/proc/%d/task", vm_pid(mhp->vm));
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, "comm", NULL);
        g_autofree char *comm = NULL;

        g_file_get_contents(path, &comm, NULL, NULL);
        if (comm && g_str_has_prefix(comm, "mon_iothread")) {
            return g_build_filename(folder, name, NULL);
        }
    }
    return g_strdup("");
}

/* A clock that stands still while others have the CPUs of the machine */
static int64_t own_time(const Latency *latency)
{
    return g_get_monotonic_time() - cpu_delay(latency->main_thread) -
           cpu_delay(latency->monitor_thread) - cpu_delay("/proc/thread-self");
}

Latency *latency_new(Mhp *mhp)
{
    Latency *latency = g_new0(Latency, 1);

    latency->mhp = mhp;
    latency->main_thread = g_strdup_printf("/proc/%d/task/%d", vm_pid(mhp->vm),
                                           vm_pid(mhp->vm));
    latency->monitor_thread = find_monitor_thread(mhp);
    latency->start = own_time(latency);
    latency->last = latency->start;
    return latency;
}

void latency_ask(Latency *latency)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) result = NULL;
    int64_t now;

    result = qmp_executef(vm_qmp(latency->mhp->vm), &error, "query-status",
                          NULL);
    g_assert_no_error(error);
    now = own_time(latency);
    latency->worst = MAX(latency->worst, now - latency->last);
    latency->last = now;
    latency->nb_answers++;
}

void latency_finish(Latency *latency)
{
    g_test_message("%" G_GINT64_FORMAT " ms, %u answers, the slowest took "
                   "%.1f ms",
                   (latency->last - latency->start) / 1000, latency->nb_answers,
                   (double)latency->worst / 1000);
    g_assert_cmpuint(latency->nb_answers, >=, ANSWERS_MIN);
    g_assert_cmpint(latency->worst, <=, LATENCY_MAX_MS * 1000);
    g_free(latency->main_thread);
    g_free(latency->monitor_thread);
    g_free(latency);
}
