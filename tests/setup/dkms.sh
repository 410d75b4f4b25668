# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests of the driver's packages need, sourced by ./mhp after apt.sh:
# dkms, unpacked and not installed, and a Debian 12 and 13 with it and the headers of
# their kernels. All are below build/dkms.

setup_dkms() {
    local dir=$build/dkms

    [ ! -e "$dir/root/usr/sbin/dkms" ] || return 0
    apt_update
    apt_download dkms
    mkdir -p "$dir/root"
    dpkg-deb -x "$(find "$apt_dir/debs" -name 'dkms_*.deb' | sort -V | tail -n 1)" "$dir/root"
}

setup_dkms_debian() {
    local suite

    for suite in bookworm trixie; do
        [ ! -e "$build/dkms/$suite/usr/sbin/dkms" ] || continue
        say "making a Debian $suite with dkms and kernel headers in $build/dkms/$suite"
        make_debian "$build/dkms/$suite" "$suite" --include=dkms,linux-headers-cloud-amd64
    done
}
