# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What README promises on each Debian that is supported as a host, sourced by ./mhp.
# CI runs it on one; the one that this machine does not have is a Debian of its own
# below build/hosts.

hosts=(bookworm trixie)

test_hosts() {
    local codename status=0

    for codename in "${hosts[@]}"; do
        [ "$codename" != "$(debian_codename)" ] || continue
        say "testing on a Debian $codename"
        in_fresh_debian "hosts/$codename" "$codename" \
            './mhp -y demo && ./mhp -y test all && ./mhp -y packages' || status=1
    done
    return $status
}
