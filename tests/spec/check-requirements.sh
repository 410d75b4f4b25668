#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-requirements.sh README MESON_INFO MHP TESTS
#
# Fails unless each test that README's table of requirements names is one that
# meson knows (MESON_INFO is its intro-tests.json), on both kernels where it runs
# once for each (on the older one maybe as a part of "long"), or is "./mhp test
# SUITE" with a suite that MHP lists, and each case after it, between quotes,
# stands in a source file under TESTS. Rows without a test fail, too. It can't
# tell whether a test really shows what the row says.
#
# shellcheck disable=SC2016 # the backquotes in patterns are Markdown's
set -eu

readme=$1
info=$2
mhp=$3
tests=$4
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

LC_ALL=C
export LC_ALL

# complain TITLE FILE: fail if FILE has lines
complain() {
    if [ -s "$2" ]; then
        echo "$1:" >&2
        sed 's/^/  /' "$2" >&2
        failed=1
    fi
}

# rows README: the last cells of the table, one a line
rows() {
    sed -n '/^## Requirements and the tests/,$p' "$1" |
    sed -n '/^|---/,/^$/p' | sed '1d; /^$/d; s/ *| *$//; s/.*| *//'
}

# Every source file as one line, its string literals joined
sources() {
    find "$tests" -name '*.[ch]' -o -name '*.sh' | while read -r file; do
        tr -s '\n\t ' ' ' <"$file" | sed 's/" "//g'
        echo
    done
}

rows "$readme" >"$tmp/rows"
if ! [ -s "$tmp/rows" ]; then
    echo "no requirement was found in $readme" >&2
    exit 1
fi
grep -vE '`([a-z0-9-]+/|\./mhp test )' "$tmp/rows" >"$tmp/bare" || true

"$tests/setup/test-names" "$info" | sort -u >"$tmp/known"
grep -E -- '-6\.1$' "$tmp/known" | sed -n 's/-6\.1$//; p; s,^long/,system/,p' | sort >"$tmp/old"
grep -E -- '-6\.12$' "$tmp/known" | sed 's/-6\.12$//' | sort >"$tmp/new"
comm -12 "$tmp/old" "$tmp/new" | sort -u - "$tmp/known" >"$tmp/names"

grep -oE '`[a-z0-9-]+/[a-zA-Z0-9._-]+`' "$tmp/rows" | tr -d '`' | sort -u >"$tmp/named"
comm -23 "$tmp/named" "$tmp/names" >"$tmp/unknown"

sed -n 's/^\(more_\)\{0,1\}suites=(\(.*\))/\2/p' "$mhp" | tr ' ' '\n' | sort -u >"$tmp/suites"
sed -n 's/.*`\.\/mhp test \([a-z0-9-]*\)`.*/\1/p' "$tmp/rows" | sort -u |
comm -23 - "$tmp/suites" >>"$tmp/unknown"

sources >"$tmp/sources"
grep -oE '"[^"]*"' "$tmp/rows" | tr -d '"' | sort -u |
while read -r sentence; do
    grep -qF -- "$sentence" "$tmp/sources" || echo "$sentence"
done >"$tmp/gone"

complain "requirements without a test" "$tmp/bare"
complain "tests that meson does not know, or not on both kernels" "$tmp/unknown"
complain "cases that are in no test's source" "$tmp/gone"
[ $failed -eq 0 ] || exit 1
echo "$(wc -l <"$tmp/rows") requirements, $(wc -l <"$tmp/named") tests"
