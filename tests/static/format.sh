#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every C file is formatted as its folder's .clang-format says.
. "$(dirname "$0")/sources.sh"
need clang-format

{
    kernel_sources
    qemu_style_sources
} | xargs clang-format --dry-run --Werror
