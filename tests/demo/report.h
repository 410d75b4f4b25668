/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The results of journeys as a table for people and as JSON for programs.
 */
#ifndef MHP_DEMO_REPORT_H
#define MHP_DEMO_REPORT_H

#include "journey.h"

/* The first of @nb journeys is ours; to stdout */
void report_print(const Journey *journeys, unsigned nb);

bool report_write_json(const Journey *journeys, unsigned nb, const char *path,
                       GError **error);

#endif /* MHP_DEMO_REPORT_H */
