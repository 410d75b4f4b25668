/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is to be said about a domain: problems, which keep it from being
 * changed, and notes, which do not. One sentence each.
 */
#ifndef MHP_VIRT_XML_REPORT_H
#define MHP_VIRT_XML_REPORT_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct {
    GPtrArray *problems;
    GPtrArray *notes;
} Report;

void report_init(Report *report);
void report_clear(Report *report);

void report_problem(Report *report, const char *format, ...)
    G_GNUC_PRINTF(2, 3);
void report_note(Report *report, const char *format, ...) G_GNUC_PRINTF(2, 3);

bool report_is_good(const Report *report);
/* All problems or, if there are none, all notes, one a line */
void report_print(const Report *report, FILE *out);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Report, report_clear)

#endif
