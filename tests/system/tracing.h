/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's trace events, ours and the kernel's: what happened, in order and
 * with the guest's own time.
 */
#ifndef MHP_TRACING_H
#define MHP_TRACING_H

#include "guest.h"

/* All of our driver's */
#define TRACING_OURS "mhp_vmemmap_mem"

typedef struct TraceEvent {
    double time; /* seconds since boot */
    char *task;  /* the end of its name, and its PID: "mhp-virtio1-60" */
    char *name;  /* without its system */
    char *text;  /* what it prints */
} TraceEvent;

/*
 * Trace @events, a list of "system" and "system:event" as set_event takes it,
 * from now on. The driver must be loaded for ours.
 */
void tracing_start(Guest *guest, const char *events);

/*
 * Make events probes:FUNCTION_begin and probes:FUNCTION_end of a function of
 * the guest's kernel
 */
void tracing_probe(Guest *guest, const char *function);

/*
 * Wait until the event @name with @text in it was seen since the start; all
 * events since then, of TraceEvent, g_ptr_array_unref()
 */
GPtrArray *tracing_wait(Guest *guest, const char *name, const char *text);

/* How many of @events are @name and have @text in what they print */
unsigned tracing_count(GPtrArray *events, const char *name, const char *text);

/* The first such event at or after @time, or NULL */
TraceEvent *tracing_find(GPtrArray *events, double time, const char *name,
                         const char *text);

#endif /* MHP_TRACING_H */
