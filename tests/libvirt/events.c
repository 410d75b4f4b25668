/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events: see events.h. virsh does not say when it has begun to listen, so that
 * an event is made until it tells of it.
 */
#include "events.h"

#include <signal.h>
#include <string.h>

#include "wait.h"

#define EVENTS_WAIT_MS 60000

struct Events {
    Daemon *daemon;
    const char *domain;
    GSubprocess *virsh;
    char *path;
    size_t seen; /* bytes of the output that were looked at */
};

typedef struct EventsWait {
    Events *events;
    const char *pattern;
} EventsWait;

static bool events_find(Events *events, const char *pattern)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    size_t place = events->seen, size;

    if (!g_file_get_contents(events->path, &text, &size, NULL) ||
        size <= events->seen) {
        return false;
    }
    lines = g_strsplit(text + events->seen, "\n", -1);
    /* What follows the last \n is no line yet */
    for (char **line = lines; line[0] && line[1]; line++) {
        place += strlen(*line) + 1;
        if (g_pattern_match_simple(pattern, *line)) {
            events->seen = place;
            return true;
        }
    }
    return false;
}

bool events_has(Events *events, const char *pattern)
{
    return events_find(events, pattern);
}

static bool events_came(void *opaque, GError **error)
{
    EventsWait *wait = opaque;

    (void)error;
    return events_find(wait->events, wait->pattern);
}

void events_wait(Events *events, const char *pattern)
{
    EventsWait wait = {.events = events, .pattern = pattern};
    g_autoptr(GError) error = NULL;

    if (!wait_until(events_came, &wait, EVENTS_WAIT_MS, pattern, &error)) {
        g_autofree char *text = NULL;

        g_file_get_contents(events->path, &text, NULL, NULL);
        g_error("%s; the events were:\n%s", error->message, text);
    }
}

static bool events_is_listening(void *opaque, GError **error)
{
    Events *events = opaque;

    (void)error;
    g_free(daemon_virsh(events->daemon,
                        "metadata %s urn:mhp --key mhp --set '<listen/>'",
                        events->domain));
    return events_find(events, "event 'metadata-change'*");
}

Events *events_new(Daemon *daemon, const char *domain)
{
    Events *events = g_new0(Events, 1);
    g_autoptr(GError) error = NULL;

    events->daemon = daemon;
    events->domain = domain;
    events->path = daemon_path(daemon, "events-%s", domain);
    events->virsh = daemon_virsh_start(
        daemon, events->path, "event --domain %s --all --loop", domain);
    wait_until(events_is_listening, events, EVENTS_WAIT_MS, "the first event",
               &error);
    g_assert_no_error(error);
    return events;
}

void events_free(Events *events)
{
    if (!events) {
        return;
    }
    g_subprocess_send_signal(events->virsh, SIGTERM);
    g_subprocess_wait(events->virsh, NULL, NULL);
    g_object_unref(events->virsh);
    g_free(events->path);
    g_free(events);
}
