// SPDX-License-Identifier: GPL-2.0
/*
 * Shrinking: units from ONLINE to UNPLUGGED, the cheapest first. Decides which
 * unit is next, and which are not worth trying.
 */
#include <linux/device.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/pfn.h>

#include "census.h"
#include "virtio_mhp.h"

/* Units to count before the best so far is vacated, by their memory */
#define VIRTIO_MHP_COUNT_AHEAD	(32ULL << 30)
/* A unit of which one page in so many is in use goes at once */
#define VIRTIO_MHP_CHEAP	32
/* Added to the cost of a unit that looks stuck, and of one that was */
#define VIRTIO_MHP_COST_STUCK	0x20000000U
#define VIRTIO_MHP_COST_FAILED	0x40000000U
/* And to that of one that is the kernel's own: it comes after all others */
#define VIRTIO_MHP_COST_KERNELS 0x80000000U
/* Units in a row that may fail before the worker has rested from them */
#define VIRTIO_MHP_FAILURES_MAX 4

/**
 * struct virtio_mhp_pass - how far a pass over the units has got
 * @position: of the next unit to count, in the order of unplugging
 * @nr: how many of candidates[] are counted and not yet tried
 * @room: virtio_mhp_room() at its start
 * @since: when the latest unit went; what takes longer since is in vain
 */
struct virtio_mhp_pass {
	unsigned int position;
	unsigned int nr;
	unsigned long room;
	u64 since;
};

/*
 * Why a unit is likely to stay, judged by its pages alone. Those of a pool that
 * nobody uses go without a word.
 */
static u16 virtio_mhp_census_suspicion(const struct virtio_mhp_census *census)
{
	if (!census->stuck_pfn && !census->nr_hugetlb)
		return VIRTIO_MHP_REASON_NONE;
	return virtio_mhp_census_reason(census, -EBUSY);
}

/*
 * Of units that failed, the first are those whose obstacle is gone before they
 * would be due, and then the one that has waited longest.
 */
static unsigned int virtio_mhp_cost_of_failed(const struct virtio_mhp_unit *u)
{
	const unsigned long age = jiffies - u->next_try;

	if (time_before(jiffies, u->next_try))
		return VIRTIO_MHP_COST_FAILED;
	return 2 * VIRTIO_MHP_COST_FAILED - 1 -
	       min_t(unsigned long, age, VIRTIO_MHP_COST_FAILED - 1);
}

static void virtio_mhp_unit_judge(struct virtio_mhp *vmhp, unsigned int unit,
				  struct virtio_mhp_candidate *c)
{
	struct virtio_mhp_unit *u = &vmhp->units[unit];
	struct virtio_mhp_census census;

	c->unit = unit;
	u->is_counted = true;
	u->suspicion = u->reason;
	c->cost = virtio_mhp_cost_of_failed(u);
	/* Where room was missing, nothing was tried. */
	if (u->failed && !u->needs && !u->is_kernels)
		return;
	virtio_mhp_census_take(vmhp, unit, &census);
	u->stuck_pfn = census.stuck_pfn;
	u->suspicion = virtio_mhp_census_suspicion(&census);
	c->cost =
		min(virtio_mhp_census_cost(&census), VIRTIO_MHP_COST_STUCK - 1);
	if (u->suspicion)
		c->cost += VIRTIO_MHP_COST_STUCK;
	if (u->is_kernels)
		c->cost += VIRTIO_MHP_COST_KERNELS;
}

/* Not tried, because others like it are in vain. The host is told all the same */
static void virtio_mhp_unit_put_off(struct virtio_mhp *vmhp, unsigned int unit)
{
	struct virtio_mhp_unit *u = &vmhp->units[unit];

	u->needs = 0;
	virtio_mhp_unit_stays(vmhp, unit, 0);
	/* Before the one that was tried: each has its turn. */
	u->next_try -= HZ / 2;
	virtio_mhp_report(vmhp, unit, u->suspicion, -EBUSY);
}

/* Memory of its own is not to be moved, and it would say so at length. */
static bool virtio_mhp_is_stuck_kernels(const struct virtio_mhp_unit *u)
{
	return u->is_kernels && u->suspicion;
}

/* Puts off the candidates that look stuck, or only those for one @reason */
static void virtio_mhp_put_off(struct virtio_mhp *vmhp,
			       struct virtio_mhp_pass *pass, u16 reason)
{
	unsigned int i = 0;

