/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changing the XML of a domain. Nothing can fail here.
 */
#ifndef MHP_VIRT_XML_TRANSFORM_H
#define MHP_VIRT_XML_TRANSFORM_H

#include "plan.h"

void transform_domain(Domain *domain, const Plan *plan);
/* Take the device out; boot memory is what is left. */
void transform_remove(Domain *domain);

/* Parts of these */
void transform_arguments(Domain *domain, const Plan *plan);
void transform_remove_arguments(Domain *domain);
void transform_override(Domain *domain, const Plan *plan);
void transform_remove_override(Domain *domain);
void transform_balloon(Domain *domain, const Plan *plan);
void transform_remove_balloon(Domain *domain);

#endif
