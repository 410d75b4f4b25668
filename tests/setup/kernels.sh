# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The newest kernel that Debian has, unstable's, sourced by ./mhp after
# guest-kernel.sh. Its modules need its own compiler: it is in a Debian of its
# own below build/sid, where the driver is built. build/guest/SERIES (7.2, say)
# is as those of the other kernels, and build/guest/newest leads to it. Once
# there, it stays until ./mhp clean.

sid=$build/sid

# in_sid COMMAND...: with unstable's package lists
in_sid() (
    apt_use "$sid/apt"
    apt_sources() {
        echo "deb [signed-by=$(apt_keyring)] $(apt_mirror) sid main"
    }
    "$@"
)

# The release of unstable's cloud kernel
newest_release() {
    in_sid apt_cache depends --important linux-image-cloud-amd64 |
        sed -n 's/^ *Depends: linux-image-\([0-9].*\)$/\1/p'
}

setup_newest_debian() {
    local release=$1

    apt_need debootstrap
    say "making a Debian unstable with the headers of $release in $sid/root"
    as_root rm -rf "$sid/root" "$sid/release"
    # What it mounts on the way vanishes with the namespace.
    as_root unshare --mount debootstrap --variant=minbase \
        --include="make,linux-headers-$release" sid "$sid/root" "$(apt_mirror)" \
        >"$sid/debootstrap.log" 2>&1 ||
        die "debootstrap failed, see $sid/debootstrap.log"
    echo "$release" >"$sid/release"
}

# Image and modules are packages of their own there.
setup_newest_image() {
    local dir=$1 release=$2 debs=$sid/apt/debs

    in_sid apt_download "linux-binary-$release" "linux-modules-$release"
    dpkg-deb --fsys-tarfile "$debs/linux-binary-$release"_*.deb |
        tar -x -O --wildcards '*/vmlinuz*' >"$dir/vmlinuz"
    [ -s "$dir/vmlinuz" ] || die "linux-binary-$release has no kernel image"
    unpack_modules "$(echo "$debs/linux-modules-$release"_*.deb)" "$dir/modules"
    ln -sfn "../../sid/root/usr/src/linux-headers-$release" "$dir/headers"
}

setup_newest_kernel() {
    local release series dir

    [ "$(cat "$build/guest/newest/wanted" 2>/dev/null)" != "$guest_modules" ] || return 0
    in_sid apt_update
    release=$(newest_release)
    [ -n "$release" ] || die "unstable has no cloud kernel"
    series=$(expr "$release" : '\([0-9]*\.[0-9]*\)')
    dir=$build/guest/$series
    rm -rf "$dir" && mkdir -p "$dir"
    [ "$(cat "$sid/release" 2>/dev/null)" = "$release" ] || setup_newest_debian "$release"
    setup_newest_image "$dir" "$release"
    echo "$guest_modules" >"$dir/wanted"
    echo "$release" >"$dir/release"
    ln -sfn "$series" "$build/guest/newest"
}

# newest_make ARGUMENT...: make in that Debian, where this checkout is /mnt.
# The mounts are in a namespace of their own and vanish with it; objtool reads
# /proc.
newest_make() {
    # shellcheck disable=SC2016 # the inner shell expands these
    as_root unshare --mount --pid --fork bash -c '
        root=$1 top=$2 && shift 2
        mount -t proc proc "$root/proc" && mount --bind "$top" "$root/mnt" &&
            exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin make "$@"
        ' bash "$sid/root" "$top" "$@" </dev/null
}

# build_newest_modules FOLDER RELEASE OUTPUT: all of kbuild's warnings are errors.
build_newest_modules() {
    local output

    output=$(newest_make -s -C "/mnt/$1" W=1 KDIR="/usr/src/linux-headers-$2" \
        BUILD="/mnt/$3" 2>&1) || die "$1 does not build for $2: $output"
    [ -z "$output" ] || die "building $1 for $2 should print nothing: $output"
}

build_newest() {
    local guest=build/guest/newest release
    release=$(cat "$top/$guest/release")

    build_newest_modules guest-driver "$release" $guest/driver
    build_newest_modules tests/system/modules "$release" $guest/test-modules
    pack_guest newest
}
