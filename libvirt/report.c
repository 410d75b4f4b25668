/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Problems and notes, see report.h. What comes out of somebody's XML may hold
 * anything: a message stays one line of printable characters.
 */
#include "report.h"

#include <stdarg.h>

#define REPORT_PREFIX "mhp-virt-xml: "

void report_init(Report *report)
{
    report->problems = g_ptr_array_new_with_free_func(g_free);
    report->notes = g_ptr_array_new_with_free_func(g_free);
}

void report_clear(Report *report)
{
    g_ptr_array_unref(report->problems);
    g_ptr_array_unref(report->notes);
}

static void report_add(GPtrArray *lines, const char *format, va_list ap)
{
    char *line = g_strdup_vprintf(format, ap);

    for (char *c = line; *c; c++) {
        if (g_ascii_iscntrl(*c)) {
            *c = ' ';
        }
    }
    g_ptr_array_add(lines, line);
}

void report_problem(Report *report, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    report_add(report->problems, format, ap);
    va_end(ap);
}

void report_note(Report *report, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    report_add(report->notes, format, ap);
    va_end(ap);
}

bool report_is_good(const Report *report)
{
    return report->problems->len == 0;
}

void report_print(const Report *report, FILE *out)
{
    for (guint i = 0; i < report->problems->len; i++) {
        fprintf(out, REPORT_PREFIX "%s\n",
                (const char *)report->problems->pdata[i]);
    }
    for (guint i = 0; report_is_good(report) && i < report->notes->len; i++) {
        fprintf(out, REPORT_PREFIX "note: %s\n",
                (const char *)report->notes->pdata[i]);
    }
}
