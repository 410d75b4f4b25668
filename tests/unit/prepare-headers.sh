#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# prepare-headers.sh PREPARE_HEADERS: which QEMUs it takes, by what a QEMU that
# is none says of itself. Whether the headers fit is shown by the build.
set -eu

prepare=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

# fail WHAT: with the output
fail()
{
    echo "$1, got:"
    sed 's/^/  /' "$tmp/output"
    failed=1
}

# qemu BANNER: what the QEMU says that is to be used
qemu()
{
    printf '#!/bin/sh\necho "%s"\n' "$1" >"$tmp/qemu"
    chmod 755 "$tmp/qemu"
}

# takes ARGUMENT...
takes()
{
    "$prepare" "$@" --qemu "$tmp/qemu" >"$tmp/output" 2>&1 || fail "$*: wanted it to be taken"
}

# names BUILD ARGUMENT...: what the build for it is called
names()
{
    build=$1
    shift
    takes --check "$@"
    [ "$(cat "$tmp/output")" = "$build" ] || fail "$*: wanted the build $build"
}

# refuses TEXT ARGUMENT...: with TEXT in what it says, and without a folder
refuses()
{
    text=$1
    shift
    if "$prepare" "$@" --qemu "$tmp/qemu" >"$tmp/output" 2>&1; then
        fail "$*: wanted it to be refused"
    elif ! grep -qF "$text" "$tmp/output"; then
        fail "$*: wanted '$text'"
    fi
    [ ! -e "$tmp/out" ] || fail "$*: wanted no folder"
}

# make_source VERSION: a tarball that says that it is QEMU's source
make_source()
{
    mkdir -p "$tmp/source/qemu"
    (cd "$tmp/source/qemu" && mkdir -p include host/include qapi scripts/qapi)
    : >"$tmp/source/qemu/scripts/qapi-gen.py"
    echo "$1" >"$tmp/source/qemu/VERSION"
    tar -C "$tmp/source" -cJf "$tmp/source.tar.xz" qemu
}

qemu 'QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2~bpo12+1)'
names '10.0.2-Debian_1_10.0.2+ds-2~bpo12+1'
names '10.0.13-Debian_1_10.0.13+ds-0+deb13u1' --for '10.0.13 (Debian 1:10.0.13+ds-0+deb13u1)'
names '10.0.13-Debian_1_10.0.13+ds-0+deb13u1' --for 1:10.0.13+ds-0+deb13u1
refuses 'knows, 10.0, got 11.1.3' --check --for 1:11.1.3+ds-1
refuses 'knows, 10.0, got 11.1.3' --check --for '11.1.3 (Debian 1:11.1.3+ds-1)'
refuses 'wanted --source TARBALL, got none' --out "$tmp/out"
make_source 10.0.13
refuses 'wanted the source of QEMU 10.0.2' --source "$tmp/source.tar.xz" --out "$tmp/out"
qemu 'QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-0+deb13u1)'
takes --check
qemu 'QEMU emulator version 10.0'
names 10.0
for version in 7.2.22 10.1.0 10.00.1 100.0.2 11.1.3; do
    qemu "QEMU emulator version $version (Debian 1:$version+ds-1)"
    refuses "knows, 10.0, got $version" --check
    refuses "knows, 10.0, got $version" --source "$tmp/source.tar.xz" --out "$tmp/out"
done
qemu 'something else'
refuses 'wanted --out DIR, got none' --source "$tmp/source.tar.xz"
refuses "from 'something else'" --check
exit $failed
