# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The stock QEMU and the headers that the plugin is built with, sourced by
# ./mhp after apt.sh. The headers come from the source package of exactly the
# installed QEMU: a plugin built with any other would be refused or worse.

qemu_version() {
    # shellcheck disable=SC2016 # dpkg-query expands these, not the shell
    dpkg-query -W -f '${source:Version}' qemu-system-x86 2>/dev/null || true
}

setup_qemu() {
    local headers=$build/qemu/headers version

    if dpkg --compare-versions "$(qemu_version)" lt 1:10.0; then
        ! is_installed qemu-system-x86 ||
            say "QEMU 10.0 is needed, $(qemu_version) is installed and will be upgraded"
        apt_install "$(qemu_suite)" qemu-system-x86
    fi
    version=$(qemu_version)
    "$top/qemu-device/prepare-headers" --check >/dev/null || die "cannot use QEMU $version, which is installed"
    [ "$(cat "$headers.version" 2>/dev/null)" != "$version" ] ||
        [ "$top/qemu-device/prepare-headers" -nt "$headers.version" ] || return 0

    say "preparing the headers of QEMU $version"
    rm -rf "$headers" "$headers.version"
    "$top/qemu-device/prepare-headers" --source "$(qemu_source "$version")" --out "$headers" ||
        die "could not prepare the headers of QEMU $version"
    echo "$version" >"$headers.version"
}

# The tarball of QEMU VERSION: what the user names, or from the mirror
qemu_source() {
    local version=$1

    if [ -n "${MHP_QEMU_SOURCE:-}" ]; then
        [ -r "$MHP_QEMU_SOURCE" ] || die "MHP_QEMU_SOURCE names '$MHP_QEMU_SOURCE', which cannot be read"
        echo "$MHP_QEMU_SOURCE"
        return
    fi
    apt_update >&2
    "$top/qemu-device/fetch-source" qemu "$version" "$build/qemu/source" "${apt_private[@]}" ||
        die "name the tarball by MHP_QEMU_SOURCE"
}

# The same QEMU for Arm: the plugin fits it, too
setup_qemu_arm() {
    [ "$(dpkg-query -W -f '${source:Version}' qemu-system-arm 2>/dev/null)" = "$(qemu_version)" ] ||
        apt_install "$(qemu_suite)" "qemu-system-arm=$(dpkg-query -W -f '${Version}' qemu-system-x86)"
}
