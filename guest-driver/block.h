/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory blocks of the device's region: where they are, what state each is in
 * and in which order they are used. Pure arithmetic and bookkeeping: nothing
 * here talks to the device or to memory hotplug, and nothing locks.
 *
 * A memory block (mb) is what Linux adds and onlines. A unit is what the driver
 * plugs: one device block or one memory block, whichever is larger. Both are
 * counted from the start of the usable part of the region.
 *
 * Invariant: count[] always sums up to the number of memory blocks, and
 * virtio_mhp_mb_set_state() is the only writer of states[] and count[].
 */
#ifndef _VIRTIO_MHP_BLOCK_H
#define _VIRTIO_MHP_BLOCK_H

#include <linux/types.h>

/*
 * The second unit is the moat: while it is unplugged, the kernel's scans of
 * ZONE_MOVABLE for holes end after the first unit, so that onlining and
 * offlining a block costs the same however many blocks there are.
 */
#define VIRTIO_MHP_UNIT_LOWEST 0
#define VIRTIO_MHP_UNIT_MOAT   1

/**
 * enum virtio_mhp_mb_state - state of one memory block
 * @VIRTIO_MHP_MB_UNPLUGGED: not plugged, not added; must not be touched
 * @VIRTIO_MHP_MB_PLUGGED: plugged, not added; at rest only when the device was
 *	busy when it should be unplugged again
 * @VIRTIO_MHP_MB_OFFLINE: plugged and added, not online; its memmap is in use
 * @VIRTIO_MHP_MB_ONLINE: plugged, added and online in its zone
 * @VIRTIO_MHP_MB_STATES: number of states
 */
enum virtio_mhp_mb_state {
	VIRTIO_MHP_MB_UNPLUGGED,
	VIRTIO_MHP_MB_PLUGGED,
	VIRTIO_MHP_MB_OFFLINE,
	VIRTIO_MHP_MB_ONLINE,
	VIRTIO_MHP_MB_STATES
};

/**
 * struct virtio_mhp_blocks - the memory blocks of one region
 * @addr: address of the first unit
 * @mb_size: size of a memory block, a power of two
 * @unit_size: size of a unit, a power of two, at least @mb_size
 * @nr_mbs: number of memory blocks
 * @nr_units: number of units
 * @states: enum virtio_mhp_mb_state of each memory block
 * @count: number of memory blocks in each state
 */
struct virtio_mhp_blocks {
	u64 addr;
	u64 mb_size;
	u64 unit_size;
	unsigned int nr_mbs;
	unsigned int nr_units;
	u8 *states;
	unsigned int count[VIRTIO_MHP_MB_STATES];
};

/**
 * struct virtio_mhp_candidate - a unit that could be vacated
 * @unit: the unit
 * @cost: pages in use in it and more for what is likely to be in vain, 0 if it
 *	is to go before all others
 */
struct virtio_mhp_candidate {
	unsigned int unit;
	unsigned int cost;
};

int virtio_mhp_blocks_lay_out(struct virtio_mhp_blocks *blocks, u64 addr,
			      u64 size, u64 block_size, u64 mb_size, u64 lowest,
			      u64 highest);
const char *virtio_mhp_memmap_misfit(u64 mb_size, u64 page_size, u64 entry_size,
				     u64 pageblock_size, u64 mapping_size);
void virtio_mhp_blocks_reset(struct virtio_mhp_blocks *blocks, u8 *states);
unsigned int virtio_mhp_blocks_usable_units(const struct virtio_mhp_blocks *b,
					    u64 end);
bool virtio_mhp_blocks_contain(const struct virtio_mhp_blocks *blocks, u64 addr,
			       u64 size);

u64 virtio_mhp_mb_addr(const struct virtio_mhp_blocks *blocks, unsigned int mb);
unsigned int virtio_mhp_mb_at(const struct virtio_mhp_blocks *blocks, u64 addr);
unsigned long virtio_mhp_mb_id(const struct virtio_mhp_blocks *blocks,
			       unsigned int mb);
const char *virtio_mhp_mb_state_name(enum virtio_mhp_mb_state state);
bool virtio_mhp_mb_set_state(struct virtio_mhp_blocks *blocks, unsigned int mb,
			     enum virtio_mhp_mb_state state);

u64 virtio_mhp_unit_addr(const struct virtio_mhp_blocks *blocks,
			 unsigned int unit);
unsigned int virtio_mhp_unit_first_mb(const struct virtio_mhp_blocks *blocks,
				      unsigned int unit);
unsigned int virtio_mhp_unit_nr_mbs(const struct virtio_mhp_blocks *blocks);
unsigned int virtio_mhp_unit_of_mb(const struct virtio_mhp_blocks *blocks,
				   unsigned int mb);
bool virtio_mhp_unit_is(const struct virtio_mhp_blocks *blocks,
			unsigned int unit, enum virtio_mhp_mb_state state);
bool virtio_mhp_unit_has(const struct virtio_mhp_blocks *blocks,
			 unsigned int unit, enum virtio_mhp_mb_state state);
unsigned int virtio_mhp_unit_in_plug_order(unsigned int nr_units,
					   unsigned int position);
int virtio_mhp_candidate_cmp(const void *a, const void *b);

#endif /* _VIRTIO_MHP_BLOCK_H */
