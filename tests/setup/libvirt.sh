# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# libvirt for the suite that starts a daemon of its own, sourced by ./mhp after
# apt.sh. What is installed is used as it is, never upgraded or replaced: a
# machine may have guests of its own. Where there is none it comes from the
# same suite as QEMU, or from MHP_LIBVIRT_SUITE, without the packages that set
# up a system's daemon, and is neither started nor enabled.

# Each libvirt that is supported, by the suite of Debian that has it: 9.0, 11.3,
# 11.3 again, and 12.9 today. QEMU is the 10.0 of qemu_suite.
libvirts=(bookworm bookworm-backports trixie trixie-backports)
# Those that were asked for
libvirt_rows=()

libvirt_packages=(libvirt-daemon-driver-qemu libvirt-daemon libvirt-clients libvirt-dev)
libvirt_units=(libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket
    virtlogd.service virtlogd.socket virtlogd-admin.socket libvirt-guests.service)

libvirt_version() {
    # shellcheck disable=SC2016 # dpkg-query expands these, not the shell
    dpkg-query -W -f '${Version}' libvirt-daemon 2>/dev/null || true
}

setup_libvirt() {
    local package missing=() fresh=

    for package in "${libvirt_packages[@]}"; do
        is_installed "$package" || missing+=("$package")
    done
    is_installed libvirt-daemon || fresh=1
    if [ ${#missing[@]} -gt 0 ]; then
        apt_update
        install_libvirt "$(wanted_libvirt)"
    fi
    [ -z "$fresh" ] || disable_libvirt
}

# The suite that libvirt is of, or would be installed from
libvirt_suite() {
    case $(libvirt_version) in
    "") echo "${MHP_LIBVIRT_SUITE:-$(qemu_suite)}" ;;
    *~bpo*) echo "$(debian_codename)-backports" ;;
    *) debian_codename ;;
    esac
}

# The version that is installed, or that of the suite
wanted_libvirt() {
    local version

    version=$(libvirt_version)
    [ -n "$version" ] || version=$(apt-cache "${apt_private[@]}" madison libvirt-daemon |
        awk -v suite="$(libvirt_suite)/main" '$6 == suite { print $3; exit }')
    [ -n "$version" ] || die "the mirror has no libvirt-daemon in $(libvirt_suite)"
    echo "$version"
}

# Everything of libvirt's source that is needed has to be of one version, but
# nothing else has to come from that version's suite.
install_libvirt() {
    local version=$1 packages

    mapfile -t packages < <(libvirt_closure "$version" | sed "s/\$/=$version/")
    (
        forbid_start
        apt_install "" "${packages[@]}"
    )
}

# The packages of libvirt's own source that ours depend on, and ours
libvirt_closure() {
    apt-cache "${apt_private[@]}" -t "$(libvirt_suite)" depends --recurse \
        --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances "${libvirt_packages[@]}" |
        grep -E '^libvirt(0$|-)' | sort -u | while read -r package; do
        apt-cache "${apt_private[@]}" madison "$package" |
            awk -v v="$1" -v p="$package" '$3 == v { print p; exit }'
    done
}

# Debian's way to say that packages shall start nothing, until the shell ends
forbid_start() {
    local policy=/usr/sbin/policy-rc.d

    [ ! -e $policy ] || return 0
    # shellcheck disable=SC2064 # the variable is local
    trap "as_root rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root sh -c "cat >$policy && chmod 755 $policy"
}

disable_libvirt() {
    command -v systemctl >/dev/null || return 0
    as_root systemctl disable "${libvirt_units[@]}" >"$build/install.log" 2>&1 ||
        say "could not disable libvirt's units, they start at the next boot: see $build/install.log"
}

# The suite with each libvirt. The one that this machine has, or would get, runs
# here, the others in a Debian of their own below build/libvirts.
test_libvirts() {
    local suite status=0

    for suite in "${libvirt_rows[@]}"; do
        say "testing with the libvirt of Debian $suite"
        if [ "$suite" = "$(libvirt_suite)" ]; then
            setup_libvirt
            setup_virt_xml
            build_for "${kernels[@]}"
            run_tests libvirt || status=1
        else
            in_fresh_debian "libvirts/$suite" "${suite%-backports}" \
                "MHP_LIBVIRT_SUITE=$suite ./mhp -y test libvirt" || status=1
        fi
    done
    return $status
}
