# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Guest kernels, sourced by ./mhp after apt.sh: Debian's stock cloud kernels,
# unpacked under build/guest/KVER and installed nowhere.
#
#   vmlinuz   the kernel image
#   release   what uname -r prints in the guest
#   headers   the kernel's build folder, for make -C
#   modules/  the stock modules that tests use, decompressed
#   wanted    which these were, so that a longer list is noticed

# 6.12 has the transport built in, 6.1 has it as modules.
guest_modules='virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev
    virtio_pci virtio_console virtio_mem virtio_balloon pvpanic pvpanic-pci
    virtio_blk zsmalloc zram lzo-rle lz4_compress lz4hc_compress button evdev'

# What Debian calls the kernels for virtual machines of this architecture
kernel_flavour=cloud-amd64

# kernel_release KVER: the newest release of that series with image and headers
kernel_release() {
    local names=$apt_dir/kernels

    apt-cache "${apt_private[@]}" pkgnames linux- >"$names"
    comm -12 \
        <(sed -n "s/^linux-image-\(${1//./\\.}\.[0-9].*-$kernel_flavour\)$/\1/p" "$names" | sort) \
        <(sed -n "s/^linux-headers-\(.*-$kernel_flavour\)$/\1/p" "$names" | sort) |
        while read -r release; do
            if has_candidate "linux-image-$release" && has_candidate "linux-headers-$release"; then
                echo "$release"
            fi
        done | sort -V | tail -n 1
}

has_candidate() {
    local policy

    policy=$(apt-cache "${apt_private[@]}" policy "$1")
    [[ $policy =~ "  Candidate: "[^\(] ]]
}

# kernel_packages RELEASE: image, headers and what the headers build with
kernel_packages() {
    echo "linux-image-$1"
    echo "linux-headers-$1"
    apt-cache "${apt_private[@]}" depends --important "linux-headers-$1" |
        sed -n 's/^ *|\{0,1\}Depends: \(linux-\(headers\|kbuild\)-.*\)$/\1/p'
}

# The stock modules tests use, from the image package into modules/
unpack_modules() {
    local deb=$1 out=$2 name patterns=()

    for name in $guest_modules; do
        patterns+=("*/kernel/*/$name.ko" "*/kernel/*/$name.ko.xz")
    done
    mkdir -p "$out"
    dpkg-deb --fsys-tarfile "$deb" |
        tar -x -C "$out" --wildcards --transform 's|.*/||' "${patterns[@]}" 2>"$out/tar.log" || true
    rm -f "$out/tar.log"
    find "$out" -name '*.ko.xz' -exec xz -d {} +
    [ -e "$out/virtio_mem.ko" ] || die "$deb has no module virtio_mem"
}

# The headers' makefile names its sibling by the place where it would be
# installed; ours stays under build/.
unpack_headers() {
    local dir=$1 release=$2 deb
    shift 2

    for deb; do
        dpkg-deb -x "$deb" "$dir/root"
    done
    sed -i "s|^include /usr/src/|include $dir/root/usr/src/|" \
        "$dir/root/usr/src/linux-headers-$release/Makefile"
    ln -sfn "root/usr/src/linux-headers-$release" "$dir/headers"
}

# setup_guest_kernel KVER
setup_guest_kernel() {
    local kver=$1 dir=$build/guest/$1 release package packages debs=()

    [ -e "$dir/release" ] && [ -e "$dir/headers/Makefile" ] &&
        [ "$(cat "$dir/wanted" 2>/dev/null)" = "$guest_modules" ] && return
    apt_update
    release=$(kernel_release "$kver")
    [ -n "$release" ] || die "the mirror has no cloud kernel $kver with its headers"
    mapfile -t packages < <(kernel_packages "$release")
    say "downloading the guest kernel $release"
    apt_download "${packages[@]}"

    rm -rf "$dir" && mkdir -p "$dir"
    for package in "${packages[@]}"; do
        debs+=("$(find "$apt_dir/debs" -name "${package}_*.deb" | sort -V | tail -n 1)")
    done
    dpkg-deb --fsys-tarfile "${debs[0]}" |
        tar -x -O --wildcards "*/vmlinuz-$release" >"$dir/vmlinuz"
    [ -s "$dir/vmlinuz" ] || die "${debs[0]} has no kernel image"
    unpack_modules "${debs[0]}" "$dir/modules"
    unpack_headers "$dir" "$release" "${debs[@]:1}"
    echo "$guest_modules" >"$dir/wanted"
    echo "$release" >"$dir/release"
}

# kernel_compiler KVER: the package of the compiler that its headers name
kernel_compiler() {
    local compiler

    compiler=$(sed -n 's/^CC = .*)\(gcc-[0-9]*\)$/\1/p' "$build/guest/$1/headers/.kernelvariables")
    echo "${compiler:-gcc}"
}
