/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Domain: see domain.h. The agent's socket is libvirt's own, whose place
 * changes with each start.
 */
#include "domain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "abort-log.h"
#include "keeper.h"
#include "klog.h"
#include "memdev.h"
#include "stock-faults.h"
#include "wait.h"

/* A resize is at its end within this time, or not at all */
#define DOMAIN_RESIZE_MS 180000
#define DOMAIN_SCRIPT_MS 180000

struct Domain {
    Daemon *daemon;
    char *name;
    Channel *channel;
    Agent *agent;
    uint64_t boot_mem_total;
    int console; /* to be shown if the test aborts */
};

static const char *domain_kver(void)
{
    const char *kver = g_getenv("MHP_KVER");

    return kver ? kver : "6.12";
}

/* The user that QEMU runs as may not reach the build folder, so copy. */
static char *domain_files(void)
{
    static const char *const names[] = {"vmlinuz", "initramfs.cpio"};
    char *dir = g_build_filename(keeper_folder(), "files", NULL);
    g_autofree char *plugin = vm_build_path("mhp-vmemmap-mem.so");

    if (g_file_test(dir, G_FILE_TEST_IS_DIR)) {
        return dir;
    }
    g_assert_cmpint(mkdir(dir, 0755), ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(names) + 1; i++) {
        g_autofree char *name = i < G_N_ELEMENTS(names)
                                    ? g_build_filename("guest", domain_kver(),
                                                       names[i], NULL)
                                    : g_strdup("mhp-vmemmap-mem.so");
        g_autofree char *from = vm_build_path(name);
        g_autofree char *base = g_path_get_basename(from);
        g_autofree char *to = g_build_filename(dir, base, NULL);
        g_autofree char *data = NULL;
        g_autoptr(GError) error = NULL;
        size_t size;

        g_file_get_contents(from, &data, &size, &error);
        g_assert_no_error(error);
        g_file_set_contents(to, data, size, &error);
        g_assert_no_error(error);
        g_assert_cmpint(chmod(to, 0644), ==, 0);
    }
    return dir;
}

static char *domain_replace(const char *text, const char *word,
                            const char *value)
{
    g_autoptr(GString) result = g_string_new(text);

    g_string_replace(result, word, value, 0);
    return g_string_free(g_steal_pointer(&result), FALSE);
}

char *domain_plain_xml(Daemon *daemon, const char *name)
{
    const char *source = g_getenv("MHP_SOURCE"), *qemu = g_getenv("MHP_QEMU");
    g_autofree char *path = g_build_filename(source ? source : ".",
                                             "tests/libvirt/plain.xml", NULL);
    g_autofree char *files = domain_files();
    g_autofree char *folder = daemon_path(daemon, "%s", "");
    const char *const words[][2] = {
        {"@NAME@", name},
        {"@FILES@", files},
        {"@FOLDER@", folder},
        {"@QEMU@", qemu ? qemu : "/usr/bin/qemu-system-x86_64"},
    };
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autofree char *old = text;

        text = domain_replace(old, words[i][0], words[i][1]);
    }
    return text;
}

static char **domain_tool_argv(const char *tool, const char *options,
                               const char *plugin)
{
    g_autofree char *line = g_strdup_printf("%s --max 8G %s %s %s", tool,
                                            options, plugin ? "--plugin" : "",
                                            plugin ? plugin : "");
    g_autoptr(GError) error = NULL;
    char **argv = NULL;

    g_shell_parse_argv(line, NULL, &argv, &error);
    g_assert_no_error(error);
    return argv;
}

char *domain_resizable_xml(const char *plain, const char *options)
{
    bool installed = g_getenv("MHP_INSTALLED");
    g_autofree char *tool = installed
                                ? g_strdup("mhp-virt-xml")
                                : vm_build_path("meson/libvirt/mhp-virt-xml");
    g_autofree char *files = domain_files();
    g_autofree char *plugin = g_build_filename(files, "mhp-vmemmap-mem.so",
                                               NULL);
    g_auto(GStrv)
        argv = domain_tool_argv(tool, options, installed ? NULL : plugin);
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *said = NULL;
    char *xml = NULL;

    process = g_subprocess_newv((const char *const *)argv,
                                G_SUBPROCESS_FLAGS_STDIN_PIPE |
                                    G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                    G_SUBPROCESS_FLAGS_STDERR_PIPE,
                                &error);
    g_assert_no_error(error);
    g_subprocess_communicate_utf8(process, plain, NULL, &xml, &said, &error);
    g_assert_no_error(error);
    if (!g_subprocess_get_successful(process)) {
        g_error("%s", said);
    }
    return xml;
}

