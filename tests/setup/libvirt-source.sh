# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The source that libvirt/patches are for, and what it is built with, sourced
# by ./mhp after apt.sh.

libvirt_source_packages=(patch xsltproc libxml2-utils libglib2.0-dev libxml2-dev
    libgnutls28-dev libtirpc-dev libjson-c-dev libnl-3-dev libnl-route-3-dev)
libvirt_source_version=11.3.0

# Any Debian revision of this version has the same tarball.
setup_libvirt_source() {
    local dir=$build/libvirt/source other

    apt_need "${libvirt_source_packages[@]}"
    ! compgen -G "$dir/libvirt_$libvirt_source_version.orig.tar.*z" >/dev/null || return 0
    apt_update
    mkdir -p "$dir"
    for other in $(apt-cache "${apt_private[@]}" showsrc libvirt 2>/dev/null |
        sed -n 's/^Version: //p' | grep -F "$libvirt_source_version-" | sort -rV); do
        (cd "$dir" && apt-get "${apt_private[@]}" -qq source --download-only --tar-only \
            "libvirt=$other") >"$build/libvirt/source.log" 2>&1 && return 0
    done
    cat "$build/libvirt/source.log" >&2 || true
    die "the mirror has no source of libvirt $libvirt_source_version"
}
