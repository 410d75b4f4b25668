#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The Debian package in a Debian of its own: dkms builds the module for the kernel
# whose headers are there, depmod finds its alias, kernels that the driver is not
# for are named, an upgrade leaves nothing of the version before, and removing the
# package takes all of it away. usage: deb.sh FOLDER, which is below build/
set -euo pipefail

fail() {
    echo "$*"
    exit 1
}

root=${MHP_BUILD:?}/$1
[ -e "$root/usr/sbin/dkms" ] || {
    echo "skipped: $root is missing or has no dkms, ./mhp test long and kernels make it"
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
    find "$root/etc" "$root/usr" "$root/var/lib/dkms" "$root/lib/modules" -name '*mhp[-_]*' -print
    grep -ls mhp_vmemmap_mem "$root"/lib/modules/*/modules.* || true
}

# check_says STATUS WORDS COMMAND...: run there, it ends so, 0 or 1, and says one
# line that has these words; without words, nothing
check_says() {
    local status=0 said want=$1 words=$2
    shift 2

    said=$(in_debian "$@") || status=1
    [ "$status" = "$want" ] || fail "$* should end with $want, got $status: $said"
    if [ -z "$words" ]; then
        [ -z "$said" ] || fail "$* should say nothing, got: $said"
    else
        [[ $said = *"mhp-vmemmap-mem: "*"$words"* && $said != *$'\n'* ]] ||
            fail "$* should say in one line '$words', got: $said"
    fi
}

# make_older VERSION: the same package of an older version, in the Debian's /tmp
make_older() {
    local dir=$root/tmp/older sources=usr/src/mhp-vmemmap-mem

    rm -rf "$dir"
    dpkg-deb -R "$deb" "$dir"
    mv "$dir/$sources-$version" "$dir/$sources-$1"
    ln -sfn "../../src/mhp-vmemmap-mem-$1/dkms.conf" "$dir/usr/lib/mhp-vmemmap-mem/dkms.conf"
    sed -i "s/${version//./\\.}/$1/g" "$dir/$sources-$1/dkms.conf" "$dir"/DEBIAN/{control,postinst,prerm}
    (cd "$dir" && find usr -type f -exec md5sum {} + >DEBIAN/md5sums)
    dpkg-deb --root-owner-group --build "$dir" "$root/tmp/older.deb" >/dev/null
    rm -rf "$dir"
}

# check_version VERSION: dkms has that version and no other, for each kernel that
# it builds for, and so says the module
check_version() {
    local status ko

    status=$(in_debian dkms status mhp-vmemmap-mem)
    if grep -v "^mhp-vmemmap-mem/$1, .*: installed$" <<<"$status"; then
        fail "dkms should have version $1 alone, installed, got: $status"
    fi
    for ko in "$root"/lib/modules/*/updates/dkms/mhp_vmemmap_mem.ko*; do
        [ "$(modinfo -F version "$ko")" = "$1" ] || fail "$ko should be $1, got: $(modinfo -F version "$ko")"
        grep -q ", $(basename "${ko%/updates/*}")," <<<"$status" || fail "dkms should know of $ko, got: $status"
    done
}

# One that the driver is not for
unknown=6.6.0-test
trap 'rm -rf "$root/lib/modules/$unknown" "$root"/tmp/*' EXIT
mkdir -p "$root/lib/modules/$unknown"
ln -sfn /usr/src/linux-headers-$unknown "$root/lib/modules/$unknown/build"

# What a run that failed has left
[ -z "$(left)" ] || in_debian dpkg --purge "$package" >/dev/null || true
rm -rf "$root"/usr/src/mhp-* "$root/var/lib/dkms/mhp-vmemmap-mem"
older=0.0.1
make_older "$older"
log=$(in_debian dpkg --install /tmp/older.deb) || fail "version $older does not install: $log"
check_version "$older"
cp "$deb" "$root/tmp/"
log=$(in_debian dpkg --install "/tmp/${deb##*/}") || fail "it does not install over $older: $log"
check_version "$version"
[[ $(left) != *"$older"* ]] || fail "an upgrade from $older should leave nothing of it, got: $(left)"

ko=$(find "$root"/lib/modules/*/updates/dkms -name 'mhp_vmemmap_mem.ko*')
[ "$(echo "$ko" | grep -c .)" -ge 1 ] || fail "dkms built nothing: $log"
for release in "$root"/lib/modules/*/updates; do
    release=$(basename "$(dirname "$release")")
    # dkms leaves that to the kernel's package, of which only the headers are here
    in_debian depmod "$release"
    found=$(in_debian modprobe -S "$release" -R 'virtio:d0000003Fv00001AF4')
    [ "$found" = mhp_vmemmap_mem ] || fail "on $release the device's alias leads to: $found"
done

series='series 6.1, 6.12,'
said=$(grep "mhp-vmemmap-mem: .*$series.*got $unknown: .*newer $package" <<<"$log") ||
    fail "the installation should say that the driver is not for $unknown, got: $log"
[ "$(wc -l <<<"$said")" = 1 ] || fail "it should name $unknown once, got: $said"
if grep "got $release" <<<"$log"; then
    fail "the installation should not say that the driver is not for $release"
fi
hook=/etc/kernel/postinst.d/mhp-vmemmap-mem
script=/usr/lib/mhp-vmemmap-mem/check-kernel
check_says 0 "$series" "$hook" "$unknown" "/boot/vmlinuz-$unknown"
check_says 0 "got $unknown" "$hook" "$unknown"
check_says 0 "" "$hook" "$release"
check_says 0 "" "$script" boot "$release"
check_says 1 "none for kernel $unknown" "$script" boot "$unknown"
check_says 1 "$series" "$script" boot "$unknown"
# As before its headers are there
check_says 1 'dkms autoinstall -k 6.1.0-test' "$script" boot 6.1.0-test

files=$(in_debian dpkg -L "$package")
for file in kernel-command-line.md sized-at-boot.md examples/mhp-vmemmap-mem.cfg copyright \
    changelog.gz README.md; do
    grep -q "^/usr/share/doc/$package/$file$" <<<"$files" || fail "the package has no $file: $files"
done
if grep -vE '^/(\.|usr(/src(/.*)?|/share(/doc(/.*)?|/initramfs-tools(/hooks(/mhp-vmemmap-mem)?)?|/lintian(/.*)?)?)?)$' <<<"$files" |
    grep -vE '^/usr/lib(/(udev|udev/rules\.d|systemd|systemd/system|systemd/system/kdump-tools-dump\.service\.d|mhp-vmemmap-mem)|/.*/(70-)?mhp-.*)?$' |
    grep -vE '^/usr/lib/dracut(/modules\.d(/90mhp-vmemmap-mem(/module-setup\.sh)?)?)?$' |
    grep -vE '^/etc(/kernel(/postinst\.d(/mhp-vmemmap-mem)?)?)?$' |
    grep -vE '^/usr/lib/mhp-vmemmap-mem/(adjust|check-kernel|dkms\.conf)$'; then
    fail "these files are in places where they should not be"
fi
verified=$(in_debian dpkg --verify "$package") || true
[ -z "$verified" ] || fail "checksums are wrong: $verified"

log=$(in_debian dpkg --purge "$package") || fail "it cannot be removed: $log"
[ -z "$(left)" ] || fail "removing it leaves behind: $(left)"
