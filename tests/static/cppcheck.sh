#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# cppcheck finds nothing in the device, the tests and the pure part of the
# driver.
. "$(dirname "$0")/sources.sh"
need cppcheck

# varFuncNullUB: glibc's NULL is a pointer, also behind an ellipsis. QLIST_HEAD
# with an empty name is no C that cppcheck could read.

{
    qemu_style_sources
    echo guest-driver/block.c
} | cppcheck --quiet --error-exitcode=1 --inline-suppr --file-list=- \
    --enable=warning,portability,performance --std=c11 \
    "-DQLIST_HEAD(name,type)=struct type *" \
    --suppress=varFuncNullUB --suppress=missingInclude --suppress=unknownMacro \
    --library=gtk -I spec/include -I tests/unit/shim
