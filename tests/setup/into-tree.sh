# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Putting files into somebody else's source tree, sourced by the import scripts
# of the device and of the driver. Can be repeated; files that have not changed
# keep their times.

die()
{
    echo "import: $*" >&2
    exit 1
}

# put FROM TO
put()
{
    cmp -s "$1" "$2" || cp "$1" "$2"
}

# insert FILE WHERE TEXT: put lines before the first of a file that matches,
# once
insert()
{
    ! grep -qF "$(echo "$3" | sed -n 1p)" "$1" || return 0
    grep -q "$2" "$1" || die "no line of $1 matches '$2': this tree is not known"
    text=$3 awk -v where="$2" '
        !done && $0 ~ where { print ENVIRON["text"]; done = 1 }
        { print }' "$1" >"$1.new"
    mv "$1.new" "$1"
}
