# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: awk -f trace-header.awk trace-events
#
# Prints what QEMU's tracetool would make of trace-events, for the plugin: QEMU
# has a fixed list of events, so a plugin's cannot be among them. Each becomes a
# line of what QEMU logs of plugins.

BEGIN {
    print "/* SPDX-License-Identifier: GPL-2.0-or-later */"
    print "/* Made of trace-events by trace-header.awk */"
    print "#ifndef VIRTIO_MHP_TRACE_H"
    print "#define VIRTIO_MHP_TRACE_H"
    print ""
    print "#include \"qemu/log.h\""
}

/^#/ || /^$/ { next }

!/^[a-z0-9_]+\([a-z0-9_ *,]+\) ".*$/ {
    print FILENAME ":" FNR ": wanted NAME(ARGUMENTS) \"FORMAT\", got: " $0 >"/dev/stderr"
    failed = 1
    exit
}

{
    first = index($0, "(")
    last = index($0, ")")
    name = substr($0, 1, first - 1)
    arguments = substr($0, first + 1, last - first - 1)
    format = substr($0, last + 2)
    values = ""
    if (arguments != "void") {
        n = split(arguments, list, ",")
        for (i = 1; i <= n; i++) {
            sub(/.*[ *]/, "", list[i])
            values = values ", " list[i]
        }
    }
    print ""
    print "static inline void trace_" name "(" arguments ")"
    print "{"
    print "    qemu_log_mask(CPU_LOG_PLUGIN, \"" name " \" " format " \"\\n\"" values ");"
    print "}"
}

END {
    if (failed)
        exit 1
    print ""
    print "#endif"
}
