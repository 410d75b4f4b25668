# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What only "./mhp test static" needs, sourced by ./mhp after qemu.sh: the
# style checkers of Linux and QEMU, out of their sources.

setup_checkpatch() {
    mkdir -p "$build/static"/{linux,qemu}
    [ -e "$build/static/linux/checkpatch.pl" ] || setup_checkpatch_linux
    [ -e "$build/static/qemu/checkpatch.pl" ] || setup_checkpatch_qemu
}

setup_checkpatch_linux() {
    local deb

    apt_update
    say "downloading linux-source-6.12 for its checkpatch"
    apt_download linux-source-6.12
    deb=$(find "$apt_dir/debs" -name 'linux-source-6.12_*.deb' | sort -V | tail -n 1)
    dpkg-deb --fsys-tarfile "$deb" |
        tar -x -O --wildcards '*/linux-source-6.12.tar.xz' | xz -dc -T0 |
        tar -x -C "$build/static/linux" --wildcards --transform 's|.*/||' \
            '*/scripts/checkpatch.pl' '*/scripts/spelling.txt' \
            '*/scripts/const_structs.checkpatch'
    rm -f "$deb"
}

setup_checkpatch_qemu() {
    tar -x -C "$build/static/qemu" --wildcards --transform 's|.*/||' \
        -f "$(qemu_source "$(qemu_version)")" '*/scripts/checkpatch.pl'
}
