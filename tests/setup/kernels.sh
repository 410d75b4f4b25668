# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Kernels newer than those of Debian's releases, sourced by ./mhp after
# guest-kernel.sh: unstable's and that of the stable release's backports. They
# are named by where they come from, as Debian moves on, to the same version
# now and then. Their modules need their own compiler: each has a Debian of its
# own below build/newer, where the driver is built. build/guest/NAME is as those
# of the other kernels. Once there, it stays until ./mhp clean.

newer_kernels=(unstable backports)

# newer_suite NAME: what Debian calls it today
newer_suite() {
    case $1 in
    unstable) echo sid ;;
    backports) echo trixie-backports ;;
    esac
}

# in_newer NAME COMMAND...: with the package lists of that suite
in_newer() (
    suite=$(newer_suite "$1")
    apt_use "$build/newer/$1/apt"
    apt_sources() {
        echo "deb [signed-by=$(apt_keyring)] $(apt_mirror) $suite main"
    }
    shift
    "$@"
)

# The release of that suite's cloud kernel
newer_release() {
    in_newer "$1" apt_cache depends --important linux-image-cloud-amd64 |
        sed -n 's/^ *Depends: linux-image-\([0-9].*\)$/\1/p'
}

setup_newer_debian() {
    local dir=$build/newer/$1 release=$2 suite extra=()
    suite=$(newer_suite "$1")
    [ "${suite%-backports}" = "$suite" ] || extra=(--extra-suites="$suite")

    say "making a Debian $suite with the headers of $release in $dir/root"
    rm -f "$dir/release"
    make_debian "$dir/root" "${suite%-backports}" "${extra[@]}" \
        --include="make,binutils,dkms,linux-headers-$release"
    echo "$release" >"$dir/release"
}

# Image and modules are packages of their own there.
setup_newer_image() {
    local name=$1 release=$2 dir=$build/guest/$1 debs=$build/newer/$1/apt/debs

    in_newer "$name" apt_download "linux-binary-$release" "linux-modules-$release"
    dpkg-deb --fsys-tarfile "$debs/linux-binary-$release"_*.deb |
        tar -x -O --wildcards '*/vmlinuz*' >"$dir/vmlinuz"
    [ -s "$dir/vmlinuz" ] || die "linux-binary-$release has no kernel image"
    unpack_modules "$(echo "$debs/linux-modules-$release"_*.deb)" "$dir/modules"
    ln -sfn "../../newer/$name/root/usr/src/linux-headers-$release" "$dir/headers"
}

# setup_newer NAME
setup_newer() {
    local name=$1 dir=$build/guest/$1 release

    [ "$(cat "$dir/wanted" 2>/dev/null)" != "$guest_modules" ] || return 0
    in_newer "$name" apt_update
    release=$(newer_release "$name")
    [ -n "$release" ] || die "Debian's $(newer_suite "$name") has no cloud kernel"
    rm -rf "$dir" && mkdir -p "$dir"
    { [ "$(cat "$build/newer/$name/release" 2>/dev/null)" = "$release" ] &&
        [ -e "$build/newer/$name/root/usr/sbin/dkms" ]; } ||
        setup_newer_debian "$name" "$release"
    setup_newer_image "$name" "$release"
    echo "$guest_modules" >"$dir/wanted"
    echo "$release" >"$dir/release"
}

# newer_make NAME ARGUMENT...: make in that Debian, where this checkout is /mnt
newer_make() {
    local root=$build/newer/$1/root
    shift

    as_root "$top/tests/setup/in-root" --at "$top" /mnt "$root" make "$@"
}

# build_newer_modules NAME FOLDER OUTPUT: all of kbuild's warnings are errors.
build_newer_modules() {
    local release output
    release=$(cat "$build/guest/$1/release")

    output=$(newer_make "$1" -s -C "/mnt/$2" W=1 KDIR="/usr/src/linux-headers-$release" \
        BUILD="/mnt/build/guest/$1/$3" 2>&1) || die "$2 does not build for $release: $output"
    [ -z "$output" ] || die "building $2 for $release should print nothing: $output"
}

# build_newer NAME
build_newer() {
    build_newer_modules "$1" guest-driver driver
    build_newer_modules "$1" tests/system/modules test-modules
    pack_guest "$1"
    say "the kernel of $1 is $(cat "$build/guest/$1/release")"
}
