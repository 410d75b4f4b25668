#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-header.sh HEADER DOCUMENT
#
# Fails when the specification's listings and numbers are not those of the wire
# header: a field, its order or width, a constant, a size or the PCI device ID.
# It does not judge the prose.
set -eu

header=$1
document=$2
here=$(dirname "$0")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

LC_ALL=C
export LC_ALL
awk -f "$here/facts.awk" "$header" | sort -u > "$tmp/header"
awk -f "$here/facts.awk" "$document" | sort -u > "$tmp/document"

# An extraction that finds nothing would agree with everything.
for kind in struct define size; do
    if ! grep -q "^$kind " "$tmp/header"; then
        echo "no line of kind $kind was found in $header" >&2
        exit 1
    fi
done

if ! diff "$tmp/header" "$tmp/document" > "$tmp/diff"; then
    echo "the wire header (<) and the specification (>) differ:" >&2
    cat "$tmp/diff" >&2
    exit 1
fi

# Modern virtio-pci device IDs are 0x1040 plus the virtio device ID.
id=$(awk '$1 == "define" && $2 == "VIRTIO_ID_MHP" { print $3 }' "$tmp/header")
pci_id=$(printf '0x%x' $((0x1040 + id)))
if ! grep -q "device ID is $pci_id\\." "$document"; then
    echo "the specification does not say that the PCI device ID is $pci_id" >&2
    exit 1
fi
echo "$(wc -l < "$tmp/header") facts agree"
