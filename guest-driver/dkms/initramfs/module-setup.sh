#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# For dracut: an initramfs of a crash kernel has the driver, which says which
# memory there is before the dump is read, and any other that is made with
# --add mhp-vmemmap-mem.

check() {
    # shellcheck disable=SC2154 # dracut's own
    case " $add_dracutmodules $force_add_dracutmodules $dracutmodules " in
    *" kdump"*) return 0 ;;
    esac
    return 255
}

installkernel() {
    hostonly='' instmods mhp_vmemmap_mem
}
