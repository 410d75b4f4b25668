#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Scripts and manual pages are clean, words are spelled, every file names its
# licence, both change logs begin with the version.
. "$(dirname "$0")/sources.sh"
need codespell groff shellcheck

status=0
mapfile -t files < <(sources .)

for file in "${files[@]}"; do
    case $file in
    # No room for one in what is read whole
    ./VERSION | ./debian/changelog | ./debian/copyright | ./debian/source/format) continue ;;
    ./LICENSES/* | *.svg | *.png | *.patch) continue ;;
    esac
    head -n 5 "$file" | grep -q SPDX-License-Identifier || {
        echo "$file: no SPDX-License-Identifier in its first five lines"
        status=1
    }
done
codespell --skip "*.patch" "${files[@]}" || status=1
# Libraries are checked with the script that sources them.
mapfile -t scripts < <(grep -lE '^#!/bin/(ba)?sh' "${files[@]}")
shellcheck -x "${scripts[@]}" || status=1
warnings=$(groff -man -Tutf8 -ww -z host/*.1 libvirt/*.1 2>&1) || status=1
[ -z "$warnings" ] || {
    echo "$warnings"
    status=1
}
version=$(cat VERSION)
debian=$(sed -n '1s/^[^ ]* (\([^)]*\)) .*/\1/p' debian/changelog)
users=$(grep -m 1 '^## ' CHANGELOG.md | cut -c4-)
[ "$debian" = "$version" ] || {
    echo "debian/changelog should begin with version $version, got '$debian'"
    status=1
}
[ "$users" = "$version" ] || {
    echo "CHANGELOG.md should begin with version $version, got '$users'"
    status=1
}
exit $status
