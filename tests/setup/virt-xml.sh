# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What mhp-virt-xml is built with, sourced by ./mhp after apt.sh. Building and
# showing the device needs none of it, so it is installed only for what does.

want_virt_xml=

# libvirt's headers have to be of the version of its library, if there is one.
setup_virt_xml() {
    local version

    apt_need libxml2-dev
    if ! is_installed libvirt-dev; then
        # shellcheck disable=SC2016 # dpkg-query expands these, not the shell
        version=$(dpkg-query -W -f '${Version}' libvirt0 2>/dev/null || true)
        apt_install "" "libvirt-dev${version:+=$version}"
    fi
    want_virt_xml=1
}

# meson leaves the tool out where it found no libvirt, and remembers that.
build_virt_xml_if_wanted() {
    [ -n "$want_virt_xml" ] || return 0
    [ -e "$build/meson/libvirt/mhp-virt-xml" ] ||
        run_quietly meson configure "$build/meson" -Dlibvirt=enabled
}
