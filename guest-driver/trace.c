// SPDX-License-Identifier: GPL-2.0
/*
 * The bodies of the tracepoints, and the one place where a memory block changes
 * its state, so that each change is seen.
 */
#include "virtio_mhp.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/**
 * virtio_mhp_mb_move() - move a memory block to another state
 * @vmhp: the device
 * @mb: the memory block
 * @state: the new state, one arrow away from the present one
 *
 * Context: lock held.
 */
void virtio_mhp_mb_move(struct virtio_mhp *vmhp, unsigned int mb,
			enum virtio_mhp_mb_state state)
{
	const enum virtio_mhp_mb_state from = vmhp->blocks.states[mb];

	if (virtio_mhp_mb_set_state(&vmhp->blocks, mb, state))
		trace_virtio_mhp_block(vmhp->index,
				       virtio_mhp_mb_addr(&vmhp->blocks, mb),
				       from, state);
}
