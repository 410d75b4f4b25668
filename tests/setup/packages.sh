# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The Debian packages, sourced by ./mhp after apt.sh. They are built of a copy of
# the checkout, which stays as it is, below build/packages.

setup_packages() {
    apt_need build-essential debhelper dh-dkms
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
    mapfile -t files < <(find "$build/packages" -maxdepth 1 -name '*.dsc' -o -maxdepth 1 -name '*.deb')
    lintian --allow-root --fail-on error,warning "${files[@]}" ||
        die "lintian should have nothing against the packages, see above"
}
