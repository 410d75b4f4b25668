# SPDX-License-Identifier: GPL-2.0-or-later
#
# Prints what a wire header or a specification in Markdown says about the wire
# format, one fact a line and in the same words for both, so that diff can
# compare them:
#
#   struct NAME INDEX TYPE FIELD    one for each line of a structure
#   define NAME VALUE               also from "NAME (VALUE)" in a list item
#   size NAME BYTES                 from an assertion or a table row
#
# Of Markdown only listings marked as C, list items and table rows count. Of a
# header comments and macros with arguments do not.

FILENAME ~ /\.md$/ { markdown = 1 }

markdown && /^```/ { listing = $0 == "```c"; next }

markdown && !listing {
    if ($0 ~ /^- VIRTIO_MHP_[A-Z_]+ \([0-9]+\)/) {
        gsub(/[():]/, "")
        print "define", $2, $3
    } else if ($0 ~ /^\| virtio_mhp_[a-z_]+ *\| [0-9]+ +\|$/) {
        print "size", $2, $4
    }
    next
}

{
    gsub(/\/\*[^*]*\*\//, "")
    if (in_comment) {
        if (!sub(/.*\*\//, "")) {
            next
        }
        in_comment = 0
    }
    if (sub(/\/\*.*/, "")) {
        in_comment = 1
    }
}

/^#define [A-Z_]+[ \t]+[^ \t\\]+[ \t]*$/ { print "define", $2, $3; next }

/^VIRTIO_MHP_ASSERT_SIZE/ {
    gsub(/[(),;]/, " ")
    print "size", $2, $3
    next
}

/^struct [a-z_]+ \{$/ { name = $2; line = 0; next }
/^\};$/ { name = "" }

name != "" && NF {
    gsub(/__/, "")
    $1 = $1
    print "struct", name, line++, $0
}
