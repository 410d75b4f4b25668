/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What test scripts cannot do with busybox, as tools of the init program under
 * names of their own (TOOLS in make-initramfs links them).
 */
#ifndef MHP_GUEST_TOOLS_H
#define MHP_GUEST_TOOLS_H

/*
 * mhp-agent
 *
 * Run the scripts that the host sends, as init does, in a guest that has an
 * init of its own.
 */
int tool_agent(int argc, char **argv);

/*
 * mhp-await LOW_KIB HIGH_KIB TIMEOUT_MS [INTERVAL_MS]
 *
 * Wait until MemTotal is in the range and print it; at the time limit print it
 * and fail. It is looked at every 2 ms, or as is said.
 */
int tool_await(int argc, char **argv);

/*
 * mhp-burst MIB SECONDS
 *
 * Take memory, touch all of it as fast as can be, look whether it holds what
 * was written, and free it; again and again until so many seconds have passed,
 * but at least once. Prints "right RATE", in MiB a second.
 */
int tool_burst(int argc, char **argv);

/*
 * mhp-fifo PROGRAM [ARGUMENT…]
 *
 * Run a program that no other of normal priority may interrupt.
 */
int tool_fifo(int argc, char **argv);

/*
 * mhp-fill KIND MIB
 *
 * Fill memory, print "filled MIB" and hold it until killed. KIND is pages (of 4
 * KiB), noise (pages that cannot be compressed), thp, or fragments: twice as
 * many pages, or as many as there is room for, of which random ones are freed
 * again until so many are left; or locked, which is fragments of pages that the
 * kernel may move and not reclaim.
 */
int tool_fill(int argc, char **argv);

/*
 * mhp-hog KEEP_KIB MAX_MIB FILE
 *
 * Take memory until only KEEP_KIB are available, but no more than MAX_MIB, and
 * all that comes later; keep touching it. Prints "hog MIB …" whenever it has
 * got more and there is no more to get. Ends when the number in FILE has been
 * something else and is 0 again: where memory is full, no script could be run
 * to end it.
 */
int tool_hog(int argc, char **argv);

/*
 * mhp-kexec [-p] KERNEL INITRD CMDLINE
 * mhp-kexec -e
 *
 * Load another kernel, with -p for when this one crashes; and start it.
 */
int tool_kexec(int argc, char **argv);

/*
 * mhp-memmap BLOCK_SIZE ADDR…
 *
 * For each block at ADDR (hexadecimal) print a line "ADDR NB": how many pages
 * at its start the kernel marks as memmap that lies on its own block.
 */
int tool_memmap(int argc, char **argv);

/*
 * mhp-pin ADDR SIZE [NODE|poison]
 *
 * Pin one page inside the range (hexadecimal), print "pinned ADDR" and hold it
 * until killed. With "poison", have the kernel take it for broken, print
 * "poisoned ADDR" and end; with status 77 if the kernel cannot.
 */
int tool_pin(int argc, char **argv);

/*
 * mhp-pins ADDR SIZE BLOCK_SIZE NB
 *
 * Pin one page inside each of NB blocks of the range (hexadecimal), print
 * "pinned NB" and hold them until killed.
 */
int tool_pins(int argc, char **argv);

/*
 * mhp-spread
 *
 * Print "USED ALL": how many memory blocks are in ZONE_MOVABLE, and in how many
 * of them at least one page is used.
 */
int tool_spread(int argc, char **argv);

/*
 * mhp-vmcore ADDR [read [DUMP]]
 *
 * In a kernel that was started by a crash: print a line "load ADDR SIZE" for
 * each range of memory in /proc/vmcore, and "word ADDR VALUE" for what stands
 * at ADDR (all hexadecimal). Then touch all pages of it by mapping them, or by
 * reading, and print "read BYTES". DUMP is an ELF file to look into instead.
 */
int tool_vmcore(int argc, char **argv);

/*
 * mhp-worker MIB
 *
 * Print "working" and touch random pieces of memory until killed. On SIGUSR1
 * print operations a second, the time in µs within which 99.9 % of them were
 * done, and the longest, since the last such line.
 */
int tool_worker(int argc, char **argv);

/* Run the tool that argv[0] names */
int tools_main(int argc, char **argv);

#endif /* MHP_GUEST_TOOLS_H */
