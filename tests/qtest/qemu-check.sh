#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu-check.sh MHP-QEMU-CHECK LOADER BUILD: what it says of the QEMU of this host
# with a build that fits and without, and of what is no QEMU.
set -eu

check=$1
loader=$2
build=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
path=$PATH
failed=0

# says STATUS TEXT ARGUMENT...: what it ends with, and a part of what it writes
says()
{
    wanted=$1
    text=$2
    shift 2
    status=0
    PATH=$path /bin/sh "$check" "$@" >"$tmp/output" 2>&1 || status=$?
    if [ "$status" -ne "$wanted" ] || ! grep -qF "$text" "$tmp/output"; then
        echo "$*: wanted status $wanted and '$text', got status $status and:"
        sed 's/^/  /' "$tmp/output"
        failed=1
    fi
}

ln -s "$loader" "$tmp/mhp-vmemmap-mem.so"
mkdir "$tmp/mhp-vmemmap-mem.d"
ln -s "$build" "$tmp/mhp-vmemmap-mem.d/"
plugin=$tmp/mhp-vmemmap-mem.so
qemu=$(command -v qemu-system-x86_64)

says 0 "$qemu 1" --plugin "$plugin"
says 0 ': ready' --plugin "$plugin" "$qemu"
rm "$tmp/mhp-vmemmap-mem.d"/*
says 1 "): not ready: mhp-vmemmap-mem.so wants a build for this QEMU" --plugin "$plugin" qemu-system-x86_64
says 2 'missing.so, got no such file' --plugin "$tmp/missing.so" "$qemu"
says 1 'not ready: Could not load plugin' --plugin "$check" "$qemu"

# shellcheck disable=SC2016 # for the QEMU that is none
printf '#!/bin/sh\n[ "$1" != --version ] || echo "QEMU emulator version 1.2.3"\nexit 5\n' >"$tmp/qemu"
chmod 755 "$tmp/qemu"
says 2 "wanted a QEMU, got 'sh'" --plugin "$plugin" sh
says 1 "$tmp/qemu 1.2.3: not ready: ended with status 5" --plugin "$plugin" "$tmp/qemu"
says 2 'wants a file, got none' --plugin
says 2 'usage: mhp-qemu-check' --unknown
says 0 'usage: mhp-qemu-check' --help
says 0 'mhp-qemu-check ' --version
path=$tmp
says 2 'wanted a QEMU in PATH' --plugin "$plugin"
exit $failed
