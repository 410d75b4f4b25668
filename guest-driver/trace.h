/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: what the driver does and what comes of it, for those who want to
 * know where the time goes. They appear in
 * /sys/kernel/tracing/events/mhp_vmemmap_mem; README.md says what each one
 * means. Numbers only: strings in trace events differ between kernel versions.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mhp_vmemmap_mem

#if !defined(_VIRTIO_MHP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _VIRTIO_MHP_TRACE_H

#include <linux/tracepoint.h>
#include <linux/types.h>
#include <uapi/linux/virtio_mhp.h>

#include "block.h"
#include "census.h"

TRACE_DEFINE_ENUM(VIRTIO_MHP_MB_UNPLUGGED);
TRACE_DEFINE_ENUM(VIRTIO_MHP_MB_PLUGGED);
TRACE_DEFINE_ENUM(VIRTIO_MHP_MB_OFFLINE);
TRACE_DEFINE_ENUM(VIRTIO_MHP_MB_ONLINE);

/* clang-format off */

#define show_mb_state(state)						\
	__print_symbolic(state,						\
		{ VIRTIO_MHP_MB_UNPLUGGED, "UNPLUGGED" },		\
		{ VIRTIO_MHP_MB_PLUGGED, "PLUGGED" },			\
		{ VIRTIO_MHP_MB_OFFLINE, "OFFLINE" },			\
		{ VIRTIO_MHP_MB_ONLINE, "ONLINE" })

#define show_request(type)						\
	__print_symbolic(type,						\
		{ VIRTIO_MHP_REQ_PLUG, "PLUG" },			\
		{ VIRTIO_MHP_REQ_UNPLUG, "UNPLUG" },			\
		{ VIRTIO_MHP_REQ_UNPLUG_ALL, "UNPLUG_ALL" },		\
		{ VIRTIO_MHP_REQ_STATE, "STATE" },			\
		{ VIRTIO_MHP_REQ_MEMMAP, "MEMMAP" },			\
		{ VIRTIO_MHP_REQ_STATUS, "STATUS" })

#define show_reason(reason)						\
	__print_symbolic(reason,					\
		{ VIRTIO_MHP_REASON_NONE, "none" },			\
		{ VIRTIO_MHP_REASON_BUSY, "busy" },			\
		{ VIRTIO_MHP_REASON_PINNED, "pinned" },			\
		{ VIRTIO_MHP_REASON_HUGETLB, "hugetlb" },		\
		{ VIRTIO_MHP_REASON_NO_ROOM, "no-room" },		\
		{ VIRTIO_MHP_REASON_KERNEL_MEMORY, "kernel-memory" },	\
		{ VIRTIO_MHP_REASON_WRITEBACK, "writeback" })

/* A memory block's state changes; the hotplug locks may be held. */
TRACE_EVENT(virtio_mhp_block,

	TP_PROTO(int index, u64 addr, u8 from, u8 to),

	TP_ARGS(index, addr, from, to),

	TP_STRUCT__entry(
		__field(int, index)
		__field(u64, addr)
		__field(u8, from)
		__field(u8, to)
	),

	TP_fast_assign(
		__entry->index = index;
		__entry->addr = addr;
		__entry->from = from;
		__entry->to = to;
	),

	TP_printk("virtio%d addr=%#llx from=%s to=%s",
		  __entry->index, __entry->addr,
		  show_mb_state(__entry->from), show_mb_state(__entry->to))
);

/* A request was answered, or given up. */
TRACE_EVENT(virtio_mhp_request,

	TP_PROTO(int index, u16 type, u64 addr, u16 nb_blocks, int rc, u64 ns),

	TP_ARGS(index, type, addr, nb_blocks, rc, ns),

	TP_STRUCT__entry(
		__field(int, index)
		__field(u16, type)
		__field(u16, nb_blocks)
		__field(u64, addr)
		__field(int, rc)
		__field(u64, ns)
	),

	TP_fast_assign(
		__entry->index = index;
		__entry->type = type;
		__entry->nb_blocks = nb_blocks;
		__entry->addr = addr;
		__entry->rc = rc;
		__entry->ns = ns;
	),

	TP_printk("virtio%d type=%s addr=%#llx nb_blocks=%u result=%d ns=%llu",
		  __entry->index, show_request(__entry->type), __entry->addr,
		  __entry->nb_blocks, __entry->rc, __entry->ns)
);

