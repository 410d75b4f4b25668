/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the clients of a database in the guest feel of a resize: PostgreSQL,
 * asked by pgbench, while memory is taken and given.
 */
#include "felt.h"

/* 100000 accounts each; it shall fit into boot memory */
#define SERVICE_SCALE 4
#define SERVICE_CLIENTS 2

/*
 * Started again in the full guest, so that its buffers are where most memory
 * is. pgbench writes a line for each transaction, whose third word is how long
 * it took, in µs, and whose fifth and sixth are when it ended, in s and µs.
 */
static const char service_start[] =
    "set -e; cd /tmp; systemctl restart 'postgresql@*';"
    "su postgres -c 'pgbench -q -i -s " G_STRINGIFY(
        SERVICE_SCALE) "';"
                       "su postgres -c 'exec pgbench -n -c " G_STRINGIFY(
                           SERVICE_CLIENTS) " -T 86400 -l --log-prefix=/tmp/service' >/tmp/service 2>&1 &"
                                            "until grep -q . /tmp/service.[0-9]* 2>/dev/null; do"
                                            " kill -0 $! || { cat /tmp/service; exit 1; }; sleep 0.1; done;"
                                            "date +%s.%N >/tmp/service-from";

/*
 * The lines come late, some KiB at a time. Done is what ended in the time that
 * is asked for; of what went on then all counts that was under way.
 */
static const char service_ask[] =
    "set -e; cd /tmp; to=$(date +%s.%N); log=$(echo service.[0-9]*);"
    ": >service-times;"
    "until tail -n 2 $log | awk -v to=$to"
    "  '$5 + $6 / 1e6 > to { is_past = 1 } END { exit !is_past }'; do"
    " pidof pgbench >/dev/null || { cat service; exit 1; }; sleep 0.1; done;"
    "awk -v from=$(cat service-from) -v to=$to 'NF >= 6 {"
    " end = $5 + $6 / 1e6;"
    " if (end > from && end <= to) done++;"
    " if (end > from && end - $3 / 1e6 < to) print $3 >\"service-times\" }"
    "END { printf \"%.2f \", done / (to - from) }' $log;"
    "sort -n service-times | awk '{ time[NR] = $1 }"
    "END { print time[NR - int(NR / 1000)] / 1000 }';"
    "date +%s.%N >service-from";

static const FeltProgram service = {
    .scenario = &scenario_service,
    .quiet_seconds = 10,
    .late_unit = "ms",
    .start = service_start,
    .ask = service_ask,
};

static bool service_run(Bench *bench, GError **error)
{
    return felt_run(bench, &service, error);
}

const Scenario scenario_service = {
    .name = "service",
    .what = "what clients of a database in the guest feel of a resize",
    .wants_debian = true,
    .run = service_run,
};