static void domain_define(Daemon *daemon, const char *xml)
{
    g_autofree char *path = daemon_write(daemon, "domain.xml", xml);

    g_free(daemon_virsh(daemon, "define --validate %s", path));
}

Domain *domain_new(Daemon *daemon, const char *name, const char *options)
{
    Domain *domain = g_new0(Domain, 1);
    g_autofree char *plain = domain_plain_xml(daemon, name);
    g_autofree char *console = daemon_path(daemon, "%s.console", name);
    g_autofree char *dumped = NULL, *xml = NULL;

    domain_define(daemon, plain);
    dumped = daemon_virsh(daemon, "dumpxml %s", name);
    xml = domain_resizable_xml(dumped, options);
    domain_define(daemon, xml);

    domain->daemon = daemon;
    domain->name = g_strdup(name);
    domain->console = open(console, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(fchown(domain->console, keeper_uid(), keeper_gid()), ==, 0);
    abort_log_add(domain->console, VM_CONSOLE);
    return domain;
}

static void domain_disconnect(Domain *domain)
{
    g_clear_pointer(&domain->agent, agent_free);
    g_clear_pointer(&domain->channel, channel_free);
}

void domain_free(Domain *domain)
{
    if (!domain) {
        return;
    }
    domain_disconnect(domain);
    abort_log_remove(domain->console);
    close(domain->console);
    g_free(domain->name);
    g_free(domain);
}

void domain_set_daemon(Domain *domain, Daemon *daemon)
{
    domain->daemon = daemon;
}

/* libvirt chooses it anew for each QEMU */
static char *domain_agent_path(Domain *domain)
{
    g_autofree char *xml = daemon_virsh(domain->daemon, "dumpxml %s",
                                        domain->name);
    g_autoptr(GRegex) regex = g_regex_new(
        "<source mode='bind' path='([^']*/" AGENT_PORT ")'", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    if (!g_regex_match(regex, xml, 0, &match)) {
        g_error("there is no path of the agent's port in:\n%s", xml);
    }
    return g_match_info_fetch(match, 1);
}

void domain_connect(Domain *domain)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_autofree char *path = domain_agent_path(domain);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpuint(strlen(path), <, sizeof(address.sun_path));
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        g_error("cannot connect to %s: %s", path, g_strerror(errno));
    }
    domain_disconnect(domain);
    domain->channel = channel_new(fd);
    domain->agent = agent_new(domain->channel);
}

void domain_wait_boot(Domain *domain)
{
    g_autoptr(GError) error = NULL;

    agent_wait_ready(domain->agent, GUEST_BOOT_MS, &error);
    g_assert_no_error(error);
    /* A few pages more or less with each boot: the kernel's place is random. */
    domain->boot_mem_total = domain_mem_total(domain);
    g_free(domain_run(domain, "insmod /lib/modules/virtio_balloon.ko;"
                              "insmod /lib/modules/mhp_vmemmap_mem.ko"));
}

void domain_start(Domain *domain)
{
    g_free(daemon_virsh(domain->daemon, "start %s", domain->name));
    domain_connect(domain);
    domain_wait_boot(domain);
}

char *domain_run(Domain *domain, const char *format, ...)
{
    g_autofree char *script = NULL;
    g_autoptr(GError) error = NULL;
    char *output;
    va_list ap;

    va_start(ap, format);
    script = g_strdup_vprintf(format, ap);
    va_end(ap);
    output = agent_run(domain->agent, script, DOMAIN_SCRIPT_MS, NULL, &error);
    g_assert_no_error(error);
    return g_strchomp(output);
}

void domain_leave(Domain *domain, const char *script)
{
    g_autoptr(GError) error = NULL;

    agent_start(domain->agent, script, &error);
    g_assert_no_error(error);
}

void domain_watch_mem_total(Domain *domain, uint64_t size)
{
    const uint64_t kib = domain_wanted_mem_total(domain, size) / KiB;
    g_autofree char *script = g_strdup_printf(
        "mhp-await %" PRIu64 " %" PRIu64 " %u", kib, kib, DOMAIN_RESIZE_MS);
    g_autoptr(GError) error = NULL;

    agent_start(domain->agent, script, &error);
    g_assert_no_error(error);
}