DECLARE_EVENT_CLASS(virtio_mhp_event,

	TP_PROTO(int index),

	TP_ARGS(index),

	TP_STRUCT__entry(
		__field(int, index)
	),

	TP_fast_assign(
		__entry->index = index;
	),

	TP_printk("virtio%d", __entry->index)
);

/* There may be a newer request: what is against it will be dropped. */
DEFINE_EVENT(virtio_mhp_event, virtio_mhp_interrupt,
	TP_PROTO(int index),
	TP_ARGS(index)
);

/* The worker starts an attempt to come closer to the requested size. */
DEFINE_EVENT(virtio_mhp_event, virtio_mhp_resize_begin,
	TP_PROTO(int index),
	TP_ARGS(index)
);

/* What that came to */
TRACE_EVENT(virtio_mhp_resize_end,

	TP_PROTO(int index, u64 plugged, u64 requested, int rc),

	TP_ARGS(index, plugged, requested, rc),

	TP_STRUCT__entry(
		__field(int, index)
		__field(int, rc)
		__field(u64, plugged)
		__field(u64, requested)
	),

	TP_fast_assign(
		__entry->index = index;
		__entry->plugged = plugged;
		__entry->requested = requested;
		__entry->rc = rc;
	),

	TP_printk("virtio%d plugged=%llu requested=%llu result=%d",
		  __entry->index, __entry->plugged, __entry->requested,
		  __entry->rc)
);

/* On pressure something else is aimed at than before, 0 for nothing */
TRACE_EVENT(virtio_mhp_pressure,

	TP_PROTO(int index, u64 target, u64 plugged, u64 room),

	TP_ARGS(index, target, plugged, room),

	TP_STRUCT__entry(
		__field(int, index)
		__field(u64, target)
		__field(u64, plugged)
		__field(u64, room)
	),

	TP_fast_assign(
		__entry->index = index;
		__entry->target = target;
		__entry->plugged = plugged;
		__entry->room = room;
	),

	TP_printk("virtio%d target=%llu plugged=%llu room=%llu",
		  __entry->index, __entry->target, __entry->plugged,
		  __entry->room)
);

/* A unit was vacated, or why not, and when it will be tried again */
TRACE_EVENT(virtio_mhp_vacate,

	TP_PROTO(int index, u64 addr, u16 reason, int rc, u16 retry,
		 const struct virtio_mhp_census *census),

	TP_ARGS(index, addr, reason, rc, retry, census),

	TP_STRUCT__entry(
		__field(int, index)
		__field(u64, addr)
		__field(u16, reason)
		__field(u16, retry)
		__field(int, rc)
		__field(unsigned long, nr_free)
		__field(unsigned long, nr_used)
		__field(unsigned long, nr_hugetlb)
		__field(unsigned long, nr_pinned)
		__field(unsigned long, nr_kernel)
	),

	TP_fast_assign(
		__entry->index = index;
		__entry->addr = addr;
		__entry->reason = reason;
		__entry->retry = retry;
		__entry->rc = rc;
		__entry->nr_free = census->nr_free;
		__entry->nr_used = census->nr_used;
		__entry->nr_hugetlb = census->nr_hugetlb;
		__entry->nr_pinned = census->nr_pinned;
		__entry->nr_kernel = census->nr_kernel;
	),

	TP_printk("virtio%d addr=%#llx reason=%s result=%d retry=%us free=%lu used=%lu hugetlb=%lu pinned=%lu kernel=%lu",
		  __entry->index, __entry->addr, show_reason(__entry->reason),
		  __entry->rc, __entry->retry, __entry->nr_free,
		  __entry->nr_used, __entry->nr_hugetlb, __entry->nr_pinned,
		  __entry->nr_kernel)
);

/* clang-format on */

#endif /* _VIRTIO_MHP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
