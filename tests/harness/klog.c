/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words by which a kernel reports trouble. A log that has none of them is
 * clean.
 */
#include "klog.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

static const char *const klog_words[] = {
    "BUG:",
    "BUG at",
    "BUG ",
    "WARNING:",
    "Oops",
    "Call Trace",
    "Kernel panic",
    "general protection fault",
    "nable to handle",
    /* lockdep */
    "possible circular locking",
    "possible recursive locking",
    "inconsistent lock state",
    "suspicious RCU usage",
    "lock held when returning",
    "register non-static key",
    "locking correctness validator",
    /* memory */
    "alloc failure",
    "allocation failure",
    "invoked oom-killer",
    "Out of memory",
    "Bad page state",
    /* A page that cannot move is dumped, too, and is no trouble */
    "page dumped because: VM_",
    "_add corruption",
    "_del corruption",
    "KASAN",
    "KFENCE",
    "KCSAN",
    "UBSAN",
    "unreferenced object",
    "suspected memory leak",
    "leak detector disabled",
    /* hangs */
    "blocked for more than",
    "detected stalls",
    "self-detected stall",
    "soft lockup",
    "hard LOCKUP",
    /* a module that spoils the kernel */
    "Unknown symbol",
    "disagrees about version of symbol",
};

static bool klog_is_trouble(const char *line)
{
    for (size_t i = 0; i < G_N_ELEMENTS(klog_words); i++) {
        if (strstr(line, klog_words[i])) {
            return true;
        }
    }
    return false;
}

char *klog_trouble(const char *log)
{
    g_auto(GStrv) lines = g_strsplit(log, "\n", -1);

    for (char **line = lines; *line; line++) {
        if (klog_is_trouble(*line)) {
            return g_strdup(*line);
        }
    }
    return NULL;
}

/* What a report has: the line that it begins with, and its trace */
#define REPORT_TROUBLE_LINES 2

static bool klog_is_report(const char *report, const char *const *words)
{
    g_auto(GStrv) lines = g_strsplit(report, "\n", -1);
    unsigned trouble = 0;

    for (char **line = lines; *line; line++) {
        trouble += klog_is_trouble(*line);
    }
    for (; *words; words++) {
        if (!strstr(report, *words)) {
            return false;
        }
    }
    /* More is another CPU's, and must not go with it. */
    return trouble == REPORT_TROUBLE_LINES;
}

char *klog_without_report(const char *log, const char *const *words)
{
    const char *first = strstr(log, words[0]);
    const char *last;
    g_autofree char *report = NULL;

    while (first && first > log && first[-1] != '\n') {
        first--;
    }
    last = first ? strstr(first, "</TASK>") : NULL;
    report = last ? g_strndup(first, last - first) : NULL;

    if (!report || !klog_is_report(report, words)) {
        return g_strdup(log);
    }
    return g_strdup_printf("%.*s%s", (int)(first - log), log, last);
}

char *klog_find(const char *log, const char *text)
{
    const char *hit = strstr(log, text);
    const char *start = hit;

    if (!hit) {
        return NULL;
    }
    while (start > log && start[-1] != '\n') {
        start--;
    }
    return g_strndup(start, strcspn(start, "\n"));
}

unsigned klog_count(const char *log, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
    unsigned count = 0;

    for (char **line = lines; *line; line++) {
        count += strstr(*line, text) != NULL;
    }
    return count;
}
