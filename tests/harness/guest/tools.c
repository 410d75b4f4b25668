/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds the tool for a name.
 */
#include "tools.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} tools[] = {
    {"mhp-agent", tool_agent},   {"mhp-await", tool_await},
    {"mhp-burst", tool_burst},   {"mhp-fifo", tool_fifo},
    {"mhp-fill", tool_fill},     {"mhp-hog", tool_hog},
    {"mhp-kexec", tool_kexec},   {"mhp-memmap", tool_memmap},
    {"mhp-pin", tool_pin},       {"mhp-pins", tool_pins},
    {"mhp-spread", tool_spread}, {"mhp-vmcore", tool_vmcore},
    {"mhp-worker", tool_worker},
};

int tools_main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];

    for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++) {
        if (!strcmp(name, tools[i].name)) {
            return tools[i].run(argc, argv);
        }
    }
    fprintf(stderr, "there is no tool %s\n", name);
    return 127;
}
