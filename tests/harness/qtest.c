/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Qtest: see qtest.h. The protocol is one line a command and one line an
 * answer, "OK", "OK 0xVALUE" or "OK 0xBYTES".
 */
#include "qtest.h"

#include <inttypes.h>
#include <string.h>

#define QTEST_TIMEOUT_MS 30000

struct Qtest {
    Channel *channel;
};

Qtest *qtest_new(Vm *vm)
{
    Qtest *qtest = g_new0(Qtest, 1);

    qtest->channel = vm_add_channel(vm, "qtest0");
    vm_add_args(vm, "-S", "-accel", "tcg", "-qtest", "chardev:qtest0",
                "-qtest-log", "none", NULL);
    return qtest;
}

void qtest_free(Qtest *qtest)
{
    g_free(qtest);
}

/* Send @command and a line's end; what follows "OK" in the answer */
static char *qtest_send(Qtest *qtest, const char *command)
{
    g_autofree char *line = g_strconcat(command, "\n", NULL);
    g_autofree char *answer = NULL;
    g_autoptr(GError) error = NULL;

    if (channel_write(qtest->channel, line, strlen(line), QTEST_TIMEOUT_MS,
                      &error)) {
        answer = channel_read_line(qtest->channel, QTEST_TIMEOUT_MS, &error);
    }
    if (!answer) {
        g_error("QEMU did not answer \"%.60s\": %s", command, error->message);
    }
    if (!g_str_has_prefix(answer, "OK")) {
        g_error("QEMU answered \"%s\" to \"%.60s\"", answer, command);
    }
    return g_strdup(g_strchug(answer + strlen("OK")));
}

G_GNUC_PRINTF(2, 3)
static char *qtest_sendf(Qtest *qtest, const char *format, ...)
{
    g_autofree char *command = NULL;
    va_list ap;

    va_start(ap, format);
    command = g_strdup_vprintf(format, ap);
    va_end(ap);
    return qtest_send(qtest, command);
}

void qtest_outl(Qtest *qtest, uint16_t port, uint32_t value)
{
    g_free(qtest_sendf(qtest, "outl 0x%x 0x%x", port, value));
}

uint32_t qtest_inl(Qtest *qtest, uint16_t port)
{
    g_autofree char *answer = qtest_sendf(qtest, "inl 0x%x", port);

    return (uint32_t)g_ascii_strtoull(answer, NULL, 16);
}

/* The letter by which the protocol names an access of @size bytes */
static char qtest_size_letter(unsigned size)
{
    switch (size) {
    case 1:
        return 'b';
    case 2:
        return 'w';
    case 4:
        return 'l';
    case 8:
        return 'q';
    default:
        g_error("no access has %u bytes", size);
    }
}

void qtest_write_reg(Qtest *qtest, uint64_t addr, unsigned size, uint64_t value)
{
    g_free(qtest_sendf(qtest, "write%c 0x%" PRIx64 " 0x%" PRIx64,
                       qtest_size_letter(size), addr, value));
}

uint64_t qtest_read_reg(Qtest *qtest, uint64_t addr, unsigned size)
{
    g_autofree char *answer = qtest_sendf(qtest, "read%c 0x%" PRIx64,
                                          qtest_size_letter(size), addr);

    return g_ascii_strtoull(answer, NULL, 16);
}

void qtest_write(Qtest *qtest, uint64_t addr, const void *data, size_t size)
{
    g_autoptr(GString) command = g_string_new(NULL);
    const uint8_t *bytes = data;

    g_string_printf(command, "write 0x%" PRIx64 " 0x%zx 0x", addr, size);
    for (size_t i = 0; i < size; i++) {
        g_string_append_printf(command, "%02x", bytes[i]);
    }
    g_free(qtest_send(qtest, command->str));
}

void qtest_read(Qtest *qtest, uint64_t addr, void *data, size_t size)
{
    g_autofree char *answer = qtest_sendf(qtest, "read 0x%" PRIx64 " 0x%zx",
                                          addr, size);
    const char *hex = answer + strlen("0x");
    uint8_t *bytes = data;

    if (strlen(answer) != strlen("0x") + 2 * size) {
        g_error("QEMU read %zu characters, wanted %zu", strlen(answer),
                strlen("0x") + 2 * size);
    }
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(g_ascii_xdigit_value(hex[2 * i]) << 4 |
                             g_ascii_xdigit_value(hex[2 * i + 1]));
    }
}

void qtest_memset(Qtest *qtest, uint64_t addr, uint8_t value, uint64_t size)
{
    g_free(qtest_sendf(qtest, "memset 0x%" PRIx64 " 0x%" PRIx64 " 0x%x", addr,
                       size, value));
}
