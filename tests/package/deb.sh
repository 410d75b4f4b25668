#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The Debian package in a Debian 12 of its own: dkms builds the module for the
# kernel whose headers are there, depmod finds its alias, and removing the
# package takes all of it away.
set -euo pipefail

fail() {
    echo "$*"
    exit 1
}

root=${MHP_BUILD:?}/dkms/debian
[ -e "$root/etc/debian_version" ] || {
    echo "skipped: $root is missing, ./mhp test long makes it"
    exit 77
}
[ "$(id -u)" = 0 ] || {
    echo "skipped: root is needed to chroot"
    exit 77
}
package=mhp-vmemmap-mem-dkms
version=$(cat "${MHP_SOURCE:?}/VERSION")
deb=$MHP_BUILD/${package}_${version}_all.deb
[ -e "$deb" ] || {
    echo "skipped: $deb is missing, ./mhp packages makes it"
    exit 77
}
in_root=$(dirname "$0")/../setup/in-root

in_debian() {
    "$in_root" "$root" "$@" 2>&1
}

# What of it is there; dkms' own folder and key are not of it.
left() {
    find "$root/usr/src" "$root/usr/share/doc" "$root/var/lib/dkms" "$root/lib/modules" \
        -name '*mhp*' -print
    grep -ls mhp_vmemmap_mem "$root"/lib/modules/*/modules.* || true
}

[ -z "$(left)" ] || in_debian dpkg --purge "$package" >/dev/null || true
cp "$deb" "$root/tmp/"
log=$(in_debian dpkg --install "/tmp/${deb##*/}") || fail "it does not install: $log"

ko=$(find "$root"/lib/modules/*/updates/dkms -name 'mhp_vmemmap_mem.ko*')
[ "$(echo "$ko" | grep -c .)" -ge 1 ] || fail "dkms built nothing: $log"
for release in "$root"/lib/modules/*/updates; do
    release=$(basename "$(dirname "$release")")
    found=$(in_debian modprobe -S "$release" -R 'virtio:d0000003Fv00001AF4')
    [ "$found" = mhp_vmemmap_mem ] || fail "on $release the device's alias leads to: $found"
done
files=$(in_debian dpkg -L "$package")
for file in kernel-command-line.md sized-at-boot.md examples/mhp-vmemmap-mem.cfg copyright \
    changelog.gz README.md; do
    grep -q "^/usr/share/doc/$package/$file$" <<<"$files" || fail "the package has no $file: $files"
done
if grep -vE '^/(\.|usr(/src(/.*)?|/share(/doc(/.*)?|/initramfs-tools(/hooks(/mhp-vmemmap-mem)?)?|/lintian(/.*)?)?)?)$' <<<"$files" |
    grep -vE '^/usr/lib(/(udev|udev/rules\.d|systemd|systemd/system|systemd/system/kdump-tools-dump\.service\.d|mhp-vmemmap-mem)|/.*/(70-)?mhp-.*)?$' |
    grep -vE '^/usr/lib/dracut(/modules\.d(/90mhp-vmemmap-mem(/module-setup\.sh)?)?)?$' |
    grep -vFx /usr/lib/mhp-vmemmap-mem/adjust; then
    fail "these files are in places where they should not be"
fi
verified=$(in_debian dpkg --verify "$package") || true
[ -z "$verified" ] || fail "checksums are wrong: $verified"

log=$(in_debian dpkg --purge "$package") || fail "it cannot be removed: $log"
[ -z "$(left)" ] || fail "removing it leaves behind: $(left)"
