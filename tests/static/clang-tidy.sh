#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# clang-tidy finds nothing in the device and the tests, see .clang-tidy.
. "$(dirname "$0")/sources.sh"
need clang-tidy "$MHP_BUILD/meson/compile_commands.json"

qemu_style_sources | grep '\.c$' | grep -v -e '^tests/harness/guest/' -e '^qemu-device/in-tree/' |
    xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p "$MHP_BUILD/meson" 2>"$MHP_BUILD/static/tidy.log" || {
    cat "$MHP_BUILD/static/tidy.log"
    exit 1
}
