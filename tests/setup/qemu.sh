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
    "$top/qemu-device/prepare-headers" --check || die "cannot use QEMU $version, which is installed"
    [ "$(cat "$headers.version" 2>/dev/null)" != "$version" ] ||
        [ "$top/qemu-device/prepare-headers" -nt "$headers.version" ] || return 0

    say "preparing the headers of QEMU $version"
    rm -rf "$headers" "$headers.version"
    "$top/qemu-device/prepare-headers" --source "$(qemu_source "$version")" --out "$headers" ||
        die "could not prepare the headers of QEMU $version"
    echo "$version" >"$headers.version"
}

# The tarball of QEMU VERSION: what the user names, or from the mirror, where
# another Debian revision of the same upstream version has the same tarball.
qemu_source() {
    local version=$1 upstream=${1%-*} dir=$build/qemu/source other

    if [ -n "${MHP_QEMU_SOURCE:-}" ]; then
        [ -r "$MHP_QEMU_SOURCE" ] || die "MHP_QEMU_SOURCE names '$MHP_QEMU_SOURCE', which cannot be read"
        echo "$MHP_QEMU_SOURCE"
        return
    fi
    apt_update >&2
    mkdir -p "$dir"
    for other in "$version" $(apt-cache "${apt_private[@]}" showsrc qemu 2>/dev/null |
        sed -n 's/^Version: //p' | grep -F "$upstream-" | sort -rV); do
        (cd "$dir" && apt-get "${apt_private[@]}" -qq source --download-only --tar-only \
            "qemu=$other") >"$build/qemu/source.log" 2>&1 && break
    done
    find "$dir" -name "qemu_${upstream#*:}.orig.tar.*" ! -name '*.asc' | grep . || {
        cat "$build/qemu/source.log" >&2
        die "the mirror has no source of QEMU $version: name its tarball by MHP_QEMU_SOURCE"
    }
}

# The same QEMU for Arm: the plugin fits it, too
setup_qemu_arm() {
    [ "$(dpkg-query -W -f '${source:Version}' qemu-system-arm 2>/dev/null)" = "$(qemu_version)" ] ||
        apt_install "$(qemu_suite)" "qemu-system-arm=$(dpkg-query -W -f '${Version}' qemu-system-x86)"
}
