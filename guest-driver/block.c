// SPDX-License-Identifier: GPL-2.0
/*
 * Arithmetic and states of memory blocks; see block.h. The unit tests compile
 * this very file in user space, so it includes only what has a shim there.
 */
#include <linux/align.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/types.h>

#include "block.h"

static const char *const virtio_mhp_mb_state_names[VIRTIO_MHP_MB_STATES] = {
	[VIRTIO_MHP_MB_UNPLUGGED] = "UNPLUGGED",
	[VIRTIO_MHP_MB_PLUGGED] = "PLUGGED",
	[VIRTIO_MHP_MB_OFFLINE] = "OFFLINE",
	[VIRTIO_MHP_MB_ONLINE] = "ONLINE",
};

/**
 * virtio_mhp_blocks_lay_out() - find the whole units in a region
 * @blocks: where to put the result; states are not touched
 * @addr: start of the region
 * @size: size of the region; @addr + @size must not overflow
 * @block_size: size of a device block, a power of two
 * @mb_size: size of a memory block, a power of two
 * @lowest: lowest address that can be used
 * @highest: highest address that can be used
 *
 * Parts of units at either end of what can be used stay unused.
 *
 * Context: any.
 * Return: 0, or -ENOSPC if the region has no whole unit, -E2BIG if it has more
 *	than can be counted.
 */
int virtio_mhp_blocks_lay_out(struct virtio_mhp_blocks *blocks, u64 addr,
			      u64 size, u64 block_size, u64 mb_size, u64 lowest,
			      u64 highest)
{
	const u64 unit_size = max(block_size, mb_size);
	const u64 start = max(addr, lowest);
	const u64 first = ALIGN(start, unit_size);
	const u64 end =
		ALIGN_DOWN(min(addr + size - 1, highest) + 1, unit_size);

	/* ALIGN() wraps around at the very end of the address space */
	if (first < start || end <= first)
		return -ENOSPC;
	if ((end - first) >> ilog2(mb_size) > INT_MAX)
		return -E2BIG;

	blocks->addr = first;
	blocks->mb_size = mb_size;
	blocks->unit_size = unit_size;
	blocks->nr_mbs = (end - first) >> ilog2(mb_size);
	blocks->nr_units = (end - first) >> ilog2(unit_size);
	return 0;
}

/**
 * virtio_mhp_memmap_misfit() - why memmaps cannot be on their blocks
 * @mb_size: size of a memory block
 * @page_size: size of a page
 * @entry_size: size of what a memmap holds for each page
 * @pageblock_size: bytes that the kernel can only take for movable as a whole
 * @mapping_size: bytes of a memmap that are mapped in one go
 *
 * All that is mapped in one go, and all of a pageblock, must be one block's.
 *
 * Context: any.
 * Return: how to go on with "this kernel cannot: ", NULL if they fit.
 */
const char *virtio_mhp_memmap_misfit(u64 mb_size, u64 page_size, u64 entry_size,
				     u64 pageblock_size, u64 mapping_size)
{
	const u64 size = (mb_size >> ilog2(page_size)) * entry_size;

	if (entry_size != 64)
		return "its struct page is not of 64 bytes, as with some options for debugging";
	if (!IS_ALIGNED(size, pageblock_size) ||
	    !IS_ALIGNED(size, mapping_size))
		return "with pages of this size a memmap fills no whole mapping or pageblock";
	return NULL;
}

/**
 * virtio_mhp_blocks_reset() - make all memory blocks UNPLUGGED
 * @blocks: the memory blocks, already laid out
 * @states: room for one state for each memory block
 *
 * Context: any.
 */
void virtio_mhp_blocks_reset(struct virtio_mhp_blocks *blocks, u8 *states)
{
	memset(states, VIRTIO_MHP_MB_UNPLUGGED, blocks->nr_mbs);
	memset(blocks->count, 0, sizeof(blocks->count));
	blocks->states = states;
	blocks->count[VIRTIO_MHP_MB_UNPLUGGED] = blocks->nr_mbs;
}

/**
 * virtio_mhp_blocks_usable_units() - number of units before an address
 * @b: the memory blocks
 * @end: end of the usable part of the region
 *
 * Context: any.
 * Return: number of units that lie wholly before @end.
 */
unsigned int virtio_mhp_blocks_usable_units(const struct virtio_mhp_blocks *b,
					    u64 end)
{
	if (end <= b->addr)
		return 0;
	return min_t(u64, (end - b->addr) >> ilog2(b->unit_size), b->nr_units);
}

/**
 * virtio_mhp_blocks_contain() - does a range lie within one of our blocks
 * @blocks: the memory blocks
 * @addr: start of the range
 * @size: size of the range
 *
 * Context: any.
 * Return: true if the whole range lies within one memory block.
 */
