#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Linux's checkpatch --strict has nothing to say of the driver and the header.
. "$(dirname "$0")/sources.sh"
need perl "$MHP_BUILD/static/linux/checkpatch.pl"

# CAMELCASE: _Static_assert is C's own word, and the header is also for user
# space, which does not have the kernel's macro.
# From the build folder, because checkpatch leaves a cache where it stands, and
# with an empty tree, because it looks for one in spite of --no-tree.
mapfile -t files < <(sources guest-driver spec/include | grep '\.[ch]$' | xargs realpath)
cd "$MHP_BUILD/static"
mkdir -p linux/include
perl linux/checkpatch.pl --root=linux --no-tree --strict --no-summary --terse --show-types \
    --ignore CAMELCASE -f "${files[@]}"