	while (i < pass->nr) {
		struct virtio_mhp_candidate *c = &vmhp->candidates[i];

		if (c->cost < VIRTIO_MHP_COST_STUCK ||
		    (reason && vmhp->units[c->unit].suspicion != reason)) {
			i++;
			continue;
		}
		if (reason || c->cost < VIRTIO_MHP_COST_FAILED ||
		    virtio_mhp_is_stuck_kernels(&vmhp->units[c->unit]))
			virtio_mhp_unit_put_off(vmhp, c->unit);
		*c = vmhp->candidates[--pass->nr];
	}
}

static bool virtio_mhp_unit_is_wanted(struct virtio_mhp *vmhp,
				      unsigned int unit,
				      const struct virtio_mhp_pass *pass)
{
	return !virtio_mhp_unit_is(&vmhp->blocks, unit,
				   VIRTIO_MHP_MB_UNPLUGGED) &&
	       virtio_mhp_unit_may_go(vmhp, unit, pass->room);
}

/*
 * Broken memory goes first, and what userspace took out of use costs nothing,
 * however much is counted before a unit goes: both are known without counting.
 */
static void virtio_mhp_count_first(struct virtio_mhp *vmhp,
				   struct virtio_mhp_pass *pass)
{
	unsigned int unit;

	for (unit = 0; unit < vmhp->blocks.nr_units; unit++) {
		vmhp->units[unit].is_counted = false;
		if (!virtio_mhp_unit_is_wanted(vmhp, unit, pass))
			continue;
		if (virtio_mhp_unit_has_poison(vmhp, unit) ||
		    !virtio_mhp_unit_has(&vmhp->blocks, unit,
					 VIRTIO_MHP_MB_ONLINE))
			virtio_mhp_unit_judge(vmhp, unit,
					      &vmhp->candidates[pass->nr++]);
	}
}

/* Counts the next unit; true if none that comes after it can be better */
static bool virtio_mhp_count_next(struct virtio_mhp *vmhp,
				  struct virtio_mhp_pass *pass)
{
	const unsigned int last = vmhp->blocks.nr_units - 1;
	const unsigned int position = pass->position++;
	const unsigned int unit =
		virtio_mhp_unit_in_plug_order(last + 1, last - position);
	struct virtio_mhp_candidate *c = &vmhp->candidates[pass->nr];

	if (vmhp->units[unit].is_counted ||
	    !virtio_mhp_unit_is_wanted(vmhp, unit, pass))
		return false;
	virtio_mhp_unit_judge(vmhp, unit, c);
	if (c->cost >= VIRTIO_MHP_COST_STUCK && virtio_mhp_is_resting(vmhp)) {
		virtio_mhp_unit_put_off(vmhp, unit);
		return false;
	}
	pass->nr++;
	return position == 0 ||
	       (position < last &&
		c->cost <= PHYS_PFN(vmhp->blocks.unit_size) / VIRTIO_MHP_CHEAP);
}

static void virtio_mhp_count_some(struct virtio_mhp *vmhp,
				  struct virtio_mhp_pass *pass)
{
	u64 ahead = max(VIRTIO_MHP_COUNT_AHEAD, vmhp->blocks.unit_size);

	for (; ahead && pass->position < vmhp->blocks.nr_units;
	     ahead -= vmhp->blocks.unit_size) {
		if (virtio_mhp_is_interrupted(vmhp) ||
		    virtio_mhp_count_next(vmhp, pass))
			return;
	}
}

static struct virtio_mhp_candidate *
virtio_mhp_cheapest(struct virtio_mhp *vmhp, const struct virtio_mhp_pass *pass)
{
	struct virtio_mhp_candidate *best = NULL, *c = vmhp->candidates;

	for (; c < vmhp->candidates + pass->nr; c++)
		if (!best || virtio_mhp_candidate_cmp(c, best) < 0)
			best = c;
	return best;
}

/*
 * The next unit to vacate. A region may be large and counting take long, so
 * the best of some will do, but before it is one that looks stuck all are
 * counted.
 */
static bool virtio_mhp_next_candidate(struct virtio_mhp *vmhp,
				      struct virtio_mhp_pass *pass,
				      struct virtio_mhp_candidate *next)
{
	struct virtio_mhp_candidate *best;

	do {
		virtio_mhp_count_some(vmhp, pass);
		if (virtio_mhp_is_interrupted(vmhp))
			return false;
		best = virtio_mhp_cheapest(vmhp, pass);
	} while (pass->position < vmhp->blocks.nr_units &&
		 (!best || best->cost >= VIRTIO_MHP_COST_STUCK));
	if (!best)
		return false;
	*next = *best;
	*best = vmhp->candidates[--pass->nr];
	return true;
}

