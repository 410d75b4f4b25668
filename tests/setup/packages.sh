# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The Debian packages, sourced by ./mhp after apt.sh. They are built of a copy of
# the checkout, which stays as it is, below build/packages.

# Whose QEMUs the package for hosts has builds for, as far as the device knows them
package_suites=(bookworm-backports trixie trixie-security trixie-backports)

setup_packages() {
    apt_need build-essential debhelper dh-dkms
}

# in_package_suites COMMAND...: with the package lists of these
in_package_suites() (
    apt_use "$build/package-headers/apt"
    apt_sources() {
        local suite mirror
        mirror=$(apt_mirror)

        for suite in "${package_suites[@]}"; do
            case $suite in
            *-security) set -- "${mirror%/}-security" ;;
            *) set -- "$mirror" ;;
            esac
            printf "%s [signed-by=$(apt_keyring)] $1 $suite main\\n" deb deb-src
        done
    }
    "$@"
)

# Each version of QEMU that they have, a line each
package_qemus() {
    apt_update >&2
    apt_cache madison qemu-system-x86 | awk '$1 == "qemu-system-x86" { print $3 }' | sort -uV
}

# package_headers VERSION: the folder with them
package_headers() {
    local dir=$build/package-headers name source

    name=$("$top/qemu-device/prepare-headers" --check --for "$1" 2>/dev/null) || {
        say "no build for QEMU $1, which the device does not know" >&2
        return 0
    }
    if [ ! -d "$dir/$name" ] || [ "$top/qemu-device/prepare-headers" -nt "$dir/$name" ]; then
        say "preparing the headers of QEMU $1" >&2
        source=$("$top/qemu-device/fetch-source" qemu "$1" "$dir/source" "${apt_private[@]}") ||
            die "could not get the source of QEMU $1"
        "$top/qemu-device/prepare-headers" --source "$source" --for "$1" --out "$dir/$name" ||
            die "could not prepare the headers of QEMU $1"
    fi
    echo "$dir/$name"
}

# What the package for hosts is built with
setup_host_package() {
    local version versions

    setup_packages
    setup_virt_xml
    apt_need gcc libglib2.0-dev meson pkg-config python3 xz-utils
    versions=$(in_package_suites package_qemus) || exit
    QEMU_HEADERS=
    for version in $versions; do
        QEMU_HEADERS+=" $(in_package_suites package_headers "$version")" || exit
    done
    export QEMU_HEADERS
}

# build_packages [OPTION...]: with these options of dpkg-buildpackage. The .deb
# files are in build/, all else that is made is in build/packages.
build_packages() {
    local dir=$build/packages date
    date=$(dpkg-parsechangelog -l "$top/debian/changelog" -S Timestamp)

    rm -rf "$dir"
    mkdir -p "$dir/source"
    tar -C "$top" --exclude=./build --exclude=./.git --mtime="@$date" -c . |
        tar -C "$dir/source" -x
    (cd "$dir/source" && run_quietly dpkg-buildpackage --no-sign "$@")
    cp "$dir"/*.deb "$build/"
}

# What lintian has against the packages and is not answered in debian/
check_packages() {
    local files

    apt_need lintian
    mapfile -t files < <(find "$build/packages" -maxdepth 1 \( -name '*.dsc' -o -name '*.deb' \) \
        ! -name '*-dbgsym_*')
    lintian --allow-root --fail-on error,warning "${files[@]}" ||
        die "lintian should have nothing against the packages, see above"
}
