# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A QEMU that has the device built in, sourced by ./mhp after qemu.sh: from the
# source of the QEMU that is installed, below build/in-tree. It is configured
# for what the qtests need and for little else.

in_tree=$build/in-tree
in_tree_packages=(python3-venv bzip2 libfdt-dev libnuma-dev)
in_tree_options=(--python=/usr/bin/python3 --target-list=x86_64-softmmu
    --enable-modules --enable-plugins --disable-docs --disable-download
    --without-default-features --enable-kvm --enable-tcg --enable-numa
    --enable-fdt=system --disable-install-blobs
    --firmwarepath=/usr/share/qemu:/usr/share/seabios)

# QEMU wants a newer meson than Debian 12 has, in its own Python environment;
# the machine's stays as it is.
in_tree_tools() {
    local tools=$in_tree/tools deb

    [ ! -e "$tools/usr" ] || return 0
    apt_update
    apt_download "meson/$(qemu_suite)" "python3-pycotap/$(qemu_suite)"
    mkdir -p "$tools"
    for deb in "$apt_dir"/debs/meson_*.deb "$apt_dir"/debs/python3-pycotap_*.deb; do
        dpkg-deb -x "$deb" "$tools"
    done
}

# Debian's tarball is without firmware, whose files configure wants to see.
in_tree_source() {
    local version=$1 source=$in_tree/source name

    [ "$(cat "$in_tree/version" 2>/dev/null)" != "$version" ] || return 0
    rm -rf "$source" "$in_tree/out" "$in_tree/version"
    mkdir -p "$source"
    tar -C "$source" --strip-components=1 -xf "$(qemu_source "$version")"
    sed -n "s/^ *'\(edk2-.*\.fd\)',$/\1/p" "$source/pc-bios/meson.build" |
        while read -r name; do
            bzip2 </dev/null >"$source/pc-bios/$name.bz2"
        done
    echo "$version" >"$in_tree/version"
}

# in_tree_run COMMAND...: in the folder that is built in, with Debian's Python
in_tree_run() {
    run_quietly env -C "$in_tree/out" PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        PYTHONPATH="$in_tree/tools/usr/lib/python3/dist-packages" "$@"
}

in_tree_configure() {
    local folder

    mkdir -p "$in_tree/out"
    in_tree_run ../source/configure "${in_tree_options[@]}"
    # A QEMU that is not installed looks for all its folders in this one.
    for folder in usr/share/qemu usr/share/seabios; do
        mkdir -p "$in_tree/out/qemu-bundle/${folder%/*}"
        ln -sfn "/$folder" "$in_tree/out/qemu-bundle/$folder"
    done
    touch "$in_tree/out/configured"
}

build_in_tree() {
    apt_need "${in_tree_packages[@]}"
    in_tree_tools
    in_tree_source "$(qemu_version)"
    "$top/qemu-device/in-tree/import" "$in_tree/source"
    [ -e "$in_tree/out/configured" ] || in_tree_configure
    say "building QEMU $(qemu_version) with the device in $in_tree/out"
    in_tree_run ninja qemu-system-x86_64 accel-qtest-x86_64.so tests/qtest/qos-test
}

# The tests that stay in QEMU's tree: qos-test has those of all devices, and
# takes the names of some that run.
test_in_tree_own() {
    local qos=$in_tree/out/tests/qtest/qos-test names

    names=$(QTEST_QEMU_BINARY=$in_tree/out/qemu-system-x86_64 "$qos" -l | grep '/mhp-vmemmap-mem/') ||
        die "QEMU's qos-test has no test of the device"
    say "running $(wc -l <<<"$names") tests of QEMU's own"
    # shellcheck disable=SC2046 # names have no spaces
    QTEST_QEMU_BINARY=$in_tree/out/qemu-system-x86_64 run_quietly "$qos" --tap -k \
        $(sed 's/^/-p /' <<<"$names")
}

# The same qtests, without the plugin, and those of QEMU's tree
test_in_tree() {
    build_in_tree
    test_in_tree_own
    MHP_QEMU=$in_tree/out/qemu-system-x86_64 MHP_PLUGIN='' run_tests qtest
}
