/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which accelerator runs guests. KVM is taken only where a trial boot has
 * shown that a stock kernel boots with it: a /dev/kvm that opens proves
 * nothing.
 */
#ifndef MHP_ACCEL_H
#define MHP_ACCEL_H

#include <gio/gio.h>

/*
 * Turn "tcg", "kvm" or "auto" into "tcg" or "kvm"; anything else is an error.
 * The outcome of the trial boot (with the kernel @kver) is kept in the file
 * $MHP_BUILD/accel.
 */
const char *accel_choose(const char *wanted, const char *kver, GError **error);

#endif /* MHP_ACCEL_H */
