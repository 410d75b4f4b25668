#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-coverage.sh DOCUMENT LIST FOLDER…
#
# Fails unless every obligation that DOCUMENT numbers is either cited by a file
# in the first FOLDER (the tests) or stands in LIST with the reason why it can't
# be tested. Also fails on citations, in any FOLDER, of obligations that do not
# exist, on obligations that are numbered twice or are missing from the
# conformance lists, and on LIST's lines that a test has made obsolete.
# It can't tell whether a test that cites an obligation really tests it.
set -eu

document=$1
list=$2
shift 2
tests=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
id='D[ER]V-[A-Z]+-[0-9]+'

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

# citations FOLDER…: the obligations that files there cite, without duplicates
citations() {
    grep -rhoE --include='*.[ch]' --include='*.sh' "$id" "$@" | sort -u
}

# conformance DOCUMENT: the obligations of its conformance section, one a line
conformance() {
    sed -n '/Conformance$/,$p' "$1" |
    grep -oE "$id( to [0-9]+)?" |
    awk '{
        prefix = $1
        sub(/[0-9]+$/, "", prefix)
        first = substr($1, length(prefix) + 1)
        for (i = first; i <= (NF == 3 ? $3 : first); i++)
            print prefix i
    }' | sort
}

grep -oE "^- \*\*$id\*\*" "$document" | grep -oE "$id" | sort > "$tmp/all"
if ! [ -s "$tmp/all" ]; then
    echo "no obligation was found in $document" >&2
    exit 1
fi
uniq -d "$tmp/all" > "$tmp/twice"
sort -u -o "$tmp/all" "$tmp/all"

sed -n "/^#/d; /./p" "$list" > "$tmp/list"
grep -vE "^$id +[^ ]" "$tmp/list" > "$tmp/bare" || true
grep -oE "^$id" "$tmp/list" | sort > "$tmp/untestable"

citations "$tests" > "$tmp/tested"
citations "$@" > "$tmp/cited"
conformance "$document" > "$tmp/conformance"

sort -u "$tmp/tested" "$tmp/untestable" | comm -23 "$tmp/all" - > "$tmp/open"
sort -u "$tmp/cited" "$tmp/untestable" | comm -13 "$tmp/all" - > "$tmp/unknown"
comm -12 "$tmp/tested" "$tmp/untestable" > "$tmp/obsolete"
comm -3 "$tmp/all" "$tmp/conformance" > "$tmp/lists"

complain "obligations that are numbered twice" "$tmp/twice"
complain "obligations that no test cites" "$tmp/open"
complain "citations of obligations that do not exist" "$tmp/unknown"
complain "obligations that are tested, yet listed as not testable" \
    "$tmp/obsolete"
complain "obligations listed as not testable without a reason" "$tmp/bare"
complain "obligations that differ from the conformance lists" "$tmp/lists"
[ $failed -eq 0 ] || exit 1
echo "$(wc -l < "$tmp/all") obligations: $(wc -l < "$tmp/tested") tested," \
    "$(wc -l < "$tmp/untestable") not testable"
