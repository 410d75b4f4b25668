# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The qtests with each QEMU that is supported, sourced by ./mhp: Debian 12's
# 10.0.2 (from the backports) and Debian 13's 10.0.13. The one that this
# machine does not have runs in a Debian of its own below build/qemus.

qemus=(bookworm trixie)

test_qemus() {
    local codename status=0

    for codename in "${qemus[@]}"; do
        say "testing with the QEMU of Debian $codename"
        if [ "$codename" = "$(debian_codename)" ]; then
            run_tests qtest || status=1
        else
            in_fresh_debian "qemus/$codename" "$codename" './mhp -y test qtest' || status=1
        fi
    done
    return $status
}
