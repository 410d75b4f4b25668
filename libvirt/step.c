/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory blocks, see step.h. On x86 they are 128 MiB where boot memory ends
 * below 64 GiB, else the largest power of two up to 2 GiB that divides its end.
 */
#include "step.h"

#include "sizes.h"

#define STEP_LARGE_FROM (64 * GiB)

uint64_t step_memory_block(const Machine *machine, uint64_t boot)
{
    const uint64_t end = machine_boot_end(machine, boot, MACHINE_HIGH_START);
    uint64_t block = STEP_MAX;

    if (!machine_is_x86(machine) || end < STEP_LARGE_FROM) {
        return STEP_MIN;
    }
    while (block > STEP_MIN && end % block) {
        block /= 2;
    }
    return block;
}

uint64_t step_boot(const Machine *machine, uint64_t boot, uint64_t step)
{
    /* A step behind a multiple of twice as much there is none of that. */
    return step_memory_block(machine, boot) <= step ? boot : boot + step;
}
