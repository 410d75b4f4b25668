#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU's checkpatch has nothing to say of the device and the tests.
. "$(dirname "$0")/sources.sh"
need perl "$MHP_BUILD/static/qemu/checkpatch.pl"

qemu_style_sources | xargs perl "$MHP_BUILD/static/qemu/checkpatch.pl" \
    --no-tree --strict --no-summary --terse -f
