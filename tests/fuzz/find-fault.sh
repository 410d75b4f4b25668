#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# find-fault.sh FUZZ PATTERN
#
# Runs the fuzzer against the device in $MHP_PLUGIN, which has a fault on
# purpose. Succeeds if the fuzzer stops because of it: with a message that
# matches PATTERN, at the latest when its time is over.
set -eu

# A fuzzer that stops has no time to remove what it has in TMPDIR
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
log=$TMPDIR/log

# The shell tells of the crash on its own stderr
if "$1" --seed 1 --seconds 60 >"$log" 2>&1; then
    echo "wanted the fuzzer to find the fault of $MHP_PLUGIN, it found none:"
    cat "$log"
    exit 1
fi
grep -aE "$2" "$log" || {
    echo "wanted a failure that matches '$2', got:"
    cat "$log"
    exit 1
}
