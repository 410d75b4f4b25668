/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What driver and device tell of a request that is not fulfilled. Both need
 * their time, so all of these wait.
 */
#ifndef MHP_SYSTEM_TOLD_H
#define MHP_SYSTEM_TOLD_H

#include "support.h"

/* Until the driver's last_error ends with @end */
void told_wait_last_error(Guest *guest, const char *end);

/* Until the device shows this size of the guest's units */
void told_wait_unit_size(Guest *guest, uint64_t size);

/* Until @text is in the device's list of what is stuck, or no longer is */
void told_wait_stuck(Guest *guest, const char *text, bool is_there);

#endif /* MHP_SYSTEM_TOLD_H */
