# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests of the driver's packages need, sourced by ./mhp after apt.sh:
# dkms, unpacked and not installed, and a Debian 12 with it and the headers of
# its kernel. Both are below build/dkms.

setup_dkms() {
    local dir=$build/dkms

    [ ! -e "$dir/root/usr/sbin/dkms" ] || return 0
    apt_update
    apt_download dkms
    mkdir -p "$dir/root"
    dpkg-deb -x "$(find "$apt_dir/debs" -name 'dkms_*.deb' | sort -V | tail -n 1)" "$dir/root"
}

setup_dkms_debian() {
    local dir=$build/dkms/debian

    [ ! -e "$dir/etc/debian_version" ] || return 0
    apt_need debootstrap
    say "making a Debian 12 with dkms and kernel headers in $dir"
    as_root rm -rf "$dir"
    # What it mounts on the way vanishes with the namespace.
    as_root unshare --mount debootstrap --variant=minbase \
        --include=dkms,linux-headers-cloud-amd64 bookworm "$dir.new" "$(apt_mirror)" \
        >"$dir.log" 2>&1 || die "debootstrap failed, see $dir.log"
    as_root mv "$dir.new" "$dir"
}
