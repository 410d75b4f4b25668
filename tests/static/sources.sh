# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the checks look at, sourced by each of them. Nothing under build/ counts.

set -euo pipefail
cd "${MHP_SOURCE:?}"
: "${MHP_BUILD:?}"

sources() {
    find "$@" -path ./build -prune -o -path ./.git -prune -o -type f -print | sort
}

kernel_sources() {
    sources guest-driver spec/include tests/unit/shim tests/system/modules | grep '\.[ch]$'
}

qemu_style_sources() {
    sources qemu-device libvirt tests | grep '\.[ch]$' | grep -v -e '^tests/unit/shim/' -e '^tests/system/modules/'
}

# need PROGRAM...: or this check is skipped, saying what is missing
need() {
    local program

    for program; do
        command -v "$program" >/dev/null || [ -e "$program" ] || {
            echo "skipped: $program is missing, ./mhp test static installs it"
            exit 77
        }
    done
}
