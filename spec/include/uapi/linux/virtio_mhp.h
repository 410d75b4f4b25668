/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/*
 * Wire format of the mhp-vmemmap-mem device: the only place where its numbers
 * and layouts stand. The guest driver, the QEMU device and the tests include
 * this file; spec/virtio-mhp.md explains it and numbers the obligations.
 *
 * The format is a superset of virtio-mem's: the configuration, the requests
 * below VIRTIO_MHP_REQ_MEMMAP and all responses have its numbers and layouts.
 *
 * Every field is little-endian. Sizes and addresses are in bytes. An address
 * is guest-physical.
 *
 * A memory block passes through these states; the device knows only whether
 * it is plugged:
 *
 *              plug               add              online
 *   UNPLUGGED ------->  PLUGGED  ----->  OFFLINE  -------->  ONLINE
 *             <-------           <-----           <--------
 *              unplug            remove           offline
 */
#ifndef _UAPI_LINUX_VIRTIO_MHP_H
#define _UAPI_LINUX_VIRTIO_MHP_H

#include <linux/types.h>

/*
 * virtio device ID. Linux claims modern PCI device ids up to 0x107f, that is
 * up to this ID, and the virtio specification gives out IDs from below.
 */
#define VIRTIO_ID_MHP			    63

/* Feature bits 0 to 7 are virtio-mem's, ours start at 8. */

/* node_id in the configuration is an ACPI proximity domain */
#define VIRTIO_MHP_F_ACPI_PXM		    0
/* the driver must not touch unplugged memory, not even to read it */
#define VIRTIO_MHP_F_UNPLUGGED_INACCESSIBLE 1
/* the driver tells where memmaps lie, the device backs them before the ACK */
#define VIRTIO_MHP_F_MEMMAP_ON_BLOCK	    8
/* the driver reports blocks it cannot plug or unplug, and why */
#define VIRTIO_MHP_F_STATUS		    9
/* the driver tells figures of its memory, in a queue of their own */
#define VIRTIO_MHP_F_STATS		    10
/* the driver tells which memory the guest has no use for */
#define VIRTIO_MHP_F_REPORTING		    11
/* the driver may plug beyond requested_size while its guest is short */
#define VIRTIO_MHP_F_PRESSURE		    12

/**
 * struct virtio_mhp_config - device configuration, read-only to the driver
 * @block_size: size of a device block, a power of two; never changes
 * @node_id: proximity domain of the region, valid with F_ACPI_PXM
 * @padding: zero
 * @addr: start of the region, a multiple of @block_size; never changes
 * @region_size: size of the region, a multiple of @block_size; never changes
 * @usable_region_size: leading part of the region that can be plugged
 * @plugged_size: size of all plugged blocks, changed by requests alone
 * @requested_size: what the host wants @plugged_size to be; the driver plugs
 *	or unplugs until they match and never plugs beyond it, but for
 *	@pressure_size
 * @pressure_size: how far the driver may go beyond @requested_size while its
 *	guest is short of memory; there with F_PRESSURE only
 */
struct virtio_mhp_config {
	__le64 block_size;
	__le16 node_id;
	__u8 padding[6];
	__le64 addr;
	__le64 region_size;
	__le64 usable_region_size;
	__le64 plugged_size;
	__le64 requested_size;
	__le64 pressure_size;
};

/* Request types of virtio-mem */
#define VIRTIO_MHP_REQ_PLUG	  0
#define VIRTIO_MHP_REQ_UNPLUG	  1
#define VIRTIO_MHP_REQ_UNPLUG_ALL 2
#define VIRTIO_MHP_REQ_STATE	  3
/* Request types of our own, each behind the feature bit of its name */
#define VIRTIO_MHP_REQ_MEMMAP	  0x100
#define VIRTIO_MHP_REQ_STATUS	  0x101

/**
 * struct virtio_mhp_range - a run of device blocks
 * @addr: address of the first block
 * @nb_blocks: number of blocks, at least 1
 * @padding: zero
 */
struct virtio_mhp_range {
	__le64 addr;
	__le16 nb_blocks;
	__le16 padding[3];
};

/* Bounds the work that a driver can make of one PLUG by its layout */
#define VIRTIO_MHP_UNIT_SIZE_MIN 0x100000

/**
 * struct virtio_mhp_req_memmap - where memmaps lie (F_MEMMAP_ON_BLOCK)
 * @unit_size: distance of memmaps, a power of two, at least
 *	VIRTIO_MHP_UNIT_SIZE_MIN, smaller or larger than a device block; each
 *	multiple of it in the region starts with a memmap
 * @memmap_size: size of a memmap, less than @unit_size; 0 means none is there
 */
struct virtio_mhp_req_memmap {
	__le64 unit_size;
	__le64 memmap_size;
};

