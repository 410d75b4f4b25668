/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Client of the guest's agent (guest/init.c): runs shell scripts in the guest
 * over the virtio-serial port AGENT_PORT and brings back status and output.
 * Verdicts travel here and not over the console, whose noise can fake none.
 *
 * The protocol: "run LENGTH\n" and LENGTH bytes of script go to the guest,
 * "done STATUS LENGTH\n" and LENGTH bytes of output come back. When it is
 * ready the guest says "ready RELEASE\n" once, unasked.
 */
#ifndef MHP_AGENT_H
#define MHP_AGENT_H

#include "channel.h"

#define AGENT_PORT "mhp.agent"

typedef struct Agent Agent;

/* @channel stays the caller's */
Agent *agent_new(Channel *channel);
void agent_free(Agent *agent);

/* Wait until the guest has booted; the kernel's release (uname -r) */
const char *agent_wait_ready(Agent *agent, unsigned timeout_ms, GError **error);

/*
 * Run a script and wait for its end. @status (may be NULL: then anything but 0
 * is an error that quotes the output) is that of a shell. Returns the output,
 * stdout and stderr together, or NULL.
 */
char *agent_run(Agent *agent, const char *script, unsigned timeout_ms,
                int *status, GError **error);

/* Send a script and return at once; agent_finish() then waits for its end */
bool agent_start(Agent *agent, const char *script, GError **error);
char *agent_finish(Agent *agent, unsigned timeout_ms, int *status,
                   GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Agent, agent_free)

#endif /* MHP_AGENT_H */
