#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The package for hosts through upgrades of QEMU, in a Debian that is there for
# this: it is run in the checkout's folder there, as root. A guest works meanwhile,
# see tests/libvirt/test-upgrade.c. usage: upgrade.sh SUITE
set -euo pipefail

fail() {
    echo "upgrade: $*"
    exit 1
}
step() {
    echo "upgrade: $*"
}

suite=$1
mirror=$(awk '$1 == "deb" { print $2; exit }' /etc/apt/sources.list)
builds=/usr/lib/x86_64-linux-gnu/qemu/mhp-vmemmap-mem.d
said=/tmp/said
printf 'deb %s main\n' "$mirror $suite" "${mirror%/}-security $suite-security" \
    "$mirror $suite-backports" >/etc/apt/sources.list
apt-get -qq update

# qemu_of SUITE: the version there
qemu_of() {
    apt-cache madison qemu-system-x86 | awk -v s="$1/main" '$6 == s { print $3; exit }'
}

# upstream VERSION: as it is in file names
upstream() {
    local version=${1#*:}

    echo "${version%-*}"
}

# install_qemu VERSION: the command; what that depends on comes from its suite, too
install_qemu() {
    printf 'apt-get -qq -y --allow-downgrades --no-install-recommends -o Dpkg::Use-Pty=0 install'
    [ "$1" != "$newest" ] || printf " -t '%s'" "$suite-backports"
    printf ' %s' qemu-system-{x86,common,data}="'$1'"
}

# QEMU ends with an assertion when it meets the modules of another
keep_old_qemu() {
    rm -rf /old
    mkdir /old
    cp -a /usr/bin/qemu-system-x86_64 /usr/lib/x86_64-linux-gnu/qemu /old/
    printf '#!/bin/sh\nQEMU_MODULE_DIR=/old/qemu exec /old/qemu-system-x86_64 "$@"\n' >/old/run
    chmod 755 /old/run
}

# upgrade VERSION [COMMAND...]: to it, by the command and by apt, under a guest
upgrade() {
    step "QEMU $(dpkg-query -W -f '${Version}' qemu-system-x86) becomes $1${READY:+, for which there will be a build}"
    keep_old_qemu
    env MHP_SOURCE="$PWD" MHP_BUILD="$PWD/build" MHP_KVER=6.12 MHP_INSTALLED=1 \
        MHP_OLD_QEMU=/old/run ${READY:+MHP_UPGRADE_READY=1} \
        MHP_UPGRADE="{ ${*:2} $(install_qemu "$1"); } >$said 2>&1" \
        build/meson/tests/libvirt/test-upgrade || { cat $said && fail "see above"; }
    cat $said
}

# says TEXT: the upgrade did
says() {
    grep -qF "$1" $said || fail "wanted '$1', see above"
}

# check STATUS: what mhp-qemu-check says
check() {
    local status=0

    mhp-qemu-check || status=$?
    [ "$status" -eq "$1" ] || fail "wanted mhp-qemu-check to end with $1, got $status"
}

old=$(qemu_of "$suite-security")
new=$(qemu_of "$suite")
newest=$(qemu_of "$suite-backports")
dpkg --compare-versions "$old" lt "$new" || fail "wanted an older QEMU in $suite-security than in $suite, got $old and $new"

step "installing QEMU $old and what the tests need"
dpkg --purge mhp-vmemmap-mem-host >/dev/null 2>&1 || true
eval "$(install_qemu "$old")" >$said 2>&1 || { cat $said && fail "no QEMU $old"; }
./mhp -y packages
# The mirror may have this source in one of the suites only that packages looks at.
MHP_QEMU_SOURCE=$(find "$PWD/build/package-headers/source" -name "qemu_$(upstream "$old").orig.tar.xz") \
    ./mhp -y test libvirt/libvirt-keeper
apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install ./build/mhp-vmemmap-mem-host_*.deb
check 0

# A QEMU that the package has no build for: the trigger makes one
rm "$builds"/"$(qemu-device/prepare-headers --check --for "$new")".so
READY=1 upgrade "$new"
says "has no build of mhp-vmemmap-mem yet, making it"
says ": ready"
check 0

# The newest one
READY='' known='Guests that run go on'
if qemu-device/prepare-headers --check --for "$newest" >/dev/null 2>&1; then
    READY=1 known=': ready'
fi
upgrade "$newest"
says "$known"
check $((1 - ${READY:-0}))

# Back to a known one without a network, without a build for it and without what
# was got before: the upgrade ends well, and what is missing is said before and after
rm -rf "$builds"/"$(qemu-device/prepare-headers --check --for "$new")".so \
    /var/cache/mhp-vmemmap-mem/headers
eval "$(install_qemu "$old")" >$said 2>&1 || { cat $said && fail "no way back to $old"; }
check 0
eval "$(install_qemu "$new") --download-only" >/dev/null
READY='' upgrade "$new" unshare --net
says "W: mhp-vmemmap-mem-host: no guest with an mhp-vmemmap-mem can be started by QEMU $new"
says 'got none: fetch-source: cannot read the lists of sources of qemu'
check 1
mhp-qemu-build || fail "the build cannot be made by hand"
check 0

# A new version of the package has this one made anew
apt-get -qq -y -o Dpkg::Use-Pty=0 install --reinstall ./build/mhp-vmemmap-mem-host_*.deb >$said 2>&1 ||
    { cat $said && fail "no way to install the package once more"; }
check 0

apt-get -qq -y purge mhp-vmemmap-mem-host >$said 2>&1 || { cat $said && fail "it cannot be removed"; }
left=$(find / -xdev -name '*mhp[-_]*' -not -path '/src/*' -not -path '/old/*' -not -path '/tmp/*' -not -path '/proc/*' -not -path '/sys/*')
[ -z "$left" ] || fail "removing it leaves $left"
step "done"
