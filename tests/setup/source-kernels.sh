# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Guest kernels that are built here, from Debian's linux-source, sourced by
# ./mhp after kernels.sh: one that looks for trouble, and two that have the
# driver built in. Each is small, configured by pc-kernel.config and a file of
# its own, and is then a guest kernel as any other under build/guest/NAME. Beside
# what those have:
#
#   config   the configuration that it was built with
#   source/  the kernel's source
#   out/     what was built; headers is this folder

source_packages=(flex bison bc libelf-dev xz-utils)
in_tree_kernels=(in-tree-6.12 in-tree-backports)
# Those that were asked for by name; else all
debug_tests=()

# source_make NAME ARGUMENT...: in the folder that is built in, with Debian's
# tools
source_make() {
    local dir=$build/guest/$1
    shift

    run_quietly env PATH=/usr/sbin:/usr/bin:/sbin:/bin KBUILD_BUILD_TIMESTAMP=0 \
        make -s -C "$dir/source" O="$dir/out" "$@"
}

# The newest source package of the lists in use
newest_source() {
    apt_cache pkgnames linux-source- | grep -x 'linux-source-[0-9.]*' | sort -V | tail -n 1
}

# download_source PACKAGE: and what file it is
download_source() {
    apt_download "$1" >&2
    find "$apt_dir/debs" -name "$1_*.deb" | sort -V | tail -n 1
}

# source_package NAME: the file, from the suite that NAME ends with
source_package() {
    case $1 in
    *-backports)
        in_newer backports apt_update >&2
        in_newer backports download_source "$(in_newer backports newest_source)"
        ;;
    *)
        apt_update >&2
        download_source linux-source-6.12
        ;;
    esac
}

# unpack_source NAME: anew, whatever was built of it before
unpack_source() {
    local dir=$build/guest/$1/source deb

    say "downloading the source of the guest kernel $1"
    deb=$(source_package "$1")
    rm -rf "${dir%/source}"
    mkdir -p "$dir"
    dpkg-deb --fsys-tarfile "$deb" |
        tar -x -O --wildcards '*/linux-source-*.tar.xz' | xz -dc -T0 |
        tar -x -C "$dir" --strip-components=1
    rm -f "$deb"
}

# configure_source NAME CONFIG: fails for an option that the kernel did not
# take, of which it says nothing itself
configure_source() {
    local name=$1 config=$2 out=$build/guest/$1/out missing

    mkdir -p "$out"
    source_make "$name" tinyconfig
    echo "$config" >>"$out/.config"
    source_make "$name" olddefconfig
    missing=$(echo "$config" | grep '^\(# \)\?CONFIG_' | grep -vxFf "$out/.config") || return 0
    die "the guest kernel $name cannot have these options:" $missing
}

# compile_source NAME
compile_source() {
    local dir=$build/guest/$1

    source_make "$1" -j2 bzImage modules
    cp "$dir/out/arch/x86/boot/bzImage" "$dir/vmlinuz"
    mkdir -p "$dir/modules"
    cp "$dir/out/drivers/virtio/virtio_mem.ko" "$dir/modules/"
    ln -sfn out "$dir/headers"
    cp "$dir/out/include/config/kernel.release" "$dir/release"
}

# setup_source_kernel NAME KIND: with the driver in it if KIND is in-tree. What
# ended before there was a kernel begins anew.
setup_source_kernel() {
    local name=$1 kind=$2 dir=$build/guest/$1 start=$SECONDS wanted

    wanted=$(cat "$top/tests/setup/pc-kernel.config" "$top/tests/setup/$kind-kernel.config")
    if [ "$(cat "$dir/config" 2>/dev/null)" = "$wanted" ]; then
        # The driver may be another since
        [ "$kind" = in-tree ] || return 0
    else
        unpack_source "$name"
    fi
    apt_need "${source_packages[@]}"
    [ "$kind" != in-tree ] || "$top/guest-driver/in-tree/import" "$dir/source"
    [ -e "$dir/out/.config" ] || configure_source "$name" "$wanted"
    say "building the guest kernel $name, which takes some minutes"
    compile_source "$name"
    echo "$wanted" >"$dir/config"
    say "built the guest kernel $name in $((SECONDS - start)) s"
}

# The driver and its tests on the kernel that looks for trouble
test_debug_kernel() {
    setup_source_kernel debug debug
    build_guest debug
    [ ${#debug_tests[@]} -gt 0 ] || debug_tests=(debug-kernel)
    run_tests "${debug_tests[@]}"
}

# The driver as a part of the kernel, without a module
test_in_tree_linux() {
    local name

    for name in "${in_tree_kernels[@]}"; do
        setup_source_kernel "$name" in-tree
        build_test_modules "$name"
        pack_guest "$name"
    done
    run_tests in-tree-linux
}
