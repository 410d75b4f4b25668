/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP client: commands one at a time, events kept until somebody asks for
 * them. An error that QEMU answers is a GError in QMP_ERROR with QEMU's own
 * words as its message; anything else (time limit, QEMU gone) is a GIO error.
 */
#ifndef MHP_QMP_H
#define MHP_QMP_H

#include <json-glib/json-glib.h>

#include "channel.h"

#define QMP_ERROR (qmp_error_quark())

typedef enum {
    QMP_ERROR_REFUSED,  /* QEMU answered the command with an error */
    QMP_ERROR_PROTOCOL, /* QEMU's line is no QMP */
} QmpErrorCode;

typedef struct Qmp Qmp;

GQuark qmp_error_quark(void);

/* Takes over @channel; reads the greeting and leaves negotiation mode */
Qmp *qmp_new(Channel *channel, GError **error);
void qmp_free(Qmp *qmp);

/*
 * Run a command and return the value of "return". @arguments (may be NULL) is
 * taken over.
 */
JsonNode *qmp_execute(Qmp *qmp, const char *command, JsonNode *arguments,
                      GError **error);

/*
 * The same with the arguments as a JSON text made by printf:
 *   qmp_executef(qmp, &error, "qom-get",
 *                "{'path': '%s', 'property': 'size'}", path)
 * Single quotes stand for double ones. @format may be NULL. What is put in by
 * %s must need no escaping.
 */
JsonNode *qmp_executef(Qmp *qmp, GError **error, const char *command,
                       const char *format, ...) G_GNUC_PRINTF(4, 5);

/*
 * The oldest event @name not handed out yet, waiting for one if need be.
 * Events of other names are kept. The object is {"event": …, "data": …}.
 */
JsonNode *qmp_wait_event(Qmp *qmp, const char *name, unsigned timeout_ms,
                         GError **error);

bool qmp_get_uint(Qmp *qmp, const char *path, const char *property,
                  uint64_t *value, GError **error);
bool qmp_set_uint(Qmp *qmp, const char *path, const char *property,
                  uint64_t value, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qmp, qmp_free)

#endif /* MHP_QMP_H */
