/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory files that collect what a process writes, each under a name. They are
 * gone with their last user; a test that aborts prints their ends.
 */
#ifndef MHP_LOGS_H
#define MHP_LOGS_H

typedef struct Logs Logs;

Logs *logs_new(void);
void logs_free(Logs *logs);

/* A new log; the descriptor, write-only and appending, is the caller's */
int logs_add(Logs *logs, const char *name);

/* Empty a log, whose writer has gone; a descriptor for the next one */
int logs_renew(Logs *logs, const char *name);

/* What came so far, "" for an unknown name; free with g_free() */
char *logs_read(Logs *logs, const char *name);

#endif /* MHP_LOGS_H */
