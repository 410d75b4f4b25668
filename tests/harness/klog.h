/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Search of a guest's kernel log for reports of trouble. Knows texts only; who
 * fetches the log, and from where, is not its matter.
 */
#ifndef MHP_KLOG_H
#define MHP_KLOG_H

/* The first line that reports trouble, or NULL; free with g_free() */
char *klog_trouble(const char *log);

/* The first line with @text in it, or NULL; free with g_free() */
char *klog_find(const char *log, const char *text);

/* How many lines have @text in them */
unsigned klog_count(const char *log, const char *text);

#endif /* MHP_KLOG_H */
