# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# says STATUS TEXT ARGUMENT...: what run_tool ARGUMENT... ends with, and a part of
# what it writes. Sourced by the tests of tools, which have run_tool, $tmp and
# $failed.
says()
{
    wanted=$1
    text=$2
    shift 2
    status=0
    run_tool "$@" >"$tmp/output" 2>&1 || status=$?
    if [ "$status" -ne "$wanted" ] || ! grep -qF "$text" "$tmp/output"; then
        echo "$*: wanted status $wanted and '$text', got status $status and:"
        sed 's/^/  /' "$tmp/output"
        failed=1
    fi
}