/* Why a block cannot change its state: struct virtio_mhp_req_status */
#define VIRTIO_MHP_REASON_NONE		0 /* clears an earlier report */
#define VIRTIO_MHP_REASON_BUSY		1 /* pages did not move in time */
#define VIRTIO_MHP_REASON_PINNED	2 /* pages are pinned */
#define VIRTIO_MHP_REASON_HUGETLB	3 /* huge pages cannot move */
#define VIRTIO_MHP_REASON_NO_ROOM	4 /* no free memory to move pages to */
#define VIRTIO_MHP_REASON_KERNEL_MEMORY 5 /* the kernel allocated from it */
#define VIRTIO_MHP_REASON_NOT_ADDED	6 /* the kernel did not add it */
#define VIRTIO_MHP_REASON_NOT_ONLINE	7 /* it did not come online as wanted */
#define VIRTIO_MHP_REASON_NO_MEMMAP	8 /* its memmap cannot be on it */
#define VIRTIO_MHP_REASON_WRITEBACK	9 /* pages wait for storage */

/**
 * struct virtio_mhp_req_status - report of blocks that are stuck (F_STATUS)
 * @addr: address of the first block
 * @nb_blocks: number of blocks, at least 1
 * @reason: VIRTIO_MHP_REASON_*, the same for all these blocks
 * @padding: zero
 */
struct virtio_mhp_req_status {
	__le64 addr;
	__le16 nb_blocks;
	__le16 reason;
	__le16 padding[2];
};

/**
 * struct virtio_mhp_req - request, readable by the device
 * @type: VIRTIO_MHP_REQ_*
 * @padding: zero
 * @u: one member for each request type; UNPLUG_ALL has none
 */
struct virtio_mhp_req {
	__le16 type;
	__le16 padding[3];
	union {
		struct virtio_mhp_range plug;
		struct virtio_mhp_range unplug;
		struct virtio_mhp_range state;
		struct virtio_mhp_req_memmap memmap;
		struct virtio_mhp_req_status status;
	} u;
};

#define VIRTIO_MHP_RESP_ACK	   0 /* done */
#define VIRTIO_MHP_RESP_NACK	   1 /* not wanted, or the host cannot */
#define VIRTIO_MHP_RESP_BUSY	   2 /* not now, try again */
#define VIRTIO_MHP_RESP_ERROR	   3 /* the request was wrong */

/* Answer to STATE */
#define VIRTIO_MHP_STATE_PLUGGED   0
#define VIRTIO_MHP_STATE_UNPLUGGED 1
#define VIRTIO_MHP_STATE_MIXED	   2

/**
 * struct virtio_mhp_resp_state - payload of an ACK to STATE
 * @state: VIRTIO_MHP_STATE_*
 */
struct virtio_mhp_resp_state {
	__le16 state;
};

/**
 * struct virtio_mhp_resp - response, writable by the device
 * @type: VIRTIO_MHP_RESP_*
 * @padding: zero
 * @u: valid with ACK only
 */
struct virtio_mhp_resp {
	__le16 type;
	__le16 padding[3];
	union {
		struct virtio_mhp_resp_state state;
	} u;
};

/* Entries of a buffer of figures, at the most */
#define VIRTIO_MHP_STATS_MAX	       64

