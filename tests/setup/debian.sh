# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Guests that are a whole Debian, sourced by ./mhp after guest-kernel.sh: made
# by debootstrap of Debian's own packages, with our driver's package installed
# as a user would. build/guest/debian-12 and debian-13 hold
#
#   root/            the Debian, to look into and to make the disk of
#   packages         which these are, so that a longer list is noticed
#   vmlinuz, release, initramfs.cpio
#                    its kernel, that kernel's release and its initramfs
#   early-initramfs-tools.cpio, early-dracut.cpio
#                    initramfses that have our driver
#   disk.img         its disk, which QEMU reads and never writes
#   packed           what of ours is on the disk, so that a change is noticed

debian_guests=(debian-12 debian-13)
debian_packages=systemd-sysv,systemd-oomd,udev,dbus,kmod,procps,zstd,lsb-release,$(
    )initramfs-tools,dracut-core,linux-image-cloud-amd64,linux-headers-cloud-amd64,dkms,$(
    )postgresql,redis-server,redis-tools,zram-tools,kexec-tools,kdump-tools,makedumpfile,stress-ng
# Room for a dump, for swap and for a database that grows
debian_disk_size=12G

debian_suite() {
    case $1 in
    debian-12) echo bookworm ;;
    debian-13) echo trixie ;;
    esac
}

# in_guest NAME COMMAND...
in_guest() {
    local root=$build/guest/$1/root
    shift

    run_quietly as_root "$top/tests/setup/in-root" "$root" "$@"
}

# What starts by itself in a guest is what a test does not start otherwise.
configure_debian() {
    local name=$1 root=$build/guest/$1/root

    printf '%s\n' "$name" | as_root tee "$root/etc/hostname" >/dev/null
    printf '127.0.0.1 localhost %s\n' "$name" | as_root tee "$root/etc/hosts" >/dev/null
    as_root cp "$top/tests/harness/guest/mhp-agent.service" "$root/etc/systemd/system/"
    in_guest "$name" systemctl enable mhp-agent.service
    in_guest "$name" systemctl disable zramswap.service kdump-tools.service
    # It also comes by its socket, where that is there.
    in_guest "$name" systemctl mask systemd-oomd.service systemd-oomd.socket
}

# setup_debian NAME: the Debian, with nothing of ours in it that may change
setup_debian() {
    local name=$1 dir=$build/guest/$1

    [ "$(cat "$dir/packages" 2>/dev/null)" != "$debian_packages" ] || return 0
    mkdir -p "$dir"
    rm -f "$dir/packages" "$dir/packed"
    say "making a $(debian_suite "$name") guest in $dir"
    make_debian "$dir/root" "$(debian_suite "$name")" --include="$debian_packages"
    configure_debian "$name"
    find "$dir/root/lib/modules" -mindepth 1 -maxdepth 1 -printf '%f\n' >"$dir/release"
    as_root cat "$dir/root/boot/vmlinuz-$(cat "$dir/release")" >"$dir/vmlinuz"
    echo "$debian_packages" >"$dir/packages"
}

# What of ours goes into a guest
debian_ours() {
    echo "$build/meson/tests/harness/guest/init"
    echo "$build/mhp-vmemmap-mem-dkms_$(cat "$top/VERSION")_all.deb"
}

install_in_debian() {
    local name=$1 root=$build/guest/$1/root agent deb tool

    { read -r agent && read -r deb; } < <(debian_ours)
    as_root install "$agent" "$root/usr/local/bin/mhp-agent"
    for tool in $("$top/tests/harness/guest/make-initramfs" --tools); do
        as_root ln -sf mhp-agent "$root/usr/local/bin/$tool"
    done
    # As a user would
    as_root cp "$deb" "$root/var/tmp/mhp.deb"
    in_guest "$name" dpkg --install /var/tmp/mhp.deb
}

# The initramfses of the guest, as it is and with our driver loaded there
pack_initramfses() {
    local name=$1 dir=$build/guest/$1 release modules=/etc/initramfs-tools/modules
    release=$(cat "$dir/release")

    in_guest "$name" mkinitramfs -o /var/tmp/plain.cpio "$release"
    in_guest "$name" sh -c "cp $modules /var/tmp/ && echo mhp_vmemmap_mem >>$modules"
    in_guest "$name" mkinitramfs -o /var/tmp/early.cpio "$release"
    in_guest "$name" mv /var/tmp/modules $modules
    in_guest "$name" dracut --force --no-hostonly --add mhp-vmemmap-mem \
        /var/tmp/dracut.cpio "$release"
    as_root cat "$dir/root/var/tmp/plain.cpio" >"$dir/initramfs.cpio"
    as_root cat "$dir/root/var/tmp/early.cpio" >"$dir/early-initramfs-tools.cpio"
    as_root cat "$dir/root/var/tmp/dracut.cpio" >"$dir/early-dracut.cpio"
    as_root rm "$dir/root/var/tmp/"{plain,early,dracut}.cpio
}

# build_debian NAME: the disk, with what of ours was built
build_debian() {
    local name=$1 dir=$build/guest/$1 ours

    ours=$(debian_ours | xargs sha256sum "$top/tests/setup/debian.sh")
    [ "$(cat "$dir/packed" 2>/dev/null)" != "$ours" ] || return 0
    rm -f "$dir/packed" "$dir/disk.img"
    apt_need e2fsprogs
    install_in_debian "$name"
    pack_initramfses "$name"
    run_quietly as_root /sbin/mke2fs -q -t ext4 -L root -d "$dir/root" "$dir/disk.img" \
        "$debian_disk_size"
    as_root chown "$(id -u)" "$dir/disk.img"
    echo "$ours" >"$dir/packed"
}
