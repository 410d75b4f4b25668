#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The driver builds with all of kbuild's warnings, kernel-doc and sparse, and
# the build prints nothing. usage: warnings.sh KVER
. "$(dirname "$0")/sources.sh"
need sparse "$MHP_BUILD/guest/$1/headers/Makefile"

dir=$MHP_BUILD/static/driver-$1
rm -rf "$dir"
output=$(make -s -C guest-driver KDIR="$MHP_BUILD/guest/$1/headers" BUILD="$dir" W=1 C=2 2>&1) || {
    echo "$output"
    exit 1
}
[ -z "$output" ] || {
    echo "make W=1 C=2 should print nothing, it printed:"
    echo "$output"
    exit 1
}
[ -e "$dir/mhp_vmemmap_mem.ko" ]
