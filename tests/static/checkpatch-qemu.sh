#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU's checkpatch has nothing to say of the device and the tests.
. "$(dirname "$0")/sources.sh"
need perl "$MHP_BUILD/static/qemu/checkpatch.pl"

# Programs of ours are not linked with QEMU and cannot use its own strtoull and
# sigaction wrappers.
output=$(qemu_style_sources | xargs perl "$MHP_BUILD/static/qemu/checkpatch.pl" \
    --no-tree --strict --no-summary --terse -f |
    grep -v -e 'consider using qemu_strto' -e 'use sigaction to establish' || true)
[ -z "$output" ] || {
    echo "$output"
    exit 1
}