/* What a figure tells, in bytes if need be: virtio-balloon's tags */
#define VIRTIO_MHP_STAT_SWAP_IN	       0  /* swapped in */
#define VIRTIO_MHP_STAT_SWAP_OUT       1  /* swapped out */
#define VIRTIO_MHP_STAT_MAJFLT	       2  /* major faults */
#define VIRTIO_MHP_STAT_MINFLT	       3  /* all faults */
#define VIRTIO_MHP_STAT_MEMFREE	       4  /* free */
#define VIRTIO_MHP_STAT_MEMTOT	       5  /* usable */
#define VIRTIO_MHP_STAT_AVAIL	       6  /* available without swapping */
#define VIRTIO_MHP_STAT_CACHES	       7  /* page cache */
#define VIRTIO_MHP_STAT_HTLB_PGALLOC   8  /* huge pages allocated */
#define VIRTIO_MHP_STAT_HTLB_PGFAIL    9  /* huge pages that could not be */
#define VIRTIO_MHP_STAT_OOM_KILL       10 /* processes killed for memory */
#define VIRTIO_MHP_STAT_ALLOC_STALL    11 /* allocations that reclaimed */
#define VIRTIO_MHP_STAT_ASYNC_SCAN     12 /* scanned in the background */
#define VIRTIO_MHP_STAT_DIRECT_SCAN    13 /* scanned by allocations */
#define VIRTIO_MHP_STAT_ASYNC_RECLAIM  14 /* reclaimed in the background */
#define VIRTIO_MHP_STAT_DIRECT_RECLAIM 15 /* reclaimed by allocations */
/* and ours */
#define VIRTIO_MHP_STAT_REFAULT_ANON   0x100 /* anonymous, reclaimed too early */
#define VIRTIO_MHP_STAT_REFAULT_FILE   0x101 /* of files, likewise */
#define VIRTIO_MHP_STAT_MOVABLE_FREE   0x102 /* free for what can move */
#define VIRTIO_MHP_STAT_MOVABLE_TOTAL  0x103 /* all of that */
#define VIRTIO_MHP_STAT_KERNEL_FREE    0x104 /* free for the kernel, too */
#define VIRTIO_MHP_STAT_KERNEL_TOTAL   0x105 /* all of that */
#define VIRTIO_MHP_STAT_MEMMAP	       0x106 /* on the region's blocks */
#define VIRTIO_MHP_STAT_PLUGGED	       0x107 /* plugged of the region */
#define VIRTIO_MHP_STAT_ONLINE	       0x108 /* online of the region */
#define VIRTIO_MHP_STAT_STUCK	       0x109 /* of the region, with a reason */
#define VIRTIO_MHP_STAT_PSI_SOME       0x10a /* some task waited, in 1/100 % */
#define VIRTIO_MHP_STAT_PSI_SOME_TOTAL 0x10b /* since boot, in microseconds */
#define VIRTIO_MHP_STAT_PSI_FULL       0x10c /* all tasks waited, in 1/100 % */
#define VIRTIO_MHP_STAT_PSI_FULL_TOTAL 0x10d /* since boot, in microseconds */
#define VIRTIO_MHP_STAT_PRESSURE       0x10e /* plugged on pressure */

/**
 * struct virtio_mhp_stat - a figure of the guest (F_STATS)
 * @tag: VIRTIO_MHP_STAT_*
 * @padding: zero
 * @value: what it is
 */
struct virtio_mhp_stat {
	__le16 tag;
	__le16 padding[3];
	__le64 value;
};

/* Ranges of a report, at the most */
#define VIRTIO_MHP_REPORT_MAX 64

/**
 * struct virtio_mhp_report - memory that the guest has no use for (F_REPORTING)
 * @addr: where it starts
 * @size: of it; both are multiples of 4096
 */
struct virtio_mhp_report {
	__le64 addr;
	__le64 size;
};

/**
 * struct virtio_mhp_report_resp - what became of a report's ranges
 * @zero_size: how much of them, from the start of the first, reads as zero now
 */
struct virtio_mhp_report_resp {
	__le64 zero_size;
};

/* A layout that any compiler pads otherwise must not get past it. */
#define VIRTIO_MHP_ASSERT_OFFSET(type, member, offset)                      \
	_Static_assert(__builtin_offsetof(struct type, member) == (offset), \
		       #type "." #member " is not at " #offset)
#define VIRTIO_MHP_ASSERT_SIZE(type, size)            \
	_Static_assert(sizeof(struct type) == (size), \
		       "struct " #type " has not " #size " bytes")

VIRTIO_MHP_ASSERT_SIZE(virtio_mhp_config, 64);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_config, block_size, 0);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_config, node_id, 8);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_config, addr, 16);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_config, region_size, 24);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_config, usable_region_size, 32);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_config, plugged_size, 40);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_config, requested_size, 48);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_config, pressure_size, 56);

VIRTIO_MHP_ASSERT_SIZE(virtio_mhp_range, 16);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_range, addr, 0);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_range, nb_blocks, 8);

VIRTIO_MHP_ASSERT_SIZE(virtio_mhp_req_memmap, 16);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_req_memmap, unit_size, 0);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_req_memmap, memmap_size, 8);

VIRTIO_MHP_ASSERT_SIZE(virtio_mhp_req_status, 16);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_req_status, addr, 0);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_req_status, nb_blocks, 8);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_req_status, reason, 10);

VIRTIO_MHP_ASSERT_SIZE(virtio_mhp_req, 24);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_req, type, 0);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_req, u, 8);

VIRTIO_MHP_ASSERT_SIZE(virtio_mhp_resp, 10);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_resp, type, 0);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_resp, u, 8);

VIRTIO_MHP_ASSERT_SIZE(virtio_mhp_stat, 16);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_stat, tag, 0);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_stat, value, 8);

VIRTIO_MHP_ASSERT_SIZE(virtio_mhp_report, 16);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_report, addr, 0);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_report, size, 8);

VIRTIO_MHP_ASSERT_SIZE(virtio_mhp_report_resp, 8);
VIRTIO_MHP_ASSERT_OFFSET(virtio_mhp_report_resp, zero_size, 0);

#endif /* _UAPI_LINUX_VIRTIO_MHP_H */
