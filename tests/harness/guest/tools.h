/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What test scripts cannot do with busybox, as tools of the init program under
 * names of their own (TOOLS in make-initramfs links them).
 */
#ifndef MHP_GUEST_TOOLS_H
#define MHP_GUEST_TOOLS_H

/*
 * mhp-memmap BLOCK_SIZE ADDR…
 *
 * For each block at ADDR (hexadecimal) print a line "ADDR NB": how many pages
 * at its start the kernel marks as memmap that lies on its own block.
 */
int tool_memmap(int argc, char **argv);

/*
 * mhp-pin ADDR SIZE
 *
 * Pin one page inside the range (hexadecimal), print "pinned ADDR" and hold it
 * until killed.
 */
int tool_pin(int argc, char **argv);

/* Run the tool that argv[0] names */
int tools_main(int argc, char **argv);

#endif /* MHP_GUEST_TOOLS_H */
