# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The package for hosts where QEMU is upgraded under a guest, sourced by ./mhp: in
# a Debian of its own below build/upgrade.

test_upgrade() {
    say "upgrading QEMU under a guest, in a Debian trixie of its own"
    in_fresh_debian upgrade trixie 'tests/package/upgrade.sh trixie'
}
