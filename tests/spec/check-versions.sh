#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-versions.sh TOP
#
# Fails unless README's table of versions is what the suites test: each that one
# of the matrices has, by its version or by the suite of Debian that it is of, is
# a row with that matrix, each row's matrices have it, and the package's dkms.conf
# builds for each Linux of the table, and for no other. It can't tell which
# version a suite of Debian has today.
#
# shellcheck disable=SC2016 # the backquotes in patterns are Markdown's
set -euo pipefail

top=$1
setup=$top/tests/setup
apt_dir='' build=''
# shellcheck source=tests/setup/apt.sh
. "$setup/apt.sh"
# shellcheck source=tests/setup/kernels.sh
. "$setup/kernels.sh"
# shellcheck source=tests/setup/libvirt.sh
. "$setup/libvirt.sh"
# shellcheck source=tests/setup/qemus.sh
. "$setup/qemus.sh"
# shellcheck source=tests/setup/debian.sh
. "$setup/debian.sh"
# shellcheck source=tests/setup/source-kernels.sh
. "$setup/source-kernels.sh"

read -ra kernels < <(sed -n 's/^kernels=(\(.*\))$/\1/p' "$top/mhp")

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
touch "$tmp"/{broken,linux,promised}
failed=0

# complain TITLE FILE: fail if FILE has lines
complain() {
    if [ -s "$2" ]; then
        echo "$1:"
        sed 's/^/  /' "$2"
        failed=1
    fi
}

# PRODUCT VERSION SUITES TESTS of each row, between tabs
rows() {
    sed -n '/^## Versions/,/^## Folders/p' "$top/README.md" |
        sed -n '/^|---/,/^$/p' | sed '1d; /^$/d' |
        sed 's/^| *//; s/ *|$//; s/ *| */\t/g; s/`//g; s/, /,/g'
}

# PRODUCT VERSION-OR-SUITE TEST of all that the suites have
tested() {
    local name

    for name in "${qemus[@]}"; do echo "QEMU $(qemu_suite "$name") qemus"; done
    for name in "${libvirts[@]}"; do echo "libvirt $name libvirts"; done
    for name in "${kernels[@]}"; do echo "Linux $name system"; done
    for name in "${debian_guests[@]}"; do
        case $name in
        debian-12) echo "Linux bookworm distro" ;;
        debian-13) echo "Linux trixie distro" ;;
        *) echo "Linux of $name distro" ;;
        esac
    done
    for name in "${newer_kernels[@]}"; do echo "Linux $(newer_suite "$name") kernels"; done
    for name in "${in_tree_kernels[@]#in-tree-}"; do
        case $name in
        [0-9]*) echo "Linux $name in-tree-linux" ;;
        *) echo "Linux $(newer_suite "$name") in-tree-linux" ;;
        esac
    done
}

# named PRODUCT VERSION SUITES TEST: one line for each way to name it
named() {
    local name

    for name in "$2" ${3//,/ }; do echo "$1 $name $4"; done
}

rows >"$tmp/rows"
tested | sort >"$tmp/tested"
[ -s "$tmp/rows" ] || {
    echo "README.md has no table of versions"
    exit 1
}
while IFS=$'\t' read -r product version suites tests; do
    for test in ${tests//,/ }; do
        named "$product" "$version" "$suites" "$test" >"$tmp/named"
        cat "$tmp/named" >>"$tmp/promised"
        grep -qxFf "$tmp/named" "$tmp/tested" || echo "$product $version: $test" >>"$tmp/broken"
    done
    [ "$product" != Linux ] || echo "$version" >>"$tmp/linux"
done <"$tmp/rows"
grep -vxFf "$tmp/promised" "$tmp/tested" >"$tmp/silent" || true
complain "README.md promises what the suites do not test" "$tmp/broken"
complain "README.md does not say that the suites test" "$tmp/silent"

sed -n 's/^BUILD_EXCLUSIVE_KERNEL="^(\(.*\))\\\."$/\1/p' "$top/guest-driver/dkms/dkms.conf.in" |
    sed 's/\\//g; s/|/\n/g' | sort -V >"$tmp/dkms"
sort -V "$tmp/linux" | diff - "$tmp/dkms" >"$tmp/other" || true
complain "README.md (<) and dkms.conf (>) name other kernels" "$tmp/other"
exit $failed
