/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Worker: see worker.h.
 */
#include "worker.h"

#include <stdio.h>

#include "wait.h"

#define WORKER_MS 180000

/* A round is over when its number is in the file "rounds". */
#define WORKER_SCRIPT                                                   \
    "mkdir -p /work && mount -t tmpfs -o size=90%% none /work &&"       \
    " cd /work && dd if=/dev/urandom of=a bs=1M count=4 2>/dev/null &&" \
    " md5sum a >sum && echo 0 >rounds && { {"                           \
    " n=0; while cp a b && cmp a b && md5sum -c sum; do"                \
    " n=$((n + 1)); echo $n >new; mv new rounds; done;"                 \
    " echo bad >bad; } >/dev/null 2>&1 & } && echo $! >pid"

void worker_start(Domain *domain)
{
    g_free(domain_run(domain, WORKER_SCRIPT));
}

static unsigned worker_rounds(Domain *domain)
{
    g_autofree char *text = domain_run(
        domain, "cd /work && ! cat bad 2>/dev/null && cat rounds");
    unsigned rounds = 0;

    g_assert_cmpint(sscanf(text, "%u", &rounds), ==, 1);
    return rounds;
}

typedef struct WorkerWait {
    Domain *domain;
    unsigned rounds;
} WorkerWait;

static bool worker_has_done_more(void *opaque, GError **error)
{
    WorkerWait *wait = opaque;

    (void)error;
    return worker_rounds(wait->domain) >= wait->rounds;
}

void worker_check(Domain *domain)
{
    /* One may be under way that saw nothing of what happened. */
    WorkerWait wait = {domain, worker_rounds(domain) + 2};
    g_autoptr(GError) error = NULL;

    wait_until(worker_has_done_more, &wait, WORKER_MS, "the worker's round",
               &error);
    g_assert_no_error(error);
}

void worker_pause(Domain *domain)
{
    g_free(domain_run(domain, "kill -STOP $(cat /work/pid)"));
}

void worker_go_on(Domain *domain)
{
    g_free(domain_run(domain, "kill -CONT $(cat /work/pid)"));
}