void domain_finish(Domain *domain)
{
    g_autoptr(GError) error = NULL;

    g_free(agent_finish(domain->agent, DOMAIN_RESIZE_MS, NULL, &error));
    g_assert_no_error(error);
}

static uint64_t domain_number(const char *text, const char *label)
{
    const char *place = strstr(text, label);
    uint64_t value = 0;

    if (!place || sscanf(place + strlen(label), " %" SCNu64, &value) != 1) {
        g_error("there is no %s in: %s", label, text);
    }
    return value;
}

uint64_t domain_mem_total(Domain *domain)
{
    g_autofree char *text = domain_run(domain, "cat /proc/meminfo");

    return domain_number(text, "MemTotal:") * KiB;
}

uint64_t domain_wanted_mem_total(Domain *domain, uint64_t size)
{
    uint64_t blocks = (size - DOMAIN_BOOT_SIZE) / MEMORY_BLOCK_SIZE;

    return domain->boot_mem_total + blocks * (MEMORY_BLOCK_SIZE - MEMMAP_SIZE);
}

uint64_t domain_used(Domain *domain)
{
    g_autofree char *text = daemon_virsh(domain->daemon, "dominfo %s",
                                         domain->name);

    return domain_number(text, "Used memory:") * KiB;
}

uint64_t domain_rss(Domain *domain)
{
    g_autofree char *pid_path = daemon_path(
        domain->daemon, "run/libvirt/qemu/run/%s.pid", domain->name);
    g_autofree char *pid = NULL, *path = NULL, *text = NULL;
    g_autoptr(GError) error = NULL;

    g_file_get_contents(pid_path, &pid, NULL, &error);
    g_assert_no_error(error);
    path = g_strdup_printf("/proc/%s/status", g_strchomp(pid));
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return domain_number(text, "VmRSS:") * KiB;
}

typedef struct DomainWait {
    Domain *domain;
    uint64_t (*get)(Domain *domain);
    uint64_t wanted;
    uint64_t got;
} DomainWait;

static bool domain_has_value(void *opaque, GError **error)
{
    DomainWait *wait = opaque;

    (void)error;
    wait->got = wait->get(wait->domain);
    return wait->got == wait->wanted;
}

static void domain_wait_value(Domain *domain, const char *what,
                              uint64_t (*get)(Domain *), uint64_t wanted)
{
    DomainWait wait = {.domain = domain, .get = get, .wanted = wanted};
    g_autoptr(GError) error = NULL;

    if (!wait_until(domain_has_value, &wait, DOMAIN_RESIZE_MS, what, &error)) {
        g_error("%s: want %" PRIu64 " KiB, got %" PRIu64, error->message,
                wanted / KiB, wait.got / KiB);
    }
}

static uint64_t domain_actual(Domain *domain)
{
    g_autofree char *text = daemon_virsh(
        domain->daemon,
        "qemu-monitor-command %s '{\"execute\":\"query-balloon\"}'",
        domain->name);

    return domain_number(text, "\"actual\":");
}

void domain_wait_actual(Domain *domain, uint64_t size)
{
    domain_wait_value(domain, "the balloon's size", domain_actual, size);
}

void domain_wait_size(Domain *domain, uint64_t size)
{
    domain_wait_value(domain, "the size in dominfo", domain_used, size);
    domain_wait_value(domain, "the guest's MemTotal", domain_mem_total,
                      domain_wanted_mem_total(domain, size));
}

void domain_setmem(Domain *domain, unsigned mib)
{
    g_free(daemon_virsh(domain->daemon, "setmem %s %uM", domain->name, mib));
    domain_wait_size(domain, mib * MiB);
}

char *domain_log(Domain *domain)
{
    g_autofree char *path = daemon_path(
        domain->daemon, "cache/libvirt/qemu/log/%s.log", domain->name);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

/*
 * A page that somebody uses at that moment is reported, too, and tried again:
 * where a guest works while it shrinks, that is no trouble.
 */
void domain_check_klog(Domain *domain)
{
    g_autofree char *log = domain_run(domain, "dmesg -c");
    g_autofree char *rest = domain_replace(
        log, "page dumped because: migration failure", "");
    g_autofree char *trouble = klog_trouble(rest);

    if (trouble) {
        g_printerr("%s\n", log);
    }
    g_assert_cmpstr(trouble, ==, NULL);
}
