#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu-build.sh MHP-QEMU-BUILD LOADER HEADERS: it makes the build for the QEMU of
# this host, of HEADERS as if it had got them itself, and says why where it cannot.
# Getting them is part of the test of the package.
set -eu

build=$1
loader=$2
headers=$3
name=$(cat "$headers/generated/mhp-build-name")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
path=$PATH
failed=0

run_tool()
{
    PATH=$path /bin/sh "$build" --plugin "$tmp/mhp-vmemmap-mem.so" --cache "$tmp/cache" \
        --device "${MHP_SOURCE:?}" "$@"
}

# shellcheck source=tests/qtest/says.sh
. "$(dirname "$0")/says.sh"

# fake BANNER: a QEMU that says this of itself and does not load the plugin
fake()
{
    # shellcheck disable=SC2016 # for the script that is written
    printf '#!/bin/sh\n[ "$1" != --version ] || exec echo "%s"\nexit 1\n' "$1" >"$tmp/qemu"
    chmod 755 "$tmp/qemu"
}

cp "$loader" "$tmp/"
mkdir -p "$tmp/cache/headers"
cp -r "$headers" "$tmp/cache/headers/$name"
qemu=$(command -v qemu-system-x86_64)
so=$tmp/mhp-vmemmap-mem.d/$name.so

says 0 "$qemu 1" "$qemu"
grep -q "^mhp-qemu-build: QEMU 1.* has no build of mhp-vmemmap-mem yet, making it$" "$tmp/output" ||
    { echo "it did not say what it makes" && failed=1; }
[ -e "$so" ] || { echo "wanted $so, got none" && failed=1; }

# What is there already is left alone, and what is renewed is another file
first=$(ls -i "$so")
says 0 ': ready' "$qemu"
[ "$(ls -i "$so")" = "$first" ] || { echo "it made again what was there" && failed=1; }
says 0 "made the build for QEMU $name once more" --renew "$qemu"
[ "$(ls -i "$so")" != "$first" ] || { echo "it renewed nothing" && failed=1; }

# Two at once: the meson of the one that comes first waits until the other says that
# it waits, or has come to its own, which it must not
mkdir "$tmp/slow"
cat >"$tmp/slow/meson" <<FAKE
#!/bin/sh
mkdir '$tmp/busy' || : >'$tmp/overlap'
left=600
until [ -e '$tmp/overlap' ] || grep -q 'waiting for it' '$tmp/first' '$tmp/second'; do
    left=\$((left - 1))
    [ \$left -gt 0 ] || exit 1
    sleep 0.1
done
FAKE
cat >"$tmp/slow/ninja" <<FAKE
#!/bin/sh
mkdir -p '$tmp/cache/build/qemu-device/loader'
cp '$so' '$tmp/cache/build/qemu-device/loader/'
rmdir '$tmp/busy'
FAKE
chmod 755 "$tmp/slow/meson" "$tmp/slow/ninja"
path=$tmp/slow:$PATH
: >"$tmp/first"
: >"$tmp/second"
run_tool --renew "$qemu" >"$tmp/first" 2>&1 &
jobs=$!
run_tool --renew "$qemu" >"$tmp/second" 2>&1 &
jobs="$jobs $!"
for job in $jobs; do
    wait "$job" || { echo "one of two at once failed" && failed=1; }
done
[ ! -e "$tmp/overlap" ] || { echo "two builds were made in one place at once" && failed=1; }
path=$PATH

# One that cannot be renewed stays: a host has no compiler any more
mkdir "$tmp/bin"
for tool in basename cat dirname expr flock grep ls mkdir rm sed sh sort tail timeout tr; do
    ln -s "$(command -v "$tool")" "$tmp/bin/"
done
path=$tmp/bin
says 1 'it stays as it was: these are needed and not installed: gcc meson ninja' --renew "$qemu"
[ -e "$so" ] || { echo "what could not be renewed is gone" && failed=1; }
path=$PATH

fake 'QEMU emulator version 99.1.3 (Debian 1:99.1.3+ds-1)'
says 1 'got none: prepare-headers: wanted a QEMU that the device knows' "$tmp/qemu"
says 1 'Guests that run go on, but this QEMU starts none with the device' "$tmp/qemu"
fake 'QEMU emulator version 10.0.9 (Other 1)'
says 1 "it is none of Debian's: name its source tarball by --source" "$tmp/qemu"
says 1 'cannot read the source tarball' --source "$tmp/missing" "$tmp/qemu"
says 2 'wanted a QEMU that the device knows' --fetch 1:99.1.3+ds-1
says 2 'wants a value, got none' --fetch
says 2 'usage: mhp-qemu-build' --unknown
says 2 "wanted a QEMU, got 'sh'" sh
says 0 'usage: mhp-qemu-build' --help
says 0 'mhp-qemu-build ' --version
: >"$tmp/file"
says 2 'cannot write to' --cache "$tmp/file"
exit $failed
