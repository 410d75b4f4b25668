// SPDX-License-Identifier: GPL-2.0
/*
 * When what failed is tried again. Each unit backs off by itself. What is done
 * in vain is paid for with rest, whatever it was and however many units there
 * are: in the long run it takes a fixed share of one CPU, and no more.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/minmax.h>

#include "census.h"
#include "virtio_mhp.h"

/* For each second in vain so many of rest: 3 % of the time */
#define VIRTIO_MHP_REST_RATIO	   32
/* So much of it may come in a row after a long time without any */
#define VIRTIO_MHP_REST_CREDIT_NS  (2 * NSEC_PER_SEC)
#define VIRTIO_MHP_REST_MAX_NS	   (VIRTIO_MHP_BACKOFF_MAX * NSEC_PER_SEC)

/* A unit rests, too, if all that kept it from going is gone: so much longer */
#define VIRTIO_MHP_UNIT_REST_RATIO 20

/**
 * virtio_mhp_spent_in_vain() - pay for what came to nothing
 * @vmhp: the device
 * @ns: how long it took
 *
 * Context: worker.
 */
void virtio_mhp_spent_in_vain(struct virtio_mhp *vmhp, u64 ns)
{
	const s64 now = ktime_get_ns();
	const s64 rest =
		min_t(u64, ns, VIRTIO_MHP_REST_MAX_NS) * VIRTIO_MHP_REST_RATIO;
	const s64 credit = VIRTIO_MHP_REST_CREDIT_NS * VIRTIO_MHP_REST_RATIO;
	const s64 from = max(vmhp->rest_until, now - credit);

	vmhp->rest_until = min(from + rest, now + VIRTIO_MHP_REST_MAX_NS);
}

/**
 * virtio_mhp_is_resting() - is it too early for anything that may be in vain
 * @vmhp: the device
 *
 * Context: worker.
 * Return: true if it is.
 */
bool virtio_mhp_is_resting(const struct virtio_mhp *vmhp)
{
	return vmhp->rest_until > (s64)ktime_get_ns();
}

/**
 * virtio_mhp_unit_is_due() - may a unit be tried
 * @vmhp: the device
 * @unit: the unit
 *
 * Context: worker.
 * Return: false if its latest failure is too recent.
 */
bool virtio_mhp_unit_is_due(const struct virtio_mhp *vmhp, unsigned int unit)
{
	return !vmhp->units[unit].backoff ||
	       time_after_eq(jiffies, vmhp->units[unit].next_try);
}

/**
 * virtio_mhp_unit_back_off() - leave a unit that failed alone for a while
 * @vmhp: the device
 * @unit: the unit
 * @first: seconds after a first failure, twice as many after each further one
 * @last: but never more than this
 *
 * Context: worker.
 */
void virtio_mhp_unit_back_off(struct virtio_mhp *vmhp, unsigned int unit,
			      int first, int last)
{
	struct virtio_mhp_unit *u = &vmhp->units[unit];

	u->failed = true;
	u->backoff = clamp(2 * u->backoff, first, last);
	u->next_try = jiffies + u->backoff * HZ;
	u->soonest = jiffies;
}

/**
 * virtio_mhp_unit_stays() - leave a unit that could not be vacated alone
 * @vmhp: the device
 * @unit: the unit, with its stuck_pfn up to date
 * @ns: how long it was tried
 *
 * It may go as soon as its stuck page is let go, and that is looked up often.
 * Until then there is nothing to hope for, unless the page only looks stuck.
 *
 * Context: worker.
 */
void virtio_mhp_unit_stays(struct virtio_mhp *vmhp, unsigned int unit, u64 ns)
{
	const bool is_stuck = vmhp->units[unit].stuck_pfn;
	const u64 rest = min_t(u64, ns * VIRTIO_MHP_UNIT_REST_RATIO,
			       VIRTIO_MHP_REST_MAX_NS);

	virtio_mhp_unit_back_off(vmhp, unit,
				 is_stuck ? VIRTIO_MHP_BACKOFF_MAX : 1,
				 is_stuck ? VIRTIO_MHP_BACKOFF_STUCK_MAX
					  : VIRTIO_MHP_BACKOFF_MAX);
	vmhp->units[unit].soonest += max_t(unsigned long,
					   nsecs_to_jiffies(rest),
					   VIRTIO_MHP_RETRY_MIN);
}

