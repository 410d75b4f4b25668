#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# layers.sh HEADER OBJECT...
# Each file of HEADER's folder uses only those that HEADER lists before it. The
# list is in a comment, a line for each file:
#
#  *   sizes.c    sizes of memory
#  *   options.c  what the user asks for
#
# OBJECTs are what these files are compiled into, as NAME.o or NAME.c.o, or a
# folder with one NAME.o for each NAME.c.
. "$(dirname "$0")/sources.sh"
need nm

header=$1
folder=$(dirname "$header")
shift
if [ -d "$1" ]; then
    built=$1
    mapfile -t objects < <(cd "$folder" && printf '%s\n' *.c)
    objects=("${objects[@]/#/$built/}")
    set -- "${objects[@]/%.c/.o}"
fi

# What is in the list, in the folder, and in the objects
listed=$(sed -n 's/^ \*   *\([^ ]*\.c\)  .*/\1/p' "$header")
[ -n "$listed" ] || {
    echo "$header: wanted a list of the folder's files, got none"
    exit 1
}
there=$(cd "$folder" && printf '%s\n' *.c)
compiled=$(basename -a -- "$@" | sed 's/\(\.c\)\?\.o$/.c/')

# complain_of_each WORDS: about each line of the input
complain_of_each() {
    sed "s|.*|$folder/&: $1|"
}

# First whether the list is complete, then each use of a symbol of another file
# that is not before it. nm names the object, the symbol and its type; types U,
# w and v are uses, the others definitions.
problems=$(
    sort <<<"$listed" | uniq -d | complain_of_each "wanted once in $header, got twice"
    comm -13 <(sort <<<"$listed") <(sort <<<"$there") |
        complain_of_each "wanted a line in $header, got none"
    comm -23 <(sort -u <<<"$listed") <(sort <<<"$there") |
        complain_of_each "listed in $header, but there is no such file"
    comm -23 <(sort <<<"$there") <(sort <<<"$compiled") |
        complain_of_each "wanted its object among those to look at, got none"
    nm --extern-only --format=posix --print-file-name "$@" |
        awk -v listed="$listed" -v folder="$folder" -v header="$header" '
            BEGIN {
                n = split(listed, files, "\n")
                for (i = 1; i <= n; i++)
                    place[files[i]] = i
            }
            {
                file = $1
                sub(".*/", "", file)
                sub("(\\.c)?\\.o:$", ".c", file)
            }
            $3 ~ /[Uwv]/ { uses[file, $2] }
            $3 !~ /[Uwv]/ { home[$2] = file }
            END {
                for (use in uses) {
                    split(use, part, SUBSEP)
                    owner = home[part[2]]
                    if (owner && place[part[1]] && place[part[1]] < place[owner])
                        print folder "/" part[1] ": uses " part[2] " of " owner ", which " header " lists after it"
                }
            }' | sort
)
[ -z "$problems" ] || {
    echo "$problems"
    exit 1
}
