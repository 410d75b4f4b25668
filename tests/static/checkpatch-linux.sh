#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Linux's checkpatch --strict has nothing to say of the driver and the header.
. "$(dirname "$0")/sources.sh"
need perl "$MHP_BUILD/static/linux/checkpatch.pl"

# CAMELCASE: _Static_assert is C's own word, and the header is also for user
# space, which does not have the kernel's macro.
{
    sources guest-driver spec/include | grep '\.[ch]$'
} | xargs perl "$MHP_BUILD/static/linux/checkpatch.pl" \
    --no-tree --strict --no-summary --terse --show-types \
    --ignore CAMELCASE -f