/* Is what kept a unit from going gone? Cheap enough to be asked often. */
static bool virtio_mhp_unit_has_cleared(struct virtio_mhp *vmhp,
					unsigned int unit, unsigned long room)
{
	const struct virtio_mhp_unit *u = &vmhp->units[unit];

	if (!u->failed || time_before(jiffies, u->soonest))
		return false;
	if (u->needs)
		return room >= u->needs;
	if (!u->stuck_pfn)
		return false;
	return !virtio_mhp_pfn_is_stuck(vmhp, u->stuck_pfn);
}

/**
 * virtio_mhp_unit_may_go() - is vacating a unit worth trying
 * @vmhp: the device
 * @unit: the unit
 * @room: virtio_mhp_room()
 *
 * Context: worker.
 * Return: false if it failed and nothing says that it is otherwise now.
 */
bool virtio_mhp_unit_may_go(struct virtio_mhp *vmhp, unsigned int unit,
			    unsigned long room)
{
	const struct virtio_mhp_unit *u = &vmhp->units[unit];

	if (!u->failed)
		return true;
	if (virtio_mhp_is_resting(vmhp))
		return false;
	return time_after_eq(jiffies, u->next_try) ||
	       virtio_mhp_unit_has_cleared(vmhp, unit, room);
}

/**
 * virtio_mhp_shrink_is_worthwhile() - may a unit that would not go, go now
 * @vmhp: the device
 *
 * Context: worker.
 * Return: true if what was in its way is no longer there.
 */
bool virtio_mhp_shrink_is_worthwhile(struct virtio_mhp *vmhp)
{
	unsigned long room;
	unsigned int unit;

	if (vmhp->plugged_size <= virtio_mhp_target_size(vmhp) ||
	    virtio_mhp_is_resting(vmhp))
		return false;
	room = virtio_mhp_room(vmhp);
	for (unit = 0; unit < vmhp->blocks.nr_units; unit++)
		if (virtio_mhp_unit_has_cleared(vmhp, unit, room))
			return true;
	return false;
}

/**
 * virtio_mhp_take_up_request() - give each unit a new chance for a new request
 * @vmhp: the device, with requested_size up to date
 *
 * That a unit failed is not forgotten: it comes after those that did not.
 *
 * Context: worker.
 */
void virtio_mhp_take_up_request(struct virtio_mhp *vmhp)
{
	const u64 size = virtio_mhp_target_size(vmhp);
	struct virtio_mhp_unit *u = vmhp->units;

	if (size == vmhp->taken_up_size)
		return;
	vmhp->taken_up_size = size;
	for (; u < vmhp->units + vmhp->blocks.nr_units; u++) {
		u->backoff = 0;
		u->next_try = u->soonest;
	}
}

/* Could the present request be fulfilled with this unit? */
static bool virtio_mhp_unit_is_of_use(const struct virtio_mhp *vmhp,
				      unsigned int unit)
{
	const struct virtio_mhp_blocks *blocks = &vmhp->blocks;

	if (virtio_mhp_unit_is(blocks, unit, VIRTIO_MHP_MB_UNPLUGGED))
		return !vmhp->is_shrinking;
	return vmhp->is_shrinking ||
	       virtio_mhp_unit_has(blocks, unit, VIRTIO_MHP_MB_PLUGGED);
}

/**
 * virtio_mhp_until_due() - time until anything that failed may be tried again
 * @vmhp: the device
 *
 * Context: worker.
 * Return: jiffies, at least VIRTIO_MHP_RETRY_MIN.
 */
long virtio_mhp_until_due(const struct virtio_mhp *vmhp)
{
	const s64 rest = vmhp->rest_until - (s64)ktime_get_ns();
	const unsigned long now = jiffies;
	long left, min_left = VIRTIO_MHP_BACKOFF_MAX * HZ;
	unsigned int unit;

	if (rest > 0 && vmhp->is_shrinking)
		return max_t(long, nsecs_to_jiffies(rest),
			     VIRTIO_MHP_RETRY_MIN);
	for (unit = 0; unit < vmhp->blocks.nr_units; unit++) {
		left = vmhp->units[unit].next_try - now;
		if (vmhp->units[unit].failed &&
		    virtio_mhp_unit_is_of_use(vmhp, unit))
			min_left = min(left, min_left);
	}
	return max_t(long, min_left, VIRTIO_MHP_RETRY_MIN);
}
