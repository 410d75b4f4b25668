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
    say "making a Debian 12 with dkms and kernel headers in $dir"
    make_debian "$dir" bookworm --include=dkms,linux-headers-cloud-amd64
}