bool virtio_mhp_blocks_contain(const struct virtio_mhp_blocks *blocks, u64 addr,
			       u64 size)
{
	u64 offset;

	if (addr < blocks->addr || !size || size > blocks->mb_size)
		return false;
	offset = addr - blocks->addr;
	if (offset >> ilog2(blocks->mb_size) >= blocks->nr_mbs)
		return false;
	return (offset & (blocks->mb_size - 1)) <= blocks->mb_size - size;
}

/**
 * virtio_mhp_mb_addr() - address of a memory block
 * @blocks: the memory blocks
 * @mb: the memory block
 *
 * Context: any.
 * Return: guest-physical address.
 */
u64 virtio_mhp_mb_addr(const struct virtio_mhp_blocks *blocks, unsigned int mb)
{
	return blocks->addr + ((u64)mb << ilog2(blocks->mb_size));
}

/**
 * virtio_mhp_mb_at() - the memory block at an address
 * @blocks: the memory blocks
 * @addr: address that virtio_mhp_blocks_contain() has confirmed
 *
 * Context: any.
 * Return: the memory block.
 */
unsigned int virtio_mhp_mb_at(const struct virtio_mhp_blocks *blocks, u64 addr)
{
	return (addr - blocks->addr) >> ilog2(blocks->mb_size);
}

/**
 * virtio_mhp_mb_id() - Linux' number of a memory block
 * @blocks: the memory blocks
 * @mb: the memory block
 *
 * Context: any.
 * Return: N of /sys/devices/system/memory/memoryN.
 */
unsigned long virtio_mhp_mb_id(const struct virtio_mhp_blocks *blocks,
			       unsigned int mb)
{
	return virtio_mhp_mb_addr(blocks, mb) >> ilog2(blocks->mb_size);
}

/**
 * virtio_mhp_mb_state_name() - word for a state
 * @state: the state
 *
 * Context: any.
 * Return: the word, the same in all messages and attributes.
 */
const char *virtio_mhp_mb_state_name(enum virtio_mhp_mb_state state)
{
	if (state >= VIRTIO_MHP_MB_STATES)
		return "invalid";
	return virtio_mhp_mb_state_names[state];
}

/* The arrows of the picture in the wire header, and no others */
static bool virtio_mhp_mb_is_arrow(enum virtio_mhp_mb_state from,
				   enum virtio_mhp_mb_state to)
{
	switch (from) {
	case VIRTIO_MHP_MB_UNPLUGGED:
		return to == VIRTIO_MHP_MB_PLUGGED;
	case VIRTIO_MHP_MB_PLUGGED:
		return to == VIRTIO_MHP_MB_OFFLINE ||
		       to == VIRTIO_MHP_MB_UNPLUGGED;
	case VIRTIO_MHP_MB_OFFLINE:
		return to == VIRTIO_MHP_MB_ONLINE ||
		       to == VIRTIO_MHP_MB_PLUGGED;
	case VIRTIO_MHP_MB_ONLINE:
		return to == VIRTIO_MHP_MB_OFFLINE;
	default:
		return false;
	}
}

/**
 * virtio_mhp_mb_set_state() - move a memory block to another state
 * @blocks: the memory blocks
 * @mb: the memory block
 * @state: the new state, one arrow away from the present one
 *
 * The only writer of states and counters. A move that is no arrow is a mistake
 * in the driver: it is refused with a warning.
 *
 * Context: any; the caller serializes.
 * Return: true if the memory block is now in @state.
 */
bool virtio_mhp_mb_set_state(struct virtio_mhp_blocks *blocks, unsigned int mb,
			     enum virtio_mhp_mb_state state)
{
	enum virtio_mhp_mb_state from;

	if (WARN_ON_ONCE(mb >= blocks->nr_mbs))
		return false;
	from = blocks->states[mb];
	if (WARN_ON_ONCE(!virtio_mhp_mb_is_arrow(from, state)))
		return false;

	blocks->states[mb] = state;
	blocks->count[from]--;
	blocks->count[state]++;
	return true;
}

/**
 * virtio_mhp_unit_addr() - address of a unit
 * @blocks: the memory blocks
 * @unit: the unit
 *
 * Context: any.
 * Return: guest-physical address.
 */
u64 virtio_mhp_unit_addr(const struct virtio_mhp_blocks *blocks,
			 unsigned int unit)
{
	return blocks->addr + ((u64)unit << ilog2(blocks->unit_size));
}

/**
 * virtio_mhp_unit_nr_mbs() - number of memory blocks in a unit
 * @blocks: the memory blocks
 *
 * Context: any.
 * Return: a power of two.
 */
