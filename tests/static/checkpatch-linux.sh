#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Linux's checkpatch --strict has nothing to say of the driver, the header and the
# tests' modules.
. "$(dirname "$0")/sources.sh"
need perl "$MHP_BUILD/static/linux/checkpatch.pl"

# checkpatch IGNORED FILE...
# With an empty tree, because checkpatch looks for one in spite of --no-tree.
checkpatch() {
    local ignored=$1
    shift
    perl linux/checkpatch.pl --root=linux --no-tree --strict --no-summary \
        --terse --show-types --ignore "$ignored" -f "$@"
}

mapfile -t files < <(sources guest-driver spec/include tests/system/modules | grep '\.[ch]$' | grep -v -e /compat.h -e /trace.h | xargs realpath)
compat=$(realpath guest-driver/compat.h)
trace=$(realpath guest-driver/trace.h)
status=0

# From the build folder, because checkpatch leaves a cache where it stands.
cd "$MHP_BUILD/static"
mkdir -p linux/include

# CAMELCASE: _Static_assert is C's own word, and the header is also for user
# space, which does not have the kernel's macro.
checkpatch CAMELCASE "${files[@]}" || status=1
# Comparing versions is what compat.h is for, and __SetPageOffline() is a name
# of the kernel's.
checkpatch CAMELCASE,LINUX_VERSION_CODE,CONSTANT_COMPARISON "$compat" || status=1
# Tracepoints are written as in all of Linux, which checkpatch does not like.
checkpatch OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT "$trace" || status=1
exit $status
