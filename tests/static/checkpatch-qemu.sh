#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU's checkpatch has nothing to say of the device and the tests.
. "$(dirname "$0")/sources.sh"
need perl "$MHP_BUILD/static/qemu/checkpatch.pl"

# Programs of ours are not linked with QEMU and cannot use its own strtoull and
# sigaction wrappers. Spacing is clang-format's, which differs in nested
# initialisers, for-each macros and empty loops. A message is not split, so its
# line is as long as it is. What will be below tests in QEMU's tree may compare
# by GLib's assertions.
output=$(qemu_style_sources | xargs perl "$MHP_BUILD/static/qemu/checkpatch.pl" \
    --no-tree --strict --no-summary --terse -f |
    grep -v -e 'consider using qemu_strto' -e 'use sigaction to establish' \
        -e 'space required' -e 'space prohibited' -e 'suspect code indent' \
        -e 'line over [89]0 characters' -e '^qemu-device/in-tree/qtest/.*: Use g_assert or' || true)
[ -z "$output" ] || {
    echo "$output"
    exit 1
}
