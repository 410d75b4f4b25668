/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fuzzer's main program: options, the loop over steps, and what is told
 * when a step fails. The first failure ends it by abort().
 */
#include "fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abort-log.h"

/* All bytes of all plugged blocks are looked at every so many steps */
#define THOROUGH_STEPS 64

static gint64 option_seed = -1;
static gint option_seconds = 60;
static gint option_steps = G_MAXINT;
static gboolean option_verbose;

static const GOptionEntry options[] = {
    {"seed", 0, 0, G_OPTION_ARG_INT64, &option_seed,
     "what the steps are chosen by, 0 to 4294967295 (default: chance)", "N"},
    {"seconds", 0, 0, G_OPTION_ARG_INT, &option_seconds,
     "how long to run (default: 60)", "N"},
    {"steps", 0, 0, G_OPTION_ARG_INT, &option_steps,
     "how many steps to make at the most", "N"},
    {"verbose", 0, 0, G_OPTION_ARG_NONE, &option_verbose, "tell each step",
     NULL},
    {0},
};

void fuzz_tell(Fuzz *fuzz, const char *format, ...)
{
    va_list ap;

    dprintf(fuzz->trace, "step %u: ", fuzz->step);
    va_start(ap, format);
    vdprintf(fuzz->trace, format, ap);
    va_end(ap);
    dprintf(fuzz->trace, "\n");
}

unsigned fuzz_pick(Fuzz *fuzz, unsigned n)
{
    return (unsigned)g_rand_int_range(fuzz->rand, 0, (gint32)n);
}

bool fuzz_one_in(Fuzz *fuzz, unsigned n)
{
    return fuzz_pick(fuzz, n) == 0;
}

uint64_t fuzz_number(Fuzz *fuzz)
{
    uint64_t high = g_rand_int(fuzz->rand);

    return high << 32 | g_rand_int(fuzz->rand);
}

/* How to see the same failure again */
static void tell_replay(guint32 seed)
{
    int fd = memfd_create("replay", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    dprintf(fd, "the same again: --seed %u\n", seed);
    abort_log_add(fd, "replay");
}

static int open_trace(void)
{
    int fd;

    if (option_verbose) {
        return STDOUT_FILENO;
    }
    fd = memfd_create("trace", MFD_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    abort_log_add(fd, "steps");
    return fd;
}

static void run(guint32 seed)
{
    /* A guest of type pc ejects it from there. */
    g_autofree char *place = g_strdup_printf("device.mhp0.addr=%d", FUZZ_SLOT);
    int bios = mhp_bios_file();
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", getpid(), bios);
    const char *const args[] = {
        "-bios",   path,
        "-plugin", g_getenv("MHP_TEST_LISTENER"),
        "-device", "mhp-test-listener,id=l0,memdev=mem0",
        "-M",      "pc",
        "-set",    place,
        NULL,
    };
    int64_t end = g_get_monotonic_time() + option_seconds * G_USEC_PER_SEC;
    Fuzz fuzz = {
        .mhp = mhp_new_with_args(args),
        .args = args,
        .rand = g_rand_new_with_seed(seed),
        .trace = open_trace(),
    };

    fuzz.model.addr = fuzz.mhp->addr;
    fuzz.model.requested_size = MHP_REQUESTED_SIZE;
    fuzz.model.features = MHP_FEATURES;
    model_forget_stats(&fuzz.model);
    fuzz_listen(&fuzz, true);
    while (g_get_monotonic_time() < end && (int)fuzz.step < option_steps) {
        fuzz.step++;
        fuzz_do_step(&fuzz);
        fuzz_check(&fuzz, fuzz.step % THOROUGH_STEPS == 0);
    }
    printf("%u steps, seed %u\n", fuzz.step, seed);
    g_rand_free(fuzz.rand);
    mhp_free(fuzz.mhp);
    fuzz_forget_snapshot(&fuzz);
    close(bios);
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new(
        "- send a device anything, see that it does what it must");
    g_autoptr(GError) error = NULL;
    guint32 seed;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "fuzz: %s\n", error->message);
        return 2;
    }
    seed = option_seed >= 0 ? (guint32)option_seed : g_random_int();
    printf("seed %u\n", seed);
    fflush(stdout);
    tell_replay(seed);
    run(seed);
    return 0;
}
