/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole Debian: see debian.h.
 */
#include "debian.h"

#include <string.h>

Guest *debian_boot(uint64_t growth, const char *cmdline)
{
    uint64_t region_size = growth + MEMORY_BLOCK_SIZE;
    Guest *guest = system_new(region_size, cmdline);

    memdev_add(guest, MEMDEV_OURS, region_size);
    debian_start(guest);
    return guest;
}

void debian_start(Guest *guest)
{
    g_autoptr(GError) error = NULL;

    guest_boot(guest, &error);
    g_assert_no_error(error);
    debian_wait_running(guest);
}

void debian_restart(Guest *guest, const char *script)
{
    g_autoptr(GError) error = NULL;

    debian_check(guest);
    guest_allow_reset(guest, &error);
    g_assert_no_error(error);
    g_free(system_run(guest, "%s", script));
    guest_wait_ready(guest, &error);
    g_assert_no_error(error);
    debian_wait_running(guest);
}

char *debian_run_long(Guest *guest, unsigned minutes, const char *script)
{
    g_autoptr(GError) error = NULL;
    char *output = agent_run(guest_agent(guest), script, minutes * 60000, NULL,
                             &error);

    g_assert_no_error(error);
    return g_strchomp(output);
}

static void check_units(Guest *guest)
{
    g_autofree char *failed = system_run(
        guest, "systemctl list-units --state=failed --plain --no-legend");

    if (*failed) {
        g_autofree char *log = system_run(guest, "journalctl -b -n 100");

        g_printerr("%s\n", log);
    }
    g_assert_cmpstr(failed, ==, "");
}

void debian_wait_running(Guest *guest)
{
    g_autoptr(GError) error = NULL;

    guest_wait_running(guest, &error);
    /* It has more to show */
    check_units(guest);
    g_assert_no_error(error);
}

void debian_check(Guest *guest)
{
    check_units(guest);
    system_check_klog(guest);
}

void debian_end(Guest *guest)
{
    debian_check(guest);
    guest_free(guest);
}

char *debian_unit(Guest *guest, const char *unit, const char *property)
{
    return system_run(guest, "systemctl show -P %s %s", property, unit);
}

/* 100000 accounts each; it shall fit into a small guest */
#define PGBENCH_SCALE 4
#define REDIS_KEYS 100000

/* The values are made and looked at where they are, which takes no time */
static const char redis_fill[] =
    "for i = 1, ARGV[1] do"
    " redis.call('set', 'k' .. i, redis.sha1hex(i)) end";
static const char redis_wrong[] =
    "local n = 0 for i = 1, ARGV[1] do"
    " if redis.call('get', 'k' .. i) ~= redis.sha1hex(i) then n = n + 1 end end"
    " return n";

/* Each transaction adds the same to an account, a teller, a branch, a list */
static const char pgbench_sums[] =
    "select count(*) > 0"
    " and sum(delta) = (select sum(abalance) from pgbench_accounts)"
    " and sum(delta) = (select sum(tbalance) from pgbench_tellers)"
    " and sum(delta) = (select sum(bbalance) from pgbench_branches)"
    " from pgbench_history";

void databases_start(Guest *guest)
{
    g_free(
        system_run(guest,
                   "set -e; cd /tmp; redis-cli eval \"%s\" 0 %d;"
                   "su postgres -c 'pgbench -q -i -s %d';"
                   "su postgres -c 'exec pgbench -n -c 2 -T 86400 -P 1'"
                   " >/tmp/pgbench 2>&1 &"
                   "redis-benchmark -q -l --dbnum 1 -c 2 -r 10000 -t set,get"
                   " >/tmp/redis 2>&1 &"
                   "until grep -q progress /tmp/pgbench; do sleep 0.2; done;"
                   "cp /tmp/pgbench /tmp/pgbench.seen; echo 0 >/tmp/redis.seen",
                   redis_fill, REDIS_KEYS, PGBENCH_SCALE));
    databases_check_progress(guest);
}

void databases_check_progress(Guest *guest)
{
    g_free(system_run(
        guest,
        "for i in $(seq 600); do"
        " n=$(wc -l </tmp/pgbench.seen);"
        " t=$(redis-cli info commandstats |"
        "     sed -n 's/^cmdstat_set:calls=\\([0-9]*\\).*/\\1/p');"
        " if tail -n +$((n + 1)) /tmp/pgbench | grep 'progress: .* tps' |"
        "    grep -qv ' 0.0 tps' && [ $t -gt $(cat /tmp/redis.seen) ]; then"
        "  cp /tmp/pgbench /tmp/pgbench.seen; echo $t >/tmp/redis.seen; exit 0;"
        " fi; sleep 0.2; done 2>/dev/null;"
        "tail -n 3 /tmp/pgbench /tmp/redis; redis-cli info commandstats;"
        "exit 1"));
}

void databases_end(Guest *guest)
{
    g_autofree char *sums = NULL, *wrong = NULL;

    g_free(system_run(guest, "pkill pgbench; pkill redis-benchmark;"
                             "! sed 's/, 0 failed//' /tmp/pgbench /tmp/redis |"
                             " grep -i -e error -e fail -e abort"));
    sums = system_run(guest, "cd /tmp; su postgres -c \"psql -At -c '%s'\"",
                      pgbench_sums);
    g_assert_cmpstr(sums, ==, "t");
    wrong = system_run(guest, "redis-cli eval \"%s\" 0 %d", redis_wrong,
                       REDIS_KEYS);
    g_assert_cmpstr(wrong, ==, "0");
}
