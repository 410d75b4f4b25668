/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Agent: see agent.h. One script at a time.
 */
#include "agent.h"

#include <stdio.h>
#include <string.h>

#define AGENT_SEND_MS 10000

struct Agent {
    Channel *channel;
    char *release;
};

Agent *agent_new(Channel *channel)
{
    Agent *agent = g_new0(Agent, 1);

    agent->channel = channel;
    return agent;
}

void agent_free(Agent *agent)
{
    if (!agent) {
        return;
    }
    g_free(agent->release);
    g_free(agent);
}

const char *agent_wait_ready(Agent *agent, unsigned timeout_ms, GError **error)
{
    g_autofree char *line = NULL;

    line = channel_read_line(agent->channel, timeout_ms, error);
    if (!line) {
        g_prefix_error(error, "the guest did not boot: ");
        return NULL;
    }
    if (!g_str_has_prefix(line, "ready ")) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "want 'ready RELEASE' from the guest, got '%s'", line);
        return NULL;
    }
    g_free(agent->release);
    agent->release = g_strdup(line + strlen("ready "));
    return agent->release;
}

bool agent_start(Agent *agent, const char *script, GError **error)
{
    size_t size = strlen(script);
    g_autofree char *head = g_strdup_printf("run %zu\n", size);

    return channel_write(agent->channel, head, strlen(head), AGENT_SEND_MS,
                         error) &&
           channel_write(agent->channel, script, size, AGENT_SEND_MS, error);
}

char *agent_finish(Agent *agent, unsigned timeout_ms, int *status,
                   GError **error)
{
    g_autofree char *line = NULL;
    g_autofree char *output = NULL;
    unsigned size;
    int result;

    line = channel_read_line(agent->channel, timeout_ms, error);
    if (!line) {
        g_prefix_error(error, "the guest's script did not end: ");
        return NULL;
    }
    if (sscanf(line, "done %d %u", &result, &size) != 2) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "want 'done STATUS LENGTH' from the guest, got '%s'", line);
        return NULL;
    }
    output = channel_read(agent->channel, size, AGENT_SEND_MS, error);
    if (!output) {
        return NULL;
    }
    if (!status && result) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "the guest's script ended with status %d: %s", result,
                    output);
        return NULL;
    }
    if (status) {
        *status = result;
    }
    return g_steal_pointer(&output);
}

char *agent_run(Agent *agent, const char *script, unsigned timeout_ms,
                int *status, GError **error)
{
    if (!agent_start(agent, script, error)) {
        return NULL;
    }
    return agent_finish(agent, timeout_ms, status, error);
}
