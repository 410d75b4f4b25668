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

run_tool()
{
    PATH=$path /bin/sh "$check" "$@"
}

# shellcheck source=tests/qtest/says.sh
. "$(dirname "$0")/says.sh"

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

# fake STATUS [LINE...]: a QEMU that ends with it when it is to load the plugin
fake()
{
    fake_status=$1
    shift
    {
        echo '#!/bin/sh'
        # shellcheck disable=SC2016 # for the script that is written
        echo '[ "$1" != --version ] || { echo "QEMU emulator version 1.2.3"; exit 0; }'
        for line; do echo "echo 'qemu: $line' >&2"; done
        echo "exit $fake_status"
    } >"$tmp/qemu"
    chmod 755 "$tmp/qemu"
}

fake 0 'warning: an old machine'
says 0 "$tmp/qemu 1.2.3: ready" --plugin "$plugin" "$tmp/qemu"
fake 1 'warning: an old machine' 'the reason' 'what follows'
says 1 'not ready: the reason' --plugin "$plugin" "$tmp/qemu"
fake 5
says 1 'not ready: it ended and did not say why' --plugin "$plugin" "$tmp/qemu"
says 2 "wanted a QEMU, got 'sh'" --plugin "$plugin" sh
says 2 'wants a file, got none' --plugin
says 2 'usage: mhp-qemu-check' --unknown
says 0 'usage: mhp-qemu-check' --help
says 0 'mhp-qemu-check ' --version
path=$tmp
says 2 'wanted a QEMU in PATH' --plugin "$plugin"
exit $failed
