/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What in a domain stands in the way of a mhp-vmemmap-mem: of any, and of one
 * as it is planned.
 */
#ifndef MHP_VIRT_XML_CHECK_H
#define MHP_VIRT_XML_CHECK_H

#include "domain.h"
#include "plan.h"

void check_domain(const Domain *domain, Form form, Report *report);
/* A part of the next */
void check_addresses(const Domain *domain, const Plan *plan, Report *report);
void check_plan(const Domain *domain, const Plan *plan, Report *report);

#endif
