/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Search of a guest's kernel log for reports of trouble. Knows texts only; who
 * fetches the log, and from where, is not its matter.
 */
#ifndef MHP_KLOG_H
#define MHP_KLOG_H

/* The first line that reports trouble, or NULL; free with g_free() */
char *klog_trouble(const char *log);

/*
 * @log without its first report of lockdep's or of a WARNING with the first of
 * @words in its first line, if each other of @words, which ends with NULL, is
 * in that report; otherwise as it is. Free with g_free().
 */
char *klog_without_report(const char *log, const char *const *words);

/* The first line with @text in it, or NULL; free with g_free() */
char *klog_find(const char *log, const char *text);

/* How many lines have @text in them */
unsigned klog_count(const char *log, const char *text);

#endif /* MHP_KLOG_H */
