# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A guest kernel that looks for trouble, sourced by ./mhp after
# guest-kernel.sh: Debian's linux-source-6.12 with the small configuration of
# debug-kernel.config, built once and kept under build/guest/debug, which then
# is a guest kernel as any other. Beside what those have:
#
#   config   the configuration that it was built with
#   source/  the kernel's source
#   out/     what was built; headers is this folder

debug_kernel=$build/guest/debug
debug_config=$top/tests/setup/debug-kernel.config
debug_packages=(flex bison bc libelf-dev xz-utils)
# Those that were asked for by name; else all
debug_tests=()

# debug_make ARGUMENT...: in the folder that is built in, with Debian's tools
debug_make() {
    run_quietly env PATH=/usr/sbin:/usr/bin:/sbin:/bin KBUILD_BUILD_TIMESTAMP=0 \
        make -s -C "$debug_kernel/source" O="$debug_kernel/out" "$@"
}

unpack_debug_source() {
    local deb

    apt_update
    say "downloading linux-source-6.12 for the debug kernel"
    apt_download linux-source-6.12
    deb=$(find "$apt_dir/debs" -name 'linux-source-6.12_*.deb' | sort -V | tail -n 1)
    mkdir -p "$debug_kernel/source"
    dpkg-deb --fsys-tarfile "$deb" |
        tar -x -O --wildcards '*/linux-source-6.12.tar.xz' | xz -dc -T0 |
        tar -x -C "$debug_kernel/source" --strip-components=1
    rm -f "$deb"
}

# Fails for an option that the kernel did not take: it says nothing itself.
configure_debug_kernel() {
    local missing

    mkdir -p "$debug_kernel/out"
    debug_make tinyconfig
    cat "$debug_config" >>"$debug_kernel/out/.config"
    debug_make olddefconfig
    missing=$(grep '^\(# \)\?CONFIG_' "$debug_config" |
        grep -vxFf "$debug_kernel/out/.config") || return 0
    die "the debug kernel cannot have these options:" $missing
}

setup_debug_kernel() {
    local start=$SECONDS

    cmp -s "$debug_config" "$debug_kernel/config" &&
        [ -e "$debug_kernel/release" ] && return
    apt_need "${debug_packages[@]}"
    rm -rf "$debug_kernel" && mkdir -p "$debug_kernel/modules"
    unpack_debug_source
    configure_debug_kernel
    say "building the debug kernel, which takes some minutes"
    debug_make -j2 bzImage modules
    cp "$debug_kernel/out/arch/x86/boot/bzImage" "$debug_kernel/vmlinuz"
    cp "$debug_kernel/out/drivers/virtio/virtio_mem.ko" "$debug_kernel/modules/"
    ln -sfn out "$debug_kernel/headers"
    cp "$debug_kernel/out/include/config/kernel.release" "$debug_kernel/release"
    cp "$debug_config" "$debug_kernel/config"
    say "built the debug kernel in $((SECONDS - start)) s"
}

# The driver and its tests on it
test_debug_kernel() {
    setup_debug_kernel
    build_guest debug
    [ ${#debug_tests[@]} -gt 0 ] || debug_tests=(debug-kernel)
    run_tests "${debug_tests[@]}"
}
