/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * By what step a guest is resized: Linux plugs no less than one of its memory
 * blocks, and on x86 chooses their size by where its boot memory ends.
 */
#ifndef MHP_VIRT_XML_STEP_H
#define MHP_VIRT_XML_STEP_H

#include "domain.h"

/* Of a guest's memory blocks */
#define STEP_MIN (128 * MiB)
#define STEP_MAX (2 * GiB)

/* The size of a memory block of a guest with this much boot memory */
uint64_t step_memory_block(const Machine *machine, uint64_t boot);
/* The least boot memory from @boot on whose memory blocks are @step at most */
uint64_t step_boot(const Machine *machine, uint64_t boot, uint64_t step);

#endif
