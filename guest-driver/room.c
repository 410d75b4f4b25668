// SPDX-License-Identifier: GPL-2.0
/*
 * Is there room for the pages of a unit elsewhere? Without, the kernel would
 * complain about failed allocations until the deadline. So this is meant to be
 * on the safe side: it counts only what the kernel would really hand out for a
 * page that is moved, and leaves some for others.
 *
 * Free swap is no room: compressed swap takes the very memory that is to be
 * made free, other swap as long as its device likes, and nobody outside the
 * kernel can tell the two apart.
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/vmstat.h>

#include "census.h"
#include "virtio_mhp.h"

/* Pages that are cheap to reclaim: half of the clean cache of files */
static unsigned long virtio_mhp_zone_cache(struct zone *zone)
{
	const long cache = zone_page_state(zone, NR_ZONE_INACTIVE_FILE) +
			   zone_page_state(zone, NR_ZONE_ACTIVE_FILE) -
			   zone_page_state(zone, NR_ZONE_WRITE_PENDING);

	return max(cache, 0L) / 2;
}

/* Movable pages may go to any zone, as far as it is not kept for others. */
static unsigned long virtio_mhp_zone_room(struct zone *zone)
{
	const long kept =
		high_wmark_pages(zone) + zone->lowmem_reserve[ZONE_MOVABLE];
	const long room = zone_page_state(zone, NR_FREE_PAGES) +
			  virtio_mhp_zone_cache(zone) - kept;

	return max(room, 0L);
}

/* The kernel moves pages off the node if there is any other with memory. */
static bool virtio_mhp_room_is_elsewhere(void)
{
	return num_node_state(N_MEMORY) > 1;
}

static unsigned long virtio_mhp_node_room(int nid)
{
	unsigned long room = 0;
	struct zone *zone;
	unsigned int i;

	for (i = 0; i < MAX_NR_ZONES; i++) {
		zone = &NODE_DATA(nid)->node_zones[i];
		if (managed_zone(zone))
			room += virtio_mhp_zone_room(zone);
	}
	return room;
}

/**
 * virtio_mhp_room() - how many pages could be moved to where they may go
 * @vmhp: the device
 *
 * Context: any.
 * Return: number of pages, those of the units that are to be vacated included
 *	if that is where pages may go.
 */
unsigned long virtio_mhp_room(const struct virtio_mhp *vmhp)
{
	const nodemask_t *nodes = &node_states[N_MEMORY];
	unsigned long room = 0;
	unsigned int nid;

	for (nid = first_node(*nodes); nid < MAX_NUMNODES;
	     nid = next_node(nid, *nodes))
		if (nid != vmhp->geo.nid || !virtio_mhp_room_is_elsewhere())
			room += virtio_mhp_node_room(nid);
	return room;
}

/**
 * virtio_mhp_room_anywhere() - how many pages processes can have without waiting
 *
 * Context: any.
 * Return: number of pages, of all nodes.
 */
unsigned long virtio_mhp_room_anywhere(void)
{
	unsigned long room = 0;
	int nid;

	for_each_online_node(nid)
		room += virtio_mhp_node_room(nid);
	return room;
}

/* Others allocate while pages move. */
static unsigned long
virtio_mhp_room_for_used(const struct virtio_mhp_census *census)
{
	return census->nr_used + census->nr_used / 8;
}

/* What counts as room and is the unit's own */
static unsigned long
virtio_mhp_room_inside(const struct virtio_mhp_census *census)
{
	return census->nr_free + census->nr_cache / 2;
}

/**
 * virtio_mhp_room_needed() - how much room it takes to vacate a unit
 * @vmhp: the device
 * @census: the unit's census
 *
 * Its own free and cached pages count as room, but not for its own pages.
 *
 * Context: any.
 * Return: what virtio_mhp_room() must be at least.
 */
unsigned long virtio_mhp_room_needed(const struct virtio_mhp *vmhp,
				     const struct virtio_mhp_census *census)
{
	unsigned long needed = virtio_mhp_room_for_used(census);

	if (!census->nr_used)
		return 0;
	if (!virtio_mhp_room_is_elsewhere())
		needed += virtio_mhp_room_inside(census);
	return needed;
}

/**
 * virtio_mhp_has_room_nearby() - has its own node room for a unit's pages
 * @vmhp: the device
 * @census: the unit's census
 *
 * Context: any.
 * Return: true if it has, and there are other nodes.
 */
bool virtio_mhp_has_room_nearby(const struct virtio_mhp *vmhp,
				const struct virtio_mhp_census *census)
{
	return virtio_mhp_room_is_elsewhere() &&
	       virtio_mhp_node_room(vmhp->geo.nid) >=
		       virtio_mhp_room_for_used(census) +
			       virtio_mhp_room_inside(census);
}