unsigned int virtio_mhp_unit_nr_mbs(const struct virtio_mhp_blocks *blocks)
{
	return blocks->unit_size >> ilog2(blocks->mb_size);
}

/**
 * virtio_mhp_unit_first_mb() - first memory block of a unit
 * @blocks: the memory blocks
 * @unit: the unit
 *
 * Context: any.
 * Return: the memory block.
 */
unsigned int virtio_mhp_unit_first_mb(const struct virtio_mhp_blocks *blocks,
				      unsigned int unit)
{
	return unit * virtio_mhp_unit_nr_mbs(blocks);
}

/**
 * virtio_mhp_unit_of_mb() - the unit that a memory block belongs to
 * @blocks: the memory blocks
 * @mb: the memory block
 *
 * Context: any.
 * Return: the unit.
 */
unsigned int virtio_mhp_unit_of_mb(const struct virtio_mhp_blocks *blocks,
				   unsigned int mb)
{
	return mb / virtio_mhp_unit_nr_mbs(blocks);
}

/**
 * virtio_mhp_unit_is() - are all memory blocks of a unit in this state
 * @blocks: the memory blocks
 * @unit: the unit
 * @state: the state
 *
 * Context: any; the caller serializes with writers of states.
 * Return: true if they are.
 */
bool virtio_mhp_unit_is(const struct virtio_mhp_blocks *blocks,
			unsigned int unit, enum virtio_mhp_mb_state state)
{
	const unsigned int nr_mbs = virtio_mhp_unit_nr_mbs(blocks);
	const unsigned int first = virtio_mhp_unit_first_mb(blocks, unit);
	unsigned int i;

	for (i = 0; i < nr_mbs; i++)
		if (blocks->states[first + i] != state)
			return false;
	return true;
}

/**
 * virtio_mhp_unit_has() - is any memory block of a unit in this state
 * @blocks: the memory blocks
 * @unit: the unit
 * @state: the state
 *
 * Context: any; the caller serializes with writers of states.
 * Return: true if one is.
 */
bool virtio_mhp_unit_has(const struct virtio_mhp_blocks *blocks,
			 unsigned int unit, enum virtio_mhp_mb_state state)
{
	const unsigned int nr_mbs = virtio_mhp_unit_nr_mbs(blocks);
	const unsigned int first = virtio_mhp_unit_first_mb(blocks, unit);
	unsigned int i;

	for (i = 0; i < nr_mbs; i++)
		if (blocks->states[first + i] == state)
			return true;
	return false;
}

/**
 * virtio_mhp_unit_in_plug_order() - which unit to plug as the next but so many
 * @nr_units: number of units that can be plugged
 * @position: position in the order, less than @nr_units
 *
 * Upwards from the lowest, the moat last.
 *
 * Context: any.
 * Return: the unit.
 */
unsigned int virtio_mhp_unit_in_plug_order(unsigned int nr_units,
					   unsigned int position)
{
	if (position == 0)
		return VIRTIO_MHP_UNIT_LOWEST;
	if (position == nr_units - 1)
		return VIRTIO_MHP_UNIT_MOAT;
	return position + 1;
}

/*
 * Vacating the moat makes vacating all others cheap, so it goes first; the
 * lowest unit is what makes the moat work, so it goes last. What costs nothing
 * is better gone: it comes right after the moat, whichever it is.
 */
static int virtio_mhp_candidate_rank(const struct virtio_mhp_candidate *c)
{
	if (c->unit == VIRTIO_MHP_UNIT_MOAT)
		return 0;
	if (!c->cost)
		return 1;
	return c->unit == VIRTIO_MHP_UNIT_LOWEST ? 3 : 2;
}

/**
 * virtio_mhp_candidate_cmp() - compare two candidates for sort()
 * @a: pointer to a struct virtio_mhp_candidate
 * @b: pointer to another
 *
 * The moat first, then units without cost, and the lowest unit last; in between
 * the cheapest first and of equal ones the highest.
 *
 * Context: any.
 * Return: less than, equal to or greater than 0, as for sort().
 */
int virtio_mhp_candidate_cmp(const void *a, const void *b)
{
	const struct virtio_mhp_candidate *ca = a, *cb = b;
	const int rank_a = virtio_mhp_candidate_rank(ca);
	const int rank_b = virtio_mhp_candidate_rank(cb);

	if (rank_a != rank_b)
		return rank_a - rank_b;
	if (ca->cost != cb->cost)
		return ca->cost < cb->cost ? -1 : 1;
	return cb->unit < ca->unit ? -1 : cb->unit > ca->unit;
}
