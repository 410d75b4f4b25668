/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trace events: see tracing.h.
 */
#include "tracing.h"

#include <string.h>

#include "support.h"

#define TRACING "/sys/kernel/tracing"

static void tracing_mount(Guest *guest)
{
    g_free(system_run(guest, "[ -e " TRACING "/set_event ] ||"
                             " mount -t tracefs none " TRACING));
}

void tracing_probe(Guest *guest, const char *function)
{
    tracing_mount(guest);
    g_free(system_run(guest,
                      "cd " TRACING " &&"
                      " echo 'p:probes/%s_begin %s' >>kprobe_events &&"
                      " echo 'r:probes/%s_end %s' >>kprobe_events",
                      function, function, function, function));
}

void tracing_start(Guest *guest, const char *events)
{
    tracing_mount(guest);
    g_free(system_run(guest,
                      "cd " TRACING " && echo 16384 >buffer_size_kb &&"
                      " echo >trace && echo >set_event &&"
                      " for e in %s; do echo $e >>set_event; done",
                      events));
}

static void trace_event_free(void *opaque)
{
    TraceEvent *event = opaque;

    g_free(event->task);
    g_free(event->name);
    g_free(event->text);
    g_free(event);
}

/* "  NAME-PID  [CPU] FLAGS  SECONDS: NAME: TEXT" */
static TraceEvent *trace_event_parse(const char *line)
{
    static GRegex *regex;
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree char *time = NULL;
    TraceEvent *event;

    if (!regex) {
        regex = g_regex_new(
            "(\\S+-[0-9]+) +\\[[0-9]+\\] +\\S+ +([0-9.]+): ([^ :]+): ?(.*)", 0,
            0, NULL);
    }
    if (!g_regex_match(regex, line, 0, &match)) {
        return NULL;
    }
    event = g_new0(TraceEvent, 1);
    event->task = g_match_info_fetch(match, 1);
    time = g_match_info_fetch(match, 2);
    event->time = g_ascii_strtod(time, NULL);
    event->name = g_match_info_fetch(match, 3);
    event->text = g_match_info_fetch(match, 4);
    return event;
}

static GPtrArray *tracing_read(Guest *guest)
{
    GPtrArray *events = g_ptr_array_new_with_free_func(trace_event_free);
    g_autofree char *trace = NULL;
    g_auto(GStrv) lines = NULL;

    trace = system_run(guest, "cat " TRACING "/trace");
    lines = g_strsplit(trace, "\n", -1);
    for (char **line = lines; *line; line++) {
        TraceEvent *event = trace_event_parse(*line);

        if (event) {
            g_ptr_array_add(events, event);
        }
    }
    return events;
}

static bool trace_event_is(const TraceEvent *event, const char *name,
                           const char *text)
{
    return strcmp(event->name, name) == 0 && strstr(event->text, text);
}

unsigned tracing_count(GPtrArray *events, const char *name, const char *text)
{
    unsigned count = 0;

    for (unsigned i = 0; i < events->len; i++) {
        count += trace_event_is(events->pdata[i], name, text);
    }
    return count;
}

TraceEvent *tracing_find(GPtrArray *events, double time, const char *name,
                         const char *text)
{
    for (unsigned i = 0; i < events->len; i++) {
        TraceEvent *event = events->pdata[i];

        if (event->time >= time && trace_event_is(event, name, text)) {
            return event;
        }
    }
    return NULL;
}

typedef struct TracingWait {
    Guest *guest;
    const char *name;
    const char *text;
    GPtrArray *events;
} TracingWait;

static bool tracing_has_come(void *opaque, GError **error G_GNUC_UNUSED)
{
    TracingWait *wait = opaque;

    g_clear_pointer(&wait->events, g_ptr_array_unref);
    wait->events = tracing_read(wait->guest);
    return tracing_find(wait->events, 0, wait->name, wait->text);
}

/* What came instead of what was waited for */
static void tracing_print(GPtrArray *events)
{
    for (unsigned i = 0; i < events->len; i++) {
        const TraceEvent *event = events->pdata[i];

        g_printerr("%f %s: %s\n", event->time, event->name, event->text);
    }
}

GPtrArray *tracing_wait(Guest *guest, const char *name, const char *text)
{
    TracingWait wait = {.guest = guest, .name = name, .text = text};
    g_autoptr(GError) error = NULL;

    if (!wait_until(tracing_has_come, &wait, SYSTEM_STALL_MS, text, &error)) {
        tracing_print(wait.events);
    }
    g_assert_no_error(error);
    return wait.events;
}
