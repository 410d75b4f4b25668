/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What else goes on in a guest while it is resized: what its administrator and
 * its programs do, none of which changes what size it is to have.
 */
#ifndef MHP_SYSTEM_BYSTANDER_H
#define MHP_SYSTEM_BYSTANDER_H

#include "support.h"

/* Make a file in memory, anew, and see that it is as it was made, if it is */
void bystander_write_file(Guest *guest);
void bystander_check_file(Guest *guest);
/* The guest has been reset */
void bystander_forget_file(void);

/* Of the blocks that the driver has now, for bystander_write_state() */
void bystander_list_blocks(Guest *guest);
/*
 * Write @state to a block of that list, to which @any leads; true if there is
 * one and it went
 */
bool bystander_write_state(Guest *guest, uint32_t any, const char *state);

/* Take the device from its driver, or from the bus */
void bystander_take_device(Guest *guest, bool from_bus);
void bystander_give_back_device(Guest *guest, bool from_bus);

/*
 * Pin a page in the range, if one can be had from it without using up the
 * guest's memory; true if it is pinned. There is one at a time.
 */
bool bystander_pin(Guest *guest, uint64_t addr, uint64_t size);
void bystander_unpin(Guest *guest);

/* Suspend to idle and wake it up by a key; true if the kernel got as far */
bool bystander_idle(Guest *guest);

/* Ask for so many huge pages of 2 MiB, of which no one makes use */
void bystander_huge_pages(Guest *guest, unsigned nb);

/* Have it stand still, or go on */
void bystander_stop(Guest *guest, bool stop);

void bystander_block_timeout(Guest *guest, unsigned ms);
void bystander_second_cpu(Guest *guest, bool online);

#endif /* MHP_SYSTEM_BYSTANDER_H */
