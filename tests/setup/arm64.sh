# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A guest for Arm, sourced by ./mhp after guest-kernel.sh: Debian's arm64 cloud
# kernel, with the driver and the guest's side of the tests built by a cross
# compiler. build/guest/6.12-arm64 is as those of the other kernels.

arm64=$build/arm64
arm64_guest=6.12-arm64

# in_arm64 COMMAND...: with package lists of that architecture
in_arm64() (
    apt_use "$arm64/apt" -o APT::Architecture=arm64 -o APT::Architectures=arm64
    # shellcheck disable=SC2030,SC2034 # for kernel_release
    kernel_flavour=cloud-arm64
    "$@"
)

# The packages of RELEASE, without what the headers run when they build: that
# comes from this machine's lists.
arm64_packages() {
    in_arm64 kernel_packages "$1" | grep -v '^linux-kbuild-'
}

setup_arm64_kernel() {
    local dir=$1 release=$2 debs=$arm64/apt/debs packages kbuild
    mapfile -t packages < <(arm64_packages "$release")
    kbuild=$(in_arm64 kernel_packages "$release" | grep '^linux-kbuild-')

    say "downloading the guest kernel $release"
    in_arm64 apt_download "${packages[@]}" busybox-static
    apt_download "$kbuild"
    dpkg-deb --fsys-tarfile "$debs/linux-image-$release"_*.deb |
        tar -x -O --wildcards "*/vmlinuz-$release" >"$dir/vmlinuz"
    [ -s "$dir/vmlinuz" ] || die "linux-image-$release has no kernel image"
    unpack_modules "$(echo "$debs/linux-image-$release"_*.deb)" "$dir/modules"
    unpack_headers "$dir" "$release" "$debs/linux-headers-"*.deb \
        "$(find "$apt_dir/debs" -name "${kbuild}_*.deb" | sort -V | tail -n 1)"
    dpkg-deb --fsys-tarfile "$debs"/busybox-static_*.deb |
        tar -x -O --wildcards '*/bin/busybox' >"$dir/busybox"
    chmod +x "$dir/busybox"
}

setup_arm64() {
    local dir=$build/guest/$arm64_guest release

    if [ ! -e "$dir/release" ] || [ "$(cat "$dir/wanted" 2>/dev/null)" != "$guest_modules" ]; then
        in_arm64 apt_update
        release=$(in_arm64 kernel_release "${arm64_guest%-*}")
        [ -n "$release" ] || die "the mirror has no arm64 cloud kernel ${arm64_guest%-*} with its headers"
        rm -rf "$dir" "$arm64/apt/debs"/*.deb && mkdir -p "$dir"
        setup_arm64_kernel "$dir" "$release"
        echo "$guest_modules" >"$dir/wanted"
        echo "$release" >"$dir/release"
    fi
    apt_need "$(kernel_compiler $arm64_guest)-aarch64-linux-gnu" libc6-dev-arm64-cross
}

# build_arm64_modules FOLDER HEADERS OUTPUT: all of kbuild's warnings are errors.
build_arm64_modules() {
    local output

    output=$(make -s -C "$top/$1" KDIR="$2" BUILD="$3" W=1 \
        ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- 2>&1) ||
        die "$1 does not build for arm64: $output"
    [ -z "$output" ] || die "building $1 for arm64 should print nothing: $output"
}

build_arm64() {
    local dir=$build/guest/$arm64_guest compiler
    compiler=aarch64-linux-gnu-$(kernel_compiler $arm64_guest)

    build_arm64_modules guest-driver "$dir/headers" "$dir/driver"
    build_arm64_modules tests/system/modules "$dir/headers" "$dir/test-modules"
    run_quietly "$compiler" -static -O2 -Wall -Wextra -Werror -std=gnu11 -D_GNU_SOURCE \
        -o "$dir/init" "$top"/tests/harness/guest/*.c
    pack_guest $arm64_guest "$dir/init" "$dir/busybox"
}
