/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mhp-kexec: loads a kernel to be started by kexec or by a crash, and starts
 * it. The kernel does all the work: it makes the next kernel's memory map and,
 * for a crash, the headers of the dump.
 */
#include "tools.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static int kexec_execute(void)
{
    sync();
    reboot(RB_KEXEC);
    fprintf(stderr, "cannot start the loaded kernel: %s\n", strerror(errno));
    return 1;
}

static int kexec_load(const char *kernel, const char *initrd,
                      const char *cmdline, unsigned long flags)
{
    int kernel_fd = open(kernel, O_RDONLY);
    int initrd_fd = open(initrd, O_RDONLY);

    /* The length counts the 0 at the end */
    if (kernel_fd < 0 || initrd_fd < 0 ||
        syscall(SYS_kexec_file_load, kernel_fd, initrd_fd, strlen(cmdline) + 1,
                cmdline, flags) < 0) {
        fprintf(stderr, "cannot load %s and %s: %s\n", kernel, initrd,
                strerror(errno));
        return 1;
    }
    return 0;
}

int tool_kexec(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "-e")) {
        return kexec_execute();
    }
    if (argc == 4) {
        return kexec_load(argv[1], argv[2], argv[3], 0);
    }
    if (argc == 5 && !strcmp(argv[1], "-p")) {
        return kexec_load(argv[2], argv[3], argv[4], KEXEC_FILE_ON_CRASH);
    }
    fprintf(stderr, "usage: mhp-kexec [-p] KERNEL INITRD CMDLINE\n"
                    "       mhp-kexec -e\n");
    return 2;
}
