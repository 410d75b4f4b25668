#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tarball builds by dkms for a kernel that it supports, and for no other;
# the module gets its alias and dkms gets rid of it again. dkms runs here
# without being installed, on folders under build/. usage: dkms.sh KVER
set -euo pipefail

fail() {
    echo "$*"
    exit 1
}

guest=${MHP_BUILD:?}/guest/$1
dkms=$MHP_BUILD/dkms/root/usr/sbin/dkms
work=$MHP_BUILD/dkms/test-$1
for file in "$dkms" "$guest/headers/Makefile"; do
    [ -e "$file" ] || {
        echo "skipped: $file is missing, ./mhp build makes it"
        exit 77
    }
done
release=$(cat "$guest/release")
version=$(cat "${MHP_SOURCE:?}/VERSION")
tarball=$MHP_BUILD/mhp-vmemmap-mem-dkms-$version.tar.gz
module=mhp-vmemmap-mem/$version

# Signing would make a key for this machine, outside of build/.
run_dkms() {
    local action=$1
    shift
    env sign_file=/nonexistent "$dkms" "$action" --no-depmod \
        --dkmstree "$work/dkms" --sourcetree "$work/src" --installtree "$work/modules" \
        --kernelsourcedir "$(readlink -f "$guest/headers")" "$@" >"$work/log" 2>&1
}

rm -rf "$work"
mkdir -p "$work"/{src,dkms,"modules/$release",modules/6.6.0-amd64}
tar -C "$work/src" -xzf "$tarball"
[ "$(ls "$work/src")" = "mhp-vmemmap-mem-$version" ] || fail "the tarball unpacks to $(ls "$work/src")"

run_dkms install "$module" -k "$release" || fail "dkms does not install: $(cat "$work/log")"
ko=$(find "$work/modules/$release/updates/dkms" -name 'mhp_vmemmap_mem.ko*')
[ -n "$ko" ] || fail "no module is installed: $(cat "$work/log")"
[ "$(modinfo -F version "$ko")" = "$version" ] || fail "its version is $(modinfo -F version "$ko"), not $version"
[ "$(modinfo -F alias "$ko")" = 'virtio:d0000003Fv*' ] || fail "its alias is $(modinfo -F alias "$ko")"
[ "$(modinfo -F vermagic "$ko" | cut -d' ' -f1)" = "$release" ] || fail "it is for $(modinfo -F vermagic "$ko")"

status=0
run_dkms build "$module" -k 6.6.0-amd64 || status=$?
grep -q BUILD_EXCLUSIVE "$work/log" || fail "dkms builds for 6.6 (status $status): $(cat "$work/log")"

run_dkms remove "$module" --all || fail "dkms does not remove: $(cat "$work/log")"
left=$(find "$work/modules" "$work/dkms" -name '*mhp*')
[ -z "$left" ] || fail "dkms leaves behind: $left"
rm -rf "$work"
