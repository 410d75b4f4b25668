# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The source that libvirt/patches are for, and what it is built with, sourced
# by ./mhp after apt.sh.

libvirt_source_packages=(patch xsltproc libxml2-utils libglib2.0-dev libxml2-dev
    libgnutls28-dev libtirpc-dev libjson-c-dev libnl-3-dev libnl-route-3-dev)
libvirt_source_version=11.3.0

setup_libvirt_source() {
    local dir=$build/libvirt/source

    apt_need "${libvirt_source_packages[@]}"
    ! compgen -G "$dir/libvirt_$libvirt_source_version.orig.tar.*z" >/dev/null || return 0
    apt_update
    "$top/qemu-device/fetch-source" libvirt "$libvirt_source_version" "$dir" \
        "${apt_private[@]}" >/dev/null || die "cannot do without the source of libvirt"
}