/* What has been tried so far, and counted for it, was for nothing. */
static void virtio_mhp_pass_failed(struct virtio_mhp *vmhp,
				   struct virtio_mhp_pass *pass,
				   const struct virtio_mhp_candidate *c, int rc)
{
	const struct virtio_mhp_unit *u = &vmhp->units[c->unit];
	const u64 now = ktime_get_ns();

	vmhp->nr_failures++;
	/* To wait for storage takes no CPU. */
	if (!u->came_closer && rc != -EINPROGRESS)
		virtio_mhp_spent_in_vain(vmhp, now - pass->since);
	pass->since = now;
	if (virtio_mhp_is_resting(vmhp))
		virtio_mhp_put_off(vmhp, pass, VIRTIO_MHP_REASON_NONE);
	/* There is one pool: the others' pages will find no free one, either. */
	else if (u->suspicion == VIRTIO_MHP_REASON_HUGETLB &&
		 u->reason == VIRTIO_MHP_REASON_HUGETLB && !u->needs)
		virtio_mhp_put_off(vmhp, pass, VIRTIO_MHP_REASON_HUGETLB);
}

/* 0 also if the unit stays; an error is one that concerns all units. */
static int virtio_mhp_try(struct virtio_mhp *vmhp, struct virtio_mhp_pass *pass,
			  const struct virtio_mhp_candidate *c)
{
	const struct virtio_mhp_unit *u = &vmhp->units[c->unit];
	int rc;

	if (virtio_mhp_is_stuck_kernels(u)) {
		virtio_mhp_unit_put_off(vmhp, c->unit);
		return 0;
	}
	rc = virtio_mhp_unit_vacate(vmhp, c->unit);
	if (rc == -EAGAIN)
		return rc;
	if (rc) {
		virtio_mhp_pass_failed(vmhp, pass, c, rc);
		return 0;
	}
	vmhp->nr_failures = 0;
	pass->since = ktime_get_ns();
	rc = virtio_mhp_unit_unplug(vmhp, c->unit);
	if (rc != -EINVAL)
		return rc;
	virtio_mhp_unit_back_off(vmhp, c->unit, 1, VIRTIO_MHP_BACKOFF_MAX);
	return 0;
}

/* After some failures in a row the worker rests before there is another. */
static bool virtio_mhp_has_enough(const struct virtio_mhp *vmhp)
{
	return vmhp->nr_failures >= VIRTIO_MHP_FAILURES_MAX &&
	       virtio_mhp_is_resting(vmhp);
}

/**
 * virtio_mhp_shrink() - unplug units until plugged_size is what is aimed at
 * @vmhp: the device
 *
 * Each unit that is due is tried once, as far as the worker may spend time on
 * what may be in vain. A newer request for less or for as much changes only
 * where this ends.
 *
 * Context: worker.
 * Return: 0; -EAGAIN: interrupted, or memory gets short; -EINPROGRESS: units
 *are left that would not go; else as virtio_mhp_unit_unplug().
 */
int virtio_mhp_shrink(struct virtio_mhp *vmhp)
{
	struct virtio_mhp_pass pass = {
		.room = virtio_mhp_room(vmhp),
		.since = ktime_get_ns(),
	};
	struct virtio_mhp_candidate c;
	int rc = 0;

	if (!virtio_mhp_is_resting(vmhp))
		vmhp->nr_failures = 0;
	virtio_mhp_count_first(vmhp, &pass);
	while (!rc && !virtio_mhp_is_interrupted(vmhp) &&
	       vmhp->plugged_size > virtio_mhp_target_size(vmhp) &&
	       !virtio_mhp_has_enough(vmhp) &&
	       !virtio_mhp_pressure_keeps(vmhp) &&
	       virtio_mhp_next_candidate(vmhp, &pass, &c))
		rc = virtio_mhp_try(vmhp, &pass, &c);
	/* Then something else is to be aimed at. */
	if (!rc && vmhp->plugged_size > virtio_mhp_target_size(vmhp) &&
	    virtio_mhp_pressure_keeps(vmhp))
		set_bit(VIRTIO_MHP_PRESSED, &vmhp->flags);
	if (!rc && virtio_mhp_is_interrupted(vmhp))
		rc = -EAGAIN;
	if (rc)
		return rc;
	virtio_mhp_spent_in_vain(vmhp, ktime_get_ns() - pass.since);
	return vmhp->plugged_size <= virtio_mhp_target_size(vmhp)
		       ? 0
		       : -EINPROGRESS;
}
